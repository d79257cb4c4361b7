"""Choose the content frames that the synthetic indexes start from; kept as parity/data/content_anchors.safetensors.

python -m reference.anchors OUT.safetensors

A HuBERT computes other bits on another machine, so the frames are rounded to 8 bits and committed.
"""

import sys

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from parity.voices import make_hubert
from parity.voices.index import STEP
from reference.originals import stand_ins
from reference.recording.cases import GOLDENS

INPUTS = ("speech_en_pauses.flac", "speech_de.flac", "sung_scale.flac", "sung_glide.flac")
EACH = 32  # frames taken from each input, evenly spaced


def main(arguments: list[str]) -> int:
    """Write int8 (128, 256) for v1 and (128, 768) for v2; the frames of the inputs take turns."""
    stand_ins.torchaudio_extension()
    frames = [content(name) for name in INPUTS]
    turns = {version: np.stack([heard[version] for heard in frames], 1) for version in ("v1", "v2")}
    anchors = {version: rounded(turn.reshape(-1, turn.shape[2])) for version, turn in turns.items()}
    save_file(anchors, arguments[0])
    return 0


def content(name: str) -> dict[str, NDArray[np.float32]]:
    """Evenly spaced content frames of one input: (32, 256) and (32, 768)."""
    sound = soundfile.read(GOLDENS / "inputs" / name, dtype="float32")[0]
    hubert = stand_ins.load_hubert(make_hubert())
    with torch.no_grad():
        states = hubert(torch.from_numpy(sound)[None], output_hidden_states=True).hidden_states
        heard = {"v1": hubert.final_proj(states[9])[0].numpy(), "v2": states[12][0].numpy()}
    places = np.linspace(0, len(heard["v2"]) - 1, EACH).astype(int)
    return {version: frames[places] for version, frames in heard.items()}


def rounded(frames: NDArray[np.float32]) -> NDArray[np.int8]:
    """Values to steps of 8 bits; what lies beyond them is cut."""
    return np.asarray(np.clip(np.rint(frames / STEP), -127, 127).astype(np.int8))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
