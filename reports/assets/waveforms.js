// Waveforms of original, candidate and difference with exact peaks at every zoom.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { Panel, color, label } = Report.panel;
  const { Pyramid, short } = Report.numbers;

  /** Draw one signal into the lane [top, top + height): minimum to maximum of each pixel, or a line when zoomed in. */
  function drawLane(context, box, pyramid, rate, top, height, scale, fill) {
    const middle = top + height / 2, half = height / 2 - 2;
    const perPixel = ((box.time(1) - box.time(0)) * rate);
    context.fillStyle = context.strokeStyle = fill;
    if (perPixel < 1.5) return drawSamples(context, box, pyramid.samples, rate, middle, half * scale, fill);
    for (let x = 0; x < box.width; x++) {
      const peaks = pyramid.peaks(box.time(x) * rate, box.time(x + 1) * rate);
      if (!peaks) continue;
      const high = middle - Math.min(1, peaks[1] * scale) * half, low = middle - Math.max(-1, peaks[0] * scale) * half;
      context.fillRect(x, high, 1, Math.max(1, low - high));
    }
  }

  function drawSamples(context, box, samples, rate, middle, half, fill) {
    const from = Math.max(0, Math.floor(box.time(0) * rate)), to = Math.min(samples.length, Math.ceil(box.time(box.width) * rate) + 1);
    const dots = (to - from) * 5 < box.width;
    context.beginPath();
    for (let n = from; n < to; n++) context.lineTo(box.x(n / rate), middle - samples[n] * half);
    context.strokeStyle = fill;
    context.lineWidth = 1.25;
    context.stroke();
    if (dots) for (let n = from; n < to; n++) context.fillRect(box.x(n / rate) - 2, middle - samples[n] * half - 2, 4, 4);
  }

  function greatest(pyramid) {
    const peaks = pyramid.peaks(0, pyramid.samples.length) ?? [0, 0];
    return Math.max(-peaks[0], peaks[1]);
  }

  function build(state, audio) {
    const lanes = ["original", "candidate", "difference"].map((name) => ({ name, pyramid: new Pyramid(audio.samples[name]) }));
    const loudest = Math.max(greatest(lanes[0].pyramid), greatest(lanes[1].pyramid)) || 1;
    for (const lane of lanes) lane.scale = 1 / loudest;
    lanes[2].scale = 1 / (greatest(lanes[2].pyramid) || 1);
    const gain = (lanes[2].scale * audio.differenceScale) / lanes[0].scale;
    const height = 64;
    const panel = new Panel(document.getElementById("waves"), state, (context, box) => {
      lanes.forEach((lane, index) => {
        const top = index * height;
        context.fillStyle = color(index % 2 ? "lane" : "empty");
        context.fillRect(0, top, box.width, height);
        drawLane(context, box, lane.pyramid, audio.rate, top, height, lane.scale, color(lane.name));
        const note = lane.name === "difference" ? differenceNote(audio, gain) : "";
        label(context, lane.name + note, 6, top + 13);
      });
    }, { height: height * 3 });
    state.subscribe(() => readout(state, audio, lanes));
    readout(state, audio, lanes);
    return panel;
  }

  function differenceNote(audio, gain) {
    if (!audio.differencePeak) return ": none, every sample is equal";
    return ` (drawn ${short(Math.max(1, gain), 2)}× taller, peak ${short(audio.differencePeak, 3)} of full scale)`;
  }

  function readout(state, audio, lanes) {
    const at = Math.round(state.cursor * audio.rate);
    const value = (index) => lanes[index].pyramid.samples[at];
    const difference = value(2) === undefined ? undefined : value(2) / audio.differenceScale;
    document.getElementById("wave-readout").textContent =
      value(0) === undefined && value(1) === undefined ? "outside the audio"
        : `sample ${at}\noriginal ${short(value(0))}\ncandidate ${short(value(1))}\ndifference ${short(difference, 3)}`;
  }

  Report.waveforms = { build };
}
