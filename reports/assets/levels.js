// The values of the selected stage over time: RMS of each frame of original, candidate and difference, on a scale in decades.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { Panel, color, label } = Report.panel;
  const { frameAt, short } = Report.numbers;

  const HEIGHT = 120;
  const DECADES = 8; // below the greatest value; smaller values are drawn at the lower edge

  const SIDES = [
    { name: "original", width: 4, dash: [] },
    { name: "candidate", width: 1.6, dash: [5, 3] },
    { name: "difference", width: 1.6, dash: [] },
  ];

  const pieces = (state) => state.row()?.modes[state.mode]?.levels ?? [];

  /** The power of ten at the upper edge. */
  function top(all) {
    const greatest = all.reduce((most, piece) => Math.max(most, ...piece.original, ...piece.candidate), 0);
    return greatest > 0 ? Math.ceil(Math.log10(greatest)) : 0;
  }

  function draw(context, box, state) {
    const all = pieces(state);
    context.fillStyle = color("empty");
    context.fillRect(0, 0, box.width, HEIGHT);
    if (!all.length) return label(context, "this stage has no values in this mode", 6, 16, { fill: color("muted") });
    const high = top(all), y = (value) => 4 + (HEIGHT - 8) * Math.min(1, (high - Math.log10(Math.max(value, 1e-300))) / DECADES);
    for (let power = high; power >= high - DECADES; power -= 2) label(context, `1e${power}`, box.width - 4, y(10 ** power) + 10, { align: "right", fill: color("muted") });
    for (const { name, width, dash } of SIDES) {
      context.strokeStyle = color(name);
      context.lineWidth = width;
      context.setLineDash(dash);
      for (const piece of all) {
        context.beginPath();
        piece[name].forEach((value, frame) => {
          const left = box.x(piece.start + frame * piece.step), right = box.x(piece.start + (frame + 1) * piece.step);
          context[frame ? "lineTo" : "moveTo"](left, y(value));
          context.lineTo(right, y(value));
        });
        context.stroke();
      }
    }
    context.setLineDash([]);
    label(context, `${state.stage}: RMS of each frame; original (wide), candidate (dashed), difference`, 6, 13);
  }

  function readout(state) {
    const place = document.getElementById("levels-readout");
    for (const piece of pieces(state)) {
      const frame = frameAt(piece, state.cursor);
      if (frame < 0) continue;
      place.textContent = SIDES.map(({ name }) => `${name} ${short(piece[name][frame], 4)}`).join("\n");
      return;
    }
    place.textContent = "no frame here";
  }

  function build(state) {
    const panel = new Panel(document.getElementById("levels"), state, draw, { height: HEIGHT });
    state.subscribe(readout);
    readout(state);
    return panel;
  }

  Report.levels = { build };
}
