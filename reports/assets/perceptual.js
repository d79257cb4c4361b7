// Perceptual measures over time, one lane each: bars from 0, dashed lines at the mark, frames beyond it in another color.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { Panel, color, label } = Report.panel;
  const { frameAt, short } = Report.numbers;

  const HEIGHT = 46; // of a lane

  /** The value at the edge of a lane, and whether the lane has values below 0. */
  function extent(lane) {
    let greatest = lane.mark * 1.25, signed = false;
    for (const value of lane.values) {
      if (Math.abs(value) > greatest) greatest = Math.abs(value);
      if (value < 0) signed = true;
    }
    return { greatest, signed };
  }

  function drawLane(context, box, curves, lane, top) {
    const { greatest, signed } = lane.extent;
    const zero = signed ? top + HEIGHT / 2 : top + HEIGHT - 1, half = (signed ? HEIGHT / 2 : HEIGHT) - 3;
    lane.values.forEach((value, frame) => {
      if (Number.isNaN(value)) return;
      const left = box.x(curves.start + (frame - 0.5) * curves.step), right = box.x(curves.start + (frame + 0.5) * curves.step);
      const size = (value / greatest) * half;
      context.fillStyle = color(Math.abs(value) > lane.mark ? "difference" : "agree");
      context.fillRect(left, Math.min(zero, zero - size), Math.max(1, right - left), Math.max(1, Math.abs(size)));
    });
    context.strokeStyle = color("muted");
    context.setLineDash([4, 4]);
    for (const mark of signed ? [lane.mark, -lane.mark] : [lane.mark]) {
      context.beginPath();
      context.moveTo(0, zero - (mark / greatest) * half);
      context.lineTo(box.width, zero - (mark / greatest) * half);
      context.stroke();
    }
    context.setLineDash([]);
    label(context, `${lane.title}, ${lane.unit} (edge ${short(greatest, 2)}, mark ${lane.mark})`, 6, top + 13);
  }

  function build(state, curves) {
    for (const lane of curves.lanes) lane.extent = extent(lane);
    const panel = new Panel(document.getElementById("perceptual"), state, (context, box) => {
      curves.lanes.forEach((lane, index) => {
        context.fillStyle = color(index % 2 ? "lane" : "empty");
        context.fillRect(0, index * HEIGHT, box.width, HEIGHT);
        drawLane(context, box, curves, lane, index * HEIGHT);
      });
    }, { height: HEIGHT * curves.lanes.length });
    const update = () => {
      const frame = frameAt({ ...curves, start: curves.start - curves.step / 2 }, state.cursor);
      const value = (lane) => (Number.isNaN(lane.values[frame]) ? "none" : `${short(lane.values[frame], 3)} ${lane.unit}`);
      document.getElementById("perceptual-readout").textContent = frame < 0 ? "no frame here"
        : curves.lanes.map((lane) => `${lane.name} ${value(lane)}`).join("\n");
    };
    state.subscribe(update);
    update();
    return panel;
  }

  Report.perceptual = { build };
}
