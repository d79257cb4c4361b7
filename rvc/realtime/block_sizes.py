"""How long each piece of a stream is, in samples of the device and in frames of 10 ms."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from rvc.errors import BadInput

CACHE_FRAMES = 1024  # length of the pitch caches, hence the longest window


@dataclass(frozen=True)
class Sizes:
    """Lengths at the device rate unless their name says 16; `zc` is 10 ms.

    zc      : rate // 100
    block   : B, samples in and samples out for each call
    block16 : the same at 16 kHz
    fade    : X, the crossfade that was asked for
    held    : Y, what is really held back and crossfaded, at most 40 ms
    search  : S, how far a joint may be moved, 10 ms
    extra   : E, the past that only gives context
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
    def of(cls, rate: int, *, block: float = 0.25, crossfade: float = 0.05, extra: float = 2.5) -> Sizes:
        """Sizes of a stream at `rate` Hz; times in seconds, the defaults the original's.

        Raises BadInput where the rate is no multiple of 100 (10 ms must be whole samples) or the times do not fit.
        """
        if rate < 8000 or rate % 100:
            raise BadInput(
                f"the stream's rate is {rate} Hz, expected a multiple of 100 from 8000 up; choose one by --device-rate"
            )
        zc = rate // 100
        if not (block > 0 and crossfade > 0 and extra >= 0):
            raise BadInput(
                f"block {block} s, crossfade {crossfade} s, extra {extra} s; "
                "block and crossfade must be above 0 s and extra not below"
            )
        # Python's round is half to even, as the original's.
        b, x, e = (round(seconds * rate / zc) * zc for seconds in (block, crossfade, extra))
        if b < zc or x < zc:
            raise BadInput(f"block {block} s and crossfade {crossfade} s must each be 10 ms or more")
        sizes = cls(rate, zc, b, 160 * b // zc, x, min(x, 4 * zc), zc, e)
        frames = sizes.window // zc
        if frames - b // zc < 4 or frames > CACHE_FRAMES:
            raise BadInput(
                f"block, crossfade and extra make a window of {frames / 100:.2f} s; "
                f"it must hold the block, 40 ms more, and at most {CACHE_FRAMES / 100:.2f} s"
            )
        return sizes

    @property
    def window(self) -> int:
        """E + X + S + B: all the input the stream remembers, at the device rate."""
        return self.extra + self.fade + self.search + self.block

    @property
    def window16(self) -> int:
        """The window at 16 kHz."""
        return 160 * (self.window // self.zc)

    @property
    def skip_head(self) -> int:
        """Frames at the head of the window that are context only."""
        return self.extra // self.zc

    @property
    def return_length(self) -> int:
        """Frames synthesised for each block: B + Y + S."""
        return (self.block + self.held + self.search) // self.zc

    def delay(self, *, denoised: bool = False) -> int:
        """Samples by which the output lies behind the input, not counting the block itself.

        A joint may move the sound up to `search` samples ahead of it. Noise reduction on the input holds back Y more.
        """
        return self.fade + self.search + (self.held if denoised else 0)

    def latency(self, *, denoised: bool = False, device: float = 0.0) -> float:
        """Seconds from microphone to loudspeaker by the original's formula; `device` is the sound device's own."""
        seconds = Fraction(self.block + self.fade, self.rate) + Fraction(1, 100)
        if denoised:
            seconds += min(Fraction(self.fade, self.rate), Fraction(4, 100))
        return device + float(seconds)

    def blocks(self, samples: int, *, denoised: bool = False) -> int:
        """Blocks to run until `samples` of input and the delay are out."""
        return -(-(samples + self.delay(denoised=denoised)) // self.block) if samples else 0
