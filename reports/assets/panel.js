// One canvas on the common time axis: in device pixels, redrawn when the state changes, operated by mouse or touch.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { ticks } = Report.numbers;

  // Cache of CSS variables, cleared when the theme changes: panels read thousands per second while audio plays.
  const cachedColors = new Map();
  function color(name) {
    if (!cachedColors.has(name)) cachedColors.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
    return cachedColors.get(name);
  }
  new MutationObserver(() => cachedColors.clear()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => cachedColors.clear());

  const isDark = () => color("scheme") === "dark";

  /** A panel: `draw(context, box, state)` paints it; `box` has width, height and `x(time)`. */
  class Panel {
    constructor(canvas, state, draw, { height, cursor = true, grid = true } = {}) {
      Object.assign(this, { canvas, state, draw, height, cursor, grid, dirty: false });
      this.context = canvas.getContext("2d");
      new ResizeObserver(() => this.schedule()).observe(canvas);
      state.subscribe(() => this.schedule());
      this.connectPointer();
    }

    /** Paint before the next frame. */
    schedule() {
      if (this.dirty) return;
      this.dirty = true;
      requestAnimationFrame(() => { this.dirty = false; this.paint(); });
    }

    fit() {
      const ratio = Math.min(2, window.devicePixelRatio || 1);
      const width = this.canvas.clientWidth, height = this.height ?? this.canvas.clientHeight;
      if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
        this.canvas.width = Math.round(width * ratio);
        this.canvas.height = Math.round(height * ratio);
        this.canvas.style.height = `${height}px`;
      }
      this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
      return { width, height };
    }

    paint() {
      const { state, context } = this;
      const box = this.fit();
      if (!box.width) return;
      box.x = (time) => ((time - state.from) / (state.to - state.from)) * box.width;
      box.time = (x) => state.from + (x / box.width) * (state.to - state.from);
      context.clearRect(0, 0, box.width, box.height);
      context.font = "11px system-ui, sans-serif";
      this.draw(context, box, state);
      if (this.grid) this.drawGrid(box);
      if (state.selection) this.drawSelection(box);
      if (this.cursor) this.drawCursor(box);
    }

    drawGrid(box) {
      const { context, state } = this;
      context.fillStyle = color("grid");
      for (const at of ticks(state.from, state.to, box.width / 90).at) context.fillRect(Math.round(box.x(at)), 0, 1, box.height);
    }

    drawSelection(box) {
      const [from, to] = this.state.selection.map(box.x);
      this.context.fillStyle = color("selection");
      this.context.fillRect(from, 0, to - from, box.height);
    }

    drawCursor(box) {
      this.context.fillStyle = color("cursor");
      this.context.fillRect(Math.round(box.x(this.state.cursor)) - 0.5, 0, 1.5, box.height);
    }

    /** Click: cursor. Drag: selection. Ctrl+wheel: zoom. Shift+wheel or a horizontal wheel: pan. */
    connectPointer() {
      const { canvas, state } = this;
      const timeAt = (event) => {
        const area = canvas.getBoundingClientRect();
        return state.from + ((event.clientX - area.left) / area.width) * (state.to - state.from);
      };
      let start = null;
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        start = { x: event.clientX, time: timeAt(event) };
        if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (!start || Math.abs(event.clientX - start.x) < 5 || event.pointerType !== "mouse") return;
        const ends = [start.time, timeAt(event)].sort((a, b) => a - b);
        state.change({ selection: [Math.max(state.first, ends[0]), Math.min(state.last, ends[1])] });
      });
      canvas.addEventListener("pointerup", (event) => {
        if (start && Math.abs(event.clientX - start.x) < 5) this.click(start.time, event, canvas.getBoundingClientRect());
        start = null;
      });
      canvas.addEventListener("wheel", (event) => {
        const width = state.to - state.from;
        if (event.ctrlKey) state.zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event));
        else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          state.pan(((event.deltaX || event.deltaY) / 800) * width);
        } else return;
        event.preventDefault();
      }, { passive: false });
    }

    click(time) { this.state.change({ cursor: time, selection: null }); }
  }

  /** Text with an outline in the background color, legible over any picture. */
  function label(context, text, x, y, { align = "left", fill = color("text") } = {}) {
    context.textAlign = align;
    context.lineJoin = "round";
    context.lineWidth = 3;
    context.strokeStyle = color("halo");
    context.strokeText(text, x, y);
    context.fillStyle = fill;
    context.fillText(text, x, y);
    context.textAlign = "left";
  }

  /** An element: make("p", {class: "x", onclick: f}, "text", child). */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  Report.panel = { Panel, color, isDark, label, make };
}
