// The state that all panels share: data of the page, cursor, visible range, selected stage, and subscribers.
"use strict";
{
  const Report = (globalThis.Report ??= {});

  const TYPED_ARRAYS = { f4: Float32Array, i4: Int32Array, u1: Uint8Array };

  const SHORTEST_VIEW = 0.0005; // seconds

  /** Bytes of a base64 text. */
  function bytes(text) {
    const raw = atob(text), result = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) result[i] = raw.charCodeAt(i);
    return result;
  }

  async function inflate(packed) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  /** Replace every {"array": [dtype, offset, count]} below `node` by a typed array over `buffer`. */
  function attach(node, buffer) {
    if (node === null || typeof node !== "object") return node;
    if (Array.isArray(node.array)) {
      const [dtype, offset, count] = node.array;
      return new TYPED_ARRAYS[dtype](buffer, offset, count);
    }
    for (const key of Object.keys(node)) node[key] = attach(node[key], buffer);
    return node;
  }

  /** The page's data: JSON, and one deflated block of arrays. */
  async function load() {
    const described = JSON.parse(document.getElementById("page-data").textContent);
    const block = document.getElementById("page-arrays").textContent.trim();
    return attach(described, block ? await inflate(bytes(block)) : new ArrayBuffer(0));
  }

  /** The shared state; `change` sets fields, limits them to valid ranges and calls every subscriber. */
  class State {
    constructor(data) {
      this.data = data;
      this.first = data.first;
      this.last = data.last;
      this.cursor = data.start.time;
      this.stage = data.start.stage;
      this.mode = data.start.mode;
      this.from = data.first;
      this.to = data.last;
      this.selection = null;
      this.subscribers = new Set();
    }

    /** Call `subscriber(state, fields)` after every change. */
    subscribe(subscriber) { this.subscribers.add(subscriber); }

    change(fields) {
      Object.assign(this, fields);
      this.cursor = Math.min(this.last, Math.max(this.first, this.cursor));
      this.keepViewInside();
      for (const subscriber of this.subscribers) subscriber(this, fields);
    }

    keepViewInside() {
      const total = this.last - this.first;
      const width = Math.min(total, Math.max(SHORTEST_VIEW, this.to - this.from));
      this.from = Math.min(this.last - width, Math.max(this.first, this.from));
      this.to = this.from + width;
    }

    zoom(factor, around = this.cursor) {
      const share = (around - this.from) / (this.to - this.from);
      const width = Math.max(SHORTEST_VIEW, Math.min((this.to - this.from) * factor, this.last - this.first));
      this.change({ from: around - share * width, to: around - share * width + width });
    }

    pan(seconds) { this.change({ from: this.from + seconds, to: this.to + seconds }); }

    /** Move the cursor, and center the visible range on it when it is outside. */
    go(time) {
      const width = this.to - this.from;
      const fields = { cursor: time };
      if (time < this.from || time > this.to) Object.assign(fields, { from: time - width / 2, to: time + width / 2 });
      this.change(fields);
    }

    row(name = this.stage) { return this.data.rows.find((row) => row.name === name); }
  }

  /** Stage, cursor and mode of an address `#stage/time/mode` (mode is null without the last part), or null. */
  function readHash(hash) {
    const parts = /^#([^/]+)\/(-?\d+(?:\.\d+)?)(?:\/(isolated|chained))?$/.exec(decodeURIComponent(hash));
    return parts && { stage: parts[1], cursor: Number(parts[2]), mode: parts[3] ?? null };
  }
  /** The inverse of `readHash`. */
  const writeHash = (state) => `#${encodeURIComponent(state.stage)}/${state.cursor.toFixed(3)}/${state.mode}`;

  Report.state = { load, State, readHash, writeHash, bytes, inflate, attach };
}
