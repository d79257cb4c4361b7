// Light or dark: the system's setting until a choice is made on the page.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("report-theme"); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem("report-theme", theme); } catch { /* pages opened from disk may have no storage */ } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

  function connect(changed = () => {}) {
    const button = document.getElementById("theme");
    const show = () => { button.textContent = isDark() ? "☀ Light" : "☾ Dark"; };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store(root.dataset.theme);
      show();
      changed();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { show(); changed(); });
    show();
  }

  if (stored()) root.dataset.theme = stored();
  Report.theme = { connect, isDark };
}
