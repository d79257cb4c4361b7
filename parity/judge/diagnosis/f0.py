"""Known mistakes of the F0 stages: tracking, filling, transposition, F0 bins."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from parity.goldens.arrays import Array
from parity.judge.decisions.f0_bins import MEL_HIGH, MEL_LOW
from parity.judge.diagnosis.registry import Deviation, Guess, probe

MEL = (MEL_LOW, MEL_HIGH)  # the ends of the bins
SAME_FACTOR = 0.03  # relative: a frame within half a semitone of twice or half its pitch is an octave error
REACHED_BY_PADDING = 40  # frames of 10 ms at the end that RMVPE's padding to a multiple of 32 frames can reach
LOWEST_CREPE_BIN = 10 * 2.0 ** (1997.3794084376191 / 1200)  # Hz, CREPE's first bin (docs/spec/03 §3.4)
SAME_PITCH = 1e-3  # relative to the lowest pitch: 1.7 cents, less than a tenth of a bin of any pitch network

UNFILLED_CACHE = "gap in the F0 cache"
UNFILLED_CACHE_SENTENCE = (
    "frames of the window are in bin 0, which the cache has before a block fills it: is the cache moved by a block's "
    "frames, and filled up to them?"
)


@probe("f0.raw")
def tracked(deviation: Deviation) -> Iterator[Guess]:
    """A pitch track with octave errors, another voicing threshold, or another smoothing."""
    golden = deviation.golden.astype(np.float64)
    both = (golden > 0) & (deviation.ours > 0)
    for factor, word in ((2.0, "an octave high"), (0.5, "an octave low")):
        yield Guess("octave", f"the pitch is {word}", golden * factor)
        jumped = golden.copy()
        near = both & (np.abs(deviation.ours / np.where(golden > 0, golden, 1) / factor - 1) < SAME_FACTOR)
        jumped[near] = golden[near] * factor
        yield Guess("octave errors", f"some frames are {word}", jumped, general=True)
    energy = (np.asarray(deviation.ours, np.float64) - golden) ** 2
    if (
        energy[-REACHED_BY_PADDING:].sum() > 0.99 * energy.sum() > 0
        and deviation.case.options.get("f0_method") == "rmvpe"
    ):
        yield Guess(
            "mel padding",
            "only the last frames differ, which the padding to a multiple of 32 reaches",
            np.asarray(deviation.ours),
            general=True,
            place_only=True,
        )
    # A threshold moves the edges of voiced parts. Where no frame is voiced in both, there is no part to compare.
    same_pitch = both.any() and np.abs(deviation.ours[both] - golden[both]).max() < SAME_PITCH * golden[both].min()
    less_voiced = golden.copy()
    less_voiced[(golden > 0) & (deviation.ours == 0)] = 0
    if same_pitch and not np.array_equal(less_voiced, golden):
        yield Guess(
            "voicing threshold",
            "frames of little salience are unvoiced: a higher threshold",
            less_voiced,
            general=True,
        )
    more_voiced = np.where((golden == 0) & (deviation.ours > 0), deviation.ours, golden)
    if same_pitch and not np.array_equal(more_voiced, golden):
        yield Guess("voicing threshold", "unvoiced frames get a pitch: a lower threshold", more_voiced, general=True)
    if "noise.crepe" in deviation.inputs:
        factors = 2.0 ** (deviation.input("noise.crepe")[: len(golden)].astype(np.float64) / 1200)
        dither = _mean_of_3(factors)  # the track is smoothed after the dither is added
        yield Guess("missing dither", "the recorded dither is not added", golden / dither)
        yield Guess(
            "lowest pitch bin",
            "every frame has the network's lowest bin, the first one: is its output NaN?",
            LOWEST_CREPE_BIN * dither,
        )
    from scipy import signal  # slow to import; only a stage that differs needs it

    for count in (3, 5):
        yield Guess(
            "median filter", f"a median of {count} frames was laid over the track", signal.medfilt(golden, count)
        )


def _mean_of_3(track: Array) -> Array:
    """The mean of each frame and its neighbors; of two frames at the ends (docs/spec/03 §3.4)."""
    window = np.ones(3)
    return np.convolve(track, window, "same") / np.convolve(np.ones(len(track)), window, "same")


@probe("f0.filled")
def filled(deviation: Deviation) -> Iterator[Guess]:
    """Unvoiced frames filled in another way."""
    raw = deviation.input("f0.raw").astype(np.float64)
    for name, sentence, track in _other_fillings(raw):
        yield Guess(name, sentence, track)
    single, voiced = raw.astype(np.float32), np.flatnonzero(raw > 0)
    if voiced.size:
        line = np.interp(np.arange(len(raw)), voiced, single[voiced]).astype(np.float32)
        yield Guess("single precision", "the curve is filled in single precision", line.astype(np.float64))


def _other_fillings(raw: Array) -> Iterator[tuple[str, str, Array]]:
    """The name of a mistake, a sentence, and the track filled by it, of a track in Hz with 0 where unvoiced."""
    yield "unvoiced frames kept at 0", "unvoiced frames are not filled from their neighbors", raw
    voiced = np.flatnonzero(raw > 0)
    if not voiced.size:
        return
    frames = np.arange(len(raw))
    after = voiced[np.clip(np.searchsorted(voiced, frames), 0, len(voiced) - 1)]
    before = voiced[np.clip(np.searchsorted(voiced, frames, "right") - 1, 0, len(voiced) - 1)]
    yield "held pitch", "gaps repeat the pitch before them instead of a straight line", raw[before]
    yield "held pitch", "gaps take the pitch after them instead of a straight line", raw[after]
    nearest = np.where(np.abs(before - frames) <= np.abs(after - frames), before, after)
    yield "nearest pitch", "gaps repeat the nearest pitch instead of a straight line", raw[nearest]
    inside = np.interp(frames, voiced, raw[voiced], left=0, right=0)
    yield "ends not filled", "gaps at both ends stay unvoiced", inside
    in_log = np.exp(np.interp(frames, voiced, np.log(raw[voiced])))
    yield "filled in logarithm", "gaps are straight in cents, not in Hz", in_log
    yield (
        "filled by the ONNX helper's loop",
        "a gap from frame i to j rises by Δ/(j − i) a frame, so that it reaches the next pitch one frame early",
        filled_by_loop(raw),
    )
    yield (
        "filled one frame early",
        "the line across a gap comes one frame early",
        np.interp(frames + 1, voiced, raw[voiced]) * (raw == 0) + raw * (raw > 0),
    )


def filled_by_loop(track: Array) -> Array:
    """Gaps filled as the ONNX helpers' loop does (docs/divergences.md, D1).

    Args:
        track: float64 (P,), Hz, 0 where unvoiced.
    Returns:
        float64 (P,). A gap of n frames between a and b holds a + k·(b − a)/n for k = 1 … n. A gap at the beginning
        takes the pitch after it. A gap at the end, or one whose next pitch is in the last frame, holds the pitch before
        it.
    """
    filled = track.copy()
    voiced = np.flatnonzero(track > 0)
    if not voiced.size:
        return filled
    filled[: voiced[0]] = track[voiced[0]]
    for before, after in zip(voiced, [*voiced[1:], len(track)], strict=True):
        count = after - before - 1
        if after >= len(track) - 1:
            filled[before + 1 : after] = track[before]
        elif count:
            steps = np.arange(1, count + 1)
            filled[before + 1 : after] = track[before] + (track[after] - track[before]) / count * steps
    return filled


def _without_file(deviation: Deviation, frames: int) -> Array | None:
    """The transposed pitch (1, frames) without the F0 file; None where the conversion has no such file."""
    track = deviation.first_input("f0.filled", "f0.raw")
    if track is None or not deviation.case.options.get("f0_file"):
        return None
    semitones = int(deviation.case.options.get("transpose", 0))
    return np.asarray(track[None, :frames].astype(np.float64) * 2.0 ** (semitones / 12))


def _shifted_file(golden: Array, detected: Array) -> Iterator[Guess]:
    """The curve of the F0 file from frame 0 on, where no padding is left out.

    Args:
        golden: the pitch with the curve, (1, P).
        detected: the pitch without it, (1, P).
    """
    replaced = np.flatnonzero(np.abs(golden[0] - detected[0]) > 1e-6 * detected[0])  # 1e-6: golden is float32
    if replaced.size and replaced[0]:
        curve = golden[0, replaced[0] : replaced[-1] + 1]
        shifted = detected.copy()
        shifted[0, : curve.size] = curve
        yield Guess("F0 file from frame 0", "the curve of the F0 file begins in the padding before the audio", shifted)


@probe("f0.hz")
def transposed(deviation: Deviation) -> Iterator[Guess]:
    """The pitch without its transposition, clipped, or rounded."""
    golden = deviation.golden.astype(np.float64)
    semitones = int(deviation.case.options.get("transpose", 0))
    plain = golden / 2.0 ** (semitones / 12)
    detected = _without_file(deviation, golden.shape[1])
    if detected is not None:
        yield Guess("F0 file ignored", "the F0 file has no effect: this is the detected pitch", detected)
        yield from _shifted_file(golden, detected)
    raw = deviation.first_input("f0.raw")
    if raw is None and "f0.raw" in deviation.case:
        raw = deviation.case["f0.raw"]
    if raw is not None:
        zeros = np.where(raw[: golden.shape[1]][None] == 0, 0.0, golden)
        yield Guess("unvoiced frames kept at 0", "unvoiced frames are not filled from their neighbors", zeros)
        if "f0.filled" in deviation.case:
            for name, sentence, track in _other_fillings(raw.astype(np.float64)):
                yield Guess(name, sentence, track[None, : golden.shape[1]] * 2.0 ** (semitones / 12))
    if semitones:
        yield Guess("missing transposition", "the pitch is not transposed", plain)
        yield Guess(
            "transposed twice", f"the {semitones} semitones are applied twice", golden * 2.0 ** (semitones / 12)
        )
        yield Guess("transposed the other way", "the transposition has the wrong sign", plain / 2.0 ** (semitones / 12))
        yield Guess("whole octaves only", "semitones are divided as integers", plain * 2.0 ** int(semitones / 12))
    yield Guess(
        "clipped pitch",
        "the pitch is clipped to 50…1100 Hz",
        np.where(golden > 0, np.clip(golden, 50, 1100), golden),
    )
    yield Guess("whole hertz", "the pitch is rounded to whole hertz", np.rint(golden))
    for places in (1, 2, 3):
        sentence = f"the pitch is rounded to {10.0**-places:g} Hz"
        yield Guess("rounded pitch", sentence, np.round(golden, places))


def _pitch_of_bins(deviation: Deviation) -> Array:
    """The golden's pitch that the bins are made of, (1, P) in Hz."""
    case, own = deviation.case, deviation.name.sibling("f0.hz")
    if str(own) not in case:
        return deviation.input("f0.raw")[None].astype(np.float64)
    hz = case[str(own)].astype(np.float64)
    raw, output = (str(own.sibling(local)) for local in ("waveform.raw", "waveform.model"))
    if raw not in case or output not in case:
        return hz
    frame = int(case.voice["rate"]) // 100
    return hz * (case[output].size // frame) / (case[raw].size // frame)  # docs/spec/07: bins are not rescaled


@probe("rt.f0", tensors=("f0.hz",))
def pitch_of_block(deviation: Deviation) -> Iterator[Guess]:
    """Frames at 0 that the profile fills, or that the cache has never held.

    A stream does not hold its estimate before the filling. The bin of an unvoiced frame is 1, that of a frame of the
    cache that was never filled 0, so the candidate's own bins distinguish the two.
    """
    coarse, golden = deviation.first_input("f0.coarse"), deviation.golden.astype(np.float64)
    if coarse is None or coarse.shape != golden.shape:
        return
    at_0 = deviation.ours == 0
    for name, sentence, bin_of_frame in (
        ("unvoiced frames kept at 0", "unvoiced frames are not filled from their neighbors", 1),
        (UNFILLED_CACHE, UNFILLED_CACHE_SENTENCE, 0),
    ):
        yield Guess(name, sentence, np.where(at_0 & (coarse == bin_of_frame), 0, golden))


@probe("rt.f0", tensors=("f0.coarse",))
def bins_of_block(deviation: Deviation) -> Iterator[Guess]:
    """The bins of a file in a block, whose cache holds bin 0 in frames that were never filled."""
    yield Guess(UNFILLED_CACHE, UNFILLED_CACHE_SENTENCE, np.where(deviation.ours == 0, 0, deviation.golden))
    for guess in bins(deviation):
        yield replace(guess, value=np.where(deviation.golden == 0, 0, guess.value))


@probe("f0.coarse")
def bins(deviation: Deviation) -> Iterator[Guess]:
    """F0 bins of another scale or another rounding."""
    hz = _pitch_of_bins(deviation)
    # A candidate of another profile may hold a filled track that this golden's profile does not have.
    track = deviation.first_input(*(("f0.filled",) if "f0.filled" in deviation.case else ()), "f0.raw")
    detected = _without_file(deviation, hz.shape[1])
    if track is not None and detected is None:
        hz = track[None, : hz.shape[1]].astype(np.float64) * 2.0 ** (
            int(deviation.case.options.get("transpose", 0)) / 12
        )
    mels = 1127 * np.log(1 + hz / 700)

    def scaled(low: float, high: float, values: Array = mels) -> Array:
        return np.where(values > 0, (values - low) * 254 / (high - low) + 1, values)

    def clipped(values: Array) -> Array:
        return np.clip(values, 1, 255)

    if detected is not None:
        of_detected = scaled(*MEL, 1127 * np.log(1 + detected / 700))
        yield Guess(
            "F0 file ignored",
            "the F0 file has no effect: bins are of the detected pitch",
            np.rint(clipped(of_detected)),
        )
        for guess in _shifted_file(hz, detected):
            of_shifted = scaled(*MEL, 1127 * np.log(1 + guess.value / 700))
            yield replace(guess, value=np.rint(clipped(of_shifted)))
    right = scaled(*MEL)
    for word, rounded in (
        ("cut off", np.trunc(clipped(right))),
        ("rounded up", np.ceil(clipped(right))),
        ("rounded half away from zero", np.floor(clipped(right) + 0.5)),
    ):
        if not np.array_equal(rounded, np.rint(clipped(right))):  # else it explains no difference
            yield Guess(
                "truncated bins" if word == "cut off" else "another rounding",
                f"bins are {word}, not rounded to the nearest",
                rounded,
            )
    of_whole_hertz = 1127 * np.log(1 + np.rint(hz) / 700)
    yield Guess(
        "bins of whole hertz",
        "bins are of pitch rounded to whole hertz",
        np.rint(clipped(scaled(*MEL, of_whole_hertz))),
    )
    yield Guess(
        "hertz as mel bounds",
        "50 and 1100 Hz stand where their mel values belong",
        np.rint(clipped(scaled(50, 1100))),
    )
    for top in (500, 800, 1000, 2000, 1600):
        yield Guess(
            "another ceiling",
            f"the scale ends at {top} Hz, not 1100",
            np.rint(clipped(scaled(MEL[0], 1127 * np.log(1 + top / 700)))),
        )
    for floor in (40, 65, 71, 80):
        yield Guess(
            "another floor",
            f"the scale begins at {floor} Hz, not 50",
            np.rint(clipped(scaled(1127 * np.log(1 + floor / 700), MEL[1]))),
        )
    htk = 2595 * np.log10(1 + hz / 700)
    yield Guess(
        "another mel scale",
        "the mel scale is 2595·log10 with bounds of 1127·ln",
        np.rint(clipped(scaled(*MEL, htk))),
    )
    for knee in (600, 625, 1000):
        low, high = (np.log(1 + bound / knee) for bound in (50, 1100))
        yield Guess(
            "another mel scale",
            f"the mel scale is of ln(1 + f/{knee}), not of ln(1 + f/700)",
            np.rint(clipped(scaled(low, high, np.log(1 + hz / knee)))),
        )
    octaves = np.log2(np.where(hz > 0, hz, 1))
    yield Guess(
        "another mel scale",
        "bins are even in octaves, not in mel",
        np.rint(clipped(scaled(np.log2(50), np.log2(1100), octaves))),
    )
    yield Guess("bins from 0", "bins count from 0", np.clip(np.rint(right), 1, 255) - 1)
    yield Guess(
        "bin 0 below the floor",
        "frames without pitch and pitches below 50 Hz have bin 0, not 1",
        np.rint(np.clip(right, 0, 255)),
    )
    wide = np.where(mels > 0, (mels - MEL[0]) * 255 / (MEL[1] - MEL[0]) + 1, mels)
    yield Guess("255 steps", "the scale has 255 steps instead of 254", np.rint(clipped(wide)))
    yield Guess("256 bins", "the scale is not clipped at 255", np.rint(np.maximum(right, 1)))
    yield Guess(
        "linear scale",
        "bins are even in hertz, not in mel",
        np.rint(clipped(np.where(hz > 0, (hz - 50) * 254 / 1050 + 1, 0))),
    )
    raw = deviation.inputs.get("f0.raw", deviation.case.get("f0.raw"))
    if raw is not None and "f0.filled" in deviation.case:
        for name, sentence, filled_track in _other_fillings(raw.astype(np.float64)):
            of_track = filled_track[None, : hz.shape[1]] * 2.0 ** (int(deviation.case.options.get("transpose", 0)) / 12)
            made = np.rint(clipped(scaled(*MEL, 1127 * np.log(1 + of_track / 700))))
            yield Guess(name, f"bins are of pitch in which {sentence}", made)
    if raw is not None:
        kept = np.where(raw[None, : hz.shape[1]] > 0, np.rint(clipped(right)), 1)
        yield Guess("unvoiced frames kept at 0", "unvoiced frames are in bin 1, not in their neighbors'", kept)
    plain = hz / 2.0 ** (int(deviation.case.options.get("transpose", 0)) / 12)
    untransposed = 1127 * np.log(1 + plain / 700)
    yield Guess(
        "missing transposition",
        "bins are of the pitch before transposition",
        np.rint(clipped(scaled(*MEL, untransposed))),
    )
