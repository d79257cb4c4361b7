// Light or dark: the system's choice until the person makes one.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem("report-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("report-theme", theme); } catch { /* a page from disk may not remember */ } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

  function wire(changed = () => {}) {
    const button = document.getElementById("theme");
    const show = () => { button.textContent = isDark() ? "☀ Light" : "☾ Dark"; };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      keep(root.dataset.theme);
      show();
      changed();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { show(); changed(); });
    show();
  }

  if (kept()) root.dataset.theme = kept();
  Report.theme = { wire, isDark };
}
