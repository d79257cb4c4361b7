"""The generator: latent frames to samples, computed in pieces that are exact, docs/spec/05 §5.6 to §5.8.

A piece is PIECE frames on an absolute grid. It is computed from just those inputs that can reach it: every layer
works on its piece and a margin that narrows from layer to layer ("valid" convolutions), and zeros stand only beyond
the true ends of the segment, where the uncut network has them too. So memory does not grow with length, and the bits
of a piece do not depend on which other pieces are asked for.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.conv import Conv, Weights
from rvc.nn.sizes import Sizes
from rvc.nn.span import Span, add_reaching, cut, reaching
from rvc.nn.upsample import NoiseConv, Upsampler

PIECE = 200  # frames; small enough for caches, large enough that the margins cost one or two per cent
SLOPE, LAST_SLOPE = 0.1, 0.01  # the last is the library's default, which the reference forgot to set


class Generator:
    """Latent z (1, inter, T), g (1, gin, 1) and the source (1, 1, T·upp) to samples (T·upp,)."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        self.upp = sizes.upp
        self.device = weights.device
        self.conv_pre, self.cond = weights.conv("dec.conv_pre"), weights.conv("dec.cond")
        self.stages = [Stage(sizes, weights, i) for i in range(len(sizes.upsample_rates))]
        self.conv_post = Conv(weights["dec.conv_post.weight"] / len(sizes.resblock_kernels), None)
        self.dtype = torch.float32

    def __call__(self, z: Tensor, g: Tensor, source: Tensor | None, first: int = 0, last: int | None = None) -> Tensor:
        """The samples of frames first … last−1, of all frames by default.

        z       : float32 (1, inter, T);  g : float32 (1, gin, 1)
        source  : float32 (1, 1, T·upp), or None for a voice without F0
        returns : float32 ((last − first)·upp,)
        """
        frames = z.shape[2]
        last = frames if last is None else last
        x, voice = z[0].t(), self.cond(g[0].t().contiguous())
        excitation = None if source is None else source[0, 0]
        samples = torch.empty((last - first) * self.upp, dtype=torch.float32, device=z.device)
        for start in range(first // PIECE * PIECE, last, PIECE):
            end = min(start + PIECE, frames)
            wave = self.piece(x, voice, excitation, Span(start * self.upp, end * self.upp, frames * self.upp))
            low, high = max(start, first), min(end, last)
            kept = wave[(low - start) * self.upp : (high - start) * self.upp]
            samples[(low - first) * self.upp : (high - first) * self.upp] = kept
        return samples

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute the convolutions in `dtype`; the source, the last convolution and the samples stay float32."""
        self.dtype = dtype
        for conv in [self.conv_pre, *(conv for stage in self.stages for conv in stage.convs())]:
            conv.to_precision(dtype)

    def piece(self, z: Tensor, voice: Tensor, source: Tensor | None, span: Span) -> Tensor:
        """The samples of one span, from latent rows z (T, inter)."""
        wanted = span.wider(self.conv_post.reach)
        plan = [wanted]  # what each stage must give, last stage first
        for stage in reversed(self.stages):
            plan.append(stage.needs(plan[-1]))
        given = plan.pop()
        latent = given.wider(self.conv_pre.reach)
        x = z[latent.start : latent.end].to(self.dtype).contiguous()
        x = reaching(self.conv_pre, x, latent, given).add_(voice)
        for stage in self.stages:
            x, given = stage(x, given, plan[-1], source), plan.pop()
        x = F.leaky_relu_(x.float(), LAST_SLOPE)
        return reaching(self.conv_post, x, given, span)[:, 0].tanh_()


class Stage:
    """Upsample, add the source at this rate, and sum three residual blocks; their mean is left to whoever reads it."""

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        count = len(sizes.resblock_kernels)
        self.noise = NoiseConv(sizes, weights, i) if sizes.f0 else None
        # LeakyReLU keeps factors, so the mean's division by the number of blocks is the next layer's business.
        self.up = Upsampler(sizes, weights, i, 1 / count if i else 1, self.noise.bias if self.noise else None)
        kind = ResBlock1 if sizes.resblock == "1" else ResBlock2
        self.blocks = [
            kind(weights, f"dec.resblocks.{i * count + j}", sizes.resblock_dilations[j]) for j in range(count)
        ]
        self.reach = max(block.reach for block in self.blocks)

    def convs(self) -> list[Conv]:
        """Every convolution that may be computed in another precision."""
        return [self.up.product, *(conv for block in self.blocks for conv in block.convs())]

    def needs(self, wanted: Span) -> Span:
        """The rows of the stage before that can reach the rows `wanted` of this one."""
        return self.up.needs(wanted.wider(self.reach))

    def __call__(self, x: Tensor, given: Span, wanted: Span, source: Tensor | None) -> Tensor:
        """Rows `given` of the stage before, overwritten, to rows `wanted` of this one."""
        middle = wanted.wider(self.reach)
        x = self.up(F.leaky_relu_(x, SLOPE), given, middle)
        if self.noise is not None:
            assert source is not None  # the synthesizer checked
            self.noise.add_to(x, source, middle)
        active = F.leaky_relu(x, SLOPE)
        total: Tensor | None = None
        for block in self.blocks:
            y = block(x, active, middle, wanted)
            total = y if total is None else total.add_(y)
        assert total is not None
        return total


class ResBlock1:
    """Per dilation: LeakyReLU, dilated convolution, LeakyReLU, plain convolution, added to what came in."""

    def __init__(self, weights: Weights, at: str, dilations: tuple[int, ...]) -> None:
        self.pairs = [
            (weights.conv(f"{at}.convs1.{l}", d, normed=True), weights.conv(f"{at}.convs2.{l}", normed=True))
            for l, d in enumerate(dilations)
        ]
        self.reach = sum(first.reach + second.reach for first, second in self.pairs)

    def convs(self) -> list[Conv]:
        """All of them."""
        return [conv for pair in self.pairs for conv in pair]

    def __call__(self, x: Tensor, active: Tensor, given: Span, wanted: Span) -> Tensor:
        """Rows `given` of x and of its LeakyReLU, both left as they are, to rows `wanted`."""
        left = self.reach
        mine = wanted.wider(left)
        x, active = cut(x, given, mine), cut(active, given, mine)
        for l, (first, second) in enumerate(self.pairs):
            left -= first.reach
            middle = wanted.wider(left)
            h = reaching(first, active, mine, middle, SLOPE)
            left -= second.reach
            out = wanted.wider(left)
            x = cut(x, mine, out)
            x = x.clone() if l == 0 else x  # the other blocks still need what came in
            x = add_reaching(x, second, h, middle, out)
            mine = out
            if l < len(self.pairs) - 1:
                active = F.leaky_relu(x, SLOPE)
        return x


class ResBlock2:
    """Per dilation, the first two of them: LeakyReLU, dilated convolution, added to what came in."""

    def __init__(self, weights: Weights, at: str, dilations: tuple[int, ...]) -> None:
        self.steps = [weights.conv(f"{at}.convs.{l}", d, normed=True) for l, d in enumerate(dilations[:2])]
        self.reach = sum(conv.reach for conv in self.steps)

    def convs(self) -> list[Conv]:
        """All of them."""
        return self.steps

    def __call__(self, x: Tensor, active: Tensor, given: Span, wanted: Span) -> Tensor:
        """Rows `given` of x and of its LeakyReLU, both left as they are, to rows `wanted`."""
        left = self.reach
        mine = wanted.wider(left)
        x, active = cut(x, given, mine), cut(active, given, mine)
        for l, conv in enumerate(self.steps):
            left -= conv.reach
            out = wanted.wider(left)
            x = cut(x, mine, out)
            x = add_reaching(x.clone() if l == 0 else x, conv, active, mine, out)
            mine, active = out, F.leaky_relu(x, SLOPE)
        return x
