"""The stages of F0: the method that estimates F0 runs alone, and a given curve replaces what a stage reads."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from parity.hooks.inline.given_answers import GivenF0
from parity.hooks.inline.inline_base import FRAME, InlineBase
from parity.hooks.interception import call_with_known, locals_of, replaced
from parity.hooks.serving import Array, Arrays, Tape, snapshot


class F0Stages(InlineBase):
    """The stages `f0.raw`, `f0.filled`, `f0.hz` and `f0.coarse`."""

    @contextmanager
    def given_f0(self, f0: Array) -> Iterator[None]:
        """Answer F0 method rmvpe with a given curve while the block runs."""
        with replaced(self.pipe, model_rmvpe=GivenF0(f0)):
            yield

    def stage_f0_raw(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.raw`."""
        tape, _, _ = self._f0(inputs["padded"], self.case["options"]["f0_method"], 0)
        return {"f0.raw": tape["f0.raw"]}

    def stage_f0_filled(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.filled`."""
        raw = inputs["f0.raw"]
        tape, _, _ = self._f0(np.zeros(len(raw) * FRAME), "rmvpe", 0, raw)
        return {"f0.filled": tape["f0.complete"].astype(raw.dtype)}

    def stage_f0_hz(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.hz`."""
        return {"f0.hz": self._shifted(inputs)[1][None]}

    def stage_f0_coarse(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.coarse`."""
        return {"f0.coarse": self._shifted(inputs)[0][None]}

    def _shifted(self, inputs: Arrays) -> tuple[Array, Array]:
        """(coarse, hz) of a given curve, transposed as in the case.

        A curve has one frame more than the audio where its method counts the frames' centers.
        """
        curve = inputs.get("f0.filled", inputs.get("f0.raw"))
        assert curve is not None
        frames = len(curve) - (self.case["options"]["f0_method"] != "pm")
        _, coarse, hz = self._f0(np.zeros(frames * FRAME), "rmvpe", self.case["options"]["transpose"], curve)
        return coarse, hz

    def _f0(self, padded: Array, method: str, key: int, f0: Array | None = None) -> tuple[Tape, Array, Array]:
        """The method that estimates F0: its curve before filling and transposition, coarse and hz."""
        tape, frames, interp = Tape(), len(padded) // FRAME, np.interp
        if hasattr(self.module, "cache_harvest_f0"):
            self.module.cache_harvest_f0.cache_clear()

        def power(*arguments: Any) -> Any:
            variables = locals_of(self.names.f0)
            if "f0" in variables:
                tape("f0.complete", variables["f0"])
            return pow(*arguments)

        def fill(*arguments: Any, **named: Any) -> Any:
            variables = locals_of(self.names.f0)
            if "f0" in variables and ("uv" in variables or "unvoiced" in variables):
                tape("f0.raw", variables["f0"])
            return interp(*arguments, **named)

        given = contextlib.nullcontext() if f0 is None else self.given_f0(f0)
        with replaced(np, interp=fill), replaced(self.module, pow=power), given:
            coarse, hz = self.estimate_f0(padded, frames, method, key)
        tape.setdefault("f0.raw", tape["f0.complete"])
        return tape, snapshot(coarse).reshape(-1)[:frames], snapshot(hz).reshape(-1)[:frames]

    def estimate_f0(self, padded: Array, frames: int, method: str, key: int) -> Any:
        """Call the method that estimates F0: (coarse, hz)."""
        values = self.values(x=padded, p_len=frames, f0_up_key=key, pitch=key, f0_method=method)
        return call_with_known(getattr(self.pipe, self.names.f0), values)
