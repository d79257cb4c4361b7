"""The stages of the file before its first segment: peak guard, high-pass, cuts and padding.

The pipeline's method runs until it calls its first segment.
"""

import contextlib
import inspect
from typing import Any

import numpy as np
import scipy.signal

from parity.hooks.inline.inline_base import InlineBase, any_f0
from parity.hooks.interception import locals_of, replaced
from parity.hooks.serving import Array, Arrays, snapshot
from parity.hooks.synthesizer import Stopped


class FileStages(InlineBase):
    """The stages `audio16k`, `highpassed`, `segment.cuts` and `padded`."""

    @property
    def guarded(self) -> tuple[Any, str, str]:
        """Owner, name and parameter of the function that gets the input after its peak guard."""
        return self.pipe, self.names.pipeline, "audio"

    def stage_audio16k(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `audio16k`."""
        recorded: dict[str, Array] = {}
        owner, name, parameter = self.guarded
        run = getattr(owner, name)

        def stop(*arguments: Any, **named: Any) -> Any:
            recorded["audio16k"] = snapshot(inspect.signature(run).bind(*arguments, **named).arguments[parameter])
            raise Stopped

        with replaced(owner, **{name: stop}), contextlib.suppress(Exception):  # a program may turn Stopped into another
            self.convert(inputs["audio16k.raw"].copy(), self.case)
        return recorded

    def stage_highpassed(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `highpassed`."""
        return {"highpassed": snapshot(self._front(inputs["audio16k"])[self.names.audio]).reshape(-1)}

    def stage_segment_cuts(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `segment.cuts`."""
        variables = self._front(inputs["highpassed"], inputs["highpassed"])
        cuts = variables.get(self.names.cuts)
        if not cuts:
            return {"segment.cuts": np.zeros(0, np.int64)}
        return {"quiet.profile": variables[self.names.profile], "segment.cuts": np.array([int(cut) for cut in cuts])}

    def stage_padded(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `padded`."""
        return {
            "padded": snapshot(self._front(inputs["highpassed"], inputs["highpassed"])[self.names.padded]).reshape(-1)
        }

    def _front(self, audio: Array, highpassed: Array | None = None) -> dict[str, Any]:
        """The local variables of the pipeline's method when it calls its first segment."""
        recorded: dict[str, Any] = {}

        def stop(*_: Any, **__: Any) -> Any:
            recorded.update(locals_of(self.names.pipeline))
            raise Stopped

        filtfilt = scipy.signal.filtfilt if highpassed is None else lambda *_, **__: highpassed.copy()
        with (
            replaced(self.pipe, **{self.names.segment: stop, self.names.f0: any_f0}),
            replaced(scipy.signal, filtfilt=filtfilt),
            contextlib.suppress(Stopped),
        ):
            self.core(audio)
        return recorded
