"""The audio stages before any network: peak guard, high-pass, cut points, padding, segments."""

from collections.abc import Callable, Iterator

import numpy as np

from parity import stages
from parity.goldens.arrays import Array
from parity.judge.diagnosis.registry import Deviation, Guess, probe

# Numerator and denominator of the Butterworth high-pass of order 5 at 48 Hz, at 16 kHz (docs/spec/06 §6.4).
B = [
    0.9699606451838447,
    -4.849803225919223,
    9.699606451838447,
    -9.699606451838447,
    4.849803225919223,
    -0.9699606451838447,
]
A = [1, -4.939001819168364, 9.757863526739543, -9.639544849413458, 4.761506797356209, -0.9408236532054606]

EXTENSION = 18  # samples of odd extension at each end (docs/spec/06 §6.4)

# Peaks that programs normalize to: the guard's own, full scale, and decibels below it (-0.1, -0.5, -1, -3, -6 dB).
NORMALIZED = (
    0.95,
    1.0,
    0.99,
    0.98,
    0.97,
    0.9,
    0.8,
    0.7,
    0.5,
    *(10 ** (level / 20) for level in (-0.1, -0.5, -1, -3, -6)),
)


@probe("audio16k")
def peak_guard(deviation: Deviation) -> Iterator[Guess]:
    """The guard that scales loud input down to a peak of 0.95."""
    raw = deviation.input("audio16k.raw")
    peak = float(np.abs(raw).max())
    yield Guess("missing peak guard", "the input is not scaled down to a peak of 0.95", raw)
    for ceiling in (1.0, 0.99, 0.9):
        scaled = raw / max(peak / ceiling, 1)
        yield Guess("another guard", f"the peak guard is {ceiling:g} instead of 0.95", scaled)
    for ceiling in NORMALIZED if peak else ():
        sentence = f"every input is scaled to a peak of {ceiling:g}, quiet input too"
        yield Guess("always normalised", sentence, raw * (ceiling / peak))


@probe("highpassed")
def high_pass(deviation: Deviation) -> Iterator[Guess]:
    """The 48 Hz high-pass without its zero phase, its extension at the ends, or its coefficients."""
    from scipy import signal  # slow to import; only a stage that differs needs it

    x = deviation.input("audio16k")
    yield Guess("missing high-pass", "the 48 Hz high-pass is not applied", x.astype(np.float64))
    yield Guess(
        "one-way filter",
        "the filter runs forward only, so it is not zero-phase",
        signal.lfilter(B, A, x.astype(np.float64)),
    )
    yield Guess(
        "float64 extension",
        "the ends are extended in float64, not in the input's float32",
        signal.filtfilt(B, A, x.astype(np.float64)),
    )
    yield from _without_initial_state(x, signal.lfilter)
    yield Guess("no extension", "the filter's ends are not extended", signal.filtfilt(B, A, x, padtype=None))
    for kind in ("even", "constant"):
        yield Guess(
            "another extension", f"the ends are extended {kind}, not odd", signal.filtfilt(B, A, x, padtype=kind)
        )
    for padlen in (15, 5, 50, 150):
        if padlen < x.size:
            extended = signal.filtfilt(B, A, x, padlen=padlen)
            yield Guess("another extension", f"the ends are extended by {padlen} samples, not 18", extended)
    for order, cutoff in ((5, 40), (5, 50), (5, 60), (4, 48), (2, 48), (5, 80), (5, 20)):
        b, a = signal.butter(order, cutoff, "high", fs=16000)
        yield Guess(
            "another high-pass",
            f"the high-pass is of order {order} at {cutoff} Hz, not 5 at 48",
            signal.filtfilt(b, a, x),
        )


def _without_initial_state(x: Array, lfilter: Callable[..., Array]) -> Iterator[Guess]:
    """The filter run forward and backward from zeros, with the odd extension of 18 samples and without it."""
    if x.size <= EXTENSION:
        return
    left, right = 2 * x[:1] - x[EXTENSION:0:-1], 2 * x[-1:] - x[-2 : -EXTENSION - 2 : -1]
    for sentence, extended in (
        ("the filter starts from zeros, not from the steady state of the first sample", EXTENSION),
        ("the filter starts from zeros, and the ends are not extended", 0),
    ):
        samples = (np.concatenate([left, x, right]) if extended else x).astype(np.float64)
        both = lfilter(B, A, lfilter(B, A, samples)[::-1])[::-1]
        yield Guess("no initial state", sentence, both[extended : extended + x.size])


@probe("segment.cuts")
def cut_points(deviation: Deviation) -> Iterator[Guess]:
    """The cut points under another loudness rule or another search."""
    x = deviation.input("highpassed")
    reach, center = (round(16000 * float(deviation.case.options["window"][place])) for place in (1, 2))
    edge = np.pad(x, 80, mode="reflect")
    total = np.concatenate([[0.0], np.cumsum(edge)])
    loud = np.concatenate([[0.0], np.cumsum(np.abs(edge))])
    energy = np.concatenate([[0.0], np.cumsum(edge**2)])
    signed = _box(total, 0)
    profiles = [
        ("sum without magnitude", "the cut rule takes |Σ x| instead of Σ |x|", np.abs(signed), np.abs(signed)),
        ("sum without magnitude", "signed sums are kept, and |Σ x| is taken where a cut is searched", signed, None),
        ("sum without magnitude", "signed sums are kept and searched: Σ x instead of Σ |x|", signed, signed),
        ("energy", "the cut rule takes Σ x² instead of Σ |x|", _box(energy, 0), _box(energy, 0)),
        ("profile one sample late", "the loudness window lies one sample later", _box(loud, 1), _box(loud, 1)),
        ("mean", "the loudness is a mean, not a sum", _box(loud, 0) / 160, None),
        ("single precision", "the sums are in single precision", _single_sums(np.abs(edge)), None),
        *(
            ("another loudness window", f"the loudness is summed over {width // 16} ms, not 10", sums, sums)
            for width in (80, 320)
            for sums in [_sums_over(np.abs(x), width)]
        ),
        ("", "", _box(loud, 0), _box(loud, 0)),
    ]
    for label, sentence, recorded, searched in profiles:
        count = len(x)
        if label and deviation.tensor == "quiet.profile":
            yield Guess(label, sentence, recorded[:count])
        if deviation.tensor != "segment.cuts" or searched is None or (label and _same_profile(deviation)):
            continue
        profile = searched[:count]
        centers = range(center, count, center)
        if label:
            yield Guess(
                label,
                sentence,
                np.array([c - reach + int(np.argmin(profile[c - reach : c + reach])) for c in centers]),
            )
            continue
        flat = profile
        yield Guess(
            "last minimum",
            "of equal minima the last is taken",
            np.array([c + reach - 1 - int(np.argmin(flat[c - reach : c + reach][::-1])) for c in centers]),
        )
        yield Guess(
            "search in steps of a frame",
            "the quiet position is searched in steps of 160 samples",
            np.array([c - reach + 160 * int(np.argmin(flat[c - reach : c + reach : 160])) for c in centers]),
        )
        yield Guess("cuts at the centres", "no quiet position is searched", np.array(list(centers)))
        yield Guess(
            "loudest place",
            "the loudest position is taken, not the quietest",
            np.array([c - reach + int(np.argmax(flat[c - reach : c + reach])) for c in centers]),
        )
        yield Guess(
            "search before only",
            "the quiet position is searched before the center only",
            np.array([c - reach + int(np.argmin(flat[c - reach : c])) for c in centers]),
        )
        yield Guess(
            "cuts from the window's start",
            "the position inside the window is returned",
            np.array([int(np.argmin(flat[c - reach : c + reach])) for c in centers]),
        )
        for by, word in ((1, "late"), (-1, "early")):
            yield Guess("cuts one sample off", f"every cut is one sample {word}", deviation.case["segment.cuts"] + by)
        floored = deviation.case["segment.cuts"] // 160 * 160
        yield Guess("floored cuts", "the cuts are recorded after flooring to frames", floored)


def _same_profile(deviation: Deviation) -> bool:
    """Whether the loudness by which the cuts were chosen equals the golden's."""
    ours, golden = deviation.inputs.get("quiet.profile"), deviation.case.get("quiet.profile")
    return ours is not None and golden is not None and ours.shape == golden.shape and np.allclose(ours, golden)


def _box(total: Array, late: int) -> Array:
    """Sums over 160 samples (10 ms) from running sums, `late` samples later."""
    sums = total[160:] - total[:-160]
    return np.roll(sums, -late) if late else sums


def _sums_over(values: Array, width: int) -> Array:
    """Sums over `width` samples around each sample, with reflected ends."""
    total = np.concatenate([[0.0], np.cumsum(np.pad(values, width // 2, mode="reflect"))])
    return np.asarray(total[width:] - total[:-width])


def _single_sums(values: Array) -> Array:
    """Sums over 160 samples in float32, one sample after another, as a loop over the window adds them."""
    single = values.astype(np.float32)
    count = len(single) - 160
    total = np.zeros(count, np.float32)
    for offset in range(160):
        total += single[offset : offset + count]
    return total.astype(np.float64)


@probe("padded")
def padding(deviation: Deviation) -> Iterator[Guess]:
    """Padding that is no reflection."""
    x = deviation.input("highpassed")
    pad = (len(deviation.ours) - len(x)) // 2
    ways = {
        "zeros": np.pad(x, pad),
        "the last value": np.pad(x, pad, mode="edge"),
        "the other end": np.pad(x, pad, mode="wrap"),
        "a reflection that repeats the edge sample": np.pad(x, pad, mode="symmetric"),
    }
    for word, padded in ways.items():
        yield Guess("another padding", f"the padding is {word}, not a reflection", padded)


@probe("seg.audio")
def segment_audio(deviation: Deviation) -> Iterator[Guess]:
    """A segment cut at another place, or from other audio."""
    padded = deviation.input("padded")
    cuts = [0, *(int(cut) // 160 * 160 for cut in deviation.inputs.get("segment.cuts", []))]
    start = cuts[stages.index_of(deviation.prefix)]
    length = deviation.ours.shape[1]
    for by in (-160, 160, -80, 80, -320, 320):
        piece = padded[max(start + by, 0) : start + by + length]
        if len(piece) == length:
            yield Guess("shifted segment", f"the segment begins {by} samples off", piece[None])
    if "audio16k" in deviation.case:
        pad = (len(padded) - len(deviation.case["audio16k"])) // 2
        dry = np.pad(deviation.case["audio16k"].astype(np.float64), pad, mode="reflect")[start : start + length]
        yield Guess("missing high-pass", "the segment is cut from audio without the high-pass", dry[None])
    piece = padded[start : start + length].astype(np.float64)
    yield Guess(
        "normalised input",
        "the segment is brought to zero mean and unit variance first",
        ((piece - piece.mean()) / np.sqrt(piece.var() + 1e-7))[None],
    )
