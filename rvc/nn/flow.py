"""The flow, inverse direction: a sample of the prior to what the generator reads, docs/spec/05 §5.4."""

from __future__ import annotations

import torch
from torch import Tensor

from rvc.nn.kernels.conv import Weights, from_rows, to_rows
from rvc.nn.synthesizer_config import FLOW_LAYERS, FLOWS, Sizes

REACH = len(FLOWS) * FLOW_LAYERS * 2  # frames of context at each side that can move an output


class Flow:
    """z_p (1, inter, p) and a speaker's g (1, gin, 1) to z (1, inter, p)."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        """weights.dtype : what the gated convolutions compute in, as `to_precision` has it."""
        self.couplings = [Coupling(sizes, weights, f"flow.flows.{k}") for k in reversed(FLOWS)]

    def __call__(self, z_p: Tensor, g: Tensor) -> Tensor:
        """float32 (1, inter, p) → float32 (1, inter, p)."""
        x, g = to_rows(z_p), to_rows(g)
        for coupling in self.couplings:
            x = coupling(x.flip(1), g)
        return from_rows(x)

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute the gated convolutions in `dtype`; what each adds to stays float32."""
        for coupling in self.couplings:
            for conv in (*coupling.into, *coupling.res_skip):
                conv.to_precision(dtype)


class Coupling:
    """One half of the channels, read, moves the other half; the scale is always one."""

    def __init__(self, sizes: Sizes, weights: Weights, at: str) -> None:
        self.half, self.hidden = sizes.inter // 2, sizes.hidden
        plain = weights.to(torch.float32)
        self.pre, self.post = plain.conv(f"{at}.pre"), plain.conv(f"{at}.post")
        self.cond = plain.conv(f"{at}.enc.cond_layer", normed=True)
        layers = range(FLOW_LAYERS)
        self.into = [weights.conv(f"{at}.enc.in_layers.{l}", normed=True) for l in layers]
        self.res_skip = [weights.conv(f"{at}.enc.res_skip_layers.{l}", normed=True) for l in layers]

    def __call__(self, x: Tensor, g: Tensor) -> Tensor:
        """Rows (p, inter), changed in place, and rows (1, gin)."""
        read, moved = x[:, : self.half], x[:, self.half :]
        moved -= self.post(self.gated(self.pre(read.contiguous()), self.cond(g)[0]))
        return x

    def gated(self, h: Tensor, g: Tensor) -> Tensor:
        """Three gated convolutions; each gives a part of the output and, but the last, a step for the next."""
        out: Tensor | None = None
        for l, (into, res_skip) in enumerate(zip(self.into, self.res_skip, strict=True)):
            a = into.same(h.to(into.signal)).float().add_(g[2 * self.hidden * l : 2 * self.hidden * (l + 1)])
            gated = torch.tanh(a[:, : self.hidden]).mul_(torch.sigmoid(a[:, self.hidden :]))
            step = res_skip(gated.to(res_skip.signal)).float()
            if l < FLOW_LAYERS - 1:
                h.add_(step[:, : self.hidden])
                step = step[:, self.hidden :]
            out = step.contiguous() if out is None else out.add_(step)
        assert out is not None
        return out
