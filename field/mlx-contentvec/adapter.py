"""mlx-contentvec as a candidate: one stage, hubert.features, of v2 voices."""

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from parity.hooks import tensor_files
from parity.hooks.folders import Scratch
from parity.hooks.serving import Array, Arrays, Case, Lacks, Tape, serve

# A name in the transformers file → the name in this package's file: regular expression, replacement.
NAMES = (
    (r"^hubert\.", ""),
    (r"^feature_extractor\.conv_layers\.0\.layer_norm\.", "feature_extractor.conv_layers.0.norm."),
    (r"^feature_projection\.layer_norm\.", "layer_norm."),
    (r"^feature_projection\.projection\.", "post_extract_proj."),
    (r"^encoder\.pos_conv_embed\.conv\.(weight_g|parametrizations\.weight\.original0)$", "encoder.pos_conv.layers.0.g"),
    (r"^encoder\.pos_conv_embed\.conv\.(weight_v|parametrizations\.weight\.original1)$", "encoder.pos_conv.layers.0.v"),
    (r"^encoder\.pos_conv_embed\.conv\.bias$", "encoder.pos_conv.layers.0.module.bias"),
    (r"^(encoder\.layers\.\d+)\.attention\.", r"\1.self_attn."),
    (r"^(encoder\.layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"\.feed_forward\.intermediate_dense\.", ".fc1."),
    (r"\.feed_forward\.output_dense\.", ".fc2."),
)
UNUSED = ("masked_spec_embed", "final_proj")


class MlxContentvec:
    """The package's network with the weights of the case, in the package's layout."""

    name, version, chain, profiles = "mlx-contentvec", "0.1.1", False, ("webui-2026",)
    stages = ("hubert.features",)

    def __init__(self) -> None:
        self.model: Any = None

    def run(self, case: Case, inputs: Arrays, tape: Tape) -> None:
        """Raise Lacks: the package has no conversion."""
        raise Lacks("it is a feature extractor")

    def run_stage(self, case: Case, stage: str, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """hubert.features of a segment's audio."""
        if case["voice"]["version"] != "v2":
            raise Lacks("it has no final projection, which v1 voices need")
        mlx: Any = importlib.import_module("mlx.core")
        if self.model is None:
            self.model = self._loaded(Path(case["files"]["hubert"]) / "model.safetensors")
        features = self.model(mlx.array(inputs[prefix + "audio"].astype(np.float32)))["x"]
        return {prefix + "hubert.features": np.array(features)}

    def _loaded(self, path: Path) -> Any:
        weights = dict(converted(name, value) for name, value in tensor_files.read(path).items() if not unused(name))
        own = Scratch().folder / "contentvec.safetensors"
        tensor_files.write(own, weights)
        return importlib.import_module("mlx_contentvec").ContentvecModel.from_pretrained(weights_path=own)


def unused(name: str) -> bool:
    """Whether this package has no place for a tensor."""
    return name.removeprefix("hubert.").startswith(UNUSED)


def converted(name: str, value: Array) -> tuple[str, Array]:
    """One tensor under this package's name, with the channels of a convolution last."""
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    value = value.astype(np.float32)
    return name, np.ascontiguousarray(value.transpose(0, 2, 1)) if value.ndim == 3 else value


if __name__ == "__main__":
    serve(MlxContentvec())
