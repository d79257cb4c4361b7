"""Small voices with random weights, and the reference's formulas written down once more, plainly and slowly.

Nothing here is shared with rvc/nn: signals are (1, C, T), every layer is a torch function on the whole signal, the
relative attention follows docs/spec/05 §5.2's "reference evaluation" by padding and reshaping.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch.nn import functional as F

KINDS = {  # upsample rates and kernels of the published models, at a hundredth of their widths
    "40k": ([10, 10, 2, 2], [16, 16, 4, 4], 40000),
    "48k-v2": ([12, 10, 2, 2], [24, 20, 4, 4], 48000),
    "32k-v2": ([10, 8, 2, 2], [20, 16, 4, 4], 32000),
    "48k-v1": ([10, 6, 2, 2, 2], [16, 16, 4, 4, 4], 48000),
    "32k-v1": ([10, 4, 2, 2, 2], [16, 16, 4, 4, 4], 32000),
}


def config(kind="40k", resblock="1", initial=32, hidden=16):
    """A config list with a published model's rates and small widths."""
    rates, kernels, rate = KINDS[kind]
    return [
        1025,
        32,
        8,
        hidden,
        24,
        2,
        2,
        3,
        0,
        resblock,
        [3, 7, 11],
        [[1, 3, 5]] * 3,
        rates,
        initial,
        kernels,
        3,
        6,
        rate,
    ]


def weights(layout, seed=0):
    """Random tensors of a layout, scaled so that signals neither die nor blow up."""
    made = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in layout.items():
        fan = max(1, shape[1] * (shape[2] if len(shape) == 3 else 1)) if len(shape) > 1 else 1
        tensor = torch.randn(shape, generator=made) / sqrt(fan)
        if name.endswith(("weight_g", "gamma")):
            tensor = 1 + 0.1 * tensor
        elif name.endswith(("bias", "beta")):
            tensor = 0.1 * tensor
        tensors[name] = tensor
    return tensors


def conv(w, name, x, **options):
    """A plain or a weight-normed convolution, by the names of its tensors."""
    weight = w.get(f"{name}.weight")
    if weight is None:
        weight = folded(w, name)
    return F.conv1d(x, weight, w.get(f"{name}.bias"), **options)


def folded(w, name):
    v, g = w[f"{name}.weight_v"], w[f"{name}.weight_g"]
    return v * g / v.pow(2).sum((1, 2), keepdim=True).sqrt()


def encode(w, cfg, content, coarse):
    hidden, heads, layers, kernel = cfg[3], cfg[5], cfg[6], cfg[7]
    x = F.linear(content, w["enc_p.emb_phone.weight"], w["enc_p.emb_phone.bias"])
    if coarse is not None:
        x = x + w["enc_p.emb_pitch.weight"][coarse]
    x = F.leaky_relu(x * sqrt(hidden), 0.1).transpose(1, 2)
    for i in range(layers):
        at = f"enc_p.encoder.{{}}.{i}"
        x = norm(w, at.format("norm_layers_1"), x + attention(w, at.format("attn_layers"), x, heads))
        ffn, pad = at.format("ffn_layers"), kernel // 2
        h = conv(w, f"{ffn}.conv_1", x, padding=pad).relu()
        x = norm(w, at.format("norm_layers_2"), x + conv(w, f"{ffn}.conv_2", h, padding=pad))
    stats = conv(w, "enc_p.proj", x)
    return stats.chunk(2, dim=1)


def norm(w, name, x):
    return F.layer_norm(x.transpose(1, 2), x.shape[1:2], w[f"{name}.gamma"], w[f"{name}.beta"], 1e-5).transpose(1, 2)


def attention(w, at, x, heads):
    _, channels, p = x.shape
    q, k, v = (conv(w, f"{at}.conv_{c}", x).view(heads, -1, p).transpose(1, 2) for c in "qkv")
    q = q / sqrt(channels // heads)
    tables = []
    for name in ("emb_rel_k", "emb_rel_v"):
        table = F.pad(w[f"{at}.{name}"], (0, 0, max(p - 11, 0), max(p - 11, 0)))
        tables.append(table[:, max(11 - p, 0) : max(11 - p, 0) + 2 * p - 1])
    relative = q @ tables[0].transpose(1, 2)  # (heads, p, 2p − 1)
    flat = F.pad(F.pad(relative, (0, 1)).flatten(1), (0, p - 1))
    score = q @ k.transpose(1, 2) + flat.view(heads, p + 1, 2 * p - 1)[:, :p, p - 1 :]
    score = score.softmax(-1)
    flat = F.pad(F.pad(score, (0, p - 1)).flatten(1), (p, 0))
    distances = flat.view(heads, p, 2 * p)[:, :, 1:]
    mixed = score @ v + distances @ tables[1]
    return conv(w, f"{at}.conv_o", mixed.transpose(1, 2).reshape(1, channels, p))


def flow(w, cfg, z, g):
    half, hidden = cfg[2] // 2, cfg[3]
    for k in (6, 4, 2, 0):
        at = f"flow.flows.{k}"
        z = z.flip(1)
        x0, x1 = z[:, :half], z[:, half:]
        h, out = conv(w, f"{at}.pre", x0), 0
        shift = conv(w, f"{at}.enc.cond_layer", g)
        for l in range(3):
            a = conv(w, f"{at}.enc.in_layers.{l}", h, padding=2) + shift[:, 2 * hidden * l : 2 * hidden * (l + 1)]
            r = conv(w, f"{at}.enc.res_skip_layers.{l}", a[:, :hidden].tanh() * a[:, hidden:].sigmoid())
            if l < 2:
                h, out = h + r[:, :hidden], out + r[:, hidden:]
            else:
                out = out + r
        z = torch.cat([x0, x1 - conv(w, f"{at}.post", out)], 1)
    return z


def generate(w, cfg, z, g, source):
    x = conv(w, "dec.conv_pre", z, padding=3) + conv(w, "dec.cond", g)
    rates, kernels, widths, dilations = cfg[12], cfg[14], cfg[10], cfg[11]
    for i, (u, k) in enumerate(zip(rates, kernels, strict=True)):
        x = F.conv_transpose1d(
            F.leaky_relu(x, 0.1), folded(w, f"dec.ups.{i}"), w[f"dec.ups.{i}.bias"], stride=u, padding=(k - u) // 2
        )
        if source is not None:
            stride = 1
            for later in rates[i + 1 :]:
                stride *= later
            options = {"stride": stride, "padding": stride // 2} if i < len(rates) - 1 else {}
            x = x + conv(w, f"dec.noise_convs.{i}", source, **options)
        outs = [resblock(w, cfg, f"dec.resblocks.{3 * i + j}", x, widths[j], dilations[j]) for j in range(3)]
        x = (outs[0] + outs[1] + outs[2]) / 3
    return conv(w, "dec.conv_post", F.leaky_relu(x, 0.01), padding=3).tanh()[0, 0]


def resblock(w, cfg, at, x, k, dilations):
    if cfg[9] == "1":
        for l, d in enumerate(dilations):
            y = conv(w, f"{at}.convs1.{l}", F.leaky_relu(x, 0.1), dilation=d, padding=(k * d - d) // 2)
            x = conv(w, f"{at}.convs2.{l}", F.leaky_relu(y, 0.1), padding=(k - 1) // 2) + x
    else:
        for l, d in enumerate(dilations[:2]):
            x = conv(w, f"{at}.convs.{l}", F.leaky_relu(x, 0.1), dilation=d, padding=(k * d - d) // 2) + x
    return x


def gap(ours, theirs):
    """Relative RMS of the difference."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float((ours.double() - theirs.double()).pow(2).mean().sqrt() / theirs.double().pow(2).mean().sqrt())
