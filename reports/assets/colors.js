// Color tables of 256 entries that remain distinct for color-blind readers.
"use strict";
{
  const Report = (globalThis.Report ??= {});

  // Anchor colors from the lowest to the highest value. `level` is matplotlib's cividis; the two-sided tables run
  // from blue (the candidate is quieter) to orange (the candidate is louder) through the page's background.
  const ANCHORS = {
    level: ["#00204c", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8779", "#a69d75", "#c4b56c", "#e4cf5b", "#ffea46"],
    changeLight: ["#08306b", "#2171b5", "#6baed6", "#c6dbef", "#ffffff", "#fdd0a2", "#fd8d3c", "#d94801", "#7f2704"],
    changeDark: ["#9ecae1", "#4292c6", "#2171b5", "#0b3c6b", "#14171c", "#6b2f05", "#b84a08", "#f16913", "#fdd0a2"],
  };

  function table(anchors) {
    const colors = new Uint8ClampedArray(256 * 4);
    const points = anchors.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    for (let index = 0; index < 256; index++) {
      const place = (index / 255) * (points.length - 1), left = Math.min(points.length - 2, Math.floor(place));
      for (let channel = 0; channel < 3; channel++) {
        const low = points[left][channel], high = points[left + 1][channel];
        colors[index * 4 + channel] = low + (high - low) * (place - left);
      }
      colors[index * 4 + 3] = 255;
    }
    return colors;
  }

  const tables = Object.fromEntries(Object.entries(ANCHORS).map(([name, anchors]) => [name, table(anchors)]));

  // Multiples of the limit, from color_scale.json: blue up to the limit, yellow to dark red above it. The brightness
  // jumps at 1×, so that the limit shows in a black-and-white print.
  const STEPS = Report.STEPS.map((step) => ({ ...step, below: step.below ?? Infinity }));

  /** The step of STEPS for a multiple of the limit; NaN and infinity give the last step, exactly 1 is within the limit. */
  function stepOf(ratio) {
    if (Number.isNaN(ratio)) return STEPS.at(-1);
    return STEPS.find((step) => ratio < step.below || (step.below === 1 && ratio === 1)) ?? STEPS.at(-1);
  }

  const ofRatio = (ratio, dark) => stepOf(ratio)[dark ? "dark" : "light"];

  Report.colors = { tables, STEPS, stepOf, ofRatio };
}
