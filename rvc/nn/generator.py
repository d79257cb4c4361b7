"""The generator: latent frames to samples, computed in pieces that are exact, docs/spec/05 §5.6 to §5.8.

A piece is PIECE frames on an absolute grid. It is computed from just those inputs that it depends on: every layer
computes its piece and a margin that narrows from layer to layer ("valid" convolutions). Zeros stand only beyond the
true ends of the segment, where the network run over the entire segment has them too. So memory does not grow with the
length, and the bits of a piece do not depend on which other pieces are computed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.gpu.branches import side_by_side
from rvc.nn.kernels.conv import Conv, Weights
from rvc.nn.residual_blocks import ALIGNED, SLOPE, FastBlock, ResBlock1, ResBlock2
from rvc.nn.streaming.ranges import FrameRange, convolve_range, slice_padded, slice_range, zero_beyond_ends
from rvc.nn.synthesizer_config import Sizes
from rvc.nn.upsample import NoiseConv, Upsampler
from rvc.weights.memory import release_library_code, trim_heap
from rvc.weights.policy import RESIDENT, WeightPolicy

PIECE = 100  # frames of 10 ms that are computed at a time
DEVICE_PIECE = 1000  # the same on a GPU, where launches take longer than the kernels of a short piece
# Frames from which on a segment is computed with fast blocks. In shorter ones, packing them costs more than they save.
FAST_FRAMES = 600
CACHED_NUMBERS = 1 << 19  # float32 numbers of a stage's signal that its blocks compute at a time, to stay in L2
LAST_SLOPE = 0.01  # torch's default slope, which the reference leaves as it is before conv_post (docs/spec/05 §5.6)


class Generator:
    """Latent z (1, inter, T), g (1, gin, 1) and the source (1, 1, T·upp) to samples (T·upp,)."""

    def __init__(self, sizes: Sizes, weights: Weights, policy: WeightPolicy = RESIDENT) -> None:
        """Pack the weights.

        Args:
            sizes: the sizes of the voice.
            weights: its tensors; their `dtype` is what the residual blocks compute in, see `to_precision`.
            policy: where weights are streamed and int8, which is chosen for its memory, freed memory is returned to the
                system after each stage; this takes a tenth longer and saves 70 MiB.
        Raises:
            BadCheckpoint: a tensor is missing or not finite.
        """
        self.trims = policy.is_streamed and weights.dtype == torch.int8
        self.upp = sizes.upp
        self.device = weights.device
        self.on_cpu = self.device.type == "cpu"
        first = weights.to(torch.float32)
        self.conv_pre, self.cond = first.conv("dec.conv_pre"), first.conv("dec.cond")
        self.stages = [Stage(sizes, weights, i) for i in range(len(sizes.upsample_rates))]
        self.conv_post = Conv(weights["dec.conv_post.weight"] / len(sizes.resblock_kernels), None)

    def __call__(self, z: Tensor, g: Tensor, source: Tensor | None, first: int = 0, last: int | None = None) -> Tensor:
        """Synthesize the samples of frames first … last − 1.

        Args:
            z: float32 (1, inter, T), the latent.
            g: float32 (1, gin, 1), the speaker's embedding.
            source: float32 (1, 1, T·upp), the NSF source, or None for a voice without F0.
            first, last: all frames by default.
        Returns:
            float32 ((last − first)·upp,), in −1 … 1.
        """
        frames = z.shape[2]
        last = frames if last is None else last
        latent, voice = z[0].t(), self.cond(g[0].t().contiguous())
        excitation = None if source is None else source[0, 0]
        samples = torch.empty((last - first) * self.upp, dtype=torch.float32, device=z.device)
        is_long = frames >= FAST_FRAMES and self.on_cpu
        size = PIECE if self.on_cpu else DEVICE_PIECE
        for start in range(first // size * size, last, size):
            end = start + size if is_long else min(start + size, frames)
            span = FrameRange(start * self.upp, end * self.upp, frames * self.upp)
            wave = self.piece(latent, voice, excitation, is_long, span)
            low, high = max(start, first), min(end, last)
            kept = wave[(low - start) * self.upp : (high - start) * self.upp]
            samples[(low - first) * self.upp : (high - first) * self.upp] = kept
        return samples

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute the residual blocks in `dtype`; sums, upsampling and the source convolutions stay float32.

        Those are a tenth of the time, and in bfloat16 they would cause more than half of the noise. With int8 the
        signals within the blocks are float32 too.
        """
        for stage in self.stages:
            for conv in stage.convs():
                conv.to_precision(dtype)

    def piece(self, z: Tensor, voice: Tensor, source: Tensor | None, fast: bool, span: FrameRange) -> Tensor:
        """The samples of one range.

        Args:
            z: float32 (T, inter), the latent.
            voice: float32 (1, channels), the projected speaker embedding.
            source: float32 (T·upp,) or None.
            fast: whether residual blocks may use fast FIR filtering.
            span: the range, in samples.
        Returns:
            float32 (len(span),).
        """
        plan = [span.widened(self.conv_post.reach).aligned(ALIGNED)]  # the output range of each stage, last stage first
        for stage in reversed(self.stages):
            plan.append(stage.input_range(plan[-1], fast).aligned(ALIGNED))
        inputs = plan.pop()
        x = self.conv_pre(slice_padded(z, inputs.widened(self.conv_pre.reach)))
        x = zero_beyond_ends(x.add_(voice), inputs)
        for stage in self.stages:
            x, inputs = stage(x, inputs, plan[-1], source, fast), plan.pop()
            if self.trims:
                trim_heap()
                release_library_code()
        x = F.leaky_relu_(x, LAST_SLOPE)
        return convolve_range(self.conv_post, x, inputs, span)[:, 0].tanh_()


class Stage:
    """Upsample, add the source at this rate, and sum the residual blocks; the next layer divides by their number."""

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        count = len(sizes.resblock_kernels)
        plain = weights.to(torch.float32)
        self.noise = NoiseConv(sizes, plain, i) if sizes.f0 else None
        # LeakyReLU commutes with positive factors, so the next layer's weights include the division for the mean.
        self.up = Upsampler(sizes, plain, i, 1 / count if i else 1, self.noise.bias if self.noise else None)
        kind: type[ResBlock1] | type[ResBlock2] = ResBlock1 if sizes.resblock == "1" else ResBlock2
        self.blocks: Any = [
            kind(weights, f"dec.resblocks.{i * count + j}", sizes.resblock_dilations[j]) for j in range(count)
        ]
        self.reach = max(block.reach for block in self.blocks)

    def convs(self) -> list[Conv]:
        """Every convolution of the residual blocks."""
        return [conv for block in self.blocks for conv in block.convs()]

    def fast_blocks(self, fast: bool) -> list[FastBlock]:
        """The blocks that are computed by fast FIR filtering."""
        candidates = [block.fast for block in self.blocks if fast]
        return [block for block in candidates if block is not None and block.levels]

    def block_range(self, outputs: FrameRange, fast: bool) -> FrameRange:
        """The range of the upsampled signal, before the blocks, that the range `outputs` depends on."""
        spans = [outputs.widened(self.reach), *(block.input_range(outputs) for block in self.fast_blocks(fast))]
        return FrameRange(min(s.start for s in spans), max(s.end for s in spans), outputs.length)

    def input_range(self, outputs: FrameRange, fast: bool) -> FrameRange:
        """The range of the previous stage's result that the range `outputs` of this one depends on."""
        return self.up.input_range(self.block_range(outputs, fast))

    def __call__(self, x: Tensor, inputs: FrameRange, outputs: FrameRange, source: Tensor | None, fast: bool) -> Tensor:
        """Compute one range of the stage.

        Args:
            x: float32 (len(inputs), channels before), the range `inputs` of the previous stage; overwritten.
            inputs, outputs: ranges before and after this stage.
            source: float32 (T·upp,), or None for a voice without F0.
            fast: whether blocks may use fast FIR filtering.
        Returns:
            float32 (len(outputs), channels), the sum of the residual blocks.
        """
        middle = self.block_range(outputs, fast)
        x = self.up(F.leaky_relu_(x, SLOPE), inputs, middle)
        if self.noise is not None:
            assert source is not None  # the synthesizer checked
            self.noise.add_to(x, source, middle)
        zero_beyond_ends(x, middle)
        fast_blocks = self.fast_blocks(fast)
        plain = [block for block in self.blocks if block.fast not in fast_blocks or block.fast is None]
        total = torch.empty(len(outputs), x.shape[1], device=x.device)
        signal_dtypes = {conv.signal_dtype for block in self.blocks for conv in block.convs()}
        if len(signal_dtypes) == 1:  # converted once for all blocks; else each block converts what it reads
            x = x.to(*signal_dtypes)
        prefers_pieces = bool(plain) and any(block.convs()[0].kernel.prefers_pieces for block in plain)
        frames_per_piece = CACHED_NUMBERS // x.shape[1] if prefers_pieces else len(outputs)
        for part in outputs.pieces(frames_per_piece):
            part_total = slice_range(total, outputs, part)
            results = side_by_side([partial(block, x, middle, part) for block in plain])
            for number, y in enumerate(results):
                part_total.copy_(y) if number == 0 else part_total.add_(y)
        if not plain:
            total.zero_()
        for block in fast_blocks:
            block.add_to(total, x, middle, outputs)
        return total
