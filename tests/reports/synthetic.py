"""Small synthetic goldens and candidates, judged by the real judge: input of the report's tests."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.candidates.candidate import Tensors
from parity.goldens import store
from parity.goldens.store import Case
from parity.judge import limits as tolerance
from parity.judge import waivers
from parity.judge.decisions import f0_bins
from parity.judge.verdict import EXIT_CODES
from parity.output import recomputed
from parity.runs import run

RATE = 40000  # Hz, of the voice
UPP = 400  # samples per pitch frame: 10 ms at RATE
CHANNELS = 24  # of content features and latents; an RVC model has 768 and 192


def meta(name: str, why: str, profile: str, f0_method: str, **options: Any) -> dict[str, Any]:
    """The meta of a case, as `case.json` holds it."""
    return {
        "name": name,
        "why": why,
        "profile": profile,
        "input": {"file": f"inputs/{name}.wav", "sha256": "0" * 64, "source": "arithmetic", "licence": "CC0-1.0"},
        "voice": {"kind": "v2-40k-f0", "rate": RATE, "version": "v2", "f0": True, "index": "flat"},
        "options": {"f0_method": f0_method, "index_rate": 0.75, "protect": 0.33, **options},
        "seed": name,
        "original": {"name": "an arithmetic original", "version": "1"},
        "environment": {"python": "3.11", "threads": 1},
    }


def tone(seconds: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F0 in Hz every 10 ms (0: unvoiced), a tone at RATE, and the same tone at 16 kHz."""
    noise = np.random.default_rng(seed)
    frames = round(seconds * 100)
    time = np.arange(frames) / 100
    hertz = 150 + 40 * np.sin(2 * np.pi * 0.7 * time) + 12 * np.sin(2 * np.pi * 5 * time)
    hertz[(np.sin(2 * np.pi * 0.9 * time + seed) < -0.45)] = 0
    waves = []
    for rate in (RATE, stages.SR16):
        fine = np.repeat(hertz, rate // 100)
        phase = 2 * np.pi * np.cumsum(fine) / rate
        voiced = np.convolve((fine > 0).astype("f8"), np.hanning(rate // 40) / np.hanning(rate // 40).sum(), "same")
        harmonics = sum(
            np.sin(k * phase) / k ** (1.1 + 0.4 * np.sin(2 * np.pi * 1.3 * np.arange(len(fine)) / rate))
            for k in range(1, 22)
        )
        breath = noise.standard_normal(len(fine)) * (0.02 + 0.05 * (1 - voiced))
        waves.append(0.12 * (voiced * harmonics + breath))
    return hertz, waves[0], waves[1]


def tensors(seconds: float, seed: int, index: bool = True, resample: bool = False) -> Tensors:
    """Every tensor of a conversion of one segment, in the shapes of the stage table, with time courses like speech."""
    noise = np.random.default_rng(seed)
    padded_hz, _, padded = tone(seconds + 2, seed)
    frames = (len(padded) - 80) // 320
    p = 2 * frames
    hertz = padded_hz.astype("f8")
    filled = np.where(hertz > 0, hertz, np.interp(np.arange(len(hertz)), np.flatnonzero(hertz), hertz[hertz > 0]))
    coarse = np.rint(f0_bins.bins(filled)).astype("i8")
    slow = np.cumsum(noise.standard_normal((1, frames, CHANNELS)), axis=1) / 6 + noise.standard_normal(
        (1, frames, CHANNELS)
    )
    content = np.repeat(slow, 2, axis=1)
    latent = np.repeat(slow.transpose(0, 2, 1), 2, axis=2)
    wave = np.interp(np.arange(p * UPP) / RATE, np.arange(len(padded)) / stages.SR16, padded)
    wave = wave + 0.3 * np.gradient(wave) * 4
    distances = np.sort(noise.gamma(8.0, 20.0, (frames, 8)), axis=1)
    weights = (1 / distances) ** 2
    cut = wave[RATE:-RATE]
    audio = padded[stages.SR16 : -stages.SR16]
    f4 = np.float32
    made: dict[str, Any] = {
        "audio16k.raw": audio.astype(f4),
        "audio16k": audio.astype(f4),
        "highpassed": audio,
        "padded": padded,
        "f0.raw": hertz,
        "f0.filled": filled,
        "f0.hz": filled[None].astype(f4),
        "f0.coarse": coarse[None],
        "seg0.audio": padded[None].astype(f4),
        "seg0.hubert.features": slow.astype(f4),
        "seg0.content.upsampled": content.astype(f4),
        "seg0.content.protected": content.astype(f4),
        "seg0.spk.g": noise.standard_normal((1, CHANNELS, 1)).astype(f4),
        "seg0.enc_p.m": latent.astype(f4),
        "seg0.enc_p.logs": (latent * 0.1).astype(f4),
        "seg0.noise.z": noise.standard_normal(latent.shape).astype(f4),
        "seg0.z_p": (latent + 0.1).astype(f4),
        "seg0.flow.z": (latent * 1.1).astype(f4),
        "seg0.noise.nsf": noise.standard_normal((1, p * UPP, 1)).astype(f4),
        "seg0.nsf.sine": (0.1 * np.sin(wave * 9))[None, :, None].astype(f4),
        "seg0.nsf.source": (0.1 * np.sin(wave * 9))[None, None].astype(f4),
        "seg0.waveform.segment.full": wave.astype(f4),
        "seg0.waveform.segment": cut.astype(f4),
        "waveform.concat": cut.astype(f4),
        "waveform.final": (cut * 32768).clip(-32768, 32767).astype(np.int16),
    }
    if index:
        made |= {
            "seg0.retrieval.distances": distances.astype(f4),
            "seg0.retrieval.ids": noise.integers(0, 4000, (frames, 8)),
            "seg0.retrieval.weights": (weights / weights.sum(1, keepdims=True)).astype(f4),
            "seg0.retrieval.mean": slow[0].astype(f4),
            "seg0.retrieval.blended": slow.astype(f4),
        }
    return made


@dataclass
class Replay:
    """A candidate that returns prepared tensors by case: `isolated` for single stages, `chained` for conversions."""

    isolated: dict[str, Tensors]
    chained: dict[str, Tensors]
    name: str = "replay"
    lacks: tuple[str, ...] = ()
    chains: bool = True
    about: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self.about = {"name": self.name, "version": "1"}

    def takes(self, case: Case) -> bool:
        """Every case."""
        return True

    def offers(self, stage: stages.Stage) -> bool:
        """Whether a stage can be run alone."""
        return stage.name not in self.lacks

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """The prepared tensors of this stage."""
        # to assign blame, the judge also runs stages on the candidate's inputs; the result is then the chained run's
        chained = self.chained[case.name]
        from_golden = all(
            name not in case or np.array_equal(value, _cut_to(case[name], value.shape))
            for name, value in inputs.items()
        )
        made = (
            self.isolated[case.name]
            if from_golden
            else {
                name: chained[name] + (value - case[name] if value.dtype.kind == "f" else 0)
                for name, value in self.isolated[case.name].items()
                if name in case and name in chained
            }
        )
        return {prefix + row.name: made[prefix + row.name] for row in stage.makes if prefix + row.name in made}

    def run(self, case: Case) -> Tensors:
        """All prepared tensors."""
        return {name: value for name, value in self.chained[case.name].items() if stages.stage_of(name) is not None}

    def run_final(self, case: Case) -> Tensors:
        """The prepared waveform."""
        return self.run(case)

    def restart(self) -> bool:
        """Not possible within the process of the tests."""
        return False


def _cut_to(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The beginning of an array in a shape: stages receive F0 cut to their segment."""
    return array[tuple(slice(n) for n in shape)]


# Tensors in which a correct candidate differs by rounding. The judge requires the other tensors to be exact.
NETWORKS = ("hubert.features", "enc_p.m", "enc_p.logs", "flow.z", "nsf.source", "waveform.segment.full")


def near(golden: Tensors, size: float, seed: int = 1, only: tuple[str, ...] | None = None) -> Tensors:
    """Add noise of the relative size `size` to floats, or to those of the tensors `only`; decisions and zeros stay."""
    noise = np.random.default_rng(seed)
    moved = dict(golden)
    for name, value in golden.items():
        if (
            value.dtype.kind != "f"
            or stages.stage_of(name) is None
            or (only and stages.TensorName.parse(name).local not in only)
        ):
            continue
        scale = float(np.sqrt(np.mean(np.square(value, dtype="f8"))))
        moved[name] = (value + size * scale * noise.standard_normal(value.shape) * (value != 0)).astype(value.dtype)
    return moved


def linear_upsampling(golden: Tensors) -> tuple[Tensors, Tensors]:
    """A fault: content features are upsampled by linear interpolation instead of repetition.

    Returns:
        The tensors of isolated stages and of the conversion.
    """
    isolated, chained = near(golden, 2e-7, 1, NETWORKS), near(golden, 3e-7, 2)
    content = golden["seg0.content.upsampled"].astype("f8")
    smooth = content.copy()
    smooth[:, 1:-1:2] = (content[:, 1:-1:2] + content[:, 2::2]) / 2
    isolated["seg0.content.upsampled"] = chained["seg0.content.upsampled"] = chained["seg0.content.protected"] = (
        smooth.astype("f4")
    )
    gap = np.abs(smooth - content).mean(axis=2)[0]
    noise = np.random.default_rng(5)
    for name in ("seg0.enc_p.m", "seg0.enc_p.logs", "seg0.z_p", "seg0.flow.z"):
        value = golden[name]
        chained[name] = (value + 0.2 * gap * noise.standard_normal(value.shape)).astype("f4")
    moved = golden["seg0.waveform.segment.full"] * (
        1 + 0.1 * np.repeat(gap, UPP) * noise.standard_normal(len(gap) * UPP)
    )
    chained |= spread_waveform(moved.astype("f4"))
    return isolated, chained


def spread_waveform(full: np.ndarray) -> Tensors:
    """The tensors that follow from `waveform.segment.full`."""
    cut = full[RATE:-RATE]
    return {
        "seg0.waveform.segment.full": full,
        "seg0.waveform.segment": cut,
        "waveform.concat": cut,
        "waveform.final": (cut.astype("f8") * 32768).clip(-32768, 32767).astype(np.int16),
    }


def octave_slip(golden: Tensors) -> tuple[Tensors, Tensors]:
    """A fault: F0 is an octave too low in 15 frames, and unvoiced in 6 frames where the original is voiced."""
    isolated, chained = near(golden, 2e-7, 1, NETWORKS), near(golden, 3e-7, 2)
    raw = golden["f0.raw"].copy()
    voiced = np.flatnonzero(raw > 0)
    raw[voiced[60:75]] /= 2
    raw[voiced[90:96]] = 0
    filled = np.where(raw > 0, raw, golden["f0.filled"])
    isolated["f0.raw"] = chained["f0.raw"] = raw
    chained |= {"f0.filled": filled, "f0.hz": filled[None].astype("f4")}
    return isolated, chained


def judged(
    root: Path, faults: dict[str, Any], name: str = "replay", lacks: tuple[str, ...] = (), seconds: float = 2.0
) -> Path:
    """Make goldens below `root` and judge a candidate on them.

    Args:
        root: a folder; the goldens are shared by several calls.
        faults: case name → None for a correct result, or a fault of this module.
        name: name of the candidate and of the verdict folder.
        lacks: stages that the candidate does not offer alone.
        seconds: length of the input of each case.
    Returns:
        The verdict folder.
    """
    isolated: dict[str, Tensors] = {}
    chained: dict[str, Tensors] = {}
    goldens = root / "goldens"
    for number, (case, fault) in enumerate(faults.items()):
        made = tensors(seconds, number)
        if not (goldens / case).exists():
            profile, method = [("webui-2026", "pm"), ("webui-2026", "rmvpe")][number % 2]
            store.save_case(goldens / case, made, meta(case, f"a tone with pauses, number {number}", profile, method))
        isolated[case], chained[case] = fault(made) if fault else (near(made, 2e-7, 1, NETWORKS), near(made, 3e-7, 2))
    out = root / name
    run.run(
        Replay(isolated, chained, name, lacks), goldens, out, waivers=waivers.Waivers([]), limits=tolerance.Limits()
    )
    return out


def settled(document: dict[str, Any]) -> dict[str, Any]:
    """A verdict whose cells a test has changed, with the counts and states that the changed cells give."""
    cells = []
    for case in document["cases"]:
        own = [cell for stage in case["stages"] for cell in stage["cells"]]
        case["counts"] = recomputed.counts(own)
        cells += own
    document["counts"] = recomputed.counts(cells)
    document["state"] = recomputed.run_state(document)
    document["exit_code"] = EXIT_CODES[recomputed.run_state(document)]
    return document
