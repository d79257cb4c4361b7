// Cards of the selected stage: verdicts, tolerances, and the distribution of its errors.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { color, make, label } = Report.panel;
  const { short, times } = Report.numbers;

  function cardOf(title, mode) {
    if (!mode) return make("p", { class: "quiet" }, `${title}: not tested.`);
    const lines = mode.facts.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]).flat();
    return make("section", { class: "card", "data-state": mode.mark },
      make("h4", {}, `${title}: ${mode.label}`, make("strong", {}, mode.infinite ? ", where nothing may differ" : mode.ratio === null ? "" : `, ${times(mode.ratio)} the limit`)),
      make("p", {}, mode.sentence), make("dl", {}, ...lines));
  }

  /** Draw counts over powers of ten of |error| ÷ RMS of the original, and the limit as a line. */
  function drawHistogram(canvas, mode) {
    const context = canvas.getContext("2d"), ratio = Math.min(2, window.devicePixelRatio || 1);
    const width = canvas.clientWidth, height = 140;
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    const histogram = mode.histogram;
    const { low, high, counts, zero } = histogram, x = (power) => ((power - low) / (high - low)) * width;
    const most = Math.max(1, ...counts);
    counts.forEach((count, bin) => {
      const size = count ? Math.max(2, (Math.log1p(count) / Math.log1p(most)) * (height - 42)) : 0;
      context.fillStyle = color(histogram.limit !== null && low + (bin + 0.5) * histogram.step > histogram.limit ? "difference" : "agree");
      context.fillRect(x(low + bin * histogram.step), height - 18 - size, Math.max(1, (width / counts.length) - 1), size);
    });
    for (let power = Math.ceil(low); power <= high; power += 2) label(context, `1e${power}`, Math.min(width - 26, x(power)), height - 4);
    if (histogram.limit !== null) {
      context.fillStyle = color("cursor");
      context.fillRect(x(histogram.limit), 18, 1.5, height - 36);
      label(context, "limit", Math.min(width - 4, x(histogram.limit) + 28), 28, { align: "right" });
    }
    label(context, `|error| ÷ RMS of the original; ${zero} of ${histogram.total} elements exactly equal`, 6, 12);
  }

  function build(state) {
    const place = document.getElementById("stage-cards"), title = document.getElementById("stage-title");
    const canvas = document.getElementById("histogram");
    let shown = null;
    const refresh = () => {
      const key = `${state.stage} ${state.mode} ${canvas.clientWidth} ${color("scheme")}`;
      if (key === shown) return;
      shown = key;
      const row = state.row();
      title.textContent = row ? `${row.name}: ${row.what}` : state.stage;
      place.replaceChildren(...(row ? [cardOf("Alone, from the original's inputs", row.modes.isolated), cardOf("In the chain, from the candidate's own values", row.modes.chained)] : []));
      const mode = row?.modes[state.mode];
      document.getElementById("histogram-card").hidden = !mode?.histogram;
      if (mode?.histogram) drawHistogram(canvas, mode);
    };
    state.subscribe(refresh);
    new ResizeObserver(refresh).observe(document.body);
    refresh();
  }

  Report.details = { build };
}
