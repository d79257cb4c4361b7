"""The registry of value classes: kinds of values for which an implementation of a stage may take another path.

A class belongs to one stage. A golden reaches it where some segment or block of that stage has such values. The lengths
are those around which implementations split their work: 256 rows of retrieval, 320 queries of attention, 512 frames of
RMVPE and CREPE, 1024 frames of a recurrent network or of the F0 cache, 262,144 samples of the output. `register` adds a
class; `rvc-parity coverage` lists the goldens that reach each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity import stages
from parity.goldens import reduction as reductions
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.stages import TensorName
from parity.stages.profile_table import METHODS, PROFILES, Generation

LOWEST_HZ, HIGHEST_HZ = 50.0, 1100.0  # the ends of the F0 bins (docs/spec/00 §0.2)
VOICED_HZ = 1.0  # F0 below it is protected as unvoiced (docs/spec/06 §6.6)
NSF_VOICED_HZ = 10.0  # F0 below which a program may take a frame for unvoiced in the source
LOUDNESS_FLOOR, STREAM_FLOOR = 1e-6, 1e-3  # RMS to which a voice is raised in a file and in a stream
INPUT_GUARD, OUTPUT_GUARD = 0.95, 0.99  # peaks above which a signal is scaled down
# Measured: the original itself, run without vector instructions, differs from such a golden by 5.8 times the limit.
WRAPS = "without fused multiply-add the phase of sine A wraps elsewhere, and a reduced golden cannot show that"
FLT_MAX = np.finfo(np.float32).max  # the distance of a missing neighbor
BLOCKS = {
    "hubert.features": ("hubert.features", (256, 320, 512)),
    "retrieval.search": ("retrieval.ids", (256, 512)),
    "retrieval.weights": ("retrieval.weights", (256, 512)),
    "retrieval.mean": ("retrieval.mean", (256, 512)),
    "retrieval.blended": ("retrieval.blended", (256, 512)),
    "enc_p": ("enc_p.m", (320, 512, 1024)),
    "flow": ("flow.z", (320, 512, 1024)),
    "rmsmixed": ("waveform.rmsmixed", (262_144,)),
    "final": ("waveform.final", (262_144,)),
}
EXACTLY = {"retrieval.search": ("retrieval.ids", 256), "retrieval.mean": ("retrieval.mean", 256)}
F0_BLOCKS = {"rmvpe": (512, 1024), "crepe": (512,)}


@dataclass(frozen=True)
class Place:
    """A stage of a golden, of one segment or block.

    Attributes:
        case: The golden.
        prefix: "" for a stage of the file, else that of the segment or block.
    """

    case: Case
    prefix: str

    def value(self, local: str) -> Array:
        """A tensor of the segment or block, else of the file; raises KeyError where the golden has none."""
        return self.case[self.prefix + local if self.prefix + local in self.case else local]

    def length(self, local: str) -> int:
        """The length of a tensor along its time axis; the tensor is not read."""
        name = self.prefix + local if self.prefix + local in self.case else local
        axis = stages.tensor(name).time_axis
        reduction = reductions.of(self.case.document, name)
        return int((self.case.entry(name)["shape"] if reduction is None else reduction.shape)[axis or 0])

    def option(self, name: str, default: Any = None) -> Any:
        """An option of the conversion."""
        return self.case.options.get(name, default)

    def first(self, *locals: str) -> Array:
        """The first of some tensors that the golden has; raises KeyError where it has none."""
        for local in locals:
            if self.prefix + local in self.case or local in self.case:
                return self.value(local)
        raise KeyError(locals[0])

    def hz(self) -> Array:
        """F0 of the segment or block in Hz, float (frames,)."""
        track = self.value("f0.hz").ravel()
        frames = (self.length(name) for name in ("content.protected",) if self.prefix + name in self.case)
        return track[: next(frames, len(track))]


Reached = Callable[[Place], bool]


@dataclass(frozen=True)
class ValueClass:
    """One kind of values.

    Attributes:
        stage: The stage that reads or makes them.
        name: What they are, unique in the stage.
        reached: Whether a stage of a golden has them; a KeyError counts as not.
        not_recorded: Why no golden has them; None where one must.
    """

    stage: str
    name: str
    reached: Reached
    not_recorded: str | None = None


CLASSES: list[ValueClass] = []


def register(stage: str, name: str, reached: Reached, not_recorded: str | None = None) -> ValueClass:
    """Add a value class.

    Returns:
        The class.
    Raises:
        ValueError: There is no such stage, or it has a class of that name.
    """
    if stages.stage_named(stage) is None:
        raise ValueError(f"there is no stage {stage!r} for the values {name!r}")
    if any((other.stage, other.name) == (stage, name) for other in CLASSES):
        raise ValueError(f"{stage} has the values {name!r} already")
    CLASSES.append(ValueClass(stage, name, reached, not_recorded))
    return CLASSES[-1]


def _all(condition: Callable[[Array], Array], local: str) -> Reached:
    return lambda place: bool(condition(place.value(local)).all())


def _any(condition: Callable[[Array], Array], *locals: str) -> Reached:
    return lambda place: bool(condition(place.first(*locals)).any())


def _peak(local: str, low: float, high: float = np.inf) -> Reached:
    return lambda place: low < float(np.abs(place.value(local)).max()) <= high


def _with_method(method: str, reached: Reached) -> Reached:
    return lambda place: place.option("f0_method") == method and reached(place)


def _in_profile(profile: str, reached: Reached) -> Reached:
    return lambda place: place.case.profile == profile and reached(place)


def _of_generation(generation: Generation, reached: Reached) -> Reached:
    return lambda place: PROFILES[place.case.profile].generation is generation and reached(place)


def _between(low: float, high: float) -> Callable[[Array], Array]:
    return lambda value: np.asarray((value > low) & (value < high))


def _hz(condition: Callable[[Array], Array]) -> Reached:
    return lambda place: bool(condition(place.hz()).any())


def _equal_to(number: float) -> Callable[[Array], Array]:
    return lambda value: np.asarray(value == number)


def _is_zero(value: Array) -> Array:
    return np.asarray(value == 0)


def _protected(condition: Callable[[Array], Array]) -> Reached:
    """Whether F0 is such in a segment with retrieval and protection, without which it has no effect."""
    reached = _hz(condition)
    return lambda place: (
        float(place.option("index_rate", 0)) > 0 and float(place.option("protect", 0.33)) < 0.5 and reached(place)
    )


def _flatness(samples: Array) -> float:
    """The geometric over the arithmetic mean of a power spectrum: 0.56 for white noise, near 0 for speech."""
    power = np.square(np.abs(np.fft.rfft(samples))) + np.finfo(np.float64).tiny
    return float(np.exp(np.log(power).mean()) / power.mean())


def _some_of_both(local: str) -> Reached:
    return lambda place: bool((place.value(local) > 0).any() and (place.value(local) == 0).any())


def _rms(value: Array) -> float:
    return float(np.sqrt(np.mean(np.square(value.astype(np.float64)))))


def _quietest(local: str, seconds: float, floor: float) -> Reached:
    """Whether the RMS of a waveform lies below a floor in one of its centered windows, with zeros beyond both ends."""

    def reached(place: Place) -> bool:
        wave = place.value(local).ravel()
        half = round(int(place.case.voice["rate"]) * seconds / 2)
        padded = np.pad(wave, half)
        pieces = [padded[i : i + 2 * half] for i in range(0, len(wave) + 1, half)]
        return min(map(_rms, pieces)) < floor

    return reached


def _alternating_speakers(place: Place) -> bool:
    """Whether a segment has another speaker than the one before it in the same golden."""
    number = stages.index_of(place.prefix)
    name = TensorName.parse(f"{place.prefix}spk.g")
    before = f"seg{number - 1}.spk.g"
    return number > 0 and before in place.case and not np.array_equal(place.case[str(name)], place.case[before])


def _longer(local: str, count: int) -> Reached:
    return lambda place: place.length(local) > count


def _as_long_as(local: str, count: int) -> Reached:
    return lambda place: place.length(local) == count


def _with_rest(local: str, rest: int) -> Reached:
    """Whether a length is even (0) or odd (1)."""
    return lambda place: place.length(local) % 2 == rest


def _more_frames(count: int) -> Reached:
    return lambda place: _frames(place) > count


def _register_lengths() -> None:
    for stage, (local, blocks) in BLOCKS.items():
        for block in blocks:
            register(stage, f"more than {block}", _longer(local, block))
    for stage, (local, count) in EXACTLY.items():
        register(stage, f"exactly {count}", _as_long_as(local, count))
        register(stage, f"exactly {count + 1}", _as_long_as(local, count + 1))
    for stage in ("hubert.features", "enc_p", "flow", "generator"):
        local = {"enc_p": "enc_p.m", "flow": "flow.z", "generator": "flow.z"}.get(stage, stage)
        for frames, rest in (("an even number of frames", 0), ("an odd number of frames", 1)):
            because = "two frames of 10 ms come of each of 20 ms" if rest and stage != "hubert.features" else None
            register(stage, frames, _with_rest(local, rest), because)
    for block in (320, 512, 1024):
        register("generator", f"more than {block} frames", _more_frames(block))
        register("nsf", f"more than {block} frames", _more_frames(block), WRAPS if block == 1024 else None)


def _frames(place: Place) -> int:
    """The number of 10 ms frames of a segment, from the length of its source or waveform."""
    for local in ("nsf.source", "waveform.segment.full"):
        if place.prefix + local in place.case:
            return place.length(local) * 100 // int(place.case.voice["rate"])
    return 0


def _register_f0() -> None:
    recorded = {method for profile in PROFILES.values() for method in profile.methods}
    for method in (name for name in METHODS if name in recorded):
        register("f0.raw", f"silence in {method}", _with_method(method, _all(_is_zero, "padded")))
        register("f0.raw", f"voiced and unvoiced in {method}", _with_method(method, _some_of_both("f0.raw")))
        for block in F0_BLOCKS.get(method, ()):
            register("f0.raw", f"more than {block} frames in {method}", _with_method(method, _longer("f0.raw", block)))
    register(
        "f0.raw", "white noise in fcpe", _with_method("fcpe", lambda place: _flatness(place.value("padded")) > 0.4)
    )
    register("f0.filled", "no frame is voiced", _all(_is_zero, "f0.raw"))
    register("f0.filled", "unvoiced frames between voiced ones", _some_of_both("f0.raw"))
    for stage in ("f0.hz", "f0.coarse"):
        edges: dict[str, Callable[[Array], Array]] = {
            "0": _is_zero,
            "between 0 and 1 Hz": _between(0, VOICED_HZ),
            "1 to 10 Hz": _between(VOICED_HZ, NSF_VOICED_HZ),
            "10 to 50 Hz": _between(NSF_VOICED_HZ, LOWEST_HZ),
            "exactly 50 Hz": lambda hz: np.asarray(hz == LOWEST_HZ),
            "within the bins": _between(LOWEST_HZ, HIGHEST_HZ),
            "exactly 1100 Hz": lambda hz: np.asarray(hz == HIGHEST_HZ),
            "above 1100 Hz": lambda hz: np.asarray(hz > HIGHEST_HZ),
        }
        for name, condition in edges.items():
            register(stage, f"F0 {name}", _any(condition, "f0.filled", "f0.raw"))
    for bin in (1, 255):
        register("f0.coarse", f"bin {bin}", _any(_equal_to(bin), "f0.coarse"))
    register("content.protected", "F0 0", _protected(_is_zero))
    register("content.protected", "F0 between 0 and 1 Hz", _protected(_between(0, VOICED_HZ)))
    register("content.protected", "F0 exactly 1 Hz", _protected(_equal_to(VOICED_HZ)))
    register("content.protected", "protect 0", lambda place: float(place.option("protect", 0.33)) == 0)
    register("content.protected", "protect 0.5", lambda place: float(place.option("protect", 0.33)) == 0.5)
    for generation in Generation:
        for name, condition in {
            "F0 0 between voiced frames": _is_zero,
            "F0 between 0 and 10 Hz": _between(0, NSF_VOICED_HZ),
            "F0 above 1100 Hz": lambda hz: np.asarray(hz > HIGHEST_HZ),
        }.items():
            register("nsf", f"{name} (sine {generation.value})", _of_generation(generation, _hz(condition)))


def _register_file() -> None:
    register("audio16k", "silence", _all(_is_zero, "audio16k.raw"))
    register("audio16k", "a peak above 0.95", _peak("audio16k.raw", INPUT_GUARD))
    register("audio16k", "a peak below 0.95", _peak("audio16k.raw", 0, INPUT_GUARD))
    register("highpassed", "silence", _all(_is_zero, "audio16k"))
    register("segment.cuts", "equally quiet places", _ties_of_cuts)
    register("hubert.features", "silence", _all(_is_zero, "audio"))
    register("retrieval.search", "eight neighbors", _all(lambda ids: np.asarray(ids >= 0), "retrieval.ids"))
    register("retrieval.search", "fewer than eight neighbors", _any(lambda ids: np.asarray(ids < 0), "retrieval.ids"))
    register(
        "retrieval.search",
        "two equal distances",
        _any(lambda distances: (np.diff(distances) == 0) & (distances[:, 1:] < FLT_MAX), "retrieval.distances"),
        "no two vectors of the synthetic indexes are equally far, but for missing neighbors",
    )
    for profile in PROFILES:
        second = _in_profile(profile, lambda place: stages.index_of(place.prefix) > 0)
        for stage in ("seg.audio", "content.protected", "nsf", "generator"):
            register(stage, f"a second segment in {profile}", second)
    register("spk.g", "speaker 0", lambda place: int(place.option("speaker", 0)) == 0)
    register("spk.g", "another speaker", lambda place: int(place.option("speaker", 0)) > 0)
    for stage in ("flow", "generator"):
        register(stage, "another speaker than in the segment before", _alternating_speakers)
    register("rmsmixed", "rate 0", lambda place: float(place.option("rms_mix_rate", 1)) == 0)
    register("rmsmixed", "rate inside", lambda place: 0 < float(place.option("rms_mix_rate", 1)) < 1)
    register("rmsmixed", "a voice below the loudness floor", _quietest("waveform.concat", 1.0, LOUDNESS_FLOOR))
    register("resampled", "to a higher rate", lambda place: place.option("resample_rate") > place.case.voice["rate"])
    register("resampled", "to a lower rate", lambda place: place.option("resample_rate") < place.case.voice["rate"])
    last = ("waveform.resampled", "waveform.rmsmixed", "waveform.concat")
    register("final", "a peak above 0.99", _any(lambda wave: np.abs(wave) > OUTPUT_GUARD, *last))
    register("final", "a peak below 0.99", lambda place: float(np.abs(place.first(*last)).max()) < OUTPUT_GUARD)


def _ties_of_cuts(place: Place) -> bool:
    """Whether a golden's cut has an equally quiet place within the searched window."""
    profile, cuts = place.value("quiet.profile"), place.value("segment.cuts")
    query = round(float(place.option("window")[1]) * stages.SR16)
    near = [profile[max(int(cut) - query, 0) : int(cut) + query] for cut in cuts]
    return any((window == profile[int(cut)]).sum() > 1 for window, cut in zip(near, cuts, strict=True))


def _register_stream() -> None:
    streamed = {method for profile in PROFILES.values() for method in profile.methods} - {"crepe"}
    for method in (name for name in METHODS if name in streamed):
        register("rt.f0", f"voiced in {method}", _with_method(method, _any(lambda hz: np.asarray(hz > 0), "f0.hz")))
    silent = _all(_is_zero, "input16k")
    register("rt.f0", "silence", silent)
    register("rt.hubert.features", "silence", silent)
    register("rt.retrieval", "eight neighbors", _all(lambda ids: np.asarray(ids >= 0), "retrieval.ids"))
    register("rt.retrieval", "fewer than eight neighbors", _any(lambda ids: np.asarray(ids < 0), "retrieval.ids"))
    register("rt.infer_wav", "a voice below the loudness floor", _quietest("waveform.model", 0.05, STREAM_FLOOR))
    register("rt.infer_wav", "mix rate 0", lambda place: float(place.option("rms_mix_rate", 1)) == 0)
    register("rt.infer_wav", "mix rate inside", lambda place: 0 < float(place.option("rms_mix_rate", 1)) < 1)
    register("rt.sola", "the first block, whose held piece is zero", lambda place: stages.index_of(place.prefix) == 0)
    register("rt.sola", "offset 0", _any(_is_zero, "sola.offset"))
    register("rt.sola", "an offset above 0", _any(lambda offset: np.asarray(offset > 0), "sola.offset"))
    register("rt.sola", "equal correlations", lambda place: _is_tied(place.value("sola.cor")))
    register(
        "rt.f0",
        "a window as long as the F0 cache of 1024 frames",
        lambda place: place.length("f0.hz") >= 1024,
        "such a window is 10 s long and costs more than all other blocks together",
    )


def _is_tied(correlation: Array) -> bool:
    return bool((correlation == correlation.max()).sum() > 1)


def of_stage(stage: str) -> Iterator[ValueClass]:
    """The classes of one stage."""
    return (one for one in CLASSES if one.stage == stage)


_register_lengths()
_register_f0()
_register_file()
_register_stream()
