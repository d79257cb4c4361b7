"""The content stages: retrieval, upsampling, protection of unvoiced frames."""

from collections.abc import Iterator

import numpy as np

from parity import stages
from parity.goldens.arrays import Array
from parity.judge.diagnosis.registry import Deviation, Guess, probe


@probe("rt.retrieval", tensors=("retrieval.distances", "retrieval.ids"))
@probe("retrieval.search")
def search(deviation: Deviation) -> Iterator[Guess]:
    """Distances of another measure, and neighbors in another order."""
    golden = deviation.golden
    if deviation.tensor.endswith("distances"):
        yield Guess("root of distances", "distances are L2, not squared L2", np.sqrt(golden.astype(np.float64)))
        yield Guess("halved distances", "distances are halved", golden / 2.0)
        yield Guess("reversed neighbours", "neighbors are sorted the far one first", golden[:, ::-1])
    else:
        yield Guess("reversed neighbours", "neighbors are sorted the far one first", golden[:, ::-1])
        yield Guess("ids from 1", "ids count from 1", golden + 1)
    repeated = np.repeat(golden[:, :1], golden.shape[1], 1)
    if not (np.asarray(deviation.ours) == np.asarray(deviation.ours)[:, :1]).all():
        return
    yield Guess("nearest only", "only the nearest neighbor is looked for", repeated)


@probe("rt.retrieval", tensors=("retrieval.weights",))
@probe("retrieval.weights")
def weights(deviation: Deviation) -> Iterator[Guess]:
    """Weights of neighbors by another formula."""
    d = deviation.input("retrieval.distances").astype(np.float64)

    def share(raw: Array) -> Array:
        return np.asarray(raw / raw.sum(axis=1, keepdims=True))

    with np.errstate(all="ignore"):
        yield Guess(
            "1/d instead of 1/d²",
            "weights are the inverse of the squared distance, not its square",
            share(1 / d),
        )
        yield Guess(
            "root before weighting",
            "the root of the distance is taken first, so weights are 1/d",
            share(1 / np.sqrt(d)),
        )
        yield Guess("cubed", "weights are the inverse cube", share(1 / d**3))
        yield Guess("equal weights", "all neighbors count the same", np.full(d.shape, 1 / d.shape[1]))
        only = np.zeros_like(d)
        only[:, 0] = 1
        yield Guess("nearest only", "only the nearest neighbor counts", only)
        for k in (2, 3, 4, 5, 6, 7):
            few = np.where(np.arange(d.shape[1]) < k, 1 / d**2, 0)
            yield Guess("fewer neighbours", f"only {k} neighbors count", share(few))
        yield Guess("not normalised", "weights do not sum to 1", 1 / d**2)
        soft = np.exp(-d - (-d).max(axis=1, keepdims=True))
        yield Guess("softmax", "weights are a softmax of distances", share(soft))
        yield Guess(
            "normalised over frames",
            "weights are normalized along the wrong axis",
            (1 / d**2) / (1 / d**2).sum(axis=0, keepdims=True),
        )
        for eps in (1e-8, 1e-6, 1e-3, 0.01, 0.1, 1.0):
            yield Guess("epsilon", f"{eps:g} is added to the distance", share(1 / (d + eps) ** 2))
        raw = 1 / d**2
        little = 1e-4 * float(np.median(d))
        yield Guess("epsilon", "something is added to the distance", share(1 / (d + little) ** 2), base=share(raw))
        total = raw.sum(axis=1, keepdims=True)
        yield Guess(
            "epsilon of the sum",
            "something is added to the sum of the weights",
            raw / (total + 1e-4 * np.median(total)),
            base=share(raw),
        )


@probe("rt.retrieval", tensors=("retrieval.blended",))
@probe("retrieval.blended")
def blended(deviation: Deviation) -> Iterator[Guess]:
    """Content features mixed with the neighbors in another proportion."""
    own = deviation.input("hubert.features").astype(np.float64)
    mean = deviation.input("retrieval.mean")[None].astype(np.float64)
    rate = float(deviation.case.options.get("index_rate", 0.75))
    yield Guess(
        "exchanged index rate",
        "the index rate weighs the input instead of the index",
        own * rate + mean * (1 - rate),
    )
    yield Guess("missing retrieval", "the features are not blended", own)
    yield Guess("index only", "the input's own features are left out", mean)
    yield Guess("sum", "the neighbors are added to the features, not mixed", own + rate * mean)
    gap = mean - own
    power = float(np.sum(gap * gap))
    if power:
        other = float(np.sum((deviation.ours - own) * gap)) / power
        if abs(other - rate) > 1e-6:
            yield Guess(
                "another index rate", f"the index rate is {other:.6g}, not {rate:g}", own + other * gap, fitted=True
            )


@probe("content.upsampled")
def upsampled(deviation: Deviation) -> Iterator[Guess]:
    """Content frames interpolated instead of repeated."""
    source = deviation.first_input("retrieval.blended", "hubert.features")
    if source is None:
        return
    x = source[0].astype(np.float64)
    n, at = len(x), np.arange(2 * len(x))
    for word, where in (
        ("half-pixel centers", (at + 0.5) / 2 - 0.5),
        ("corners aligned", at * (n - 1) / (2 * n - 1)),
        ("the first frame in place", at / 2),
    ):
        where = np.clip(where, 0, n - 1)
        low = np.floor(where).astype(int)
        part = (where - low)[:, None]
        line = x[low] * (1 - part) + x[np.minimum(low + 1, n - 1)] * part
        yield Guess("linear upsampling", f"frames are interpolated linearly ({word}), not repeated", line[None])
    if n > 1:
        from scipy import interpolate  # slow to import; only a stage that differs needs it

        where = np.clip((at + 0.5) / 2 - 0.5, 0, n - 1)
        cubic = interpolate.CubicSpline(np.arange(n), x)(where)
        yield Guess("cubic upsampling", "frames are interpolated by cubics, not repeated", cubic[None])
    yield Guess("tiled", "the whole sequence is repeated, not each frame", np.concatenate([x, x])[None])
    zeros = np.zeros((2 * n, x.shape[1]))
    zeros[::2] = x
    yield Guess("zeros between", "zeros stand between the frames", zeros[None])
    yield Guess(
        "half a frame early",
        "each frame is repeated one step early",
        np.concatenate([np.repeat(x, 2, 0)[1:], x[-1:]])[None],
    )


@probe("content.protected")
def protected(deviation: Deviation) -> Iterator[Guess]:
    """Another protection of unvoiced frames."""
    doubled = deviation.input("content.upsampled").astype(np.float64)
    own = np.repeat(deviation.input("hubert.features").astype(np.float64), 2, 1)[:, : doubled.shape[1]]
    hz = deviation.first_input("f0.hz")
    none_at_0 = hz is not None and bool((hz < 1).any()) and not bool((hz == 0).any())
    also = (
        "; the same shows where only frames at 0 Hz count as unvoiced, because this golden has none"
        if none_at_0
        else ""
    )
    yield Guess("missing protect", f"unvoiced frames are not protected{also}", doubled)
    if hz is None:
        return
    amount = float(deviation.case.options.get("protect", 0.33))
    number = deviation.name.index
    first = int(deviation.case["segment.cuts"][number - 1]) // stages.FRAME if number else 0
    silent = (hz[:, first : first + doubled.shape[1]] < 1)[..., None]
    yield Guess(
        "protect as multiplication",
        "unvoiced frames are multiplied by protect; the input's own features are not added",
        np.where(silent, doubled * amount, doubled),
    )
    at_0 = (hz[:, first : first + doubled.shape[1]] == 0)[..., None]
    if not np.array_equal(at_0, silent):
        yield Guess(
            "protect as multiplication",
            "frames at 0 Hz are multiplied by protect; the input's own features are not added, and frames below 1 Hz "
            "count as voiced",
            np.where(at_0, doubled * amount, doubled),
        )
        yield Guess(
            "protect at 0 Hz only",
            "frames below 1 Hz count as voiced: only those at 0 Hz are protected",
            np.where(at_0, doubled * amount + own * (1 - amount), doubled),
        )
    pairs = np.repeat(silent[:, ::2], 2, 1)[:, : silent.shape[1]]
    for sentence, at_20_ms in (
        ("voicing is that of every second frame: it is decided at 20 ms, before the features are doubled", pairs),
        ("voicing is that of the second frame of each pair", np.repeat(silent[:, 1::2], 2, 1)),
    ):
        if at_20_ms.shape == silent.shape:
            protected_pairs = np.where(at_20_ms, doubled * amount + own * (1 - amount), doubled)
            yield Guess("protect decided at 20 ms", sentence, protected_pairs)
    if amount >= 0.5:
        yield Guess(
            "protect on at 0.5",
            f"unvoiced frames are protected although protect is {amount:g}, and 0.5 or more means off",
            np.where(silent, doubled * amount + own * (1 - amount), doubled),
        )
    yield Guess(
        "exchanged protect",
        "protect weighs the wrong side: p instead of 1 − p",
        np.where(silent, doubled * (1 - amount) + own * amount, doubled),
    )
    yield Guess(
        "exchanged contents",
        "the two contents are exchanged in the blend: voiced frames are the input's own",
        np.where(silent, doubled * (1 - amount) + own * amount, own),
    )
    yield Guess(
        "protect on voiced frames",
        "voiced frames are protected instead of unvoiced ones",
        np.where(~silent, doubled * amount + own * (1 - amount), doubled),
    )
    yield Guess("protect everywhere", "every frame is protected", doubled * amount + own * (1 - amount))
    yield Guess("full protect", "unvoiced frames are the input's own", np.where(silent, own, doubled))
    gap = np.where(silent, doubled - own, 0)
    power = float(np.sum(gap * gap))
    if power:
        other = float(np.sum((deviation.ours - np.where(silent, own, doubled)) * gap)) / power
        if abs(other - amount) > 1e-6:
            yield Guess(
                "another protect",
                f"protect is {other:.6g}, not {amount:g}",
                np.where(silent, own + other * gap, doubled),
                fitted=True,
            )
    for by in (1, -1):
        moved = np.roll(silent, by, 1)
        yield Guess(
            "protect one frame off",
            "voicing and content are one frame apart",
            np.where(moved, doubled * amount + own * (1 - amount), doubled),
        )
