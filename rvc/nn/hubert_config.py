"""The sizes of HuBERT, read from a config.json, and the names and shapes of its tensors (docs/spec/02)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rvc.errors import BadCheckpoint

FAMILIES = {"wavlm": "WavLM", "wav2vec2": "wav2vec 2.0", "data2vec-audio": "data2vec", "whisper": "Whisper"}


WIDEST = 1 << 16  # channels; the widest published network, of a billion weights, has 5120
LARGEST_EPS = 0.1  # epsilon of a layer norm; published networks have 1e-5
DEEPEST = 256  # layers; the widest published network has 48


@dataclass(frozen=True)
class HubertConfig:
    """Sizes of the network; the defaults are HuBERT-base's, as ContentVec has them."""

    width: int = 768
    layers: int = 12
    heads: int = 12
    inner: int = 3072
    conv_width: int = 512
    kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    position_kernel: int = 128
    position_groups: int = 16
    projected: int = 256
    eps: float = 1e-5

    @property
    def hop(self) -> int:
        """Samples from one frame to the next (320)."""
        hop = 1
        for stride in self.strides:
            hop *= stride
        return hop

    @property
    def field(self) -> int:
        """Samples that one frame is computed from (400)."""
        field = 1
        for kernel, stride in zip(reversed(self.kernels), reversed(self.strides), strict=True):
            field = (field - 1) * stride + kernel
        return field

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give; 0 when they are too few."""
        return 0 if samples < self.field else (samples - self.field) // self.hop + 1


def config_from_json(fields: Mapping[str, Any]) -> HubertConfig:
    """Read the sizes from a transformers config.json.

    Args:
        fields: the content of the file.
    Raises:
        BadCheckpoint: the file describes another architecture than HuBERT-base's.
    """
    expected = {
        "feat_extract_norm": "group",
        "do_stable_layer_norm": False,
        "conv_bias": False,
        "feat_proj_layer_norm": True,
        "hidden_act": "gelu",
        "feat_extract_activation": "gelu",
        "conv_pos_batch_norm": False,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    family = fields.get("model_type", "hubert")
    if family != "hubert":
        raise BadCheckpoint(
            f"the config.json is that of {FAMILIES.get(family, family)}, another network than HuBERT; "
            "give HuBERT-base or ContentVec with --hubert"
        )
    for name, value in expected.items():
        if fields.get(name, value) != value:
            raise BadCheckpoint(
                f"the HuBERT config.json has {name} = {fields[name]!r}, but RVC's content encoder has {value!r}; "
                f"use a HuBERT-base or ContentVec model"
            )
    base = HubertConfig()
    conv_dim = tuple(int(v) for v in fields.get("conv_dim", (base.conv_width,) * len(base.kernels)))
    if len(set(conv_dim)) != 1:
        raise BadCheckpoint(f"the HuBERT config.json has conv_dim = {list(conv_dim)}, but all must be the same width")
    config = HubertConfig(
        width=int(fields.get("hidden_size", base.width)),
        layers=int(fields.get("num_hidden_layers", base.layers)),
        heads=int(fields.get("num_attention_heads", base.heads)),
        inner=int(fields.get("intermediate_size", base.inner)),
        conv_width=conv_dim[0],
        kernels=tuple(int(v) for v in fields.get("conv_kernel", base.kernels)),
        strides=tuple(int(v) for v in fields.get("conv_stride", base.strides)),
        position_kernel=int(fields.get("num_conv_pos_embeddings", base.position_kernel)),
        position_groups=int(fields.get("num_conv_pos_embedding_groups", base.position_groups)),
        projected=int(fields.get("classifier_proj_size", base.projected)),
        eps=float(fields.get("layer_norm_eps", base.eps)),
    )
    for size, name, largest in (
        (config.width, "hidden_size", WIDEST),
        (config.layers, "num_hidden_layers", DEEPEST),
        (config.inner, "intermediate_size", WIDEST),
        (config.conv_width, "conv_dim", WIDEST),
    ):
        if not 1 <= size <= largest:
            raise BadCheckpoint(
                f"the HuBERT config.json has {name} = {size}, expected 1 to {largest}; is it a HuBERT's config.json?"
            )
    for numbers, base_numbers, name in (
        (config.kernels, base.kernels, "conv_kernel"),
        (config.strides, base.strides, "conv_stride"),
    ):
        if numbers != base_numbers:  # other ones make frames at other times than every 20 ms
            raise BadCheckpoint(
                f"the HuBERT config.json has {name} = {list(numbers)[:16]}, but RVC's content encoder has "
                f"{list(base_numbers)}; use a HuBERT-base or ContentVec model"
            )
    if len(conv_dim) != len(config.kernels):
        raise BadCheckpoint(
            f"the HuBERT config.json has {len(conv_dim)} widths in conv_dim, expected {len(config.kernels)}; is it a "
            "HuBERT's config.json?"
        )
    if not 0 < config.eps <= LARGEST_EPS:  # False for NaN
        raise BadCheckpoint(
            f"the HuBERT config.json has layer_norm_eps = {config.eps:g}, expected a number above 0, such as "
            f"{base.eps:g}; is it a HuBERT's config.json?"
        )
    for parts, name in (
        (config.heads, "num_attention_heads"),
        (config.position_groups, "num_conv_pos_embedding_groups"),
    ):
        if parts < 1 or config.width % parts:
            raise BadCheckpoint(
                f"the HuBERT config.json has {name} = {parts}, which does not divide hidden_size = {config.width}; "
                "is it the config.json of these weights?"
            )
    return config


def expected_shapes(config: HubertConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor the network needs; `final_proj.*`, which v1 voices need, is not included."""
    c, d, inner = config.conv_width, config.width, config.inner
    shapes: dict[str, tuple[int, ...]] = {
        f"front.{i}.weight": (c, 1 if i == 0 else c, kernel) for i, kernel in enumerate(config.kernels)
    }
    shapes |= {"front.norm.weight": (c,), "front.norm.bias": (c,)}
    shapes |= {"projection.norm.weight": (c,), "projection.norm.bias": (c,)}
    shapes |= {"projection.weight": (d, c), "projection.bias": (d,)}
    shapes |= {"position.g": (1, 1, config.position_kernel), "position.bias": (d,)}
    shapes |= {"position.v": (d, d // config.position_groups, config.position_kernel)}
    shapes |= {"norm.weight": (d,), "norm.bias": (d,)}
    for i in range(config.layers):
        for name, out, into in (
            ("q", d, d),
            ("k", d, d),
            ("v", d, d),
            ("out", d, d),
            ("wide", inner, d),
            ("narrow", d, inner),
        ):
            shapes |= {f"layers.{i}.{name}.weight": (out, into), f"layers.{i}.{name}.bias": (out,)}
        for name in ("attention_norm", "final_norm"):
            shapes |= {f"layers.{i}.{name}.weight": (d,), f"layers.{i}.{name}.bias": (d,)}
    return shapes
