// The index: filters over cases, and the number of cases shown.
"use strict";
{
  const Report = (globalThis.Report ??= {});

  function connectFilters() {
    const text = document.getElementById("filter-text"), states = document.getElementById("filter-state");
    const lists = [...document.querySelectorAll("select[data-field]")];
    const rows = [...document.querySelectorAll("tr[data-case]")], count = document.getElementById("filter-count");
    const apply = () => {
      const terms = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const visible = terms.every((term) => row.dataset.text.includes(term)) && (!states.value || row.dataset.state === states.value)
          && lists.every((list) => !list.value || row.dataset[list.dataset.field] === list.value);
        row.hidden = !visible;
        shown += visible;
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

  Report.theme.connect();
  connectFilters();
  document.documentElement.dataset.ready = "yes";
}
