// F0 of original and ours in one picture, the error in cents below, and the frames where one hears a voice and the other none.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { Panel, colour, label } = Report.panel;
  const { cents, frameAt, short, ticks } = Report.numbers;

  /** Cents per frame (NaN unless both are voiced) and the list of frames whose voicing differs. */
  function compare(original, ours) {
    const count = Math.min(original.length, ours.length);
    const error = new Float32Array(count), disagree = [];
    let greatest = 0;
    for (let frame = 0; frame < count; frame++) {
      error[frame] = cents(ours[frame], original[frame]);
      if (Math.abs(error[frame]) > greatest) greatest = Math.abs(error[frame]);
      if (ours[frame] > 0 !== original[frame] > 0) disagree.push(frame);
    }
    return { error, disagree, greatest };
  }

  function drawCurve(context, box, f0, values, y, width, dash) {
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    let down = false;
    for (let frame = 0; frame < f0.count; frame++) {
      const value = values[frame], time = f0.start + (frame + 0.5) * f0.step;
      if (!(value > 0)) { down = false; continue; }
      context[down ? "lineTo" : "moveTo"](box.x(time), y(value));
      if (!down) context.lineTo(box.x(time) + 1, y(value)); // a lone voiced frame is still seen
      down = true;
    }
    context.stroke();
    context.setLineDash([]);
  }

  function span(f0) {
    const voiced = [...f0.original, ...f0.ours].filter((value) => value > 0);
    const low = voiced.reduce((a, b) => Math.min(a, b), 1100), high = voiced.reduce((a, b) => Math.max(a, b), 50);
    return voiced.length ? [low / 1.12, high * 1.12] : [50, 1100];
  }

  function build(state, f0) {
    const found = compare(f0.original, f0.ours), [low, high] = span(f0);
    const [top, bottom] = [110, 64]; // heights of the two lanes
    const scale = Math.max(0.01, found.greatest * 1.1);
    const y = (hertz) => 4 + (top - 8) * (1 - Math.log(hertz / low) / Math.log(high / low));
    const at = (frame) => f0.start + frame * f0.step;
    const panel = new Panel(document.getElementById("pitch"), state, (context, box) => {
      context.fillStyle = colour("empty");
      context.fillRect(0, 0, box.width, top);
      context.fillStyle = colour("lane");
      context.fillRect(0, top, box.width, bottom);
      context.fillStyle = colour("disagree");
      for (const frame of found.disagree) context.fillRect(box.x(at(frame)), 0, Math.max(2, box.x(at(frame + 1)) - box.x(at(frame))), top);
      for (const hertz of ticks(low, high, 4).at) label(context, `${hertz} Hz`, box.width - 4, y(hertz) + 4, { align: "right" });
      context.strokeStyle = colour("original");
      drawCurve(context, box, f0, f0.original, y, 4, []);
      context.strokeStyle = colour("ours");
      drawCurve(context, box, f0, f0.ours, y, 1.6, [5, 3]);
      drawError(context, box, found, at, top, bottom, scale);
      label(context, `${f0.name}: original (wide), ours (dashed)${found.disagree.length ? `, ${found.disagree.length} frames disagree on voicing (striped)` : ""}`, 6, 13);
      label(context, `error in cents (±${short(scale, 2)})${found.greatest ? "" : ": none"}`, 6, top + 13);
    }, { height: top + bottom });
    const tell = () => readout(state, f0, found);
    state.listen(tell);
    tell();
    return panel;
  }

  function drawError(context, box, { error }, at, top, height, scale) {
    const middle = top + height / 2;
    context.fillStyle = colour("grid");
    context.fillRect(0, middle, box.width, 1);
    context.fillStyle = colour("difference");
    error.forEach((value, frame) => {
      if (Number.isNaN(value)) return;
      const size = (value / scale) * (height / 2 - 2), x = box.x(at(frame));
      context.fillRect(x, Math.min(middle, middle - size), Math.max(1, box.x(at(frame + 1)) - x - 0.5), Math.max(1, Math.abs(size)));
    });
  }

  function readout(state, f0, found) {
    const frame = frameAt(f0, state.cursor);
    const say = (value) => (value > 0 ? `${short(value, 5)} Hz` : "unvoiced");
    document.getElementById("pitch-readout").textContent = frame < 0 ? "no frame here"
      : `frame ${frame}\noriginal ${say(f0.original[frame])}\nours ${say(f0.ours[frame])}\n${Number.isNaN(found.error[frame]) ? "" : `${short(found.error[frame], 3)} cents`}`;
  }

  Report.pitch = { build, compare };
}
