"""HuBERT and RMVPE written down once more, plainly, on the whole signal, for small random weights."""

from __future__ import annotations

from math import sqrt

import torch
from torch.nn import functional as F

from rvc.nn import rmvpe
from rvc.nn.hubert_config import HubertConfig, expected_shapes

SMALL = HubertConfig(
    width=32, layers=3, heads=4, inner=48, conv_width=16, position_kernel=8, position_groups=4, projected=8
)
JSON = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 8,
}

TRANSFORMERS = {
    "front.norm": "feature_extractor.conv_layers.0.layer_norm",
    "projection.norm": "feature_projection.layer_norm",
    "projection": "feature_projection.projection",
    "norm": "encoder.layer_norm",
    "final_proj": "final_proj",
    "position": "encoder.pos_conv_embed.conv",
    "q": "attention.q_proj",
    "k": "attention.k_proj",
    "v": "attention.v_proj",
    "out": "attention.out_proj",
    "wide": "feed_forward.intermediate_dense",
    "narrow": "feed_forward.output_dense",
    "attention_norm": "layer_norm",
    "final_norm": "final_layer_norm",
}
FAIRSEQ = {
    "front.norm": "feature_extractor.conv_layers.0.2",
    "projection.norm": "layer_norm",
    "projection": "post_extract_proj",
    "norm": "encoder.layer_norm",
    "final_proj": "final_proj",
    "position": "encoder.pos_conv.0",
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "out": "self_attn.out_proj",
    "wide": "fc1",
    "narrow": "fc2",
    "attention_norm": "self_attn_layer_norm",
    "final_norm": "final_layer_norm",
}


def hubert_weights(config=SMALL, seed=0):
    """Random tensors by our names, `final_proj` among them."""
    made = torch.Generator().manual_seed(seed)
    shapes = expected_shapes(config)
    shapes |= {"final_proj.weight": (config.projected, config.width), "final_proj.bias": (config.projected,)}
    weights = {}
    for name, shape in shapes.items():
        weights[name] = torch.randn(shape, generator=made)
        if len(shape) > 1:
            weights[name] *= 1.3 / sqrt(weights[name][0].numel())
        else:
            weights[name] = weights[name] * 0.1 + (1 if "norm.weight" in name else 0)
    weights["position.g"] = 1 + 0.1 * torch.randn(weights["position.g"].shape, generator=made)
    return weights


def file_names(weights, family, old_norm=False):
    """The same tensors as transformers ("new") or fairseq call them."""
    table = TRANSFORMERS if family == "transformers" else FAIRSEQ
    named = {}
    for name, value in weights.items():
        stem, leaf = name.rsplit(".", 1)
        if stem == "position" and leaf != "bias":
            new = {"g": "parametrizations.weight.original0", "v": "parametrizations.weight.original1"}[leaf]
            leaf = f"weight_{leaf}" if family == "fairseq" or old_norm else new
        if stem.startswith("layers."):
            _, i, inner = stem.split(".")
            stem = f"encoder.layers.{i}.{table[inner]}"
        elif stem.startswith("front.") and stem != "front.norm":
            stem = f"feature_extractor.conv_layers.{stem[6:]}." + ("conv" if family == "transformers" else "0")
        else:
            stem = table[stem]
        named[f"{stem}.{leaf}"] = value
    return named


def hubert(weights, config, samples, layer):
    """The hidden state after `layer` layers, float64 (1, n, width)."""
    w = {name: value.double() for name, value in weights.items()}
    x = samples.double()[None]
    for i, stride in enumerate(config.strides):
        x = F.conv1d(x, w[f"front.{i}.weight"], stride=stride)
        if i == 0:
            x = F.group_norm(x, config.conv_width, w["front.norm.weight"], w["front.norm.bias"])
        x = F.gelu(x)
    x = F.layer_norm(x.transpose(1, 2), (config.conv_width,), w["projection.norm.weight"], w["projection.norm.bias"])
    x = F.linear(x, w["projection.weight"], w["projection.bias"])
    v, g = w["position.v"], w["position.g"]
    kernel = v * g / v.pow(2).sum((0, 1), keepdim=True).sqrt()
    place = F.conv1d(
        x.transpose(1, 2), kernel, w["position.bias"], padding=v.shape[2] // 2, groups=config.position_groups
    )
    x = x + F.gelu(place[:, :, :-1]).transpose(1, 2)
    x = F.layer_norm(x, (config.width,), w["norm.weight"], w["norm.bias"])
    for i in range(layer):
        x = _layer(x, {name[9:]: value for name, value in w.items() if name.startswith(f"layers.{i}.")}, config)
    return x


def _layer(x, w, config):
    heads = [
        F.linear(x, w[f"{n}.weight"], w[f"{n}.bias"]).unflatten(2, (config.heads, -1)).transpose(1, 2) for n in "qkv"
    ]
    scores = heads[0] @ heads[1].transpose(2, 3) / sqrt(heads[0].shape[3])
    mixed = (scores.softmax(3) @ heads[2]).transpose(1, 2).flatten(2)
    norm = (x.shape[2],)
    x = F.layer_norm(
        x + F.linear(mixed, w["out.weight"], w["out.bias"]), norm, w["attention_norm.weight"], w["attention_norm.bias"]
    )
    inner = F.gelu(F.linear(x, w["wide.weight"], w["wide.bias"]))
    x = x + F.linear(inner, w["narrow.weight"], w["narrow.bias"])
    return F.layer_norm(x, norm, w["final_norm.weight"], w["final_norm.bias"])


def rmvpe_weights(base=2, hidden=8, seed=0):
    """Random tensors of a slim RMVPE whose activations neither die nor blow up."""
    made = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in rmvpe.expected_shapes(base, hidden=hidden).items():
        x = torch.randn(shape, generator=made)
        if name.endswith("tracked"):
            x = torch.tensor(5)
        elif name.endswith("running_var"):
            x = 0.5 + x.abs()
        elif "conv.4.weight" in name:
            x = 0.1 + 0.05 * x
        elif len(shape) == 4:
            x *= 1.4 / sqrt(shape[0] * 9 / 4 if "conv1.0" in name else x[0].numel())
        elif len(shape) == 2:
            x /= sqrt(shape[1])
        else:
            x = 0.2 * x + (1 if name.endswith("weight") else 0)
        weights[name] = x
    return weights


def rmvpe_salience(weights, mel):
    """float64 (F, 360) from log-mel (F, 128), everything at once and nothing folded."""
    w = {name: value.double() for name, value in weights.items()}

    def norm(x, name):
        return F.batch_norm(
            x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-5
        )

    def blocks(x, name):
        for b in range(4):
            p = f"{name}.{b}"
            y = F.relu(norm(F.conv2d(x, w[f"{p}.conv.0.weight"], padding=1), f"{p}.conv.1"))
            y = F.relu(norm(F.conv2d(y, w[f"{p}.conv.3.weight"], padding=1), f"{p}.conv.4"))
            if f"{p}.shortcut.weight" in w:
                x = F.conv2d(x, w[f"{p}.shortcut.weight"], w[f"{p}.shortcut.bias"])
            x = x + y
        return x

    x = norm(F.pad(mel.double(), (0, 0, 0, -len(mel) % 32))[None, None], "unet.encoder.bn")
    skips = []
    for i in range(5):
        x = blocks(x, f"unet.encoder.layers.{i}.conv")
        skips.append(x)
        x = F.avg_pool2d(x, 2)
    for j in range(4):
        x = blocks(x, f"unet.intermediate.layers.{j}.conv")
    for i in range(5):
        p = f"unet.decoder.layers.{i}"
        x = F.conv_transpose2d(x, w[f"{p}.conv1.0.weight"], stride=2, padding=1, output_padding=1)
        x = blocks(torch.cat((F.relu(norm(x, f"{p}.conv1.1")), skips[4 - i]), 1), f"{p}.conv2")
    x = F.conv2d(x, w["cnn.weight"], w["cnn.bias"], padding=1).transpose(1, 2).flatten(2)
    gru = torch.nn.GRU(384, w["fc.0.gru.weight_hh_l0"].shape[1], batch_first=True, bidirectional=True).double()
    gru.load_state_dict({name[9:]: value for name, value in w.items() if name.startswith("fc.0.gru")})
    with torch.no_grad():
        return torch.sigmoid(F.linear(gru(x)[0], w["fc.1.weight"], w["fc.1.bias"]))[0, : len(mel)]


def gap(ours, theirs):
    """Relative RMS difference."""
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())
