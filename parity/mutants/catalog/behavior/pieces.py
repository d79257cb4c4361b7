"""Faults of long inputs that are computed in pieces: a stage that needs the whole input reads one piece alone."""

import torch
from torch import Tensor

from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, around
from rvc.nn.hubert import Layer

SECOND = 50  # content frames of 20 ms


def _attend_in_pieces(original: Original, layer: Layer, frames: Tensor) -> Tensor:
    return torch.cat([original(layer, piece) for piece in torch.split(frames, SECOND)])


FAULTS = [
    Fault(
        "pieces-attention",
        "hubert.features",
        "attention reads the same second only",
        around(Layer, "attention", _attend_in_pieces),
        needs=(Need.OVER_TWO_SECONDS, Need.AUDIBLE),
    ),
]
