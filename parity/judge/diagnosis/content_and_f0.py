"""What each stage would have made under the mistakes that ports are known for; see docs/divergences.md for D-numbers.

Small numpy formulas of the specification with one thing wrong; networks are predicted in
parity/rvc_bridge/network_probes.py.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import signal

from parity import stages
from parity.candidates.candidate import Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.diagnosis import waveform
from parity.judge.diagnosis.causes import Guess, given_of

Family = Callable[[Case, str, str, Tensors, Array], Iterator[Guess]]

B = [
    0.9699606451838447,
    -4.849803225919223,
    9.699606451838447,
    -9.699606451838447,
    4.849803225919223,
    -0.9699606451838447,
]
A = [1, -4.939001819168364, 9.757863526739543, -9.639544849413458, 4.761506797356209, -0.9408236532054606]
MEL = (77.75496616579426, 1064.4082331636394)


def guesses(case: Case, stage: str, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    """Every prediction for one tensor of one stage; a formula that does not fit the shapes at hand is left out."""
    alike = _LIVE.get(stages.TensorName.parse(name).local, "") if stage == "rt.retrieval" else stage.removeprefix("rt.")
    family = FAMILIES.get(alike)
    if family is None:
        return
    iterator = family(case, prefix, name, given, ours)
    while True:
        try:
            guess = next(iterator)
        except StopIteration:
            return
        except (ValueError, IndexError, KeyError, FloatingPointError):
            return
        yield guess


def _guard(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    raw = given["audio16k.raw"]
    peak = float(np.abs(raw).max())
    yield Guess("missing peak guard", "the input is not scaled down to a peak of 0.95", raw, "D15")
    for ceiling in (1.0, 0.99, 0.9):
        scaled = raw / max(peak / ceiling, 1)
        yield Guess("another guard", f"the peak guard is {ceiling:g} instead of 0.95", scaled, "D15")
    yield Guess("always normalised", "quiet input is scaled up to 0.95 too", raw * (0.95 / peak), "D15")


def _high_pass(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    x = given["audio16k"]
    yield Guess("missing high-pass", "the 48 Hz high-pass is not applied", x.astype(np.float64), "D19")
    yield Guess(
        "one-way filter",
        "the filter runs forward only, so it is not zero-phase",
        signal.lfilter(B, A, x.astype(np.float64)),
        "D19",
    )
    yield Guess(
        "float64 extension",
        "the ends are extended in float64, not in the input's float32",
        signal.filtfilt(B, A, x.astype(np.float64)),
        "D19",
    )
    yield Guess("no extension", "the filter's ends are not extended", signal.filtfilt(B, A, x, padtype=None), "D19")
    for kind in ("even", "constant"):
        yield Guess(
            "another extension", f"the ends are extended {kind}, not odd", signal.filtfilt(B, A, x, padtype=kind), "D19"
        )
    for order, cutoff in ((5, 40), (5, 50), (5, 60), (4, 48), (2, 48), (5, 80), (5, 20)):
        b, a = signal.butter(order, cutoff, "high", fs=16000)
        yield Guess(
            "another high-pass",
            f"the high-pass is of order {order} at {cutoff} Hz, not 5 at 48",
            signal.filtfilt(b, a, x),
            "D19",
        )


def _cuts(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    x = given["highpassed"]
    reach, center = (round(16000 * float(case.options["window"][place])) for place in (1, 2))
    edge = np.pad(x, 80, mode="reflect")
    total = np.concatenate([[0.0], np.cumsum(edge)])
    loud = np.concatenate([[0.0], np.cumsum(np.abs(edge))])
    energy = np.concatenate([[0.0], np.cumsum(edge**2)])
    profiles = [
        ("sum without magnitude", "the cut rule takes |Σ x| instead of Σ |x|", np.abs(_box(total, 0)), "D13"),
        ("energy", "the cut rule takes Σ x² instead of Σ |x|", _box(energy, 0), "D13"),
        ("profile one sample late", "the loudness window lies one sample later", _box(loud, 1), "D13"),
        ("mean", "the loudness is a mean, not a sum", _box(loud, 0) / 160, "D13"),
        ("", "", _box(loud, 0), None),
    ]
    for label, sentence, profile, divergence in profiles:
        count = len(x)
        profile = profile[:count]
        if label and name == "quiet.profile":
            yield Guess(label, sentence, profile, divergence)
        if name != "segment.cuts" or (label and _same_profile(case, given)):
            continue
        centres = range(center, count, center)
        if label:
            yield Guess(
                label,
                sentence,
                np.array([c - reach + int(np.argmin(profile[c - reach : c + reach])) for c in centres]),
                divergence,
            )
            continue
        flat = profile
        yield Guess(
            "last minimum",
            "of equal minima the last is taken",
            np.array([c + reach - 1 - int(np.argmin(flat[c - reach : c + reach][::-1])) for c in centres]),
            "D13",
        )
        yield Guess("cuts at the centres", "the quiet place is not looked for", np.array(list(centres)), "D13")
        yield Guess(
            "loudest place",
            "the loudest place is taken, not the quietest",
            np.array([c - reach + int(np.argmax(flat[c - reach : c + reach])) for c in centres]),
            "D13",
        )
        yield Guess(
            "search before only",
            "the quiet place is looked for before the centre only",
            np.array([c - reach + int(np.argmin(flat[c - reach : c])) for c in centres]),
            "D13",
        )
        yield Guess(
            "cuts from the window's start",
            "the position inside the window is returned",
            np.array([int(np.argmin(flat[c - reach : c + reach])) for c in centres]),
            "D13",
        )
        for by, word in ((1, "late"), (-1, "early")):
            yield Guess("cuts one sample off", f"every cut is one sample {word}", case["segment.cuts"] + by, "D13")
        floored = case["segment.cuts"] // 160 * 160
        yield Guess("floored cuts", "the cuts are recorded after flooring to frames", floored, None)


def _same_profile(case: Case, given: Tensors) -> bool:
    """Whether the loudness that the cuts were chosen by is the golden's."""
    ours, golden = given.get("quiet.profile"), case.get("quiet.profile")
    return ours is not None and golden is not None and ours.shape == golden.shape and np.allclose(ours, golden)


def _box(total: Array, late: int) -> Array:
    sums = total[160:] - total[:-160]
    return np.roll(sums, -late) if late else sums


def _pad(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    x = given["highpassed"]
    pad = (len(ours) - len(x)) // 2
    ways = {
        "zeros": np.pad(x, pad),
        "the last value": np.pad(x, pad, mode="edge"),
        "the other end": np.pad(x, pad, mode="wrap"),
        "a reflection that repeats the edge sample": np.pad(x, pad, mode="symmetric"),
    }
    for word, padded in ways.items():
        yield Guess("another padding", f"the padding is {word}, not a reflection", padded, None)


def _raw_pitch(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    golden = case[name].astype(np.float64)
    both = (golden > 0) & (ours > 0)
    for factor, word in ((2.0, "an octave high"), (0.5, "an octave low")):
        yield Guess("octave", f"the pitch is {word}", golden * factor, "D4")
        jumped = golden.copy()
        near = both & (np.abs(ours / np.where(golden > 0, golden, 1) / factor - 1) < 0.03)
        jumped[near] = golden[near] * factor
        yield Guess("octave errors", f"some frames are {word}", jumped, "D4", True)
    energy = (np.asarray(ours, np.float64) - golden) ** 2
    if energy[-40:].sum() > 0.99 * energy.sum() > 0 and case.options.get("f0_method") == "rmvpe":
        yield Guess(
            "mel padding",
            "only the last frames differ, which the padding to a multiple of 32 reaches",
            np.asarray(ours),
            "D4",
            True,
        )
    same_pitch = not both.any() or np.abs(ours[both] - golden[both]).max() < 1e-3 * golden[both].min()
    held = golden.copy()
    held[(golden > 0) & (ours == 0)] = 0
    if same_pitch and not np.array_equal(held, golden):
        yield Guess("voicing threshold", "frames of little salience are unvoiced: a higher threshold", held, "D4", True)
    raised = np.where((golden == 0) & (ours > 0), ours, golden)
    if same_pitch and not np.array_equal(raised, golden):
        yield Guess("voicing threshold", "unvoiced frames get a pitch: a lower threshold", raised, "D4", True)
    if "noise.crepe" in given:
        yield Guess(
            "missing dither",
            "the recorded dither is not added",
            golden / 2.0 ** (given["noise.crepe"][: len(golden)].astype(np.float64) / 1200),
            "D8",
        )
    for count in (3, 5):
        yield Guess(
            "median filter", f"a median of {count} frames was laid over the track", signal.medfilt(golden, count), "D7"
        )


def _fill(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    raw = given["f0.raw"].astype(np.float64)
    yield Guess("unvoiced frames kept at 0", "unvoiced frames are not filled from their neighbours", raw, "D1")
    voiced = np.flatnonzero(raw > 0)
    if voiced.size:
        frames = np.arange(len(raw))
        nearest = voiced[np.clip(np.searchsorted(voiced, frames), 0, len(voiced) - 1)]
        before = voiced[np.clip(np.searchsorted(voiced, frames, "right") - 1, 0, len(voiced) - 1)]
        yield Guess("held pitch", "gaps repeat the pitch before them instead of a straight line", raw[before], "D1")
        yield Guess("held pitch", "gaps take the pitch after them instead of a straight line", raw[nearest], "D1")
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


def _hz(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    golden = case[name].astype(np.float64)
    semitones = int(case.options.get("transpose", 0))
    plain = golden / 2.0 ** (semitones / 12)
    raw = given_of({**given}, "", "f0.raw")
    if raw is None and "f0.raw" in case:
        raw = case["f0.raw"]
    if raw is not None:
        zeros = np.where(raw[: golden.shape[1]][None] == 0, 0.0, golden)
        yield Guess("unvoiced frames kept at 0", "unvoiced frames are not filled from their neighbours", zeros, "D1")
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


def _coarse(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    hz = case["f0.hz"].astype(np.float64) if "f0.hz" in case else given["f0.raw"][None].astype(np.float64)
    track = given_of(given, "", "f0.filled", "f0.raw")
    if track is not None:
        hz = track[None, : hz.shape[1]].astype(np.float64) * 2.0 ** (int(case.options.get("transpose", 0)) / 12)
    line = 1127 * np.log(1 + hz / 700)

    def scaled(low: float, high: float, values: Array = line) -> Array:
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
    whole = 1127 * np.log(1 + np.rint(hz) / 700)
    yield Guess(
        "bins of whole hertz", "bins are of pitch rounded to whole hertz", np.rint(clipped(scaled(*MEL, whole))), "D5"
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
    wide = np.where(line > 0, (line - MEL[0]) * 255 / (MEL[1] - MEL[0]) + 1, line)
    yield Guess("255 steps", "the scale has 255 steps instead of 254", np.rint(clipped(wide)), "D5")
    yield Guess("256 bins", "the scale is not clipped at 255", np.rint(np.maximum(right, 1)), "D5")
    yield Guess(
        "linear scale",
        "bins are even in hertz, not in mel",
        np.rint(clipped(np.where(hz > 0, (hz - 50) * 254 / 1050 + 1, 0))),
        "D5",
    )
    raw = given.get("f0.raw", case.get("f0.raw"))
    if raw is not None:
        kept = np.where(raw[None, : hz.shape[1]] > 0, np.rint(clipped(right)), 1)
        yield Guess("unvoiced frames kept at 0", "unvoiced frames are in bin 1, not in their neighbours'", kept, "D1")
    plain = hz / 2.0 ** (int(case.options.get("transpose", 0)) / 12)
    untransposed = 1127 * np.log(1 + plain / 700)
    yield Guess(
        "missing transposition",
        "bins are of the pitch before transposition",
        np.rint(clipped(scaled(*MEL, untransposed))),
        "D6",
    )


def _audio(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    padded = given["padded"]
    cuts = [0, *(int(cut) // 160 * 160 for cut in given.get("segment.cuts", []))]
    start = cuts[stages.index_of(prefix)]
    length = ours.shape[1]
    for by in (-160, 160, -80, 80, -320, 320):
        piece = padded[max(start + by, 0) : start + by + length]
        if len(piece) == length:
            yield Guess("shifted segment", f"the segment begins {by} samples off", piece[None], None)
    if "audio16k" in case:
        pad = (len(padded) - len(case["audio16k"])) // 2
        dry = np.pad(case["audio16k"].astype(np.float64), pad, mode="reflect")[start : start + length]
        yield Guess("missing high-pass", "the segment is cut from audio without the high-pass", dry[None], "D19")
    piece = padded[start : start + length].astype(np.float64)
    yield Guess(
        "normalised input",
        "the segment is brought to zero mean and unit variance first",
        ((piece - piece.mean()) / np.sqrt(piece.var() + 1e-7))[None],
        "D3",
    )


def _search(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    golden = case[name]
    if name.endswith("distances"):
        yield Guess("root of distances", "distances are L2, not squared L2", np.sqrt(golden.astype(np.float64)), "D11")
        yield Guess("halved distances", "distances are halved", golden / 2.0, "D11")
        yield Guess("reversed neighbours", "neighbours are sorted the far one first", golden[:, ::-1], "D11")
    else:
        yield Guess("reversed neighbours", "neighbours are sorted the far one first", golden[:, ::-1], "D11")
        yield Guess("ids from 1", "ids count from 1", golden + 1, "D11")
    repeated = np.repeat(golden[:, :1], golden.shape[1], 1)
    if not (np.asarray(ours) == np.asarray(ours)[:, :1]).all():
        return
    yield Guess("nearest only", "only the nearest neighbour is looked for", repeated, "D11")


def _weights(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    d = given[prefix + "retrieval.distances"].astype(np.float64)

    def share(raw: Array) -> Array:
        return np.asarray(raw / raw.sum(axis=1, keepdims=True))

    with np.errstate(all="ignore"):
        yield Guess(
            "1/d instead of 1/d²",
            "weights are the inverse of the squared distance, not its square",
            share(1 / d),
            "D11",
        )
        yield Guess(
            "root before weighting",
            "the root of the distance is taken first, so weights are 1/d",
            share(1 / np.sqrt(d)),
            "D11",
        )
        yield Guess("cubed", "weights are the inverse cube", share(1 / d**3), "D11")
        yield Guess("equal weights", "all neighbours count the same", np.full(d.shape, 1 / d.shape[1]), "D11")
        only = np.zeros_like(d)
        only[:, 0] = 1
        yield Guess("nearest only", "only the nearest neighbour counts", only, "D11")
        for k in (2, 3, 4, 5, 6, 7):
            few = np.where(np.arange(d.shape[1]) < k, 1 / d**2, 0)
            yield Guess("fewer neighbours", f"only {k} neighbours count", share(few), "D11")
        yield Guess("not normalised", "weights do not sum to 1", 1 / d**2, "D11")
        soft = np.exp(-d - (-d).max(axis=1, keepdims=True))
        yield Guess("softmax", "weights are a softmax of distances", share(soft), "D11")
        yield Guess(
            "normalised over frames",
            "weights are normalised along the wrong axis",
            (1 / d**2) / (1 / d**2).sum(axis=0, keepdims=True),
            "D11",
        )
        for eps in (1e-8, 1e-6, 1e-3, 0.01, 0.1, 1.0):
            yield Guess("epsilon", f"{eps:g} is added to the distance", share(1 / (d + eps) ** 2), "D11")
        raw = 1 / d**2
        little = 1e-4 * float(np.median(d))
        yield Guess(
            "epsilon", "something is added to the distance", share(1 / (d + little) ** 2), "D11", base=share(raw)
        )
        total = raw.sum(axis=1, keepdims=True)
        yield Guess(
            "epsilon of the sum",
            "something is added to the sum of the weights",
            raw / (total + 1e-4 * np.median(total)),
            "D11",
            base=share(raw),
        )


def _blend(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    heard = given[prefix + "hubert.features"].astype(np.float64)
    mean = given[prefix + "retrieval.mean"][None].astype(np.float64)
    rate = float(case.options.get("index_rate", 0.75))
    yield Guess(
        "exchanged index rate",
        "the index rate weighs the input instead of the index",
        heard * rate + mean * (1 - rate),
        "D28",
    )
    yield Guess("missing retrieval", "the features are not blended", heard, "D28")
    yield Guess("index only", "the input's own features are left out", mean, "D28")
    yield Guess("sum", "the neighbours are added to the features, not mixed", heard + rate * mean, "D11")
    gap = mean - heard
    power = float(np.sum(gap * gap))
    if power:
        other = float(np.sum((ours - heard) * gap)) / power
        if abs(other - rate) > 1e-6:
            yield Guess(
                "another index rate", f"the index rate is {other:.6g}, not {rate:g}", heard + other * gap, "D28"
            )


def _upsampled(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    source = given_of(given, prefix, "retrieval.blended", "hubert.features")
    if source is None:
        return
    x = source[0].astype(np.float64)
    n, at = len(x), np.arange(2 * len(x))
    for word, where in (
        ("half-pixel centres", (at + 0.5) / 2 - 0.5),
        ("corners aligned", at * (n - 1) / (2 * n - 1)),
        ("the first frame in place", at / 2),
    ):
        where = np.clip(where, 0, n - 1)
        low = np.floor(where).astype(int)
        part = (where - low)[:, None]
        line = x[low] * (1 - part) + x[np.minimum(low + 1, n - 1)] * part
        yield Guess("linear upsampling", f"frames are interpolated linearly ({word}), not repeated", line[None], "D25")
    yield Guess("tiled", "the whole sequence is repeated, not each frame", np.concatenate([x, x])[None], "D25")
    zeros = np.zeros((2 * n, x.shape[1]))
    zeros[::2] = x
    yield Guess("zeros between", "zeros stand between the frames", zeros[None], "D25")
    yield Guess(
        "half a frame early",
        "each frame is repeated one step early",
        np.concatenate([np.repeat(x, 2, 0)[1:], x[-1:]])[None],
        "D25",
    )


def _protected(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    doubled = given[prefix + "content.upsampled"].astype(np.float64)
    heard = np.repeat(given[prefix + "hubert.features"].astype(np.float64), 2, 1)[:, : doubled.shape[1]]
    yield Guess("missing protect", "unvoiced frames are not protected", doubled, "D2")
    hz = given.get("f0.hz")
    if hz is None:
        return
    amount = float(case.options.get("protect", 0.33))
    silent = (hz < 1)[..., None]
    yield Guess(
        "exchanged protect",
        "protect weighs the wrong side: p instead of 1 − p",
        np.where(silent, doubled * (1 - amount) + heard * amount, doubled),
        "D2",
    )
    yield Guess(
        "protect on voiced frames",
        "voiced frames are protected instead of unvoiced ones",
        np.where(~silent, doubled * amount + heard * (1 - amount), doubled),
        "D2",
    )
    yield Guess("protect everywhere", "every frame is protected", doubled * amount + heard * (1 - amount), "D2")
    yield Guess("full protect", "unvoiced frames are the input's own", np.where(silent, heard, doubled), "D2")
    gap = np.where(silent, doubled - heard, 0)
    power = float(np.sum(gap * gap))
    if power:
        other = float(np.sum((ours - np.where(silent, heard, doubled)) * gap)) / power
        if abs(other - amount) > 1e-6:
            yield Guess(
                "another protect",
                f"protect is {other:.6g}, not {amount:g}",
                np.where(silent, heard + other * gap, doubled),
                "D2",
            )
    for by in (1, -1):
        moved = np.roll(silent, by, 1)
        yield Guess(
            "protect one frame off",
            "voicing and content are one frame apart",
            np.where(moved, doubled * amount + heard * (1 - amount), doubled),
            "D2",
        )


def _statistics(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    other = name[:-1] + "logs" if name.endswith(".m") else name[:-4] + "m"
    yield Guess("m and logs exchanged", "the two halves of the projection are exchanged", case[other], "D27")


def _prior(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    m, logs, noise = (given[prefix + part].astype(np.float64) for part in ("enc_p.m", "enc_p.logs", "noise.z"))
    spread = np.exp(logs) * noise
    yield Guess("missing 0.66666", "the noise is not scaled by 0.66666, so it is 1.5 times as loud", m + spread, "D17")
    yield Guess("two thirds", "the noise is scaled by 2/3 instead of 0.66666", m + spread * (2 / 3), "D17")
    yield Guess("0.66666 twice", "the noise is scaled by 0.66666 twice", m + spread * 0.66666**2, "D17")
    yield Guess("missing noise", "no noise is added", m, "D18")
    yield Guess("missing exponential", "logs is used without exp", m + logs * noise * 0.66666, "D17")
    yield Guess(
        "variance for deviation", "logs is taken as a log-variance", m + np.exp(0.5 * logs) * noise * 0.66666, "D17"
    )
    yield Guess("scaled mean", "the mean is scaled by 0.66666 as well", (m + spread) * 0.66666, "D17")
    yield Guess("unit noise", "the noise is not scaled by exp(logs)", m + noise * 0.66666, "D17")
    power = float(np.sum(spread * spread))
    scale = float(np.sum((ours - m) * spread)) / power if power else 0.66666
    if abs(scale - 0.66666) > 1e-5 and abs(scale - 1) > 1e-4:
        yield Guess(
            "another noise scale", f"the noise is scaled by {scale:.7g} instead of 0.66666", m + spread * scale, "D17"
        )


_LIVE = {
    "retrieval.distances": "retrieval.search",
    "retrieval.ids": "retrieval.search",
    "retrieval.weights": "retrieval.weights",
    "retrieval.mean": "retrieval.mean",
    "retrieval.blended": "retrieval.blended",
}
FAMILIES: dict[str, Family] = {
    "nsf": waveform.source,
    "generator": waveform.generator,
    "trim": waveform.trim,
    "concat": waveform.joined,
    "rmsmixed": waveform.mixed,
    "final": waveform.integers,
    "resampled": waveform.resampled,
    "enc_p": _statistics,
    "audio16k": _guard,
    "highpassed": _high_pass,
    "segment.cuts": _cuts,
    "padded": _pad,
    "f0.raw": _raw_pitch,
    "f0.filled": _fill,
    "f0.hz": _hz,
    "f0.coarse": _coarse,
    "seg.audio": _audio,
    "retrieval.search": _search,
    "retrieval.weights": _weights,
    "retrieval.blended": _blend,
    "content.upsampled": _upsampled,
    "content.protected": _protected,
    "z_p": _prior,
}
