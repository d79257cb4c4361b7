"""The flow, inverse direction: a sample of the prior to the generator's latent, docs/spec/05 §5.4."""

from __future__ import annotations

import torch
from torch import Tensor

from rvc.nn.kernels.conv import Weights
from rvc.nn.kernels.layout import from_frames, to_frames
from rvc.nn.synthesizer_config import FLOW_LAYERS, FLOWS, Sizes

REACH = len(FLOWS) * FLOW_LAYERS * 2  # frames at each side that a result depends on: 2 per convolution of width 5


class Flow:
    """z_p (1, inter, p) and a speaker's g (1, gin, 1) to z (1, inter, p)."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        """Pack the weights; their `dtype` is what the gated convolutions compute in, see `to_precision`."""
        self.couplings = [Coupling(sizes, weights, f"flow.flows.{k}") for k in reversed(FLOWS)]

    def __call__(self, z_p: Tensor, g: Tensor) -> Tensor:
        """Run the inverse flow.

        Args:
            z_p: float32 (1, inter, p), a sample of the prior.
            g: float32 (1, gin, 1), the speaker's embedding.
        Returns:
            float32 (1, inter, p).
        """
        x, g = to_frames(z_p), to_frames(g)
        for coupling in self.couplings:
            x = coupling(x.flip(1), g)
        return from_frames(x)

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute the gated convolutions in `dtype`; the sums they are added to stay float32."""
        for coupling in self.couplings:
            for conv in (*coupling.into, *coupling.res_skip):
                conv.to_precision(dtype)


class Coupling:
    """An additive coupling: one half of the channels determines what is subtracted from the other half."""

    def __init__(self, sizes: Sizes, weights: Weights, at: str) -> None:
        self.half, self.hidden = sizes.inter // 2, sizes.hidden
        plain = weights.to(torch.float32)
        self.pre, self.post = plain.conv(f"{at}.pre"), plain.conv(f"{at}.post")
        self.cond = plain.conv(f"{at}.enc.cond_layer", normed=True)
        layers = range(FLOW_LAYERS)
        self.into = [weights.conv(f"{at}.enc.in_layers.{l}", normed=True) for l in layers]
        self.res_skip = [weights.conv(f"{at}.enc.res_skip_layers.{l}", normed=True) for l in layers]

    def __call__(self, x: Tensor, g: Tensor) -> Tensor:
        """Frames x (p, inter), changed in place and returned; g (1, gin)."""
        read, moved = x[:, : self.half], x[:, self.half :]
        moved -= self.post(self.gated(self.pre(read.contiguous()), self.cond(g)[0]))
        return x

    def gated(self, h: Tensor, g: Tensor) -> Tensor:
        """Three gated convolutions (WaveNet); each adds to the output and, except the last, to the next one's input.

        Args:
            h: float32 (p, hidden), which is changed.
            g: float32 (2 · hidden · 3,), the speaker's part of each convolution's input.
        Returns:
            float32 (p, hidden).
        """
        out: Tensor | None = None
        for l, (into, res_skip) in enumerate(zip(self.into, self.res_skip, strict=True)):
            a = into.same(h.to(into.signal_dtype)).float().add_(g[2 * self.hidden * l : 2 * self.hidden * (l + 1)])
            gated = torch.tanh(a[:, : self.hidden]).mul_(torch.sigmoid(a[:, self.hidden :]))
            step = res_skip(gated.to(res_skip.signal_dtype)).float()
            if l < FLOW_LAYERS - 1:
                h.add_(step[:, : self.hidden])
                step = step[:, self.hidden :]
            out = step.contiguous() if out is None else out.add_(step)
        assert out is not None
        return out
