"""Weights of HuBERT base: centered filters, small residual branches, attention that is not chaotic.

The names are those of a transformers folder. Each scale was chosen by measurement, because features of plain random
weights hardly change over time; tests/parity/test_tracing.py checks that these do.
"""

from collections.abc import Iterator

import numpy as np

from parity.voices.draw import GAIN, Draw, Named

WIDTH, INNER, LAYERS = 768, 3072, 12
KERNELS = (10, 3, 3, 3, 3, 2, 2)
PROJECTED = 256  # width of v1 content

CONFIG = {
    "architectures": ["HubertModelWithFinalProj"],
    "model_type": "hubert",
    "activation_dropout": 0.1,
    "apply_spec_augment": False,
    "attention_dropout": 0.1,
    "bos_token_id": 1,
    "classifier_proj_size": PROJECTED,
    "conv_bias": False,
    "conv_dim": [512] * 7,
    "conv_kernel": list(KERNELS),
    "conv_pos_batch_norm": False,
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "do_stable_layer_norm": False,
    "eos_token_id": 2,
    "feat_extract_activation": "gelu",
    "feat_extract_norm": "group",
    "feat_proj_dropout": 0.0,
    "feat_proj_layer_norm": True,
    "final_dropout": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout": 0.1,
    "hidden_size": WIDTH,
    "initializer_range": 0.02,
    "intermediate_size": INNER,
    "layer_norm_eps": 1e-05,
    "layerdrop": 0.1,
    "num_attention_heads": 12,
    "num_conv_pos_embedding_groups": 16,
    "num_conv_pos_embeddings": 128,
    "num_feat_extract_layers": 7,
    "num_hidden_layers": LAYERS,
    "pad_token_id": 0,
    "torch_dtype": "float32",
    "vocab_size": 32,
}

PREPROCESSOR = {
    "do_normalize": False,
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "padding_side": "right",
    "padding_value": 0,
    "return_attention_mask": False,
    "sampling_rate": 16000,
}

_BIAS = 0.05  # standard deviation: a missing bias is measurable, and features vary over time


def tensors() -> Iterator[Named]:
    """Every tensor of model.safetensors, float32: 211 of the encoder and the two of `final_proj`."""
    draw = Draw("hubert", np.float32)
    yield draw.vector("masked_spec_embed", WIDTH, 0.1)  # training only, but the originals' files hold it
    yield from _front_end(draw)
    yield from _positions(draw)
    for i in range(LAYERS):
        yield from _layer(draw, f"encoder.layers.{i}")
    yield draw.weight("final_proj.weight", (PROJECTED, WIDTH))
    yield draw.vector("final_proj.bias", PROJECTED, _BIAS)


def _front_end(draw: Draw) -> Iterator[Named]:
    for i, kernel in enumerate(KERNELS):
        shape = (512, 512 if i else 1, kernel)
        yield draw.weight(f"feature_extractor.conv_layers.{i}.conv.weight", shape, 2**0.5)
    yield from _norm(draw, "feature_extractor.conv_layers.0.layer_norm", 512)
    yield from _norm(draw, "feature_projection.layer_norm", 512)
    yield from _linear(draw, "feature_projection.projection", WIDTH, 512)


def _positions(draw: Draw) -> Iterator[Named]:
    name = "encoder.pos_conv_embed.conv"
    yield draw.vector(f"{name}.bias", WIDTH, _BIAS)
    # one scale for each of the 128 taps: 768 x 48 weights of deviation 0.3 gain / sqrt(48 x 128)
    tap = 0.3 * GAIN * 6**0.5
    yield draw.vector(f"{name}.parametrizations.weight.original0", (1, 1, 128), 0.1 * tap, tap)
    yield draw.weight(f"{name}.parametrizations.weight.original1", (WIDTH, 48, 128))
    yield from _norm(draw, "encoder.layer_norm", WIDTH)


def _layer(draw: Draw, name: str) -> Iterator[Named]:
    for part, gain in (("k_proj", 1.3), ("v_proj", 1.0), ("q_proj", 1.3), ("out_proj", 0.2)):
        yield from _linear(draw, f"{name}.attention.{part}", WIDTH, WIDTH, gain)
    yield from _norm(draw, f"{name}.layer_norm", WIDTH)
    yield from _linear(draw, f"{name}.feed_forward.intermediate_dense", INNER, WIDTH)
    yield from _linear(draw, f"{name}.feed_forward.output_dense", WIDTH, INNER, 0.2)
    yield from _norm(draw, f"{name}.final_layer_norm", WIDTH)


def _linear(draw: Draw, name: str, outputs: int, inputs: int, factor: float = 1.0) -> Iterator[Named]:
    yield draw.weight(f"{name}.weight", (outputs, inputs), GAIN * factor)
    yield draw.vector(f"{name}.bias", outputs, _BIAS)


def _norm(draw: Draw, name: str, width: int) -> Iterator[Named]:
    yield draw.vector(f"{name}.weight", width, 0.1, 1.0)
    yield draw.vector(f"{name}.bias", width, 0.1)
