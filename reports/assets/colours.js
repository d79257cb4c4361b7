// Colours that everyone can tell apart, as tables of 256 entries; tested with `node --test`.
"use strict";
{
  const Report = (globalThis.Report ??= {});

  // Anchor colours, dark to light or low to high. `cividis` is made for colour-blind eyes; the two-sided ones go
  // from blue (ours is quieter) to orange (ours is louder) through the page's own background.
  const ANCHORS = {
    level: ["#00204c", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8779", "#a69d75", "#c4b56c", "#e4cf5b", "#ffea46"],
    changeLight: ["#08306b", "#2171b5", "#6baed6", "#c6dbef", "#ffffff", "#fdd0a2", "#fd8d3c", "#d94801", "#7f2704"],
    changeDark: ["#9ecae1", "#4292c6", "#2171b5", "#0b3c6b", "#14171c", "#6b2f05", "#b84a08", "#f16913", "#fdd0a2"],
  };

  function table(anchors) {
    const colours = new Uint8ClampedArray(256 * 4);
    const points = anchors.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    for (let index = 0; index < 256; index++) {
      const place = (index / 255) * (points.length - 1), left = Math.min(points.length - 2, Math.floor(place));
      for (let channel = 0; channel < 3; channel++) {
        const low = points[left][channel], high = points[left + 1][channel];
        colours[index * 4 + channel] = low + (high - low) * (place - left);
      }
      colours[index * 4 + 3] = 255;
    }
    return colours;
  }

  const tables = Object.fromEntries(Object.entries(ANCHORS).map(([name, anchors]) => [name, table(anchors)]));

  // Times the limit, from assets/steps.json. Within it calm blues, stronger towards the limit; over it yellow to
  // black-red, so that the border at 1× is a jump that shows in grey print too.
  const STEPS = Report.STEPS.map((step) => ({ ...step, below: step.below ?? Infinity }));

  /** The step of STEPS that a ratio falls into; NaN and infinity are the worst, exactly 1 is still within. */
  function stepOf(ratio) {
    if (Number.isNaN(ratio)) return STEPS.at(-1);
    return STEPS.find((step) => ratio < step.below || (step.below === 1 && ratio === 1)) ?? STEPS.at(-1);
  }

  const ofRatio = (ratio, dark) => stepOf(ratio)[dark ? "dark" : "light"];

  Report.colours = { tables, STEPS, stepOf, ofRatio };
}
