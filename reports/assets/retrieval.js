// The eight neighbors of each content frame: how many both sides retrieved, their distances and weights.
"use strict";
{
  const Report = (globalThis.Report ??= {});
  const { Panel, color, label, make } = Report.panel;
  const { frameAt, short } = Report.numbers;
  const K = Report.NEIGHBORS; // per frame

  /** How many neighbors of a frame both sides retrieved, in any order. */
  function shared(original, candidate, frame) {
    const candidateIds = new Set(candidate.subarray(frame * K, frame * K + K));
    let count = 0;
    for (let k = 0; k < K; k++) if (candidateIds.has(original[frame * K + k])) count += 1;
    return count;
  }

  function drawLines(context, box, piece, values, top, height, most, fill, dash) {
    context.strokeStyle = fill;
    context.setLineDash(dash);
    context.lineWidth = dash.length ? 1.4 : 3;
    context.beginPath();
    for (let frame = 0; frame < piece.count; frame++) {
      const time = piece.start + (frame + 0.5) * piece.step;
      if (time < box.time(-20) || time > box.time(box.width + 20)) continue;
      context.lineTo(box.x(time), top + height - 3 - (values[frame * K] / most) * (height - 18));
    }
    context.stroke();
    context.setLineDash([]);
  }

  function build(state, pieces) {
    const [top, middle] = [44, 62];
    for (const piece of pieces) piece.shared = Uint8Array.from({ length: piece.count }, (_, frame) => shared(piece.ids.original, piece.ids.candidate, frame));
    const furthest = Math.max(...pieces.map((piece) => piece.distances.original.reduce((a, b, i) => (i % K ? a : Math.max(a, b)), 0))) || 1;
    const panel = new Panel(document.getElementById("retrieval"), state, (context, box) => {
      [["empty", 0, top], ["lane", top, middle], ["empty", top + middle, middle]].forEach(([name, y, height]) => {
        context.fillStyle = color(name);
        context.fillRect(0, y, box.width, height);
      });
      for (const piece of pieces) {
        piece.shared.forEach((count, frame) => {
          const x = box.x(piece.start + frame * piece.step), width = box.x(piece.start + (frame + 1) * piece.step) - x;
          context.fillStyle = color(count === K ? "agree" : "difference");
          context.fillRect(x, 16 + (top - 18) * (1 - count / K), Math.max(1, width - 0.5), Math.max(2, ((top - 18) * count) / K));
        });
        for (const [name, dash] of [["original", []], ["candidate", [5, 3]]]) {
          drawLines(context, box, piece, piece.distances[name], top, middle, furthest, color(name), dash);
          drawLines(context, box, piece, piece.weights[name], top + middle, middle, 1, color(name), dash);
        }
      }
      label(context, "neighbors that both sides retrieved, of 8", 6, 12);
      label(context, `distance to the nearest (squared, up to ${short(furthest, 3)})`, 6, top + 13);
      label(context, "weight of the nearest (0 to 1)", 6, top + middle + 13);
    }, { height: top + 2 * middle });
    const update = () => readout(state, pieces);
    state.subscribe(update);
    update();
    return panel;
  }

  function readout(state, pieces) {
    const place = document.getElementById("retrieval-readout"), table = document.getElementById("neighbors");
    table.replaceChildren();
    for (const piece of pieces) {
      const frame = frameAt(piece, state.cursor);
      if (frame < 0) continue;
      place.textContent = `frame ${frame}\n${piece.shared[frame]} of 8 in both`;
      for (let k = 0; k < K; k++) {
        const at = frame * K + k, candidateIds = piece.ids.candidate.subarray(frame * K, frame * K + K).indexOf(piece.ids.original[at]);
        table.append(make("tr", piece.ids.original[at] === piece.ids.candidate[at] ? {} : { class: candidateIds < 0 ? "bad" : "reordered" },
          ...[k + 1, piece.ids.original[at], piece.ids.candidate[at], short(piece.distances.original[at]), short(piece.distances.candidate[at]),
            short(piece.weights.original[at]), short(piece.weights.candidate[at])].map((cell) => make("td", {}, String(cell)))));
      }
      return;
    }
    place.textContent = "no frame here";
  }

  Report.retrieval = { build, shared };
}
