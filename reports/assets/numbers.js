// Arithmetic of the report pages, without document and audio; tests/browser/test_arithmetic.py compares it with numpy.
"use strict";
{
  const Report = (globalThis.Report ??= {});

  // ---- peaks of waveforms -------------------------------------------------------------------------

  const FANOUT = 8; // entries of one level of the pyramid that the level above reduces to minimum and maximum

  /** A min–max pyramid over `samples` (Float32Array): `peaks(from, to)` is exact for any range. */
  class Pyramid {
    constructor(samples) {
      this.samples = samples;
      this.levels = [{ low: samples, high: samples }];
      while (this.levels.at(-1).low.length > FANOUT) this.levels.push(reduceBy(FANOUT, this.levels.at(-1)));
    }

    /** [least, greatest] of samples[from .. to), or null where the range holds none. */
    peaks(from, to) {
      from = Math.max(0, Math.floor(from));
      to = Math.min(this.samples.length, Math.ceil(to));
      if (from >= to) return null;
      let low = Infinity, high = -Infinity, level = 0;
      const take = (index) => {
        const { low: lows, high: highs } = this.levels[level];
        if (lows[index] < low) low = lows[index];
        if (highs[index] > high) high = highs[index];
      };
      while (from < to) { // entries outside complete blocks are read on this level, complete blocks one level up
        while (from < to && from % FANOUT) take(from++);
        while (to > from && to % FANOUT) take(--to);
        if (from >= to) break;
        if (level + 1 >= this.levels.length) { while (from < to) take(from++); break; }
        from /= FANOUT; to /= FANOUT; level += 1;
      }
      return [low, high];
    }
  }

  function reduceBy(fanout, below) {
    const count = Math.ceil(below.low.length / fanout);
    const low = new Float32Array(count), high = new Float32Array(count);
    for (let block = 0; block < count; block++) {
      let least = Infinity, greatest = -Infinity;
      const end = Math.min(below.low.length, (block + 1) * fanout);
      for (let index = block * fanout; index < end; index++) {
        if (below.low[index] < least) least = below.low[index];
        if (below.high[index] > greatest) greatest = below.high[index];
      }
      low[block] = least; high[block] = greatest;
    }
    return { low, high };
  }

  // ---- spectra ------------------------------------------------------------------------------------------------------

  /** In-place radix-2 Fourier transform; `re` and `im` are Float64Array of one power-of-two length. */
  class Fourier {
    constructor(size) {
      this.size = size;
      this.cos = new Float64Array(size / 2);
      this.sin = new Float64Array(size / 2);
      for (let k = 0; k < size / 2; k++) {
        this.cos[k] = Math.cos((2 * Math.PI * k) / size);
        this.sin[k] = -Math.sin((2 * Math.PI * k) / size);
      }
      this.window = Float64Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size));
      this.re = new Float64Array(size);
      this.im = new Float64Array(size);
    }

    /** Power |X|² of the Hann-windowed samples around `center`, 1 for a full-scale sine: Float64Array (size/2 + 1). */
    power(samples, center, out) {
      const { size, re, im, window } = this;
      const start = Math.round(center) - size / 2;
      for (let n = 0; n < size; n++) re[n] = (samples[start + n] ?? 0) * window[n];
      im.fill(0);
      this.transform();
      const scale = 16 / (size * size); // (mean 1/2 of the Hann window × 1/2 for each of the two sides of a sine)², inverted
      for (let k = 0; k <= size / 2; k++) out[k] = (re[k] * re[k] + im[k] * im[k]) * scale;
      return out;
    }

    transform() {
      const { size, re, im } = this;
      for (let i = 1, j = 0; i < size; i++) {
        let bit = size >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) { [re[i], re[j]] = [re[j], re[i]]; [im[i], im[j]] = [im[j], im[i]]; }
      }
      for (let length = 2; length <= size; length *= 2) {
        const half = length / 2, stride = size / length;
        for (let start = 0; start < size; start += length) {
          for (let k = 0; k < half; k++) {
            const wr = this.cos[k * stride], wi = this.sin[k * stride];
            const a = start + k, b = a + half;
            const xr = re[b] * wr - im[b] * wi, xi = re[b] * wi + im[b] * wr;
            re[b] = re[a] - xr; im[b] = im[a] - xi;
            re[a] += xr; im[a] += xi;
          }
        }
      }
    }
  }

  /** Levels in dB of `columns` windows between the samples `from` and `to`: Float32Array (columns × bins).
   *  Where columns are further apart than half a window, each column is the maximum of up to eight windows. */
  function spectrogram(samples, from, to, columns, size, floor = -140) {
    const fourier = new Fourier(size), bins = size / 2 + 1;
    const levels = new Float32Array(columns * bins), power = new Float64Array(bins), most = new Float64Array(bins);
    const hop = (to - from) / columns, tries = Math.min(8, Math.max(1, Math.ceil(hop / (size / 2))));
    for (let column = 0; column < columns; column++) {
      most.fill(0);
      for (let attempt = 0; attempt < tries; attempt++) {
        fourier.power(samples, from + (column + (attempt + 0.5) / tries) * hop, power);
        for (let k = 0; k < bins; k++) if (power[k] > most[k]) most[k] = power[k];
      }
      for (let k = 0; k < bins; k++) levels[column * bins + k] = Math.max(floor, 10 * Math.log10(most[k] + 1e-30));
    }
    return { levels, columns, bins };
  }

  /** Frequency in Hz at `share` (0 bottom, 1 top) of an axis that ends at `top`, and back. */
  const LOWEST = 40; // Hz at the lower end of a logarithmic axis
  const hertzAt = (share, top, log) => (log ? LOWEST * (top / LOWEST) ** share : share * top);
  const shareOf = (hertz, top, log) =>
    log ? Math.log(Math.max(hertz, LOWEST) / LOWEST) / Math.log(top / LOWEST) : hertz / top;

  // ---- numbers as text --------------------------------------------------------------------------------------------

  /** A multiple of a limit: "0.003×", "31×", "1.2e4×". */
  function times(ratio) {
    if (ratio === null || ratio === undefined || Number.isNaN(ratio)) return "—";
    if (ratio === Infinity) return "∞×";
    if (ratio === 0) return "0";
    const [digits, power] = ratio.toExponential(1).split("e");
    if (ratio >= 1e4 || ratio < 1e-3) return `${Number(digits)}e${Number(power)}×`;
    return `${ratio >= 100 ? Math.round(ratio) : Number(ratio.toPrecision(2))}×`;
  }

  /** A number with `digits` significant digits, in exponent form when it is far from 1. */
  function short(value, digits = 4) {
    if (value === null || value === undefined) return "—";
    if (!Number.isFinite(value)) return String(value);
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(digits - 1).replace("e+", "e");
    return String(Number(value.toPrecision(digits)));
  }

  const seconds = (time) => `${time.toFixed(3)} s`;

  const cents = (candidate, original) => (candidate > 0 && original > 0 ? 1200 * Math.log2(candidate / original) : NaN);

  /** Ticks at multiples of 1, 2 or 5 × 10ⁿ, at most `most` between `from` and `to`. */
  function ticks(from, to, most) {
    const rough = (to - from) / Math.max(1, most);
    const base = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * base).find((s) => s >= rough * 0.999);
    const first = Math.ceil(from / step - 1e-9), last = Math.floor(to / step + 1e-9), at = [];
    for (let n = first; n <= last; n++) at.push(Number((n * step).toPrecision(12)));
    return { step, at };
  }

  /** The frame of a series {start, step, count} that covers `time`, or -1 outside it. */
  function frameAt(series, time) {
    const frame = Math.floor((time - series.start) / series.step + 1e-6);
    return frame >= 0 && frame < series.count ? frame : -1;
  }

  Report.numbers = { Pyramid, Fourier, spectrogram, hertzAt, shareOf, LOWEST, times, short, seconds, cents, ticks, frameAt };
}
