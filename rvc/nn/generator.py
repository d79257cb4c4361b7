"""The generator: latent frames to samples, computed in pieces that are exact, docs/spec/05 §5.6 to §5.8.

A piece is PIECE frames on an absolute grid. It is computed from just those inputs that can reach it: every layer
works on its piece and a margin that narrows from layer to layer ("valid" convolutions), and zeros stand only beyond
the true ends of the segment, where the uncut network has them too. So memory does not grow with length, and the bits
of a piece do not depend on which other pieces are asked for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Conv, Weights
from rvc.nn.residual_blocks import ALIGNED, SLOPE, FastBlock, ResBlock1, ResBlock2
from rvc.nn.streaming.ranges import Span, cut, reaching, silenced, taken
from rvc.nn.synthesizer_config import Sizes
from rvc.nn.upsample import NoiseConv, Upsampler
from rvc.weights.memory import forget_code, give_back
from rvc.weights.policy import RESIDENT, WeightPolicy

PIECE = 100  # frames
LONG = 600  # frames of a segment: in shorter ones, making the fast blocks costs more than they save
PART = 1 << 19  # numbers of a signal in a stage's blocks at a time: all they make of it stays in the second cache
LAST_SLOPE = 0.01  # the library's default, which the reference forgot to set


class Generator:
    """Latent z (1, inter, T), g (1, gin, 1) and the source (1, 1, T·upp) to samples (T·upp,)."""

    def __init__(self, sizes: Sizes, weights: Weights, policy: WeightPolicy = RESIDENT) -> None:
        """weights.dtype : what the residual blocks compute in, as `to_precision` has it.

        policy : where weights are streamed and int8, which is chosen for its memory, freed memory is returned to the
                 system after each stage: a tenth slower, and 70 MiB less
        """
        self.trims = policy.is_streamed and weights.dtype == torch.int8
        self.upp = sizes.upp
        self.device = weights.device
        first = weights.to(torch.float32)
        self.conv_pre, self.cond = first.conv("dec.conv_pre"), first.conv("dec.cond")
        self.stages = [Stage(sizes, weights, i) for i in range(len(sizes.upsample_rates))]
        self.conv_post = Conv(weights["dec.conv_post.weight"] / len(sizes.resblock_kernels), None)

    def __call__(self, z: Tensor, g: Tensor, source: Tensor | None, first: int = 0, last: int | None = None) -> Tensor:
        """The samples of frames first … last−1, of all frames by default.

        z       : float32 (1, inter, T);  g : float32 (1, gin, 1)
        source  : float32 (1, 1, T·upp), or None for a voice without F0
        returns : float32 ((last − first)·upp,)
        """
        frames = z.shape[2]
        last = frames if last is None else last
        latent, voice = z[0].t(), self.cond(g[0].t().contiguous())
        excitation = None if source is None else source[0, 0]
        samples = torch.empty((last - first) * self.upp, dtype=torch.float32, device=z.device)
        long = frames >= LONG
        for start in range(first // PIECE * PIECE, last, PIECE):
            end = start + PIECE if long else min(start + PIECE, frames)
            span = Span(start * self.upp, end * self.upp, frames * self.upp)
            wave = self.piece(latent, voice, excitation, long, span)
            low, high = max(start, first), min(end, last)
            kept = wave[(low - start) * self.upp : (high - start) * self.upp]
            samples[(low - first) * self.upp : (high - first) * self.upp] = kept
        return samples

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute the residual blocks in `dtype`; what lies between them stays float32.

        Sums and upsampling are a tenth of the time, and in bfloat16 would be more than half of the noise. With int8 the
        signals within the blocks are float32 too.
        """
        for stage in self.stages:
            for conv in stage.convs():
                conv.to_precision(dtype)

    def piece(self, z: Tensor, voice: Tensor, source: Tensor | None, fast: bool, span: Span) -> Tensor:
        """The samples of one span, from latent rows z (T, inter), with fast blocks or without."""
        plan = [span.wider(self.conv_post.reach).aligned(ALIGNED)]  # what each stage must give, last stage first
        for stage in reversed(self.stages):
            plan.append(stage.needs(plan[-1], fast).aligned(ALIGNED))
        given = plan.pop()
        x = self.conv_pre(taken(z, given.wider(self.conv_pre.reach)))
        x = silenced(x.add_(voice), given)
        for stage in self.stages:
            x, given = stage(x, given, plan[-1], source, fast), plan.pop()
            if self.trims:
                give_back()
                forget_code()
        x = F.leaky_relu_(x, LAST_SLOPE)
        return reaching(self.conv_post, x, given, span)[:, 0].tanh_()


class Stage:
    """Upsample, add the source at this rate, and sum three residual blocks; their mean is left to whoever reads it."""

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        count = len(sizes.resblock_kernels)
        plain = weights.to(torch.float32)
        self.noise = NoiseConv(sizes, plain, i) if sizes.f0 else None
        # LeakyReLU keeps factors, so the mean's division by the number of blocks is the next layer's business.
        self.up = Upsampler(sizes, plain, i, 1 / count if i else 1, self.noise.bias if self.noise else None)
        kind: type[ResBlock1] | type[ResBlock2] = ResBlock1 if sizes.resblock == "1" else ResBlock2
        self.blocks: Any = [
            kind(weights, f"dec.resblocks.{i * count + j}", sizes.resblock_dilations[j]) for j in range(count)
        ]
        self.reach = max(block.reach for block in self.blocks)

    def convs(self) -> list[Conv]:
        """Every convolution of its residual blocks."""
        return [conv for block in self.blocks for conv in block.convs()]

    def quick(self, fast: bool) -> list[FastBlock]:
        """The blocks to compute by fast filtering."""
        found = [block.fast for block in self.blocks if fast]
        return [block for block in found if block is not None and block.serves]

    def reads(self, wanted: Span, fast: bool) -> Span:
        """The rows of this stage, before its blocks, that the rows `wanted` are computed from."""
        spans = [wanted.wider(self.reach), *(block.reads(wanted) for block in self.quick(fast))]
        return Span(min(s.start for s in spans), max(s.end for s in spans), wanted.length)

    def needs(self, wanted: Span, fast: bool) -> Span:
        """The rows of the stage before that can reach the rows `wanted` of this one."""
        return self.up.needs(self.reads(wanted, fast))

    def __call__(self, x: Tensor, given: Span, wanted: Span, source: Tensor | None, fast: bool) -> Tensor:
        """Rows `given` of the stage before, float32 and overwritten, to rows `wanted` of this one, float32."""
        middle = self.reads(wanted, fast)
        x = self.up(F.leaky_relu_(x, SLOPE), given, middle)
        if self.noise is not None:
            assert source is not None  # the synthesizer checked
            self.noise.add_to(x, source, middle)
        silenced(x, middle)
        quick = self.quick(fast)
        plain = [block for block in self.blocks if block.fast not in quick or block.fast is None]
        total = torch.empty(len(wanted), x.shape[1], device=x.device)
        x = x.to(self.convs()[0].signal)
        rows = PART // x.shape[1] if self.convs()[0].in_parts else len(wanted)
        for part in wanted.parts(rows):
            some = cut(total, wanted, part)
            for number, block in enumerate(plain):
                y = block(x, middle, part)
                some.copy_(y) if number == 0 else some.add_(y)
        if not plain:
            total.zero_()
        for one in quick:
            one.add_to(total, x, middle, wanted)
        return total
