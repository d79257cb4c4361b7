"""One stream through an original's realtime window, with its noise from the fixed random stream, recorded."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parity.goldens.trace_file import Trace
from parity.hooks.interception import StandIn, replaced
from parity.hooks.serving import Lacks
from parity.hooks.streams import realtime_window
from parity.hooks.streams.realtime import BlockTaps
from reference.errors import Refusal
from reference.hooks.replayed_noise import Draws


def execute_script(script: Path) -> dict[str, Any]:
    """The global names of the realtime script. Raises Refusal where it opened no window."""
    try:
        return realtime_window.execute_script(script)
    except Lacks as lacks:
        raise Refusal(str(lacks)) from None


class RecordedWindow(realtime_window.RealtimeWindow):
    """The window of `parity.hooks.streams.realtime_window` with recorded noise.

    Attributes:
        models: the module that defines the synthesizer, which draws the noise.
    """

    models: ModuleType

    def run(
        self, samples: NDArray[np.float32], settings: dict[str, Any], model: Path, index: Path | None, seed: str
    ) -> Trace:
        """Convert `samples` block by block, the last block zero-padded, and record every stage.

        Args:
            samples: float32 (N,) at the stream's rate.
            settings: the keys of `realtime_window.SETTINGS`; `device_rate` in Hz (0: the voice's own rate); `changes`:
                block number to the settings that change before that block.
            model: the voice's .pth file.
            index: the voice's index, or None.
            seed: the key of the noise in the fixed random stream.
        Raises:
            Refusal: a change names a setting that the window does not have.
        """
        changes = {int(block): table for block, table in settings.get("changes", {}).items()}
        for name in (name for table in changes.values() for name in table):
            if name not in realtime_window.SETTINGS:
                known = ", ".join(realtime_window.SETTINGS)
                raise Refusal(f"realtime settings hold {name!r}, but only {known} are known")
        size = self.start(settings, str(model), str(index) if index else None)
        record = Trace()
        draws, taps = Draws(record, seed), BlockTaps(self, record)
        count = -(-len(samples) // size)
        padded = np.pad(samples, (0, count * size - len(samples)))
        noise = StandIn(torch, randn_like=draws.randn_like, rand=draws.rand)
        with replaced(self.models, torch=noise), taps.installed():
            for number in range(count):
                self.change(changes.get(number, {}))
                block = padded[number * size : (number + 1) * size]
                draws.begin(f"rt.{number}.")
                record(f"rt.{number}.in", block)
                taps.block(number, block)
        return record
