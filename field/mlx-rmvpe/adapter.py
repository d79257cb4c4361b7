"""mlx-rmvpe as a candidate: one stage, f0.raw, of cases with F0 method rmvpe."""

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from parity.hooks import tensor_files
from parity.hooks.estimators import PitchEstimator
from parity.hooks.folders import Scratch
from parity.hooks.serving import Array, serve

# A name in the PyTorch file → the name in this package's file: regular expression, replacement.
NAMES = (
    (r"^unet\.decoder\.layers\.(\d+)\.conv1\.0\.", r"unet.decoder.layers.\1.conv_transpose."),
    (r"^unet\.decoder\.layers\.(\d+)\.conv1\.1\.", r"unet.decoder.layers.\1.bn."),
    (r"\.conv2?\.(\d+)\.(conv|shortcut)\.", r".conv_blocks.\1.\2."),
    (r"\.conv\.0\.", ".conv1."),
    (r"\.conv\.1\.", ".bn1."),
    (r"\.conv\.3\.", ".conv2."),
    (r"\.conv\.4\.", ".bn2."),
    (r"^fc\.1\.", "linear."),
)
HIDDEN = 256  # channels of each direction of the GRU


class MlxRmvpe(PitchEstimator):
    """The package's network with the weights of the case, in the package's layout."""

    name, version = "mlx-rmvpe", "0.1.0"

    def estimate(self, model: Any, audio: Array) -> Array:
        made: Array = model.infer_from_audio(audio.astype(np.float32))
        return made

    def open(self, weights: Path) -> Any:
        renamed: dict[str, Array] = {}
        for name, value in tensor_files.read(weights).items():
            if not name.endswith("num_batches_tracked"):
                renamed |= converted(name, value.astype(np.float32))
        renamed |= gates(renamed)
        own = Scratch().folder / "rmvpe.safetensors"
        tensor_files.write(
            own, {f"model.{name}": value for name, value in renamed.items() if not name.startswith("fc.")}
        )
        return importlib.import_module("mlx_rmvpe").RMVPE.from_pretrained(weights_path=own)


def converted(name: str, value: Array) -> dict[str, Array]:
    """One tensor under this package's name, with the channels of a convolution last."""
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    if value.ndim == 4:
        value = value.transpose((1, 2, 3, 0) if "conv_transpose" in name else (0, 2, 3, 1))
    return {name: np.ascontiguousarray(value)}


def gates(weights: dict[str, Array]) -> dict[str, Array]:
    """The two directions of the GRU: the biases of the gates r and z are added, that of n stays apart."""
    made: dict[str, Array] = {}
    for direction, suffix in (("forward", ""), ("backward", "_reverse")):
        parts = {
            part: weights[f"fc.0.gru.{part}_l0{suffix}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        bias = parts["bias_ih"].copy()
        bias[: 2 * HIDDEN] += parts["bias_hh"][: 2 * HIDDEN]
        own = f"bigru.gru_{direction}."
        made |= {own + "Wx": parts["weight_ih"], own + "Wh": parts["weight_hh"], own + "b": bias}
        made[own + "bhn"] = parts["bias_hh"][2 * HIDDEN :]
    return made


if __name__ == "__main__":
    serve(MlxRmvpe())
