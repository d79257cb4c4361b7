"""One segment alone: it runs up to the synthesizer, of audio or with given content features."""

import sys
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from parity.hooks.inline.given_answers import RecordingSynthesizer
from parity.hooks.inline.inline_base import FRAME, InlineBase
from parity.hooks.interception import replaced
from parity.hooks.serving import Array, Tape


class OneSegment(InlineBase):
    """The run of one segment that the stages of segments and of content features read their tensors from."""

    def _middle(
        self,
        prefix: str,
        audio: Array | None,
        features: Array | None = None,
        index: Any = None,
        vectors: Array | None = None,
        rate: float | None = None,
        hz: Array | None = None,
    ) -> Tape:
        """One segment up to the synthesizer: of audio (L,), or with given features (1, n, C) in place of HuBERT's."""
        tape, net = Tape(), RecordingSynthesizer(self.net)
        interpolate, from_numpy = F.interpolate, torch.from_numpy
        options, doubling = self.case["options"], [True]

        def first_interpolation(value: Any, *arguments: Any, **named: Any) -> Any:
            result = interpolate(value, *arguments, **named)
            if doubling[0]:
                doubling[0] = False
                tape(prefix + "retrieval.blended", value.permute(0, 2, 1))
                tape(prefix + "content.upsampled", result.permute(0, 2, 1))
            return result

        def to_torch(value: Any) -> Any:
            record_neighbors(tape, prefix, self.names.neighbors, sys._getframe(1).f_locals)
            return from_numpy(value)

        def record_content(source: Any, extracted: Any) -> None:
            tape(prefix + "audio", source)
            tape(prefix + "hubert.features", extracted)

        hz_tensor = None if hz is None else from_numpy(np.ascontiguousarray(hz))
        with ExitStack() as stack:
            stack.enter_context(replaced(F, interpolate=first_interpolation))
            stack.enter_context(replaced(torch, from_numpy=to_torch))
            model = getattr(self.content, "model", None)
            if features is None:
                stack.enter_context(self.content.tapped(record_content))
            else:
                if audio is None:
                    audio = np.zeros(features.shape[1] * 2 * FRAME + 400)  # as long as the audio of so many frames
                model = stack.enter_context(self.content.answering(from_numpy(features.copy()), record_content))
            assert audio is not None
            self.segment(
                model=model,
                net_g=net,
                sid=torch.tensor([options["speaker"]]),
                audio0=audio,
                pitch=None if hz_tensor is None else torch.ones(hz_tensor.shape, dtype=torch.long),
                pitchf=hz_tensor,
                index=index,
                big_npy=vectors,
                index_vectors=vectors,
                index_rate=options["index_rate"] if rate is None else rate,
            )
        tape(prefix + "content.protected", net.arguments[0])
        return tape


def record_neighbors(tape: Tape, prefix: str, names: Any, variables: Any) -> None:
    """Record retrieval's tensors where a function's local variables hold distances and weights."""
    distances, ids, weights, mean = names
    if distances in variables and weights in variables:
        for tensor, local in (("distances", distances), ("ids", ids), ("weights", weights), ("mean", mean)):
            tape(f"{prefix}retrieval.{tensor}", variables[local])
