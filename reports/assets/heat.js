// The heat strip: the error of each tensor over time as a multiple of its limit.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { Panel, isDark, color, make, label } = Report.panel;
  const { frameAt, times, ticks, seconds } = Report.numbers;

  const ROW = 18; // CSS pixels; .row-name and .row-number in report.css have the same height

  /** The multiple of the limit at a time, from the piece that covers it; NaN where nothing was compared. */
  function ratioAt(pieces, time) {
    for (const piece of pieces) {
      const frame = frameAt(piece, time);
      if (frame >= 0) return piece.values[frame];
    }
    return NaN;
  }

  /** The greatest value of frames from ≤ i < to; NaN if one of them is NaN. */
  function worst(values, from, to) {
    let greatest = -1;
    for (let i = from; i < to; i++) {
      if (Number.isNaN(values[i])) return NaN;
      if (values[i] > greatest) greatest = values[i];
    }
    return greatest;
  }

  function drawPieces(context, box, state, pieces, y, height, dark) {
    for (const piece of pieces) {
      const left = Math.max(0, Math.floor(box.x(piece.start)));
      const right = Math.min(box.width, Math.ceil(box.x(piece.start + piece.step * piece.count)));
      let run = left, last = null;
      for (let x = left; x <= right; x++) { // columns of one color are filled together
        let now = null;
        if (x < right) {
          const from = Math.max(0, Math.floor((box.time(x) - piece.start) / piece.step));
          const to = Math.min(piece.count, Math.max(from + 1, Math.ceil((box.time(x + 1) - piece.start) / piece.step)));
          now = from < to ? Report.colors.ofRatio(worst(piece.values, from, to), dark) : null;
        }
        if (now === last) continue;
        if (last) { context.fillStyle = last; context.fillRect(run, y, x - run, height); }
        run = x; last = now;
      }
    }
  }

  function draw(context, box, state) {
    const dark = isDark();
    state.data.rows.forEach((row, index) => {
      const y = index * ROW, mode = row.modes[state.mode];
      context.fillStyle = color("empty");
      context.fillRect(0, y + 1, box.width, ROW - 2);
      if (mode) drawPieces(context, box, state, mode.pieces, y + 1, ROW - 2, dark);
      if (!mode || !mode.pieces.length) label(context, mode ? mode.note : "not tested", 6, y + 13, { fill: color("muted") });
      if (row.name === state.stage) {
        context.strokeStyle = color("cursor");
        context.lineWidth = 2;
        context.strokeRect(1, y + 1, box.width - 2, ROW - 2);
      }
    });
  }

  class HeatPanel extends Panel {
    click(time, event, area) {
      const row = this.state.data.rows[Math.floor((event.clientY - area.top) / ROW)];
      this.state.change({ cursor: time, selection: null, ...(row ? { stage: row.name } : {}) });
    }
  }

  function build(state) {
    const names = document.getElementById("heat-names"), numbers = document.getElementById("heat-numbers");
    for (const row of state.data.rows) {
      names.append(make("button", {
        type: "button", class: "row-name", "data-stage": row.name, title: row.what,
        onclick: () => state.change({ stage: row.name }),
      }, make("span", { class: "mark", "aria-hidden": "true" }), row.name));
      numbers.append(make("output", { class: "row-number", "data-stage": row.name }));
    }
    const panel = new HeatPanel(document.getElementById("heat"), state, draw, { height: state.data.rows.length * ROW });
    state.subscribe(() => refresh(state, names, numbers));
    refresh(state, names, numbers);
    legend();
    return panel;
  }

  function refresh(state, names, numbers) {
    state.data.rows.forEach((row, index) => {
      const mode = row.modes[state.mode], button = names.children[index], number = numbers.children[index];
      button.setAttribute("aria-pressed", String(row.name === state.stage));
      button.dataset.mark = mode ? mode.mark : "quiet";
      button.firstChild.textContent = row.origin ? "▶" : mode ? mode.symbol : "·";
      number.textContent = !mode ? "—" : mode.infinite ? "∞×" : mode.ratio === null ? mode.state : times(mode.ratio);
      number.title = mode ? mode.sentence : "not tested in this mode";
      number.dataset.mark = mode ? mode.mark : "quiet";
    });
    const row = state.row(), mode = row?.modes[state.mode];
    const here = mode ? ratioAt(mode.pieces, state.cursor) : NaN;
    document.getElementById("heat-readout").textContent = !row ? "no stage was judged"
      : `${row.name} at ${seconds(state.cursor)}: ${Number.isNaN(here) ? "not compared here" : `${times(here)} its limit`}`;
  }

  function legend() {
    const place = document.getElementById("heat-legend");
    for (const step of Report.colors.STEPS) {
      place.append(make("span", { class: "key" },
        make("i", { style: `--light:${step.light};--dark:${step.dark}` }), step.label));
    }
  }

  /** The time axis above the strip, with a bar that shows the visible range within the input. */
  function buildAxis(state) {
    return new Panel(document.getElementById("axis"), state, (context, box) => {
      const { at, step } = ticks(state.from, state.to, box.width / 90);
      const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
      for (const time of at) label(context, `${time.toFixed(digits)} s`, Math.min(box.width - 44, box.x(time) + 3), 12);
      const total = state.last - state.first;
      context.fillStyle = color("grid");
      context.fillRect(0, 17, box.width, 4);
      context.fillStyle = color("accent");
      context.fillRect(((state.from - state.first) / total) * box.width, 17,
        Math.max(3, ((state.to - state.from) / total) * box.width), 4);
    }, { height: 22 });
  }

  Report.heat = { build, buildAxis, ratioAt, worst };
}
