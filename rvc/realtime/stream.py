"""A stream: one block of sound in, one converted block out, for any number of blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rvc.audio.output import refuse_nonfinite
from rvc.audio.resampling import resample
from rvc.errors import BadInput
from rvc.noise import NoiseSource, Seeded
from rvc.realtime.block_context import BlockContext, Models
from rvc.realtime.block_input import BlockInput
from rvc.realtime.block_output import BlockOutput
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls
from rvc.realtime.converter import BlockConverter
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.tap import Tap, for_block, no_tap


class Stream:
    """One realtime conversion.

    `controls` and `models` may be replaced between two blocks without a discontinuity in the output.
    """

    def __init__(
        self,
        models: Models,
        sizes: BlockSizes,
        controls: Controls | None = None,
        *,
        noise: NoiseSource | None = None,
        tap: Tap = no_tap,
    ) -> None:
        """Create a stream whose buffers are filled with zeros.

        Args:
            models: the loaded voice and networks.
            sizes: lengths at the device rate.
            controls: the settings; the original's defaults without it.
            noise: source of the draws `rt.{block}.noise.…`; seed 0 without it.
            tap: receives every tensor of docs/spec/00 §0.4.
        """
        self.models = models
        self.sizes = sizes
        self.controls = controls or Controls()
        self.noise = noise or Seeded(0)
        self.tap = tap
        self.number = 0  # number of the next block
        self._input = BlockInput(sizes)
        self._converter = BlockConverter(sizes)
        self._output = BlockOutput(sizes)

    def reset(self) -> None:
        """Return every buffer to its first state; the following output equals a new stream's bit for bit."""
        self.number = 0
        self._input.reset()
        self._converter.reset()
        self._output.reset()

    def change(self, **settings: object) -> None:
        """Change settings by the names of `Controls`, from the next block on.  Raises BadInput, and changes nothing."""
        self.controls = replace(self.controls, **settings)  # type: ignore[arg-type]

    @property
    def delay(self) -> int:
        """Samples by which the output lags behind the input."""
        return self.sizes.delay(denoised=self.controls.input_denoise)

    def latency(self, device: float = 0.0) -> float:
        """Seconds from microphone to loudspeaker by the original's formula; `device` is the device's own latency."""
        return self.sizes.latency(denoised=self.controls.input_denoise, device=device)

    @torch.inference_mode()
    def block(self, samples: Samples) -> Samples:
        """Convert one block of mono sound at the device rate.

        Args:
            samples: float32 (block,), not modified.
        Returns:
            float32 (block,).
        Raises:
            BadInput: `samples` has another shape or dtype.
            RvcError: the voice's waveform is not finite.
        """
        if samples.shape != (self.sizes.block,) or samples.dtype != np.float32:
            raise BadInput(
                f"a block is {samples.dtype} {list(samples.shape)}, expected float32 [{self.sizes.block}]; "
                "fill the last one up with zeros"
            )
        controls, tap = self.controls, for_block(self.tap, self.number)
        context = BlockContext(self.number, self.models, controls, self.noise, tap)
        tap("in", samples)
        at16k = self._input.push(samples, controls)
        tap("input_wav", self._input.raw)
        tap("input16k", at16k)
        waveform = self._converter.convert(at16k, context)
        if self.models.exact_hits == "finite":  # "nan" may return NaN as the original does
            refuse_nonfinite(waveform.numpy())
        waveform = resample(waveform, context.models.voice.rate, self.sizes.rate)
        out = self._output.push(waveform, self._input.loudness_reference(controls), controls, tap)
        self.number += 1
        return out

    def warm_up(self) -> None:
        """Convert one block of a 220 Hz tone and reset, so that the first real block pays for no first-time set-up."""
        noise, tap = self.noise, self.tap
        self.noise, self.tap = Seeded(0), no_tap
        time = np.arange(self.sizes.block) / self.sizes.rate
        self.block((0.05 * np.sin(2 * np.pi * 220 * time)).astype(np.float32))
        self.noise, self.tap = noise, tap
        self.reset()
