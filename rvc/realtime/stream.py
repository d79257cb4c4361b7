"""A stream: a block of sound in, a block in another voice out, for as long as there is sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rvc.audio.resampling import resample
from rvc.errors import BadInput
from rvc.noise import NoiseSource, Seeded
from rvc.realtime.block_context import Models, Turn
from rvc.realtime.block_input import Intake
from rvc.realtime.block_output import Outlet
from rvc.realtime.block_sizes import Sizes
from rvc.realtime.controls import Controls
from rvc.realtime.converter import Converter
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.tap import Tap, no_tap, within


class Stream:
    """One live conversion. `controls` and `models` may be replaced between two blocks: nothing clicks."""

    def __init__(
        self,
        models: Models,
        sizes: Sizes,
        controls: Controls | None = None,
        *,
        noise: NoiseSource | None = None,
        tap: Tap = no_tap,
    ) -> None:
        """models : what is loaded;  sizes : lengths at the device's rate;  noise : draws named `rt.{block}.…`."""
        self.models = models
        self.sizes = sizes
        self.controls = controls or Controls()
        self.noise = noise or Seeded(0)
        self.tap = tap
        self.number = 0  # of the next block
        self._intake = Intake(sizes)
        self._converter = Converter(sizes)
        self._outlet = Outlet(sizes)

    def reset(self) -> None:
        """Forget everything heard; from here on the stream equals a new one bit for bit."""
        self.number = 0
        for part in (self._intake, self._converter, self._outlet):
            part.reset()

    def change(self, **settings: object) -> None:
        """Move sliders, by the names of `Controls`."""
        self.controls = replace(self.controls, **settings)  # type: ignore[arg-type]

    @property
    def delay(self) -> int:
        """Samples by which the output lies behind the input."""
        return self.sizes.delay(denoised=self.controls.input_denoise)

    def latency(self, device: float = 0.0) -> float:
        """Seconds from microphone to loudspeaker by the original's formula."""
        return self.sizes.latency(denoised=self.controls.input_denoise, device=device)

    @torch.inference_mode()
    def block(self, samples: Samples) -> Samples:
        """Convert one block, mono at the device's rate.

        samples : float32 (B,), left untouched;  returns : float32 (B,);  raises BadInput for any other shape or type
        """
        if samples.shape != (self.sizes.block,) or samples.dtype != np.float32:
            raise BadInput(
                f"a block is {samples.dtype} {list(samples.shape)}, expected float32 [{self.sizes.block}]; "
                "fill the last one up with zeros"
            )
        controls, tap = self.controls, within(self.tap, self.number)
        turn = Turn(self.number, self.models, controls, self.noise, tap)
        tap("in", samples)
        at16k = self._intake.take(samples, controls)
        tap("input_wav", self._intake.raw)
        tap("input16k", at16k)
        spoken = self._converter.convert(at16k, turn)
        spoken = resample(spoken, turn.models.voice.rate, self.sizes.rate)
        out = self._outlet.give(spoken, self._intake.heard(controls), controls, tap)
        self.number += 1
        return out

    def warm_up(self) -> None:
        """Say one block of a soft tone and forget it, so that the first real block does not pay for first times."""
        noise, tap = self.noise, self.tap
        self.noise, self.tap = Seeded(0), no_tap
        time = np.arange(self.sizes.block) / self.sizes.rate
        self.block((0.05 * np.sin(2 * np.pi * 220 * time)).astype(np.float32))
        self.noise, self.tap = noise, tap
        self.reset()
