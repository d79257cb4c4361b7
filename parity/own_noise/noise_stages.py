"""The noise that a program drew, taken out of the tensors of the stages that add it, z_p and nsf."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from parity import stages
from parity.goldens.arrays import Array, NamedArrays
from parity.own_noise.distribution import Finding, Noise, examine, same_in_segments

PRIOR = 0.66666  # scale of the prior's sample (docs/spec/05 §5.3)
VOICED, UNVOICED = 0.003, 0.1 / 3.0  # scale of the source's noise (docs/spec/05 §5.5)
STAGES = ("z_p", "nsf", "rt.z_p", "rt.nsf")  # the stages that draw
_PRIOR_MISTAKES = (
    (1.0, "the factor 0.66666 is missing"),
    (PRIOR**2, "the factor 0.66666 is applied twice"),
    (PRIOR**0.5, "the root of 0.66666 is applied"),
    (0.5, "another factor"),
    (0.35, "the noise scale of another program, 0.35"),
)
_UNVOICED_MISTAKES = (
    (VOICED, "unvoiced frames have the level of voiced ones, 0.003"),
    (0.1, "0.1 in place of 0.1/3"),
    (0.01, "0.01 in place of 0.1/3"),
)
_VOICED_MISTAKES = (
    (UNVOICED, "voiced frames have the level of unvoiced ones, 0.1/3"),
    (0.1, "the level of the sine"),
)
_SINE = 2.0  # multiple of the expected scale above which a difference is not due to noise alone
_LOGS = 0.05  # slope of the noise's logarithm on logs that is distinguished from 0


def noises(case: NamedArrays, prefix: str, runs: Sequence[NamedArrays]) -> list[Noise]:
    """The noise of one segment or block in every run that has its tensors.

    Args:
        case: the golden.
        prefix: "seg0." or "rt.0.".
        runs: what the program made; a tensor that it did not make is the golden's.
    """
    return [*_prior(case, prefix, runs), *_source(case, prefix, runs)]


def findings(case: NamedArrays, prefixes: Sequence[str], runs: Sequence[NamedArrays]) -> Iterator[Finding]:
    """What is wrong with the noise of some runs."""
    pieces: dict[str, list[Array]] = {}
    blocks = [prefix for prefix in prefixes if stages.scope_of(prefix) is stages.Scope.BLOCK]
    yield from _of_blocks(case, blocks, runs)
    for prefix in prefixes:
        if prefix in blocks:  # one block holds too few values to be examined alone
            yield from _linear(case, prefix, runs)
            continue
        wrong = list(_deviation(case, [prefix], f"{prefix}z_p", runs))
        yield from wrong
        for noise in noises(case, prefix, runs):
            if wrong and noise.name == f"{prefix}z_p":
                continue  # the scale of such noise is none
            if noise.name.endswith(" voiced") and _is_sine_wrong(noise):
                text = f"{prefix}nsf.sine differs by more than noise in voiced frames: its phase, F0 or amplitude"
                yield Finding("sine", text)
                continue
            yield from examine(noise)
            pieces.setdefault(noise.name.removeprefix(prefix), []).append(noise.values)
        yield from _linear(case, prefix, runs)
    yield from same_in_segments("z_p", pieces.get("z_p", []))


def _of_blocks(case: NamedArrays, blocks: Sequence[str], runs: Sequence[NamedArrays]) -> Iterator[Finding]:
    """What is wrong with the noise of a stream: of all blocks together, since one holds too few values, and twice."""
    wrong = list(_deviation(case, blocks, "rt.z_p", runs))
    yield from wrong
    alone = [noise for prefix in blocks for noise in noises(case, prefix, runs)]
    for noise in _pooled(alone):
        if wrong and noise.name == "rt.z_p":
            continue  # the scale of such noise is none
        if noise.name.endswith(" voiced") and _is_sine_wrong(noise):
            text = "rt.nsf.sine differs by more than noise in voiced frames: its phase, F0 or amplitude"
            yield Finding("sine", text)
            continue
        yield from examine(noise)
    yield from same_in_segments("rt.z_p", [noise.values for noise in alone if noise.name.endswith("z_p")], "blocks")
    source = [values for prefix in blocks if (values := _undivided(case, prefix, runs)) is not None]
    yield from same_in_segments("rt.nsf.sine", source, "blocks")


def _pooled(noises_of_blocks: Sequence[Noise]) -> Iterator[Noise]:
    """The noise of all blocks of a stream, one behind the other."""
    parts: dict[str, list[Noise]] = {}
    for noise in noises_of_blocks:
        parts.setdefault(noise.name.split(".", 2)[2], []).append(noise)
    for name, blocks in parts.items():
        runs = min(block.values.shape[0] for block in blocks)
        values = np.concatenate([block.values[:runs] for block in blocks], axis=2)
        yield Noise(f"rt.{name}", values, blocks[0].scale, blocks[0].known)


def _is_sine_wrong(noise: Noise) -> bool:
    """Whether what differs from the sine is far larger than its noise and varies slowly, as a sine does."""
    values = noise.values
    neighbors = float(np.mean(values[..., 1:] * values[..., :-1]) / np.mean(values**2)) if np.any(values) else 0.0
    return float(np.sqrt(np.mean(values**2))) > _SINE and neighbors > 0.5


def _prior(case: NamedArrays, prefix: str, runs: Sequence[NamedArrays]) -> Iterator[Noise]:
    name = f"{prefix}z_p"
    drawn = [_drawn(case, prefix, run) for run in runs if _has_form(case, name, run)]
    if drawn:
        values = np.stack([value[0] for value in drawn]) / PRIOR
        yield Noise(name, values, PRIOR, _PRIOR_MISTAKES)


def _drawn(case: NamedArrays, prefix: str, run: NamedArrays) -> Array:
    """The noise of z_p: (z_p - m) / exp(logs)."""
    m, logs = (_own(case, f"{prefix}enc_p.{part}", run).astype(np.float64) for part in ("m", "logs"))
    drawn: Array = (run[f"{prefix}z_p"].astype(np.float64) - m) / np.exp(logs)
    return drawn


def _deviation(case: NamedArrays, prefixes: Sequence[str], name: str, runs: Sequence[NamedArrays]) -> Iterator[Finding]:
    """Whether the noise of z_p is multiplied by exp(logs): the slope of its logarithm on logs is then 0."""
    pairs = [
        (_drawn(case, prefix, run), _own(case, f"{prefix}enc_p.logs", run))
        for prefix in prefixes
        for run in runs
        if _has_form(case, f"{prefix}z_p", run)
    ]
    if not pairs:
        return
    drawn = np.concatenate([value.reshape(-1) for value, _ in pairs])
    logs = np.concatenate([value.reshape(-1).astype(np.float64) for _, value in pairs])
    if not np.any(drawn) or np.std(logs) < 1e-3:
        return
    logarithms = np.log(np.abs(drawn) + 1e-12)
    centered = logs - logs.mean()
    slope = float(centered @ (logarithms - logarithms.mean()) / (centered @ centered))
    # The logarithm of a normal magnitude has the deviation pi/sqrt(8).
    sure = 6.0 * np.pi / np.sqrt(8.0) / np.sqrt(float(centered @ centered))
    if abs(slope) > max(sure, _LOGS):
        word = "exp(logs) is missing" if abs(slope + 1) < 0.1 else f"exp(logs) has the power {1 + slope:.2f}"
        yield Finding("deviation", f"{name}: the noise does not follow exp(logs): {word}")


def _source(case: NamedArrays, prefix: str, runs: Sequence[NamedArrays]) -> Iterator[Noise]:
    left, is_voiced = _undivided(case, prefix, runs), voiced(case, prefix)
    if left is None or is_voiced is None:
        return
    for word, where, scale, known in (
        ("voiced", is_voiced, VOICED, _VOICED_MISTAKES),
        ("unvoiced", ~is_voiced, UNVOICED, _UNVOICED_MISTAKES),
    ):
        if where.any():
            level = np.where(is_voiced, VOICED, UNVOICED)[where]
            yield Noise(f"{prefix}nsf.sine {word}", left[:, :, where] * (level / scale), scale, known)


def _undivided(case: NamedArrays, prefix: str, runs: Sequence[NamedArrays]) -> Array | None:
    """The noise of the source in voiced and unvoiced samples together, over its scale: (runs, 1, samples)."""
    name, is_voiced = f"{prefix}nsf.sine", voiced(case, prefix)
    made = [run[name].astype(np.float64).reshape(-1) for run in runs if _has_form(case, name, run)]
    if not made or is_voiced is None:
        return None
    level = np.where(is_voiced, VOICED, UNVOICED)
    drawn = case[f"{prefix}noise.nsf"].astype(np.float64).reshape(-1)
    clean = case[name].astype(np.float64).reshape(-1) - level * drawn
    values: Array = np.stack([(value - clean) / level for value in made])[:, None, :]
    return values


def voiced(case: NamedArrays, prefix: str) -> Array | None:
    """Whether each sample of the source is voiced, by the golden's own sine: bool (samples,).

    None where the golden has no sine or no noise of the source.
    """
    name, noise = f"{prefix}nsf.sine", f"{prefix}noise.nsf"
    if name not in case or noise not in case:
        return None
    sine, draws = (case[each].astype(np.float64).reshape(-1) for each in (name, noise))
    unvoiced = np.abs(sine - UNVOICED * draws) < 1e-6  # unvoiced samples hold noise alone
    # One sample in a sine may have this value by chance; frames have hundreds.
    width = 101
    share = np.convolve(unvoiced, np.ones(width) / width, "same")
    result: Array = ~(unvoiced & (share > 0.25))
    return result


def _linear(case: NamedArrays, prefix: str, runs: Sequence[NamedArrays]) -> Iterator[Finding]:
    """Whether nsf.source is the golden's function of nsf.sine: tanh of a line."""
    sine, source = f"{prefix}nsf.sine", f"{prefix}nsf.source"
    if sine not in case or source not in case:
        return
    x = case[sine].astype(np.float64).reshape(-1)
    y = np.arctanh(np.clip(case[source].astype(np.float64).reshape(-1), -0.999999, 0.999999))
    slope, offset = np.polyfit(x, y, 1)
    for run in runs:
        if not (_has_form(case, sine, run) and _has_form(case, source, run)):
            continue
        expected = np.tanh(slope * run[sine].astype(np.float64).reshape(-1) + offset)
        error = float(np.max(np.abs(run[source].astype(np.float64).reshape(-1) - expected)))
        if error > 1e-4 * max(1e-3, float(np.max(np.abs(expected)))):
            yield Finding("source", f"{source} is not the linear layer and tanh of {sine}: it differs by {error:.2g}")
            return


def _own(case: NamedArrays, name: str, run: NamedArrays) -> Array:
    return run[name] if name in run and run[name].shape == case[name].shape else case[name]


def _has_form(case: NamedArrays, name: str, run: NamedArrays) -> bool:
    return name in run and name in case and run[name].shape == case[name].shape and bool(np.isfinite(run[name]).all())


def before_noise(case: Mapping[str, Array], prefixes: Sequence[str]) -> set[str]:
    """The tensors of a golden that depend on no noise of z_p and nsf."""
    noisy: set[str] = {name for name in case if ".noise." in name}
    kept: set[str] = set()
    for stage, prefix in stages.walk(prefixes):
        reads = stages.reads(stage, prefix, case)
        made = {prefix + row.name for row in stage.makes if prefix + row.name in case}
        # The noise of CREPE, noise.crepe, belongs to no segment: it is an input that every program gets.
        if noisy.intersection(reads):
            noisy |= made
        else:
            kept |= made
    return kept - noisy
