// What all panels share: the data of the page, one cursor, one view, one chosen stage, and who wants to know.
"use strict";
{
  const Report = (globalThis.Report ??= {});

  const KINDS = { f4: Float32Array, i4: Int32Array, u1: Uint8Array };

  /** Bytes of a base64 text. */
  function bytes(text) {
    const raw = atob(text), found = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
    return found;
  }

  async function inflate(packed) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  /** Replace every {"array": [kind, offset, count]} below `node` by a typed array over `buffer`. */
  function attach(node, buffer) {
    if (node === null || typeof node !== "object") return node;
    if (Array.isArray(node.array)) {
      const [kind, offset, count] = node.array;
      return new KINDS[kind](buffer, offset, count);
    }
    for (const key of Object.keys(node)) node[key] = attach(node[key], buffer);
    return node;
  }

  /** The page's data: JSON beside one deflated block of numbers. */
  async function load() {
    const described = JSON.parse(document.getElementById("page-data").textContent);
    const block = document.getElementById("page-numbers").textContent.trim();
    return attach(described, block ? await inflate(bytes(block)) : new ArrayBuffer(0));
  }

  /** The shared state; `change` sets fields, keeps them in range and tells everyone who listens. */
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
      this.listeners = new Set();
    }

    listen(listener) { this.listeners.add(listener); }

    change(fields) {
      Object.assign(this, fields);
      this.cursor = Math.min(this.last, Math.max(this.first, this.cursor));
      this.keepViewInside();
      for (const listener of this.listeners) listener(this, fields);
    }

    keepViewInside() {
      const least = 0.0005, whole = this.last - this.first;
      const width = Math.min(whole, Math.max(least, this.to - this.from));
      this.from = Math.min(this.last - width, Math.max(this.first, this.from));
      this.to = this.from + width;
    }

    zoom(factor, around = this.cursor) {
      const share = (around - this.from) / (this.to - this.from);
      const width = Math.max(0.0005, Math.min((this.to - this.from) * factor, this.last - this.first));
      this.change({ from: around - share * width, to: around - share * width + width });
    }

    pan(seconds) { this.change({ from: this.from + seconds, to: this.to + seconds }); }

    /** Move the cursor, and the view with it when it would leave. */
    go(time) {
      const width = this.to - this.from;
      const fields = { cursor: time };
      if (time < this.from || time > this.to) Object.assign(fields, { from: time - width / 2, to: time + width / 2 });
      this.change(fields);
    }

    row(name = this.stage) { return this.data.rows.find((row) => row.name === name); }
  }

  /** `#stage/time` of an address, or null; and the address of a state. */
  function readHash(hash) {
    const found = /^#([^/]+)\/(-?\d+(?:\.\d+)?)$/.exec(decodeURIComponent(hash));
    return found && { stage: found[1], cursor: Number(found[2]) };
  }
  const writeHash = (state) => `#${encodeURIComponent(state.stage)}/${state.cursor.toFixed(3)}`;

  Report.state = { load, State, readHash, writeHash, bytes, inflate, attach };
}
