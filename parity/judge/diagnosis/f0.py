"""Known mistakes of the F0 stages: tracking, filling, transposition, F0 bins.

The codes "D1", "D4", … are numbers of docs/divergences.md.
"""

from collections.abc import Iterator

import numpy as np

from parity.goldens.arrays import Array
from parity.judge.decisions.f0_bins import MEL_HIGH, MEL_LOW
from parity.judge.diagnosis.registry import Deviation, Guess, probe

MEL = (MEL_LOW, MEL_HIGH)  # the ends of the bins
SAME_FACTOR = 0.03  # relative: a frame within half a semitone of twice or half its pitch is an octave error
REACHED_BY_PADDING = 40  # frames of 10 ms at the end that RMVPE's padding to a multiple of 32 frames can reach
SAME_PITCH = 1e-3  # relative to the lowest pitch: 1.7 cents, less than a tenth of a bin of any pitch network


@probe("f0.raw")
def tracked(deviation: Deviation) -> Iterator[Guess]:
    """A pitch track with octave errors, another voicing threshold, or another smoothing."""
    golden = deviation.golden.astype(np.float64)
    both = (golden > 0) & (deviation.ours > 0)
    for factor, word in ((2.0, "an octave high"), (0.5, "an octave low")):
        yield Guess("octave", f"the pitch is {word}", golden * factor, "D4")
        jumped = golden.copy()
        near = both & (np.abs(deviation.ours / np.where(golden > 0, golden, 1) / factor - 1) < SAME_FACTOR)
        jumped[near] = golden[near] * factor
        yield Guess("octave errors", f"some frames are {word}", jumped, "D4", general=True)
    energy = (np.asarray(deviation.ours, np.float64) - golden) ** 2
    if (
        energy[-REACHED_BY_PADDING:].sum() > 0.99 * energy.sum() > 0
        and deviation.case.options.get("f0_method") == "rmvpe"
    ):
        yield Guess(
            "mel padding",
            "only the last frames differ, which the padding to a multiple of 32 reaches",
            np.asarray(deviation.ours),
            "D4",
            general=True,
        )
    same_pitch = not both.any() or np.abs(deviation.ours[both] - golden[both]).max() < SAME_PITCH * golden[both].min()
    less_voiced = golden.copy()
    less_voiced[(golden > 0) & (deviation.ours == 0)] = 0
    if same_pitch and not np.array_equal(less_voiced, golden):
        yield Guess(
            "voicing threshold",
            "frames of little salience are unvoiced: a higher threshold",
            less_voiced,
            "D4",
            general=True,
        )
    more_voiced = np.where((golden == 0) & (deviation.ours > 0), deviation.ours, golden)
    if same_pitch and not np.array_equal(more_voiced, golden):
        yield Guess(
            "voicing threshold", "unvoiced frames get a pitch: a lower threshold", more_voiced, "D4", general=True
        )
    if "noise.crepe" in deviation.inputs:
        yield Guess(
            "missing dither",
            "the recorded dither is not added",
            golden / 2.0 ** (deviation.input("noise.crepe")[: len(golden)].astype(np.float64) / 1200),
            "D8",
        )
    from scipy import signal  # slow to import; only a stage that differs needs it

    for count in (3, 5):
        yield Guess(
            "median filter", f"a median of {count} frames was laid over the track", signal.medfilt(golden, count), "D7"
        )


@probe("f0.filled")
def filled(deviation: Deviation) -> Iterator[Guess]:
    """Unvoiced frames filled in another way."""
    raw = deviation.input("f0.raw").astype(np.float64)
    yield Guess("unvoiced frames kept at 0", "unvoiced frames are not filled from their neighbors", raw, "D1")
    voiced = np.flatnonzero(raw > 0)
    if voiced.size:
        frames = np.arange(len(raw))
        after = voiced[np.clip(np.searchsorted(voiced, frames), 0, len(voiced) - 1)]
        before = voiced[np.clip(np.searchsorted(voiced, frames, "right") - 1, 0, len(voiced) - 1)]
        yield Guess("held pitch", "gaps repeat the pitch before them instead of a straight line", raw[before], "D1")
        yield Guess("held pitch", "gaps take the pitch after them instead of a straight line", raw[after], "D1")
        inside = np.interp(frames, voiced, raw[voiced], left=0, right=0)
        yield Guess("ends not filled", "gaps at both ends stay unvoiced", inside, "D1")
        in_log = np.exp(np.interp(frames, voiced, np.log(raw[voiced])))
        yield Guess("filled in logarithm", "gaps are straight in cents, not in Hz", in_log, "D1")
        yield Guess(
            "filled one frame early",
            "the line across a gap comes one frame early",
            np.interp(frames + 1, voiced, raw[voiced]) * (raw == 0) + raw * (raw > 0),
            "D1",
        )


@probe("f0.hz")
def transposed(deviation: Deviation) -> Iterator[Guess]:
    """The pitch without its transposition, clipped, or rounded."""
    golden = deviation.golden.astype(np.float64)
    semitones = int(deviation.case.options.get("transpose", 0))
    plain = golden / 2.0 ** (semitones / 12)
    raw = deviation.first_input("f0.raw")
    if raw is None and "f0.raw" in deviation.case:
        raw = deviation.case["f0.raw"]
    if raw is not None:
        zeros = np.where(raw[: golden.shape[1]][None] == 0, 0.0, golden)
        yield Guess("unvoiced frames kept at 0", "unvoiced frames are not filled from their neighbors", zeros, "D1")
    if semitones:
        yield Guess("missing transposition", "the pitch is not transposed", plain, "D6")
        yield Guess(
            "transposed twice", f"the {semitones} semitones are applied twice", golden * 2.0 ** (semitones / 12), "D6"
        )
        yield Guess(
            "transposed the other way", "the transposition has the wrong sign", plain / 2.0 ** (semitones / 12), "D6"
        )
        yield Guess("whole octaves only", "semitones are divided as integers", plain * 2.0 ** int(semitones / 12), "D6")
    yield Guess(
        "clipped pitch",
        "the pitch is clipped to 50…1100 Hz",
        np.where(golden > 0, np.clip(golden, 50, 1100), golden),
        "D5",
    )
    yield Guess("whole hertz", "the pitch is rounded to whole hertz", np.rint(golden), "D8")
    for places in (1, 2, 3):
        sentence = f"the pitch is rounded to {10.0**-places:g} Hz"
        yield Guess("rounded pitch", sentence, np.round(golden, places), "D8")


@probe("f0.coarse")
def bins(deviation: Deviation) -> Iterator[Guess]:
    """F0 bins of another scale or another rounding."""
    hz = (
        deviation.case["f0.hz"].astype(np.float64)
        if "f0.hz" in deviation.case
        else deviation.input("f0.raw")[None].astype(np.float64)
    )
    track = deviation.first_input("f0.filled", "f0.raw")
    if track is not None:
        hz = track[None, : hz.shape[1]].astype(np.float64) * 2.0 ** (
            int(deviation.case.options.get("transpose", 0)) / 12
        )
    mels = 1127 * np.log(1 + hz / 700)

    def scaled(low: float, high: float, values: Array = mels) -> Array:
        return np.where(values > 0, (values - low) * 254 / (high - low) + 1, values)

    def clipped(values: Array) -> Array:
        return np.clip(values, 1, 255)

    right = scaled(*MEL)
    for word, rounded in (
        ("cut off", np.trunc(clipped(right))),
        ("rounded up", np.ceil(clipped(right))),
        ("rounded half away from zero", np.floor(clipped(right) + 0.5)),
    ):
        yield Guess(
            "truncated bins" if word == "cut off" else "another rounding",
            f"bins are {word}, not rounded to the nearest",
            rounded,
            "D5",
        )
    of_whole_hertz = 1127 * np.log(1 + np.rint(hz) / 700)
    yield Guess(
        "bins of whole hertz",
        "bins are of pitch rounded to whole hertz",
        np.rint(clipped(scaled(*MEL, of_whole_hertz))),
        "D5",
    )
    yield Guess(
        "hertz as mel bounds",
        "50 and 1100 Hz stand where their mel values belong",
        np.rint(clipped(scaled(50, 1100))),
        "D5",
    )
    for top in (500, 800, 1000, 2000, 1600):
        yield Guess(
            "another ceiling",
            f"the scale ends at {top} Hz, not 1100",
            np.rint(clipped(scaled(MEL[0], 1127 * np.log(1 + top / 700)))),
            "D5",
        )
    for floor in (40, 65, 71, 80):
        yield Guess(
            "another floor",
            f"the scale begins at {floor} Hz, not 50",
            np.rint(clipped(scaled(1127 * np.log(1 + floor / 700), MEL[1]))),
            "D5",
        )
    htk = 2595 * np.log10(1 + hz / 700)
    yield Guess(
        "another mel scale",
        "the mel scale is 2595·log10 with bounds of 1127·ln",
        np.rint(clipped(scaled(*MEL, htk))),
        "D5",
    )
    yield Guess("bins from 0", "bins count from 0", np.clip(np.rint(right), 1, 255) - 1, "D5")
    wide = np.where(mels > 0, (mels - MEL[0]) * 255 / (MEL[1] - MEL[0]) + 1, mels)
    yield Guess("255 steps", "the scale has 255 steps instead of 254", np.rint(clipped(wide)), "D5")
    yield Guess("256 bins", "the scale is not clipped at 255", np.rint(np.maximum(right, 1)), "D5")
    yield Guess(
        "linear scale",
        "bins are even in hertz, not in mel",
        np.rint(clipped(np.where(hz > 0, (hz - 50) * 254 / 1050 + 1, 0))),
        "D5",
    )
    raw = deviation.inputs.get("f0.raw", deviation.case.get("f0.raw"))
    if raw is not None:
        kept = np.where(raw[None, : hz.shape[1]] > 0, np.rint(clipped(right)), 1)
        yield Guess("unvoiced frames kept at 0", "unvoiced frames are in bin 1, not in their neighbors'", kept, "D1")
    plain = hz / 2.0 ** (int(deviation.case.options.get("transpose", 0)) / 12)
    untransposed = 1127 * np.log(1 + plain / 700)
    yield Guess(
        "missing transposition",
        "bins are of the pitch before transposition",
        np.rint(clipped(scaled(*MEL, untransposed))),
        "D6",
    )
