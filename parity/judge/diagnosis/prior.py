"""The prior: mean and logarithm of the deviation, and the sample drawn from them."""

from collections.abc import Iterator

import numpy as np

from parity.judge.diagnosis.registry import Deviation, Guess, probe


@probe("enc_p", "rt.enc_p")
def statistics(deviation: Deviation) -> Iterator[Guess]:
    """Mean and logarithm of the deviation exchanged."""
    other = deviation.tensor[:-1] + "logs" if deviation.tensor.endswith(".m") else deviation.tensor[:-4] + "m"
    yield Guess("m and logs exchanged", "the two halves of the projection are exchanged", deviation.case[other])


@probe("z_p", "rt.z_p")
def sample(deviation: Deviation) -> Iterator[Guess]:
    """A prior sample with another noise scale or another formula."""
    m, logs, noise = (deviation.input(part).astype(np.float64) for part in ("enc_p.m", "enc_p.logs", "noise.z"))
    spread = np.exp(logs) * noise
    yield Guess("missing 0.66666", "the noise is not scaled by 0.66666, so it is 1.5 times as loud", m + spread)
    yield Guess("two thirds", "the noise is scaled by 2/3 instead of 0.66666", m + spread * (2 / 3))
    yield Guess("0.66666 twice", "the noise is scaled by 0.66666 twice", m + spread * 0.66666**2)
    yield Guess("missing noise", "no noise is added", m)
    yield Guess("missing exponential", "logs is used without exp", m + logs * noise * 0.66666)
    yield Guess("variance for deviation", "logs is taken as a log-variance", m + np.exp(0.5 * logs) * noise * 0.66666)
    yield Guess("scaled mean", "the mean is scaled by 0.66666 as well", (m + spread) * 0.66666)
    yield Guess("unit noise", "the noise is not scaled by exp(logs)", m + noise * 0.66666)
    by_frames = noise.reshape(noise.shape[0], noise.shape[2], noise.shape[1]).transpose(0, 2, 1)
    for sentence, other in (
        ("the noise is read as (frames, channels)", by_frames),
        ("the noise is read backward in time", noise[:, :, ::-1]),
        ("the channels of the noise are in reverse order", noise[:, ::-1]),
    ):
        yield Guess("noise in another order", sentence, m + np.exp(logs) * other * 0.66666)
    power = float(np.sum(spread * spread))
    scale = float(np.sum((deviation.ours - m) * spread)) / power if power else 0.66666
    if abs(scale - 0.66666) > 1e-5 and abs(scale - 1) > 1e-4:
        sentence = f"the noise is scaled by {scale:.7g} instead of 0.66666"
        yield Guess("another noise scale", sentence, m + spread * scale, fitted=True)
