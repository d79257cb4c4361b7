// F0 of original and candidate, the error in cents below, and the frames that only one of the two has voiced.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { Panel, color, label } = Report.panel;
  const { cents, frameAt, short, ticks } = Report.numbers;

  /** Cents per frame (NaN unless both are voiced) and the list of frames whose voicing differs. */
  function compare(original, candidate) {
    const count = Math.min(original.length, candidate.length);
    const error = new Float32Array(count), mismatched = [];
    let greatest = 0;
    for (let frame = 0; frame < count; frame++) {
      error[frame] = cents(candidate[frame], original[frame]);
      if (Math.abs(error[frame]) > greatest) greatest = Math.abs(error[frame]);
      if (candidate[frame] > 0 !== original[frame] > 0) mismatched.push(frame);
    }
    return { error, mismatched, greatest };
  }

  function drawCurve(context, box, f0, values, y, width, dash) {
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    let drawing = false;
    for (let frame = 0; frame < f0.count; frame++) {
      const value = values[frame], time = f0.start + (frame + 0.5) * f0.step;
      if (!(value > 0)) { drawing = false; continue; }
      context[drawing ? "lineTo" : "moveTo"](box.x(time), y(value));
      if (!drawing) context.lineTo(box.x(time) + 1, y(value)); // a single voiced frame is one pixel wide
      drawing = true;
    }
    context.stroke();
    context.setLineDash([]);
  }

  function span(f0) {
    const voiced = [...f0.original, ...f0.candidate].filter((value) => value > 0);
    const low = voiced.reduce((a, b) => Math.min(a, b), 1100), high = voiced.reduce((a, b) => Math.max(a, b), 50);
    return voiced.length ? [low / 1.12, high * 1.12] : [50, 1100];
  }

  function build(state, f0) {
    const comparison = compare(f0.original, f0.candidate), [low, high] = span(f0);
    const [top, bottom] = [110, 64]; // heights of the two lanes
    const scale = Math.max(0.01, comparison.greatest * 1.1);
    const y = (hertz) => 4 + (top - 8) * (1 - Math.log(hertz / low) / Math.log(high / low));
    const at = (frame) => f0.start + frame * f0.step;
    const panel = new Panel(document.getElementById("pitch"), state, (context, box) => {
      context.fillStyle = color("empty");
      context.fillRect(0, 0, box.width, top);
      context.fillStyle = color("lane");
      context.fillRect(0, top, box.width, bottom);
      context.fillStyle = color("mismatched");
      for (const frame of comparison.mismatched) context.fillRect(box.x(at(frame)), 0, Math.max(2, box.x(at(frame + 1)) - box.x(at(frame))), top);
      for (const hertz of ticks(low, high, 4).at) label(context, `${hertz} Hz`, box.width - 4, y(hertz) + 4, { align: "right" });
      context.strokeStyle = color("original");
      drawCurve(context, box, f0, f0.original, y, 4, []);
      context.strokeStyle = color("candidate");
      drawCurve(context, box, f0, f0.candidate, y, 1.6, [5, 3]);
      drawError(context, box, comparison, at, top, bottom, scale);
      label(context, `${f0.name}: original (wide), candidate (dashed)${comparison.mismatched.length ? `, ${comparison.mismatched.length} frames differ in voicing (shaded)` : ""}`, 6, 13);
      label(context, `error in cents (±${short(scale, 2)})${comparison.greatest ? "" : ": none"}`, 6, top + 13);
    }, { height: top + bottom });
    const update = () => readout(state, f0, comparison);
    state.subscribe(update);
    update();
    return panel;
  }

  function drawError(context, box, { error }, at, top, height, scale) {
    const middle = top + height / 2;
    context.fillStyle = color("grid");
    context.fillRect(0, middle, box.width, 1);
    context.fillStyle = color("difference");
    error.forEach((value, frame) => {
      if (Number.isNaN(value)) return;
      const size = (value / scale) * (height / 2 - 2), x = box.x(at(frame));
      context.fillRect(x, Math.min(middle, middle - size), Math.max(1, box.x(at(frame + 1)) - x - 0.5), Math.max(1, Math.abs(size)));
    });
  }

  function readout(state, f0, comparison) {
    const frame = frameAt(f0, state.cursor);
    const format = (value) => (value > 0 ? `${short(value, 5)} Hz` : "unvoiced");
    document.getElementById("pitch-readout").textContent = frame < 0 ? "no frame here"
      : `frame ${frame}\noriginal ${format(f0.original[frame])}\ncandidate ${format(f0.candidate[frame])}\n${Number.isNaN(comparison.error[frame]) ? "" : `${short(comparison.error[frame], 3)} cents`}`;
  }

  Report.pitch = { build, compare };
}
