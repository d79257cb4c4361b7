"""Recorded noise in place of a program's own random draws: its calls of torch and scipy are answered."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from parity.hooks.interception import replaced
from parity.hooks.serving import Array, Arrays


class Replay:
    """Answers `torch.randn_like`, `torch.randn` and CREPE's dither with the recorded noise while it is active.

    A draw is recognized by its shape: `noise.z` has the shape of the prior (1, 192, frames), `noise.nsf` that of the
    sine (1, samples, 1). A draw of neither shape is left to torch. A program that cuts at other places draws another
    number of frames; the recorded draw is then repeated.
    """

    def __init__(self, inputs: Arrays, prefix: str = "seg0.") -> None:
        """Nothing is replaced yet.

        Args:
            inputs: the tensors of a request, with `{prefix}noise.z`, `{prefix}noise.nsf` and `noise.crepe`.
            prefix: the segment or block whose noise is drawn; set it before each.
        """
        self.inputs, self.prefix = inputs, prefix
        self.dither_used = 0

    def draw(self, shape: tuple[int, ...]) -> torch.Tensor | None:
        """The recorded noise of a shape, float32; None where nothing of that kind was recorded."""
        prior, sine = self.inputs.get(self.prefix + "noise.z"), self.inputs.get(self.prefix + "noise.nsf")
        for recorded, axis in ((prior, 2), (sine, 1)):
            if recorded is not None and _differ_only_in(axis, shape, recorded.shape):
                repeats = -(-shape[axis] // recorded.shape[axis])
                repeated: Array = np.concatenate([recorded] * repeats, axis)
                return torch.from_numpy(np.ascontiguousarray(np.take(repeated, range(shape[axis]), axis)))
        if sine is not None and int(np.prod(shape)) == sine.size:  # the program draws the same numbers in another shape
            return torch.from_numpy(sine.reshape(shape).copy())
        return None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Answer the program's draws while the block runs."""
        randn_like, randn = torch.randn_like, torch.randn

        def like(template: torch.Tensor, **named: Any) -> torch.Tensor:
            drawn = self.draw(tuple(template.shape))
            return randn_like(template, **named) if drawn is None else drawn.to(template)

        def plain(*shape: Any, **named: Any) -> torch.Tensor:
            sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
            drawn = self.draw(tuple(int(size) for size in sizes))
            if drawn is None:
                return randn(*shape, **named)
            return drawn.to(named.get("device") or "cpu", named.get("dtype") or torch.float32)

        with ExitStack() as stack:
            stack.enter_context(replaced(torch, randn_like=like, randn=plain))
            if "noise.crepe" in self.inputs:
                import scipy.stats  # slow to import, and a program without CREPE need not have it

                stack.enter_context(replaced(scipy.stats.triang, rvs=self._dither(scipy.stats.triang.rvs)))
            yield

    def _dither(self, rvs: Any) -> Any:
        cents = self.inputs["noise.crepe"]

        def draw(*arguments: Any, **named: Any) -> Any:
            drawn = rvs(*arguments, **named)
            start, self.dither_used = self.dither_used, self.dither_used + np.size(drawn)
            return cents[start : self.dither_used].reshape(np.shape(drawn)).astype(drawn.dtype)

        return draw


def _differ_only_in(axis: int, shape: tuple[int, ...], recorded: tuple[int, ...]) -> bool:
    return (
        len(shape) == len(recorded) == 3
        and shape[:axis] == recorded[:axis]
        and shape[axis + 1 :] == recorded[axis + 1 :]
        and shape[axis] > 0
    )
