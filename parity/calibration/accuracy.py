"""How well pitch is tracked, ours beside the original's, where the pitch is known: python -m parity.accuracy.

Parity says that two trackers agree; this says whether they are right. The sung inputs are our own synthesis, so their
F0 is known in every frame. Figures are mir_eval's: raw pitch accuracy within 50 cents, voicing recall and false
alarm; an octave error is a frame whose chroma is right and whose pitch is not. A method that no original has is
measured alone.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
import soundfile
from safetensors.numpy import load_file

from parity.errors import ParityError, UsageError
from parity.goldens import store
from parity.goldens.recipes import Array
from parity.goldens.store import Case
from parity.runs.run import GOLDENS, OUT

INPUTS = GOLDENS.parent / "inputs"
ALONE = ("dio", "crepe-tiny")  # of no original
SUNG = ("sung_glide", "sung_scale")
PARTS = {"sung_turn": ("sung_glide", 55)}  # a file cut out of another: (that file, first frame of 10 ms)


@dataclass(frozen=True)
class Accuracy:
    """Shares of frames, 0 to 1."""

    raw_pitch: float
    recall: float
    false_alarm: float
    octave: float

    def __str__(self) -> str:
        return f"{self.raw_pitch:8.3f}{self.recall:8.3f}{self.false_alarm:8.3f}{self.octave:8.3f}"


def truth(case: Case) -> Array | None:
    """The known F0 of a case's input, Hz per 10 ms, or None where nobody knows it."""
    stem = Path(str(case.input["file"])).stem
    whole, first = PARTS.get(stem, (stem, 0))
    path = INPUTS / f"{whole}.f0.safetensors"
    if not path.exists():
        return None
    frames = len(case["audio16k"]) // 160
    return np.asarray(load_file(path)["hz"][first : first + frames], np.float64)


def accuracy(known: Array, tracked: Array) -> Accuracy:
    """`tracked` against `known`, both Hz per frame, 0 where unvoiced."""
    count = min(len(known), len(tracked))
    voiced = [np.asarray(hz[:count] > 0) for hz in (known, tracked)]
    cents = [mir_eval.melody.hz2cents(np.maximum(hz[:count], 0.0)) for hz in (known, tracked)]
    recall, alarm = mir_eval.melody.voicing_measures(*voiced)
    pitch = mir_eval.melody.raw_pitch_accuracy(voiced[0], cents[0], voiced[1], cents[1])
    chroma = mir_eval.melody.raw_chroma_accuracy(voiced[0], cents[0], voiced[1], cents[1])
    return Accuracy(float(pitch), float(recall), float(alarm), float(chroma - pitch))


def rows(goldens: Path, run: Path) -> Iterator[tuple[str, str, Accuracy, Accuracy]]:
    """(method, case, the original's accuracy, ours) for every offline golden of known pitch that was judged."""
    for folder in store.cases(goldens, None):
        case = store.open_case(folder)
        if "realtime" in case.options or "f0.raw" not in case:
            continue
        known, trace = truth(case), run / "traces" / case.name / "chained.safetensors"
        if known is None or not trace.exists():
            continue
        pad = round(float(case.options.get("window", [1.0])[0]) * 100)
        raw = [np.asarray(hz, np.float64).reshape(-1)[pad:] for hz in (case["f0.raw"], load_file(trace)["f0.raw"])]
        method = str(case.options.get("f0_method", "rmvpe"))
        yield method, case.name, accuracy(known, raw[0]), accuracy(known, raw[1])


def unmatched() -> Iterator[tuple[str, str, Accuracy]]:
    """(method, input, our accuracy) for every method that no original has."""
    from parity.rvc_bridge import extra_methods

    for method in ALONE:
        for stem in SUNG:
            known = np.asarray(load_file(INPUTS / f"{stem}.f0.safetensors")["hz"], np.float64)
            samples = soundfile.read(INPUTS / f"{stem}.flac", dtype="float64")[0]
            yield method, stem, accuracy(known, extra_methods.track(samples, method))


def main(arguments: Sequence[str] | None = None) -> int:
    """0 said, 1 a tracker of ours is worse than its original by more than a frame in a hundred, 2 nothing to say."""
    parser = argparse.ArgumentParser(prog="python -m parity.accuracy", description=__doc__.split("\n")[0])
    parser.add_argument("--goldens", type=Path, default=GOLDENS)
    parser.add_argument("--run", type=Path, default=OUT, help="the folder of a run of the judge (default out/parity)")
    given = parser.parse_args(arguments)
    try:
        found, alone = sorted(rows(given.goldens, given.run)), list(unmatched())
        if not found:
            raise UsageError(f"{given.run} holds no trace of a sung golden; run: nox -s parity")
    except ParityError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    print(f"{'sung, known F0':34}{'':10}{'pitch':>8}{'recall':>8}{'alarm':>8}{'octave':>8}")
    for method, name, original, ours in found:
        print(f"{method:11}{name:23}{'original':10}{original}\n{'':34}{'ours':10}{ours}")
    for method, name, ours in alone:
        print(f"{method:11}{name:23}no original\n{'':34}{'ours':10}{ours}")
    return 1 if any(ours.raw_pitch < original.raw_pitch - 0.01 for *_, original, ours in found) else 0


if __name__ == "__main__":
    sys.exit(main())
