"""rmvpe-onnx as a candidate: one stage, f0.raw, of cases with F0 method rmvpe.

Its network is an ONNX file that it downloads. The adapter exports the same network with the weights of the case, from
their names in the PyTorch file (docs/spec/02); spectrogram, padding and decoding are the package's own.
"""

import importlib
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from parity.hooks import tensor_files
from parity.hooks.estimators import PitchEstimator
from parity.hooks.folders import Scratch
from parity.hooks.serving import Array, Arrays, serve

THRESHOLD = 0.03  # the default of `rmvpe-onnx predict --confidence-threshold`
MELS, HIDDEN = 128, 256  # mel bands, and channels of each direction of the GRU
BLOCKS = 4  # residual blocks of each layer


class Network(torch.nn.Module):
    """Salience (1, frames, 360) of a log-mel spectrogram (1, 128, frames), frames a multiple of 32."""

    def __init__(self, weights: Arrays) -> None:
        super().__init__()
        self.weights = {name: torch.from_numpy(value).float() for name, value in weights.items()}
        self.gru = torch.nn.GRU(3 * MELS, HIDDEN, batch_first=True, bidirectional=True)
        self.gru.load_state_dict(
            {name.removeprefix("fc.0.gru."): value for name, value in self.weights.items() if name.startswith("fc.0.")}
        )

    def forward(self, mel: Any) -> Any:
        x = self._norm(mel.transpose(1, 2)[:, None], "unet.encoder.bn")
        held = []
        for layer in range(self._count("unet.encoder.layers")):
            held.append(self._blocks(x, f"unet.encoder.layers.{layer}.conv"))
            x = F.avg_pool2d(held[-1], 2)
        for layer in range(self._count("unet.intermediate.layers")):
            x = self._blocks(x, f"unet.intermediate.layers.{layer}.conv")
        for layer, before in enumerate(reversed(held)):
            name = f"unet.decoder.layers.{layer}"
            x = F.conv_transpose2d(x, self.weights[f"{name}.conv1.0.weight"], None, 2, 1, 1)
            x = F.relu(self._norm(x, f"{name}.conv1.1"))
            x = self._blocks(torch.cat((x, before), 1), f"{name}.conv2")
        x = self._conv(x, "cnn", 1).transpose(1, 2).flatten(2)
        x = self.gru(x)[0]
        return torch.sigmoid(F.linear(x, self.weights["fc.1.weight"], self.weights["fc.1.bias"]))

    def _count(self, name: str) -> int:
        return len({entry.removeprefix(name).split(".")[1] for entry in self.weights if entry.startswith(name + ".")})

    def _blocks(self, x: Any, name: str) -> Any:
        for block in range(BLOCKS):
            own = f"{name}.{block}"
            y = F.relu(self._norm(self._conv(x, f"{own}.conv.0", 1), f"{own}.conv.1"))
            y = F.relu(self._norm(self._conv(y, f"{own}.conv.3", 1), f"{own}.conv.4"))
            x = y + (self._conv(x, f"{own}.shortcut", 0) if f"{own}.shortcut.weight" in self.weights else x)
        return x

    def _conv(self, x: Any, name: str, padding: int) -> Any:
        return F.conv2d(x, self.weights[name + ".weight"], self.weights.get(name + ".bias"), padding=padding)

    def _norm(self, x: Any, name: str) -> Any:
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (self.weights[f"{name}.{each}"] for each in names)
        return F.batch_norm(x, mean, variance, weight, bias)


class RmvpeOnnx(PitchEstimator):
    """The program's `predict` on the padded input."""

    name, version = "rmvpe-onnx", "0.2.3"

    def open(self, weights: Path) -> Any:
        path = exported(tensor_files.read(weights), Scratch().folder / "rmvpe.onnx")
        return importlib.import_module("rmvpe_onnx").RMVPE(path, "cpu")

    def estimate(self, model: Any, audio: Array) -> Array:
        _, hz, confidence, _ = model.predict(audio, 16000)
        voiced: Array = hz
        voiced[confidence < THRESHOLD] = 0
        return voiced


def exported(weights: Arrays, path: Path) -> Path:
    """Write the network as an ONNX file with a free number of frames."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Network(weights).eval(),
            (torch.zeros(1, MELS, 64),),
            path,
            dynamo=False,
            input_names=["mel"],
            output_names=["salience"],
            dynamic_axes={"mel": {2: "frames"}, "salience": {1: "frames"}},
        )
    return path


if __name__ == "__main__":
    serve(RmvpeOnnx())
