"""What the inline stages share: the attributes of the candidate, and how its methods are called."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity.hooks.interception import call_with_known, replaced
from parity.hooks.serving import Array, Case

FRAME = 160  # samples at 16 kHz in 10 ms
# Options, by the parameters' names in several programs, with which the output keeps the segments' loudness and rate.
NO_MIX = {"rms_mix_rate": 1, "volume_envelope": 1, "resample_sr": 0}


class InlineBase:
    """The attributes that `parity.hooks.pipeline.PipelineCandidate` sets, and the calls of its methods.

    A method `stage_NAME` of a derived class takes the prefix of a segment ("" for a stage of the file) and the stage's
    inputs by full name. It returns full name → tensor, with the shapes and dtypes of docs/spec/00 §0.3.
    """

    pipe: Any
    net: Any
    module: Any
    content: Any
    names: Any
    case: Case
    index: Any
    vectors: Any

    def core(self, audio: Array, **changes: Any) -> Any:
        """See PipelineCandidate."""
        raise NotImplementedError

    def values(self, **changes: Any) -> dict[str, Any]:
        """See PipelineCandidate."""
        raise NotImplementedError

    def convert(self, audio: Array, case: Case) -> Any:
        """See PipelineCandidate."""
        raise NotImplementedError

    def segment_result(self, full: Array) -> Any:
        """A segment's waveform, float32 (samples,), as the method of one segment returns it."""
        return full.copy()

    def segment(self, **values: Any) -> Any:
        """Call the method of one segment with the values that it has parameters for."""
        return call_with_known(getattr(self.pipe, self.names.segment), self.values(**values))

    def _with_padding(self, wave: Any) -> Array:
        pad = int(self.pipe.t_pad_tgt)
        return np.concatenate([np.zeros(pad, np.float32), wave, np.zeros(pad, np.float32)])

    @contextmanager
    def _tapped_join(self, tap: Callable[[Any, Any], Any]) -> Iterator[None]:
        """Call `tap` with the segments and their join where the pipeline's method joins arrays or tensors."""

        def tapped(run: Any) -> Any:
            def call(pieces: Any, *arguments: Any, **named: Any) -> Any:
                result = run(pieces, *arguments, **named)
                if sys._getframe(1).f_code.co_name == self.names.pipeline:
                    tap(pieces, result)
                return result

            return call

        with replaced(np, concatenate=tapped(np.concatenate)), replaced(torch, cat=tapped(torch.cat)):
            yield


def any_f0(*_: Any, **__: Any) -> tuple[Array, Array]:
    """(coarse, hz) of more frames than any segment has."""
    return np.ones(9999, np.int32), np.ones(9999)
