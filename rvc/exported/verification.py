"""The check of an export: a short conversion through the folder beside the same one through `rvc`, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rvc.config import Config
from rvc.content import features
from rvc.exported.export import ExportDiffers
from rvc.exported.networks import ExportedNetworks
from rvc.noise import Seeded
from rvc.pipeline import offline
from rvc.pipeline.conversion_networks import ConversionNetworks
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.trace import Recorder

SECONDS = 0.6  # seconds of the sound that is converted
# The largest relative RMS error of a stage, by precision. float32 graphs differ by the order of their sums; a prior
# scaled by 1 instead of 0.66666 is refused by name (a test). float16 rounds each number by up to 5e-4 of itself, and
# some thirty layers add such errors up.
LIMITS = {"float32": 2e-4, "float16": 6e-2}
WHOLE_NUMBERS = {"float32": 0.02, "float16": 0.2}  # the share of whole numbers (bins, ids) that may differ
IGNORED = ("noise.", "quiet.profile", "segment.cuts")


@dataclass(frozen=True)
class StageError:
    """How far one tensor of the folder's conversion lies from that of `rvc`."""

    name: str
    error: float
    limit: float


def verify_folder(networks: VoiceNetworks, folder: Path, methods: Sequence[str], profile: str) -> list[StageError]:
    """Compare a folder with the voice it was exported from.

    Args:
        networks: the voice.
        folder: the exported folder.
        methods: its F0 methods; each is run. Without one, the F0 of the sound itself is used for later stages.
        profile: the original whose defaults are used.
    Returns:
        The error of every tensor, in the order of the conversion.
    Raises:
        ExportDiffers: a tensor lies beyond its limit; the message names the first.
    """
    exported = ExportedNetworks.open(folder)
    precision = str(exported.exported.fields["precision"])
    both: tuple[ConversionNetworks, ConversionNetworks] = networks, exported
    errors = []
    tried: list[str | None] = [*methods] or [None]
    for method in tried:
        options: dict[str, Any] = {} if method is None else {"f0_method": method}
        config = Config.of(profile, **options)
        if method is None and networks.f0:
            errors += compare_without_f0(networks, exported, config, precision)
            continue
        taps = [Recorder(), Recorder()]
        for parts, tap in zip(both, taps, strict=True):
            offline.convert(probe(), parts, config, noise=Seeded(0), tap=tap)
        errors += compare(taps[0], taps[1], precision)
    for each in errors:
        if not each.error <= each.limit:
            raise ExportDiffers(
                f"the exported {each.name} differs from rvc's by {each.error:.2g} of its size (limit {each.limit:g} "
                f"in {precision}); nothing was written"
            )
    return errors


def compare_without_f0(
    networks: VoiceNetworks, exported: ExportedNetworks, config: Config, precision: str
) -> list[StageError]:
    """Compare the stages of a voice whose export has no F0 network: content, and the synthesizer at a gliding F0."""
    both: tuple[ConversionNetworks, ConversionNetworks] = networks, exported
    sound = torch.from_numpy(probe()[None])
    with networks.borrow_hubert() as own, both[1].borrow_hubert() as other:
        pair = [features.extract(sound, own, networks.version), features.extract(sound, other, networks.version)]
    content = pair[0].numpy()
    frames = 2 * content.shape[1]
    hz = np.linspace(110, 330, frames, dtype=np.float32)[None].copy()
    hz[:, 10:20] = 0
    pitch = offline.Pitch(hz, np.clip(np.rint(hz / 5), 1, 255).astype(np.int64))
    taps = [Recorder({"hubert.features": content}), Recorder({"hubert.features": pair[1].numpy()})]
    for parts, tap in zip(both, taps, strict=True):
        with parts.borrow_synthesizer() as synthesizer:
            stages = (parts.segment_class or offline.Segment)("seg0", synthesizer, config, Seeded(0), tap)
            latent = stages.latent(offline.SegmentContent(content, None), pitch, frames)
            stages.wave(latent, pitch, 0, frames)
    return compare(taps[0], taps[1], precision)


def compare(own: dict[str, npt.NDArray[Any]], other: dict[str, npt.NDArray[Any]], precision: str) -> list[StageError]:
    """Compare two conversions tensor by tensor.

    Args:
        own, other: name → array of each tensor, of rvc's networks and of the exported folder.
        precision: a key of `LIMITS`.
    Returns:
        For each tensor the RMS of the difference divided by the RMS of `own`, and the limit; for whole numbers the
        share that differs. Infinity where `other` lacks the tensor or has it in another shape.
    """
    errors = []
    for name, expected in own.items():
        if any(part in name for part in IGNORED):
            continue
        got = other.get(name)
        whole = expected.dtype.kind in "iu"
        limit = (WHOLE_NUMBERS if whole and name != "waveform.final" else LIMITS)[precision]
        if got is None or got.shape != expected.shape:
            errors.append(StageError(name, float("inf"), limit))
        elif whole and name != "waveform.final":
            errors.append(StageError(name, float(np.mean(got != expected)), limit))
        else:
            a, b = expected.astype(np.float64), got.astype(np.float64)
            regular = np.abs(a) < np.finfo(np.float32).max  # a missing neighbor has that distance
            size = np.sqrt(np.mean(np.square(a[regular]))) if regular.any() else 0.0
            floor = 1.0 if a.dtype == np.int16 else 1e-12
            error = np.sqrt(np.mean(np.square(a[regular] - b[regular]))) if regular.any() else 0.0
            errors.append(StageError(name, float(error / max(size, floor)), limit))
    return errors


def probe() -> npt.NDArray[np.float32]:
    """The sound that is converted: eight harmonics that glide from 140 to 210 Hz, float32 (9600,) at 16 kHz."""
    count = int(SECONDS * 16000)
    phase = 2 * np.pi * np.cumsum(np.linspace(140, 210, count)) / 16000
    wave = sum(np.sin(k * phase) / k for k in range(1, 9))
    return np.asarray(0.2 * wave, np.float32)
