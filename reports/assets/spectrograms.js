// Spectrograms of original, candidate and difference in dB: one above the other, alternating, or split by a slider.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { Panel, color, isDark, label } = Report.panel;
  const { spectrogram, hertzAt, shareOf, ticks, LOWEST } = Report.numbers;

  const { RANGE, CHANGE, FLOOR } = Report.SPECTROGRAM; // dB; see reports/panels/static_figure.py

  class Spectrograms {
    constructor(state, audio) {
      Object.assign(this, { state, audio, view: "three", log: true, size: 1024, kind: "change", split: 0.5, shown: "candidate" });
      this.cache = new Map();
      this.pictures = new Map();
      this.height = 110;
      this.panel = new Panel(document.getElementById("spectra"), state, (c, b) => this.draw(c, b), { height: 330, grid: false });
      this.connectControls();
      state.subscribe((_, fields) => { if ("cursor" in fields) this.readout(); });
      new MutationObserver(() => this.pictures.clear()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.pictures.clear(); this.panel.schedule(); });
    }

    connectControls() {
      const on = (name, event, act) => document.getElementById(name).addEventListener(event, (e) => { act(e.target); this.applyControls(); });
      on("spectrum-view", "change", (input) => { this.view = input.value; });
      on("spectrum-log", "change", (box) => { this.log = box.checked; });
      on("spectrum-size", "change", (list) => { this.size = Number(list.value); });
      on("spectrum-kind", "change", (list) => { this.kind = list.value; });
      on("spectrum-split", "input", (slider) => { this.split = Number(slider.value); });
    }

    /** Redraw after a change of the controls; the timer runs only in the view that alternates. */
    applyControls() {
      clearInterval(this.timer);
      document.getElementById("spectrum-split-label").hidden = this.view !== "split";
      if (this.view === "blink") {
        this.timer = setInterval(() => {
          this.shown = this.shown === "candidate" ? "original" : "candidate";
          this.panel.schedule();
        }, 700);
      }
      this.panel.schedule();
    }

    /** Levels in dB of one signal in the visible range; cached until range, width or window change. */
    levels(name, columns) {
      const { state, audio, size } = this;
      const key = [name, state.from, state.to, columns, size].join();
      if (!this.cache.has(key)) {
        if (this.cache.size > 6) { this.cache.clear(); this.pictures.clear(); }
        this.cache.set(key, spectrogram(audio.samples[name], state.from * audio.rate, state.to * audio.rate, columns, size, -220));
      }
      return this.cache.get(key);
    }

    /** The loudest level of the original over the complete audio: the 0 dB of all pictures. */
    get top() {
      if (this.loudest === undefined) {
        const { audio } = this, complete = spectrogram(audio.samples.original, 0, audio.samples.original.length, 200, 1024, -220);
        this.loudest = complete.levels.reduce((a, b) => Math.max(a, b), -120);
      }
      return this.loudest;
    }

    /** Index 0…255 of the color table for one column and bin. */
    shade(name, columns) {
      if (name === "difference" && this.kind === "change") {
        const a = this.levels("original", columns).levels, b = this.levels("candidate", columns).levels, floor = this.top - FLOOR;
        return (i) => 127.5 + ((Math.max(b[i], floor) - Math.max(a[i], floor)) / CHANGE) * 127.5;
      }
      const { levels } = this.levels(name, columns);
      const raise = name === "difference" ? -20 * Math.log10(this.audio.differenceScale) : 0;
      const range = name === "difference" ? 150 : RANGE;
      return (i) => 255 + ((levels[i] + raise - this.top) / range) * 255;
    }

    /** The greatest difference of levels in the visible range, in dB. */
    greatestChange(columns) {
      const a = this.levels("original", columns), b = this.levels("candidate", columns), floor = this.top - FLOOR;
      if (a.change?.comparedWith !== b) {
        let most = 0;
        for (let i = 0; i < a.levels.length; i++) most = Math.max(most, Math.abs(Math.max(b.levels[i], floor) - Math.max(a.levels[i], floor)));
        a.change = { comparedWith: b, most };
      }
      return a.change.most;
    }

    picture(name, columns, rows) {
      const key = [name, columns, rows, this.log, this.size, this.kind, this.state.from, this.state.to, isDark()].join();
      if (this.pictures.has(key)) return this.pictures.get(key);
      const shade = this.shade(name, columns), bins = this.size / 2 + 1;
      const twoSided = name === "difference" && this.kind === "change";
      const colors = new Uint32Array(Report.colors.tables[twoSided ? (isDark() ? "changeDark" : "changeLight") : "level"].buffer);
      const canvas = new OffscreenCanvas(columns, rows), context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
      const pixels = new Uint32Array(image.data.buffer);
      for (let row = 0; row < rows; row++) {
        const hertz = hertzAt(1 - (row + 0.5) / rows, this.audio.rate / 2, this.log);
        const place = (hertz / (this.audio.rate / 2)) * (bins - 1), bin = Math.min(bins - 2, Math.floor(place)), fraction = place - bin;
        for (let column = 0; column < columns; column++) {
          const at = column * bins + bin;
          const value = Math.max(0, Math.min(255, Math.round(shade(at) * (1 - fraction) + shade(at + 1) * fraction)));
          pixels[row * columns + column] = colors[value];
        }
      }
      context.putImageData(image, 0, 0);
      this.pictures.set(key, canvas);
      return canvas;
    }

    draw(context, box) {
      const columns = Math.max(50, Math.min(700, Math.round(box.width / 1.5))), three = this.view === "three";
      const height = three ? this.height : this.height * 3;
      const lane = (name, top, from = 0, to = 1) => {
        context.save();
        context.beginPath();
        context.rect(box.width * from, top, box.width * (to - from), height - (three ? 2 : 0));
        context.clip();
        context.drawImage(this.picture(name, columns, height), 0, top, box.width, height);
        context.restore();
      };
      if (three) ["original", "candidate", "difference"].forEach((name, i) => { lane(name, i * height); this.marks(context, box, i * height, height, this.title(name, columns)); });
      else if (this.view === "blink") { lane(this.shown, 0); this.marks(context, box, 0, height, this.shown); }
      else {
        lane("original", 0, 0, this.split);
        lane("candidate", 0, this.split, 1);
        context.fillStyle = color("cursor");
        context.fillRect(box.width * this.split - 1, 0, 2, height);
        this.marks(context, box, 0, height, "");
        label(context, "original", Math.max(60, box.width * this.split - 8), 13, { align: "right" });
        label(context, "candidate", Math.min(box.width - 30, box.width * this.split + 8), 13);
      }
    }

    title(name, columns) {
      if (name !== "difference") return name;
      if (this.kind === "error") return "level of the error (0 to −150 dB)";
      const most = this.greatestChange(columns);
      return most < 0.05 ? "difference of levels: none (below 0.05 dB everywhere)"
        : `difference of levels, up to ${most.toFixed(1)} dB (±${CHANGE} dB; blue: candidate quieter, orange: candidate louder)`;
    }

    marks(context, box, top, height, title) {
      const most = this.audio.rate / 2;
      const wanted = this.log ? [100, 300, 1000, 3000, 10000] : ticks(0, most, height / 30).at.slice(1, -1);
      for (const hertz of wanted) {
        if (hertz <= LOWEST || hertz >= most) continue;
        const y = top + height * (1 - shareOf(hertz, most, this.log));
        label(context, hertz >= 1000 ? `${hertz / 1000} kHz` : `${hertz} Hz`, box.width - 4, y + 4, { align: "right" });
      }
      label(context, title, 6, top + 13);
    }

    /** Show the levels at the cursor, at the frequency of the pointer. */
    readout() {
      const { state, audio } = this, hertz = this.hertz ?? 1000;
      if (!this.fourier || this.fourier.size !== this.size) this.fourier = new Report.numbers.Fourier(this.size);
      const bin = Math.round((hertz / audio.rate) * this.size);
      const level = (name) => 10 * Math.log10(this.fourier.power(audio.samples[name], state.cursor * audio.rate, new Float64Array(this.size / 2 + 1))[bin] + 1e-30);
      const error = level("difference") - 20 * Math.log10(audio.differenceScale);
      const [original, candidate] = [level("original"), level("candidate")];
      document.getElementById("spectrum-readout").textContent =
        `${Math.round(hertz)} Hz\noriginal ${original.toFixed(1)} dB\ncandidate ${candidate.toFixed(1)} dB\nchange ${(candidate - original).toFixed(2)} dB\nerror ${error < -290 ? "none" : `${error.toFixed(0)} dB`}`;
    }

    /** Store the frequency under the pointer for the readout. */
    follow(canvas) {
      canvas.addEventListener("pointermove", (event) => {
        const area = canvas.getBoundingClientRect(), height = this.view === "three" ? this.height : this.height * 3;
        const share = 1 - ((event.clientY - area.top) % height) / height;
        this.hertz = hertzAt(share, this.audio.rate / 2, this.log);
        this.readout();
      });
    }
  }

  function build(state, audio) {
    const spectra = new Spectrograms(state, audio);
    spectra.follow(document.getElementById("spectra"));
    spectra.readout();
    return spectra;
  }

  Report.spectrograms = { build };
}
