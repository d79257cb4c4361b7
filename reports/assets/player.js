// Player of original, candidate and difference. All three sources run in parallel; a switch changes their gains.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const NAMES = ["original", "candidate", "difference"];
  const FADE = 0.002; // seconds of a linear fade at a switch, which avoids a click

  /** Decode the FLAC of each signal at its own sample rate, without resampling: name → Float32Array. */
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

  /** Recover int16 / 32768 from decoded samples: Chromium divides positive integers by 32767, negative ones by 32768. */
  function toGrid(decoded) {
    const distance = (scale) => decoded.reduce((sum, x) => sum + (x > 0 ? Math.abs(x * scale - Math.round(x * scale)) : 0), 0);
    const positive = distance(32767) < distance(32768) ? 32767 : 32768;
    return decoded.map((x) => Math.round(x * (x > 0 ? positive : 32768)) / 32768);
  }

  /** Connect the three signals to `context`. They start together at `when` from `offset`; only `audible` has a gain. */
  function connect(context, samples, rate, { when = 0, offset = 0, loop = null, audible = "original", gains = {} }) {
    const sources = {}, faders = {};
    for (const name of NAMES) {
      const buffer = context.createBuffer(1, Math.max(1, samples[name].length), rate);
      buffer.copyToChannel(samples[name], 0);
      const source = new AudioBufferSourceNode(context, { buffer });
      if (loop) Object.assign(source, { loop: true, loopStart: loop[0], loopEnd: loop[1] });
      const fader = new GainNode(context, { gain: name === audible ? gains[name] ?? 1 : 0 });
      source.connect(fader).connect(context.destination);
      source.start(when, offset);
      sources[name] = source;
      faders[name] = fader;
    }
    return { sources, faders, audible, gains };
  }

  /** Make `name` audible from `when` on; the other sources continue with a gain of 0, so that all stay aligned. */
  function switchTo(graph, name, when) {
    for (const [other, fader] of Object.entries(graph.faders)) {
      const gain = fader.gain;
      gain.cancelScheduledValues(when);
      gain.setValueAtTime(other === graph.audible ? graph.gains[other] ?? 1 : 0, when);
      gain.linearRampToValueAtTime(other === name ? graph.gains[other] ?? 1 : 0, when + FADE);
    }
    graph.audible = name;
  }

  class Player {
    constructor(state, audio) {
      Object.assign(this, { state, audio, audible: "original", graph: null, context: null });
      this.loop = document.getElementById("loop");
      this.matched = document.getElementById("matched");
      this.gain = document.getElementById("gain");
      document.getElementById("play").addEventListener("click", () => this.toggle());
      for (const name of NAMES) document.getElementById(`play-${name}`).addEventListener("click", () => this.select(name));
      for (const input of [this.loop, this.matched, this.gain]) input.addEventListener("input", () => this.updateGains());
      state.subscribe((_, fields) => { if ("cursor" in fields && !fields.playing && this.graph) this.start(); });
      this.updateGains();
      this.show();
    }

    gains() {
      const { levels } = this.audio;
      const candidate = this.matched.checked && levels.candidate > 0 && levels.original > 0 ? levels.original / levels.candidate : 1;
      // the difference is stored at full scale; the slider is its playback level in dB relative to that
      return { original: 1, candidate: Math.min(8, candidate), difference: 10 ** (Number(this.gain.value) / 20) };
    }

    updateGains() {
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
      this.graph = connect(this.context, audio.samples, audio.rate, {
        when: this.began.when, offset, loop: this.loop.checked ? range : null, audible: this.audible, gains: this.gains(),
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

    /** Choose the audible signal. */
    select(name) {
      this.audible = name;
      if (this.graph) switchTo(this.graph, name, this.context.currentTime + 0.005);
      this.show();
    }

    /** Move the cursor along while the audio plays. */
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
      for (const name of NAMES) document.getElementById(`play-${name}`).setAttribute("aria-pressed", String(name === this.audible));
    }
  }

  Report.player = { decode, toGrid, connect, switchTo, Player, FADE, NAMES };
}
