// Starts the page of a case: state, panels, keyboard, address.
"use strict";
{
  const { Report } = globalThis;
  const { State, load, readHash, writeHash } = Report.state;

  /** Seconds that an arrow key moves the cursor by: one frame of the selected stage, at least 1 ms. */
  function stepOf(state) {
    const piece = state.row()?.modes[state.mode]?.pieces[0];
    return Math.max(0.001, piece ? piece.step : 0.01);
  }

  function nextStage(state, by) {
    const names = state.data.rows.map((row) => row.name);
    const at = names.indexOf(state.stage) + by;
    if (!names.length) return state.stage;
    return names[Math.min(names.length - 1, Math.max(0, at))];
  }

  const select = (state, range) => { if (range[1] - range[0] > 0.001) state.change({ selection: range }); };

  function keys(state) {
    const press = (name) => document.getElementById(name)?.click();
    const view = (value) => { const radio = document.querySelector(`#spectrum-view input[value=${value}]`); if (radio) radio.click(); };
    return {
      ArrowLeft: (event) => state.go(state.cursor - stepOf(state) * (event.shiftKey ? 10 : 1)),
      ArrowRight: (event) => state.go(state.cursor + stepOf(state) * (event.shiftKey ? 10 : 1)),
      ArrowUp: () => state.change({ stage: nextStage(state, -1) }),
      ArrowDown: () => state.change({ stage: nextStage(state, 1) }),
      Home: () => state.go(state.first), End: () => state.go(state.last),
      " ": () => press("play"), 1: () => press("play-original"), 2: () => press("play-candidate"), 3: () => press("play-difference"),
      "+": () => state.zoom(0.5), "=": () => state.zoom(0.5), "-": () => state.zoom(2), f: () => press("fit"),
      m: () => press(state.mode === "chained" ? "mode-isolated" : "mode-chained"), w: () => press("to-worst"),
      b: () => view("blink"), s: () => view("split"), n: () => view("three"), l: () => press("spectrum-log"),
      t: () => press("theme"), Escape: () => state.change({ selection: null }),
      "[": () => select(state, [state.cursor, Math.max(state.cursor, state.selection?.[1] ?? state.last)]),
      "]": () => select(state, [Math.min(state.cursor, state.selection?.[0] ?? state.first), state.cursor]),
      "?": () => { const help = document.getElementById("help"); help.open = !help.open; },
    };
  }

  function connectKeys(state) {
    const actions = keys(state);
    document.addEventListener("keydown", (event) => {
      const typing = /^(SELECT|TEXTAREA)$/.test(event.target.tagName) || event.target.matches?.("input[type=range], input[type=text], input[type=search], input[type=radio]");
      if (typing || event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
      if (event.key === " " && /^(BUTTON|SUMMARY|A|INPUT)$/.test(event.target.tagName)) return; // the space bar activates these elements
      event.preventDefault();
      actions[event.key](event);
    });
  }

  /** Move the cursor to the greatest error of the selected stage in the current mode. */
  function toWorst(state) {
    let worst = null;
    for (const piece of state.row()?.modes[state.mode]?.pieces ?? []) {
      piece.values.forEach((value, frame) => {
        const size = Number.isNaN(value) ? Infinity : value, time = piece.start + (frame + 0.5) * piece.step;
        const inside = time >= state.first && time <= state.last; // the page does not show the padding
        if (inside && (!worst || size > worst.size)) worst = { size, time };
      });
    }
    if (worst) state.go(worst.time);
  }

  function connectToolbar(state) {
    const on = (name, act) => document.getElementById(name)?.addEventListener("click", act);
    on("zoom-in", () => state.zoom(0.5));
    on("zoom-out", () => state.zoom(2));
    on("pan-left", () => state.pan(-(state.to - state.from) / 4));
    on("pan-right", () => state.pan((state.to - state.from) / 4));
    on("fit", () => state.change({ from: state.first, to: state.last }));
    on("to-selection", () => state.selection && state.change({ from: state.selection[0], to: state.selection[1] }));
    on("to-worst", () => toWorst(state));
    for (const mode of ["chained", "isolated"]) on(`mode-${mode}`, () => state.change({ mode }));
    const show = () => {
      for (const mode of ["chained", "isolated"]) document.getElementById(`mode-${mode}`)?.setAttribute("aria-pressed", String(state.mode === mode));
      const selected = state.selection ? `, selected ${state.selection.map((t) => t.toFixed(3)).join("–")} s` : "";
      document.getElementById("where").textContent = `${state.cursor.toFixed(3)} s${selected}`;
    };
    state.subscribe(show);
    show();
  }

  /** Write stage, cursor and mode into the address without adding to the history; a changed address moves the cursor. */
  function connectAddress(state) {
    let timer = 0;
    const follow = () => {
      const wanted = readHash(location.hash);
      if (wanted && (wanted.stage === state.stage || state.data.rows.some((row) => row.name === wanted.stage))) {
        state.change({ stage: wanted.stage, mode: wanted.mode ?? state.mode });
        state.go(wanted.cursor);
      }
    };
    follow();
    window.addEventListener("hashchange", follow);
    state.subscribe((_, fields) => {
      if (!("cursor" in fields || "stage" in fields || "mode" in fields) || fields.playing) return;
      clearTimeout(timer);
      timer = setTimeout(() => { try { history.replaceState(null, "", writeHash(state)); } catch { /* some viewers forbid changes of the address */ } }, 150);
    });
  }

  async function buildAudio(state, data) {
    if (!data.audio) return null;
    const audio = data.audio;
    audio.samples = await Report.player.decode(audio);
    Report.waveforms.build(state, audio);
    Report.spectrograms.build(state, audio);
    return new Report.player.Player(state, audio);
  }

  /** The panels of the stages, which a page of two sounds lacks. */
  function buildStages(state) {
    Report.heat.buildAxis(state);
    Report.heat.build(state);
    Report.levels.build(state);
    Report.details.build(state);
  }

  async function main() {
    const data = await load(), state = new State(data);
    if (data.rows.length) buildStages(state);
    if (data.perceptual) Report.perceptual.build(state, data.perceptual);
    if (data.f0) Report.pitch.build(state, data.f0);
    if (data.retrieval) Report.retrieval.build(state, data.retrieval);
    connectToolbar(state);
    connectKeys(state);
    connectAddress(state);
    Report.theme.connect(() => requestAnimationFrame(() => state.change({}))); // after the style sheet of the new theme applies
    Report.current = { state, player: await buildAudio(state, data) };
    document.documentElement.dataset.ready = "yes";
  }

  main().catch((error) => {
    document.getElementById("broken").textContent = `The interactive panels failed: ${error.message}. The tables below are complete.`;
    throw error;
  });
}
