// The index: filters over cases, and counts of what is left on show.
"use strict";
{
  const Report = (globalThis.Report ??= {});

  function wire() {
    const text = document.getElementById("filter-text"), states = document.getElementById("filter-state");
    const lists = [...document.querySelectorAll("select[data-field]")];
    const rows = [...document.querySelectorAll("tr[data-case]")], count = document.getElementById("filter-count");
    const apply = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const fits = words.every((word) => row.dataset.text.includes(word)) && (!states.value || row.dataset.state === states.value)
          && lists.every((list) => !list.value || row.dataset[list.dataset.field] === list.value);
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} of ${rows.length} cases`;
    };
    for (const input of [text, states, ...lists]) input.addEventListener("input", apply);
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && document.activeElement !== text) { event.preventDefault(); text.focus(); }
      if (event.key === "t" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) document.getElementById("theme").click();
    });
    apply();
  }

  Report.theme.wire();
  wire();
  document.documentElement.dataset.ready = "yes";
}
