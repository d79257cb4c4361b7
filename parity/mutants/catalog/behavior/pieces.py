"""Faults of long inputs that are computed in pieces: a stage that needs the whole input reads one piece alone."""

from typing import Any

import torch
from torch import Tensor

from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, around
from rvc.nn.generator import Generator
from rvc.nn.hubert import FrontEnd, Layer
from rvc.nn.synthesizer import Synthesizer

SECOND = 50  # content frames of 20 ms


def _attend_in_pieces(original: Original, layer: Layer, frames: Tensor) -> Tensor:
    return torch.cat([original(layer, piece) for piece in torch.split(frames, SECOND)])


def _normalize_first_piece(original: Original, front: FrontEnd, samples: Tensor) -> Any:
    """The group norm has the statistics of the first second alone."""
    return original(front, samples[:16000])


def _encode_in_pieces(original: Original, self: Synthesizer, content: Tensor, coarse: Any, *rest: Any) -> Any:
    if rest and rest[0]:  # a block of a stream
        return original(self, content, coarse, *rest)
    pieces = [
        original(
            self, content[:, first : first + 2 * SECOND], None if coarse is None else coarse[:, first:][:, : 2 * SECOND]
        )
        for first in range(0, content.shape[1], 2 * SECOND)
    ]
    return tuple(torch.cat(parts, dim=2) for parts in zip(*pieces, strict=True))


def _flow_in_pieces(original: Original, self: Synthesizer, z_p: Tensor, g: Tensor) -> Tensor:
    return torch.cat([original(self, piece, g) for piece in torch.split(z_p, 2 * SECOND, dim=2)], dim=2)


def _generate_in_pieces(
    original: Original, self: Generator, z: Tensor, g: Tensor, source: Tensor | None, *rest: Any
) -> Tensor:
    """Seconds are synthesized one by one, without the frames around them."""
    upp, frames = self.upp, z.shape[2]
    if rest and rest != (0, frames):
        whole: Tensor = original(self, z, g, source, *rest)
        return whole
    return torch.cat(
        [
            original(
                self,
                z[:, :, first : first + 2 * SECOND],
                g,
                None if source is None else source[:, :, first * upp : (first + 2 * SECOND) * upp],
            )
            for first in range(0, frames, 2 * SECOND)
        ]
    )


FAULTS = [
    Fault(
        "pieces-attention",
        "hubert.features",
        "attention reads the same second only",
        around(Layer, "attention", _attend_in_pieces),
        needs=(Need.OVER_TWO_SECONDS, Need.AUDIBLE),
    ),
    Fault(
        "pieces-group-norm",
        "hubert.features",
        "the group norm has the statistics of the first second",
        around(FrontEnd, "normalized_first", _normalize_first_piece),
        needs=(Need.OVER_TWO_SECONDS, Need.AUDIBLE),
    ),
    Fault(
        "pieces-encoder",
        "enc_p",
        "the text encoder reads one second at a time",
        around(Synthesizer, "encode", _encode_in_pieces),
        needs=(Need.OVER_TWO_SECONDS, Need.AUDIBLE),
    ),
    Fault(
        "pieces-flow",
        "flow",
        "the flow reads one second at a time",
        around(Synthesizer, "flow", _flow_in_pieces),
        needs=(Need.OVER_TWO_SECONDS, Need.AUDIBLE),
    ),
    Fault(
        "pieces-generator",
        "generator",
        "the generator reads one second at a time",
        around(Generator, "__call__", _generate_in_pieces),
        needs=(Need.OVER_TWO_SECONDS, Need.AUDIBLE),
    ),
]
