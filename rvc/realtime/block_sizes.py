"""Lengths of a stream's buffers, in samples at the device rate and in frames of 10 ms (docs/spec/07 §7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from rvc.errors import BadInput

CACHE_FRAMES = 1024  # frames of 10 ms in the F0 cache, hence the longest window (docs/spec/07 §7.5)


@dataclass(frozen=True)
class BlockSizes:
    """Lengths in samples at the device rate; names that end in 16 are at 16 kHz.

    Attributes:
        rate: the device rate in Hz, a multiple of 100.
        zc: samples in 10 ms, the grid of every other length.
        block: B, samples in and samples out of each block.
        block16: a block at 16 kHz.
        fade: X, the crossfade that was requested; it adds to the delay.
        held: Y, the samples that are held back and crossfaded: X, at most 40 ms.
        search: S, the largest offset of the SOLA search, 10 ms.
        extra: E, earlier input that only gives the networks context.
    """

    rate: int
    zc: int
    block: int
    block16: int
    fade: int
    held: int
    search: int
    extra: int

    @classmethod
    def of(cls, rate: int, *, block: float = 0.25, crossfade: float = 0.05, extra: float = 2.5) -> BlockSizes:
        """Round the times to the 10 ms grid, half to even as the original does.

        Args:
            rate: device rate in Hz.
            block: length of a block in seconds; 0.25, 0.05 and 2.5 are the original's defaults.
            crossfade: length of the crossfade in seconds.
            extra: length of the context before the block in seconds.
        Raises:
            BadInput: the rate is no multiple of 100 (10 ms must be a whole number of samples), or the times do not
                fit together.
        """
        if rate < 8000 or rate % 100:
            raise BadInput(
                f"the stream's rate is {rate} Hz, expected a multiple of 100 from 8000 up; choose one by --device-rate"
            )
        zc = rate // 100
        if not (block > 0 and crossfade > 0 and extra >= 0):
            raise BadInput(
                f"the block is {block} s, the crossfade {crossfade} s, the extra time {extra} s; "
                "expected block and crossfade above 0 s and an extra time of 0 s or more"
            )
        # Python's round is half to even, like the original's.
        b, x, e = (round(seconds * rate / zc) * zc for seconds in (block, crossfade, extra))
        if b < zc or x < zc:
            raise BadInput(
                f"the block is {block} s and the crossfade {crossfade} s; expected 10 ms or more for each of them"
            )
        sizes = cls(rate, zc, b, 160 * b // zc, x, min(x, 4 * zc), zc, e)
        frames = sizes.window // zc
        if frames - b // zc < 4 or frames > CACHE_FRAMES:
            raise BadInput(
                f"block, crossfade and extra time make a window of {frames / 100:.2f} s; expected at least 40 ms more "
                f"than the block and at most {CACHE_FRAMES / 100:.2f} s; change --block-time or --extra-time"
            )
        return sizes

    @property
    def window(self) -> int:
        """Samples of input that the stream keeps: E + X + S + B."""
        return self.extra + self.fade + self.search + self.block

    @property
    def window16(self) -> int:
        """Samples of the window at 16 kHz."""
        return 160 * (self.window // self.zc)

    @property
    def skip_head(self) -> int:
        """Frames at the start of the window that only give context."""
        return self.extra // self.zc

    @property
    def return_length(self) -> int:
        """Frames that are synthesized for each block: B + Y + S."""
        return (self.block + self.held + self.search) // self.zc

    def delay(self, *, denoised: bool = False) -> int:
        """Samples by which the output lags behind the input, not counting the block itself.

        SOLA may place a block up to `search` samples earlier. Noise reduction of the input adds `held`.
        """
        return self.fade + self.search + (self.held if denoised else 0)

    def latency(self, *, denoised: bool = False, device: float = 0.0) -> float:
        """Seconds from microphone to loudspeaker, by the original's formula (docs/spec/07 §7.2).

        Args:
            denoised: whether noise reduction of the input is on.
            device: the sound device's own latency in seconds.
        """
        seconds = Fraction(self.block + self.fade, self.rate) + Fraction(1, 100)
        if denoised:
            seconds += min(Fraction(self.fade, self.rate), Fraction(4, 100))
        return device + float(seconds)

    def blocks(self, samples: int, *, denoised: bool = False) -> int:
        """Number of blocks that output `samples` of input completely, the delay included."""
        return -(-(samples + self.delay(denoised=denoised)) // self.block) if samples else 0
