// What is known of the chosen stage: verdicts, the card of its tolerance, how its errors are spread.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { colour, make, label } = Report.panel;
  const { short, times } = Report.numbers;

  const SAID = { same: "bit for bit the same", close: "within its limit", differs: "differs" };

  function cardOf(title, mode) {
    if (!mode) return make("p", { class: "quiet" }, `${title}: not tested.`);
    const lines = mode.facts.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]).flat();
    return make("section", { class: "card", "data-state": mode.mark },
      make("h4", {}, `${title}: ${SAID[mode.state] ?? mode.state}`, make("strong", {}, mode.endless ? ", where nothing may differ" : mode.ratio === null ? "" : `, ${times(mode.ratio)} the limit`)),
      make("p", {}, mode.sentence), make("dl", {}, ...lines));
  }

  /** Bars over powers of ten of |error| ÷ the size of the original; the limit is a line. */
  function drawHistogram(canvas, mode) {
    const context = canvas.getContext("2d"), ratio = Math.min(2, window.devicePixelRatio || 1);
    const width = canvas.clientWidth, height = 140;
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    const histogram = mode?.histogram;
    if (!histogram) return label(context, "no numbers to count", 6, 16);
    const { low, high, counts, zero } = histogram, x = (power) => ((power - low) / (high - low)) * width;
    const most = Math.max(1, ...counts);
    counts.forEach((count, bin) => {
      const size = count ? Math.max(2, (Math.log1p(count) / Math.log1p(most)) * (height - 42)) : 0;
      context.fillStyle = colour(histogram.limit !== null && low + (bin + 0.5) * histogram.step > histogram.limit ? "difference" : "agree");
      context.fillRect(x(low + bin * histogram.step), height - 18 - size, Math.max(1, (width / counts.length) - 1), size);
    });
    for (let power = Math.ceil(low); power <= high; power += 2) label(context, `1e${power}`, Math.min(width - 26, x(power)), height - 4);
    if (histogram.limit !== null) {
      context.fillStyle = colour("cursor");
      context.fillRect(x(histogram.limit), 18, 1.5, height - 36);
      label(context, "limit", Math.min(width - 4, x(histogram.limit) + 28), 28, { align: "right" });
    }
    label(context, `|error| ÷ size of the original; ${zero} of ${histogram.total} elements exactly equal`, 6, 12);
  }

  function build(state) {
    const place = document.getElementById("stage-cards"), title = document.getElementById("stage-title");
    const canvas = document.getElementById("histogram");
    let shown = null;
    const refresh = () => {
      const key = `${state.stage} ${state.mode} ${canvas.clientWidth} ${colour("scheme")}`;
      if (key === shown) return;
      shown = key;
      const row = state.row();
      title.textContent = row ? `${row.name}: ${row.what}` : state.stage;
      place.replaceChildren(...(row ? [cardOf("Alone, from the original's own inputs", row.modes.isolated), cardOf("In the chain, from our own inputs", row.modes.chained)] : []));
      drawHistogram(canvas, row?.modes[state.mode]);
    };
    state.listen(refresh);
    new ResizeObserver(refresh).observe(canvas);
    refresh();
  }

  Report.details = { build };
}
