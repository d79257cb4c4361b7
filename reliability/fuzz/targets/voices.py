"""Voice files: torch archives, legacy pickles, safetensors, and training checkpoints."""

import argparse
import collections
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reliability.fuzz.mutation import archives, pickles, tensor_files
from reliability.fuzz.reader import TORCH_FILES, NotFinite, Reader
from reliability.fuzz.targets import tiny
from rvc.voices import inspection
from rvc.voices.voice import load_voice

MODULES = (
    "rvc.weights.checkpoint",
    *TORCH_FILES,
    "rvc.weights.mapped_file",
    "rvc.weights.recognizers",
    "rvc.voices.contents",
    "rvc.voices.metadata",
    "rvc.voices.voice",
    "rvc.voices.inspection",
    "rvc.nn.synthesizer_config",
)
FRAMES = 2  # frames of 10 ms that a voice synthesizes


def read(path: Path) -> None:
    """Describe a voice, open it, and synthesize two frames.

    Raises:
        NotFinite: the weights are finite and the samples are not.
    """
    inspection.inspect(path)
    voice = load_voice(path)
    voice.refuse_odd_numbers()
    network = voice.synthesizer
    source = torch.ones(1, 1, FRAMES * voice.upp) if voice.f0 else None
    latent = torch.ones(1, voice.sizes.inter, FRAMES)
    waveform = network.generate(latent, network.speaker(0), source)
    if not np.isfinite(np.asarray(waveform)).all() and _is_moderate(voice):
        raise NotFinite(f"{path.name} gives samples that are not finite")


def _is_moderate(voice: Any) -> bool:
    """Whether no weight is so large that a product of float32 numbers overflows."""
    from rvc.voices.contents import read_contents  # not needed for files that are refused

    return all(
        float(value.float().abs().max()) < 1e3 for value in read_contents(voice.path).tensors.values() if value.numel()
    )


def contents() -> list[dict[str, Any]]:
    """The dictionaries of valid voice files of several programs."""
    foreign = {
        "created": datetime.datetime(2026, 1, 1),
        "hyper": argparse.Namespace(a=1),
        "count": np.int64(3),
        "array": np.zeros(3),
        "ordered": collections.OrderedDict(a=1),
        "author": "x",
    }
    checkpoint = {
        "model": tiny.voice_tensors("v2", True),
        "iteration": 1,
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        "learning_rate": 1e-4,
    }
    return [tiny.voice("v2", True), tiny.voice("v1", False), tiny.voice("v1", True, **foreign), checkpoint]


def _zips() -> Sequence[bytes]:
    return [tiny.saved(content) for content in contents()]


def _legacy() -> Sequence[bytes]:
    return [tiny.saved(content, new=False) for content in contents()]


def _safetensors() -> Sequence[bytes]:
    about = {"config": str(tiny.CONFIG).replace("'", '"'), "version": "v2", "f0": "1", "sr": "40k", "info": "tiny"}
    return [tiny.safetensors(tiny.voice_tensors("v2", True), **about), tiny.safetensors(tiny.voice_tensors("v1", True))]


READERS = (
    Reader("voice, torch zip", "voice.pth", _zips, archives.mutate, read, MODULES),
    Reader("voice, legacy pickle", "voice.pth", _legacy, pickles.mutate, read, MODULES),
    Reader("voice, safetensors", "voice.safetensors", _safetensors, tensor_files.mutate, read, MODULES),
)
