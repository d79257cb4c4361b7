"""Small goldens and candidates made of arithmetic, judged by the real judge: what the report's tests look at."""

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
from parity.runs import run

RATE, UPP, VALUES = 40000, 400, 24  # sample rate of the voice, samples of a pitch frame, channels enough for a picture


def meta(name: str, why: str, profile: str, f0_method: str, **options: Any) -> dict[str, Any]:
    """The meta of a case of two seconds of sound, as `case.json` holds it."""
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


def sound(seconds: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F0 in Hz every 10 ms (0 unvoiced), the tone at RATE, and a duller one at 16 kHz."""
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
        tone = sum(
            np.sin(k * phase) / k ** (1.1 + 0.4 * np.sin(2 * np.pi * 1.3 * np.arange(len(fine)) / rate))
            for k in range(1, 22)
        )
        breath = noise.standard_normal(len(fine)) * (0.02 + 0.05 * (1 - voiced))
        waves.append(0.12 * (voiced * tone + breath))
    return hertz, waves[0], waves[1]


def tensors(seconds: float, seed: int, index: bool = True, resample: bool = False) -> Tensors:
    """Every tensor of a conversion of one segment, in the right shapes, moving like speech."""
    noise = np.random.default_rng(seed)
    padded_hz, _, padded = sound(seconds + 2, seed)
    frames = (len(padded) - 80) // 320
    p = 2 * frames
    hertz = padded_hz.astype("f8")
    filled = np.where(hertz > 0, hertz, np.interp(np.arange(len(hertz)), np.flatnonzero(hertz), hertz[hertz > 0]))
    coarse = np.clip(np.round((1127 * np.log(1 + filled / 700) - 77.755) / 3.885 + 1), 1, 255).astype("i8")
    slow = np.cumsum(noise.standard_normal((1, frames, VALUES)), axis=1) / 6 + noise.standard_normal(
        (1, frames, VALUES)
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
    found: dict[str, Any] = {
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
        "seg0.spk.g": noise.standard_normal((1, VALUES, 1)).astype(f4),
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
        found |= {
            "seg0.retrieval.distances": distances.astype(f4),
            "seg0.retrieval.ids": noise.integers(0, 4000, (frames, 8)),
            "seg0.retrieval.weights": (weights / weights.sum(1, keepdims=True)).astype(f4),
            "seg0.retrieval.mean": slow[0].astype(f4),
            "seg0.retrieval.blended": slow.astype(f4),
        }
    return found


@dataclass
class Replay:
    """A candidate that answers with prepared tensors: `alone` in isolation, `whole` in the chain."""

    alone: dict[str, Tensors]
    whole: dict[str, Tensors]
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
        # a right stage given wrong inputs makes what its chained run made: the judge asks this to tell who is to blame
        whole = self.whole[case.name]
        own = all(name not in case or np.array_equal(value, _part(case[name], value)) for name, value in inputs.items())
        made = (
            self.alone[case.name]
            if own
            else {
                name: whole[name] + (value - case[name] if value.dtype.kind == "f" else 0)
                for name, value in self.alone[case.name].items()
                if name in case and name in whole
            }
        )
        return {prefix + row.name: made[prefix + row.name] for row in stage.makes if prefix + row.name in made}

    def run(self, case: Case) -> Tensors:
        """All prepared tensors."""
        return {name: value for name, value in self.whole[case.name].items() if stages.stage_of(name) is not None}


def _part(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The beginning of an array, as long as `part`: pitch is handed over cut to its segment."""
    return whole[tuple(slice(n) for n in part.shape)]


# What a right candidate computes with other roundings; the rest is plain arithmetic, which the judge wants exact.
NETWORKS = ("hubert.features", "enc_p.m", "enc_p.logs", "flow.z", "nsf.source", "waveform.segment.full")


def near(golden: Tensors, size: float, seed: int = 1, only: tuple[str, ...] | None = None) -> Tensors:
    """Floats moved by `size` relative to their tensor, or those of `only`; decisions, zeros and noise stay."""
    noise = np.random.default_rng(seed)
    found = dict(golden)
    for name, value in golden.items():
        if (
            value.dtype.kind != "f"
            or stages.stage_of(name) is None
            or (only and stages.TensorName.parse(name).local not in only)
        ):
            continue
        scale = float(np.sqrt(np.mean(np.square(value, dtype="f8"))))
        found[name] = (value + size * scale * noise.standard_normal(value.shape) * (value != 0)).astype(value.dtype)
    return found


def linear_upsampling(golden: Tensors) -> tuple[Tensors, Tensors]:
    """The fault of the issue: content upsampled by straight lines instead of repetition, alone and in the chain."""
    alone, whole = near(golden, 2e-7, 1, NETWORKS), near(golden, 3e-7, 2)
    content = golden["seg0.content.upsampled"].astype("f8")
    smooth = content.copy()
    smooth[:, 1:-1:2] = (content[:, 1:-1:2] + content[:, 2::2]) / 2
    alone["seg0.content.upsampled"] = whole["seg0.content.upsampled"] = whole["seg0.content.protected"] = smooth.astype(
        "f4"
    )
    gap = np.abs(smooth - content).mean(axis=2)[0]
    noise = np.random.default_rng(5)
    for name in ("seg0.enc_p.m", "seg0.enc_p.logs", "seg0.z_p", "seg0.flow.z"):
        value = golden[name]
        whole[name] = (value + 0.2 * gap * noise.standard_normal(value.shape)).astype("f4")
    moved = golden["seg0.waveform.segment.full"] * (
        1 + 0.1 * np.repeat(gap, UPP) * noise.standard_normal(len(gap) * UPP)
    )
    whole |= spread_waveform(moved.astype("f4"))
    return alone, whole


def spread_waveform(full: np.ndarray) -> Tensors:
    """What follows from another `waveform.segment.full` to the end."""
    cut = full[RATE:-RATE]
    return {
        "seg0.waveform.segment.full": full,
        "seg0.waveform.segment": cut,
        "waveform.concat": cut,
        "waveform.final": (cut.astype("f8") * 32768).clip(-32768, 32767).astype(np.int16),
    }


def octave_slip(golden: Tensors) -> tuple[Tensors, Tensors]:
    """A pitch method that falls by an octave for a moment, once unvoiced where the original is voiced."""
    alone, whole = near(golden, 2e-7, 1, NETWORKS), near(golden, 3e-7, 2)
    raw = golden["f0.raw"].copy()
    voiced = np.flatnonzero(raw > 0)
    raw[voiced[60:75]] /= 2
    raw[voiced[90:96]] = 0
    filled = np.where(raw > 0, raw, golden["f0.filled"])
    alone["f0.raw"] = whole["f0.raw"] = raw
    whole |= {"f0.filled": filled, "f0.hz": filled[None].astype("f4")}
    return alone, whole


def judged(
    root: Path, faults: dict[str, Any], name: str = "replay", lacks: tuple[str, ...] = (), seconds: float = 2.0
) -> Path:
    """Goldens and a verdict folder below `root`; `faults` maps case name → None (right) or a fault of this module.

    returns : the verdict folder
    """
    alone: dict[str, Tensors] = {}
    whole: dict[str, Tensors] = {}
    goldens = root / "goldens"
    for number, (case, fault) in enumerate(faults.items()):
        made = tensors(seconds, number)
        if not (goldens / case).exists():
            profile, method = [("webui-2026", "pm"), ("webui-2026", "rmvpe")][number % 2]
            store.save_case(goldens / case, made, meta(case, f"a tone with pauses, number {number}", profile, method))
        alone[case], whole[case] = fault(made) if fault else (near(made, 2e-7, 1, NETWORKS), near(made, 3e-7, 2))
    out = root / name
    run.run(Replay(alone, whole, name, lacks), goldens, out, waivers=waivers.Waivers([]), limits=tolerance.Limits())
    return out
