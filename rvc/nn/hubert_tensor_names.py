"""Names of HuBERT's tensors in files: those of transformers and of fairseq, mapped to those of rvc.nn.hubert."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.hubert_config import HubertConfig, expected_shapes
from rvc.weights.wrapper_names import unwrapped

LAYER_PARTS = {
    r"(?:attention|self_attn)\.q_proj": "q",
    r"(?:attention|self_attn)\.k_proj": "k",
    r"(?:attention|self_attn)\.v_proj": "v",
    r"(?:attention|self_attn)\.out_proj": "out",
    r"(?:feed_forward\.intermediate_dense|fc1)": "wide",
    r"(?:feed_forward\.output_dense|fc2)": "narrow",
    r"(?:layer_norm|self_attn_layer_norm)": "attention_norm",
    r"final_layer_norm": "final_norm",
}
POSITION = r"encoder\.(?:pos_conv_embed\.conv|pos_conv\.0)"
RULES = [
    (r"feature_extractor\.conv_layers\.0\.(?:layer_norm|2)\.(weight|bias)", r"front.norm.\1"),
    (r"feature_extractor\.conv_layers\.(\d+)\.(?:conv|0)\.weight", r"front.\1.weight"),
    (r"(?:feature_projection\.)?layer_norm\.(weight|bias)", r"projection.norm.\1"),
    (r"(?:feature_projection\.projection|post_extract_proj)\.(weight|bias)", r"projection.\1"),
    (POSITION + r"\.bias", "position.bias"),
    (POSITION + r"\.weight", "position.folded"),
    (POSITION + r"\.(?:parametrizations\.weight\.original0|weight_g)", "position.g"),
    (POSITION + r"\.(?:parametrizations\.weight\.original1|weight_v)", "position.v"),
    (r"encoder\.layer_norm\.(weight|bias)", r"norm.\1"),
    (r"final_proj\.(weight|bias)", r"final_proj.\1"),
    *(
        (r"encoder\.layers\.(\d+)\." + in_file + r"\.(weight|bias)", rf"layers.\1.{in_network}.\2")
        for in_file, in_network in LAYER_PARTS.items()
    ),
]
UNUSED = (  # tensors that only training and the heads of other tasks read
    r"mask_emb|masked_spec_embed|label_embs_concat|num_batches_tracked|.*\.num_batches_tracked"
    r"|(lm_head|classifier|projector|ctc_proj)\..*|layer_weights"
)
OTHER_ARCHITECTURES = (  # pattern of tensors that the network does not run → what a model with them is
    (
        r".*(gru_rel_pos|rel_attn_embed|grep_linear|relative_attention_bias).*",
        "a WavLM model (gated relative positions)",
    ),
    (
        r"feature_extractor\.conv_layers\.[1-9]\.(layer_norm|2)\..*|feature_extractor\.conv_layers\.\d\.(conv|0)\.bias",
        "a HuBERT whose convolutions have layer norms and biases, as the large models have",
    ),
    (r".*batch_norm.*", "a HuBERT with a batch norm in its positions"),
    (r".*adapter.*", "a HuBERT with adapters"),
)
FILE_NAMES = (  # the network's names → transformers', for messages
    (r"front\.norm\.(\w+)", r"feature_extractor.conv_layers.0.layer_norm.\1"),
    (r"front\.(\d+)\.(\w+)", r"feature_extractor.conv_layers.\1.conv.\2"),
    (r"projection\.norm\.(\w+)", r"feature_projection.layer_norm.\1"),
    (r"projection\.(\w+)", r"feature_projection.projection.\1"),
    (r"position\.folded", r"encoder.pos_conv_embed.conv.weight"),
    (r"position\.bias", r"encoder.pos_conv_embed.conv.bias"),
    (r"position\.([gv])", r"encoder.pos_conv_embed.conv.weight_\1"),
    (r"norm\.(\w+)", r"encoder.layer_norm.\1"),
    (r"layers\.(\d+)\.([qkv]|out)\.(\w+)", r"encoder.layers.\1.attention.\2_proj.\3"),
    (r"layers\.(\d+)\.wide\.(\w+)", r"encoder.layers.\1.feed_forward.intermediate_dense.\2"),
    (r"layers\.(\d+)\.narrow\.(\w+)", r"encoder.layers.\1.feed_forward.output_dense.\2"),
    (r"layers\.(\d+)\.attention_norm\.(\w+)", r"encoder.layers.\1.layer_norm.\2"),
    (r"layers\.(\d+)\.final_norm\.(\w+)", r"encoder.layers.\1.final_layer_norm.\2"),
)
PREFIX = r"^(?:hubert\.|model\.|w2v_model\.|encoder\.(?=feature_extractor\.|encoder\.))?"


def network_name(name: str) -> str | None:
    """The network's name of a file's tensor, or None for a tensor that the network does not use."""
    name = re.sub(PREFIX, "", unwrapped(name))
    for pattern, in_network in RULES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(in_network)
    return None


def translate(weights: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Rename a file's tensors to the network's names, and leave unused tensors out.

    Args:
        weights: the tensors of the file.
        source: the file's name, for messages.
    Returns:
        Name in the network → tensor.
    Raises:
        BadCheckpoint: two of the file's tensors are the same tensor of the network, or the network has no use for one.
    """
    translated: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, value in weights.items():
        renamed = network_name(name)
        if renamed is None:
            unknown.append(name)
            continue
        if renamed in translated:
            raise BadCheckpoint(
                f"{source} holds {file_name(renamed)} twice, the second time as {name}; it mixes two namings"
            )
        translated[renamed] = value
    if translated:
        refuse_unused(unknown, source)
    if "position.folded" in translated:
        translated |= unfolded(translated.pop("position.folded"), source, "position.v" in translated)
    return translated


def unfolded(weight: Tensor, source: str, normed: bool) -> dict[str, Tensor]:
    """Weight norm of a positional convolution whose file holds the plain weight, as after `remove_weight_norm`.

    Args:
        weight: float (out, in, k).
        source: the file's name, for messages.
        normed: whether the file also holds weight norm.
    Returns:
        `position.v`, the weight itself, and `position.g`, float32 (1, 1, k), its norm over outputs and inputs.
    Raises:
        BadCheckpoint: both are there, or the weight is no three-dimensional tensor of floating-point numbers.
    """
    name = file_name("position.folded")
    if normed:
        raise BadCheckpoint(f"{source} holds {name} and also its weight norm; it mixes two namings")
    if weight.ndim != 3 or not weight.is_floating_point():
        kind = str(weight.dtype).removeprefix("torch.")
        raise BadCheckpoint(f"{source} has {name} {tuple(weight.shape)} in {kind}, expected (768, 48, 128) in float32")
    norm = torch.linalg.vector_norm(weight.float(), dim=(0, 1), keepdim=True)
    # A tap of zeros keeps its norm of 0 and any direction.
    direction = weight if norm.all() else torch.where(norm == 0, torch.ones_like(weight), weight)
    return {"position.v": direction, "position.g": norm}


def refuse_unused(names: list[str], source: str) -> None:
    """Raise BadCheckpoint for tensors that the network does not run and that are no leftovers of training."""
    plain = {name: re.sub(PREFIX, "", unwrapped(name)) for name in names}
    unused = [name for name, short in plain.items() if re.fullmatch(UNUSED, short) is None]
    if not unused:
        return
    for pattern, what in OTHER_ARCHITECTURES:
        if any(re.fullmatch(pattern, plain[name]) for name in unused):
            raise BadCheckpoint(f"{source} is {what}; give HuBERT-base or ContentVec with --hubert")
    raise BadCheckpoint(
        f"{source} has {len(unused)} tensors that HuBERT-base does not have: {listed(unused, 3)}; give HuBERT-base or "
        "ContentVec with --hubert"
    )


def file_name(name: str) -> str:
    """The name in transformers' files of one of the network's tensors, for messages."""
    for pattern, in_file in FILE_NAMES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(in_file)
    return name


def config_from_tensors(weights: Mapping[str, Tensor], source: str) -> HubertConfig:
    """The sizes of a HuBERT from the shapes of its tensors; heads have 64 channels, strides are HuBERT-base's.

    Args:
        weights: the tensors, under the names of `translate`.
        source: the name of the file, for messages.
    Raises:
        BadCheckpoint: a tensor is missing, or a convolution has another kernel size than HuBERT's.
    """
    needed = ("front.0.weight", "projection.weight", "position.v", "layers.0.wide.weight")
    missing = [name for name in needed if name not in weights]
    if missing:
        raise BadCheckpoint(f"{source} lacks {', '.join(map(file_name, missing))}; is it a HuBERT or ContentVec model?")
    base = HubertConfig()
    width, conv_width = weights["projection.weight"].shape
    layers = sum(1 for name in weights if re.fullmatch(r"layers\.\d+\.q\.weight", name))
    kernels = tuple(
        weights[f"front.{i}.weight"].shape[2]
        for i in range(len(base.kernels))
        if f"front.{i}.weight" in weights and weights[f"front.{i}.weight"].ndim == 3
    )
    if kernels != base.kernels:
        raise BadCheckpoint(f"{source} has convolution kernels {list(kernels)}, expected HuBERT's {list(base.kernels)}")
    position = weights["position.v"]
    return HubertConfig(
        width=width,
        layers=layers,
        heads=max(width // 64, 1),
        inner=weights["layers.0.wide.weight"].shape[0],
        conv_width=conv_width,
        position_kernel=position.shape[2],
        position_groups=max(width // position.shape[1], 1),
        projected=weights["final_proj.weight"].shape[0] if "final_proj.weight" in weights else base.projected,
    )


def check(weights: Mapping[str, Tensor], config: HubertConfig, source: str) -> None:
    """Raise BadCheckpoint, with a list, where tensors of the file are missing or of another shape."""
    shapes = expected_shapes(config)
    if "final_proj.weight" in weights or "final_proj.bias" in weights:
        shapes |= {"final_proj.weight": (config.projected, config.width), "final_proj.bias": (config.projected,)}
    missing = [name for name in shapes if name not in weights]
    if missing:
        raise BadCheckpoint(
            f"{source} lacks {len(missing)} of HuBERT's {len(shapes)} tensors: {listed([*map(file_name, missing)])}; "
            f"is it a HuBERT or ContentVec model?"
        )
    wrong = [
        f"{file_name(name)} {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in shapes.items()
        if tuple(weights[name].shape) != shape
    ]
    if wrong:
        raise BadCheckpoint(f"{source} has {len(wrong)} tensors of another shape: {listed(wrong)}")
    odd = [name for name in shapes if not weights[name].is_floating_point()]
    if odd:
        raise BadCheckpoint(
            f"{source} has tensors that are not floating-point numbers: {listed([*map(file_name, odd)])}"
        )


def listed(names: list[str], most: int = 6) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
