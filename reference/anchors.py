"""Choose the content frames that the synthetic indexes start from; stored in parity/data/content_anchors.safetensors.

python -m reference.anchors OUT.safetensors

HuBERT's last bits depend on the processor, so the frames are rounded to 8 bits and committed.
"""

import sys

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from parity.hooks import stand_ins
from parity.voices import make_hubert
from parity.voices.index import STEP
from reference.recording.cases import GOLDENS

INPUTS = ("speech_en_pauses.flac", "speech_de.flac", "sung_scale.flac", "sung_glide.flac")
FRAMES_PER_INPUT = 32  # evenly spaced; 4 inputs give 128 anchors


def main(arguments: list[str]) -> int:
    """Write int8 (128, 256) for v1 and (128, 768) for v2; consecutive frames come from different inputs."""
    stand_ins.torchaudio_extension()
    inputs = [content_features(name) for name in INPUTS]
    interleaved = {version: np.stack([features[version] for features in inputs], 1) for version in ("v1", "v2")}
    anchors = {version: quantize(frames.reshape(-1, frames.shape[2])) for version, frames in interleaved.items()}
    save_file(anchors, arguments[0])
    return 0


def content_features(name: str) -> dict[str, NDArray[np.float32]]:
    """Evenly spaced content frames of one input, float32: (32, 256) for v1 and (32, 768) for v2."""
    sound = soundfile.read(GOLDENS / "inputs" / name, dtype="float32")[0]
    hubert = stand_ins.load_hubert(make_hubert())
    with torch.no_grad():
        states = hubert(torch.from_numpy(sound)[None], output_hidden_states=True).hidden_states
        features = {"v1": hubert.final_proj(states[9])[0].numpy(), "v2": states[12][0].numpy()}
    positions = np.linspace(0, len(features["v2"]) - 1, FRAMES_PER_INPUT).astype(int)
    return {version: frames[positions] for version, frames in features.items()}


def quantize(frames: NDArray[np.float32]) -> NDArray[np.int8]:
    """Round to multiples of `STEP` as int8; values beyond ±127 steps are clipped."""
    return np.asarray(np.clip(np.rint(frames / STEP), -127, 127).astype(np.int8))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
