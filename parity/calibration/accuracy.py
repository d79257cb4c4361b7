"""The accuracy of F0 methods, of `rvc` beside the originals, on inputs whose true F0 is known.

The sung inputs were synthesized, so their F0 is known in every frame. The measures are mir_eval's: raw pitch accuracy
within 50 cents, voicing recall and voicing false alarm; an octave error is a frame whose chroma is right and whose
pitch is not. A method that no original has is measured without one beside it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
import soundfile
from safetensors.numpy import load_file

from parity.errors import UsageError
from parity.goldens import store
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.stages.profile_table import methods_without_original

INPUTS = store.GOLDENS.parent / "inputs"
SUNG = ("sung_glide", "sung_scale")  # inputs with a file of their true F0
EXCERPTS = {"sung_turn": ("sung_glide", 55)}  # an input cut out of another: (that input, its first frame of 10 ms)
ALLOWED_LOSS = 0.01  # raw pitch accuracy that `rvc` may lie below its original: one frame in a hundred
Track = Callable[[Array, str], Array]  # samples at 16 kHz, method → Hz per 10 ms, 0 where unvoiced


@dataclass(frozen=True)
class Accuracy:
    """Fractions of frames, 0 to 1."""

    raw_pitch: float
    recall: float
    false_alarm: float
    octave: float

    def __str__(self) -> str:
        return f"{self.raw_pitch:8.3f}{self.recall:8.3f}{self.false_alarm:8.3f}{self.octave:8.3f}"


def truth(case: Case) -> Array | None:
    """The true F0 of a case's input: float64 (frames,), Hz per 10 ms, or None where it is not known."""
    stem = Path(str(case.input["file"])).stem
    source, first = EXCERPTS.get(stem, (stem, 0))
    path = INPUTS / f"{source}.f0.safetensors"
    if not path.exists():
        return None
    frames = len(case["audio16k"]) // 160
    return np.asarray(load_file(path)["hz"][first : first + frames], np.float64)


def accuracy(known: Array, tracked: Array) -> Accuracy:
    """The accuracy of `tracked`, measured by `known`; both (frames,), Hz, 0 where unvoiced, cut to the shorter one."""
    count = min(len(known), len(tracked))
    voiced = [np.asarray(hz[:count] > 0) for hz in (known, tracked)]
    cents = [mir_eval.melody.hz2cents(np.maximum(hz[:count], 0.0)) for hz in (known, tracked)]
    recall, alarm = mir_eval.melody.voicing_measures(*voiced)
    pitch = mir_eval.melody.raw_pitch_accuracy(voiced[0], cents[0], voiced[1], cents[1])
    chroma = mir_eval.melody.raw_chroma_accuracy(voiced[0], cents[0], voiced[1], cents[1])
    return Accuracy(float(pitch), float(recall), float(alarm), float(chroma - pitch))


def rows(goldens: Path, run: Path) -> Iterator[tuple[str, str, Accuracy, Accuracy]]:
    """(method, case, accuracy of the original, of `rvc`) for every offline golden of known F0 with a trace in `run`."""
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


def without_original(track: Track) -> Iterator[tuple[str, str, Accuracy]]:
    """(method, input, accuracy of `rvc`) for every method that no original has."""
    for method in methods_without_original():
        for stem in SUNG:
            known = np.asarray(load_file(INPUTS / f"{stem}.f0.safetensors")["hz"], np.float64)
            samples = soundfile.read(INPUTS / f"{stem}.flac", dtype="float64")[0]
            yield method, stem, accuracy(known, track(samples, method))


def report(goldens: Path, run: Path, track: Track) -> int:
    """Print the accuracy of every method.

    Args:
        goldens: the folder of goldens.
        run: the folder of a finished run of the judge.
        track: `rvc`'s F0, for the methods that no original has.
    Returns:
        0, or 1 where a method of `rvc` lies more than ALLOWED_LOSS below its original.
    Raises:
        UsageError: the run holds no trace of a sung golden.
    """
    compared, alone = sorted(rows(goldens, run)), list(without_original(track))
    if not compared:
        raise UsageError(f"{run} holds no trace of a sung golden; run: rvc-parity run")
    print(f"{'sung, known F0':34}{'':10}{'pitch':>8}{'recall':>8}{'alarm':>8}{'octave':>8}")
    for method, name, original, ours in compared:
        print(f"{method:11}{name:23}{'original':10}{original}\n{'':34}{'rvc':10}{ours}")
    for method, name, ours in alone:
        print(f"{method:11}{name:23}no original\n{'':34}{'rvc':10}{ours}")
    worse = any(ours.raw_pitch < original.raw_pitch - ALLOWED_LOSS for *_, original, ours in compared)
    return 1 if worse else 0
