"""A convolution whose weight is held in bfloat16 and computed in float32, for processors without bfloat16 arithmetic.

oneDNN packs no bfloat16 weight on such a processor (see `onednn.packs_bfloat16`). The weight takes the memory of
bfloat16. At each call it is widened to float32, which is exact, and multiplied with pieces of the unfolded signal.
The layout stays as it is, because oneDNN would rearrange a plain weight at every call.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PIECE = 1 << 20  # float32 numbers of the unfolded signal at a time: 4 MB


class Bfloat16Weight:
    """One convolution in time, stride 1, with its weight in bfloat16."""

    def __init__(self, weight: Tensor, dilation: int) -> None:
        """Round a weight to bfloat16.

        Args:
            weight: float (out, in, k).
            dilation: frames from one tap to the next.
        """
        self.out, self.into, self.width = weight.shape
        self.dilation = dilation
        self.weight = weight.permute(0, 2, 1).reshape(self.out, -1).to(torch.bfloat16, copy=True)  # (out, k·in)

    def plain(self) -> Tensor:
        """The rounded weight, float32 (out, in, k)."""
        return self.weight.float().view(self.out, self.width, self.into).permute(0, 2, 1).contiguous()

    def __call__(self, x: Tensor, bias: Tensor | None, pad: int = 0) -> Tensor:
        """Convolve frames.

        Args:
            x: float32 (T, in).
            bias: float32 (out,) or None.
            pad: zero frames added at either end.
        Returns:
            float32 (T + 2·pad − (k − 1)·dilation, out).
        """
        x = F.pad(x, (0, 0, pad, pad)).contiguous() if pad else x.contiguous()
        count = len(x) - (self.width - 1) * self.dilation
        weight = self.weight.float().t()
        y = x.new_empty(count, self.out)
        taps, strides = (self.width, self.into), (self.into, self.dilation * self.into, 1)
        size = max(PIECE // len(weight), 1)
        for start in range(0, count, size):
            part = y[start : start + size]
            windows = x.as_strided((len(part), *taps), strides, x.storage_offset() + start * self.into)
            unfolded = windows.reshape(len(part), -1)
            if bias is None:
                torch.mm(unfolded, weight, out=part)
            else:
                torch.addmm(bias, unfolded, weight, out=part)
        return y
