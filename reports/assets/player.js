// Original, ours and difference played in step: all three always run, and a switch only changes who is heard.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const NAMES = ["original", "ours", "difference"];
  const FADE = 0.002; // seconds; a switch without it clicks

  /** Decode the FLAC of each signal at its own rate, so that no sample is resampled: name → Float32Array. */
  async function decode(audio) {
    const samples = {};
    for (const name of NAMES) {
      const packed = document.getElementById(`flac-${name}`).textContent.trim();
      const context = new OfflineAudioContext(1, 1, audio.rate);
      const buffer = await context.decodeAudioData(Report.state.bytes(packed).buffer);
      samples[name] = toGrid(buffer.getChannelData(0));
    }
    return samples;
  }

  /** The 16-bit integers behind decoded samples, ÷ 32768. Chromium divides positive ones by 32767, others by 32768. */
  function toGrid(decoded) {
    const away = (scale) => decoded.reduce((sum, x) => sum + (x > 0 ? Math.abs(x * scale - Math.round(x * scale)) : 0), 0);
    const positive = away(32767) < away(32768) ? 32767 : 32768;
    return decoded.map((x) => Math.round(x * (x > 0 ? positive : 32768)) / 32768);
  }

  /** Lay the three signals into `context`, starting together at `when` from `offset`, only `heard` audible. */
  function wire(context, samples, rate, { when = 0, offset = 0, loop = null, heard = "original", gains = {} }) {
    const sources = {}, taps = {};
    for (const name of NAMES) {
      const buffer = context.createBuffer(1, Math.max(1, samples[name].length), rate);
      buffer.copyToChannel(samples[name], 0);
      const source = new AudioBufferSourceNode(context, { buffer });
      if (loop) Object.assign(source, { loop: true, loopStart: loop[0], loopEnd: loop[1] });
      const tap = new GainNode(context, { gain: name === heard ? gains[name] ?? 1 : 0 });
      source.connect(tap).connect(context.destination);
      source.start(when, offset);
      sources[name] = source;
      taps[name] = tap;
    }
    return { sources, taps, heard, gains };
  }

  /** From `when` on, hear `name`; the others go on in silence, so that not a sample is lost. */
  function switchTo(graph, name, when) {
    for (const [other, tap] of Object.entries(graph.taps)) {
      const gain = tap.gain;
      gain.cancelScheduledValues(when);
      gain.setValueAtTime(other === graph.heard ? graph.gains[other] ?? 1 : 0, when);
      gain.linearRampToValueAtTime(other === name ? graph.gains[other] ?? 1 : 0, when + FADE);
    }
    graph.heard = name;
  }

  class Player {
    constructor(state, audio) {
      Object.assign(this, { state, audio, heard: "original", graph: null, context: null });
      this.loop = document.getElementById("loop");
      this.matched = document.getElementById("matched");
      this.gain = document.getElementById("gain");
      document.getElementById("play").addEventListener("click", () => this.toggle());
      for (const name of NAMES) document.getElementById(`hear-${name}`).addEventListener("click", () => this.hear(name));
      for (const input of [this.loop, this.matched, this.gain]) input.addEventListener("input", () => this.retune());
      state.listen((_, fields) => { if ("cursor" in fields && !fields.playing && this.graph) this.start(); });
      this.retune();
      this.show();
    }

    gains() {
      const { levels } = this.audio;
      const ours = this.matched.checked && levels.ours > 0 && levels.original > 0 ? levels.original / levels.ours : 1;
      // the difference is stored at full scale; the slider says how far below that it is played
      return { original: 1, ours: Math.min(8, ours), difference: 10 ** (Number(this.gain.value) / 20) };
    }

    retune() {
      const boost = Number(this.gain.value) + 20 * Math.log10(this.audio.differenceScale);
      document.getElementById("gain-value").textContent = this.audio.differencePeak ? `${boost > 0 ? "+" : ""}${boost.toFixed(0)} dB` : "silent";
      if (this.graph) this.start();
    }

    async toggle() { this.graph ? this.stop() : await this.start(); }

    async start() {
      this.stop();
      this.context ??= new AudioContext();
      if (this.context.state === "suspended") await this.context.resume();
      const { state, audio } = this, range = state.selection ?? [0, audio.duration];
      const inside = state.cursor >= range[0] && state.cursor < Math.min(range[1], audio.duration) - 0.01;
      const offset = Math.max(0, inside ? state.cursor : range[0]);
      this.began = { when: this.context.currentTime + 0.03, offset, range };
      this.graph = wire(this.context, audio.samples, audio.rate, {
        when: this.began.when, offset, loop: this.loop.checked ? range : null, heard: this.heard, gains: this.gains(),
      });
      const graph = this.graph;
      graph.sources.original.onended = () => { if (this.graph === graph) this.stop(); };
      this.show();
      this.follow();
    }

    stop() {
      if (!this.graph) return;
      for (const source of Object.values(this.graph.sources)) { source.onended = null; source.stop(); source.disconnect(); }
      this.graph = null;
      this.show();
    }

    hear(name) {
      this.heard = name;
      if (this.graph) switchTo(this.graph, name, this.context.currentTime + 0.005);
      this.show();
    }

    /** Move the cursor with the sound. */
    follow() {
      if (!this.graph) return;
      const { when, offset, range } = this.began;
      let time = offset + Math.max(0, this.context.currentTime - when);
      if (this.loop.checked && time >= range[1]) time = range[0] + ((time - range[0]) % (range[1] - range[0]));
      else if (time >= range[1]) return this.stop();
      this.state.change({ cursor: time, playing: true });
      requestAnimationFrame(() => this.follow());
    }

    show() {
      const play = document.getElementById("play");
      play.textContent = this.graph ? "❚❚ Pause" : "▶ Play";
      play.setAttribute("aria-pressed", String(Boolean(this.graph)));
      for (const name of NAMES) document.getElementById(`hear-${name}`).setAttribute("aria-pressed", String(name === this.heard));
    }
  }

  Report.player = { decode, toGrid, wire, switchTo, Player, FADE, NAMES };
}
