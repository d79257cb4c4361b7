"""A toy that has the interface of the WebUI's VC class: what parity.hooks relies on, with networks of a few weights."""

from typing import Any

import numpy as np
import torch
from infer.vc.pipeline import Pipeline
from infer.vc.synthesizer import Synthesizer


class Config:
    """The window in seconds."""

    x_pad, x_query, x_center, x_max = 1, 6, 38, 41


class Hubert(torch.nn.Module):
    """Content features (1, n, 768) by a fixed projection of each 20 ms, and a projection to 256 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.project = torch.nn.Linear(320, 768), torch.nn.Linear(768, 256)

    def extract_features(self, source: Any, padding_mask: Any, output_layer: int) -> Any:
        frames = (source.shape[1] - 80) // 320
        return self.layer(source[:, 80 : 80 + 320 * frames].reshape(1, frames, 320)), padding_mask

    def final_proj(self, features: Any) -> Any:
        return self.project(features)


def load_audio(path: str, rate: int) -> Any:
    raise FileNotFoundError(path)


class VC:
    """Loads a voice and converts files."""

    def __init__(self, config: Config) -> None:
        torch.manual_seed(1)
        self.config, self.hubert_model = config, Hubert()

    def get_vc(self, path: str) -> None:
        self.net_g = Synthesizer(rate=32000)
        self.pipeline = Pipeline(32000, self.config)

    def vc_single(
        self, speaker: int, path: str, key: int, method: str, index: str, index_rate: float, protect: float
    ) -> Any:
        audio = load_audio(path, 16000)
        peak = np.abs(audio).max() / 0.95
        audio = audio / max(peak, 1)
        return self.pipeline.pipeline(
            self.hubert_model,
            self.net_g,
            speaker,
            audio,
            key,
            method,
            index,
            index_rate,
            1,
            32000,
            0,
            0.5,
            "v2",
            protect,
        )
