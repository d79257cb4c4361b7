"""Faults of the speaker embedding."""

from collections.abc import Callable

import torch

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Patch, after, around
from rvc.nn.synthesizer import Synthesizer


def _change_embedding(change: Callable[[torch.Tensor], torch.Tensor]) -> Patch:
    return after(Synthesizer, "speaker", change)


FAULTS = [
    Fault(
        "speaker-fixed-14",
        "spk.g",
        "14 bits of fixed point",
        _change_embedding(reduced_precision.fixed(14)),
        causes=("fixed point",),
    ),
    Fault(
        "speaker-fixed-12",
        "spk.g",
        "12 bits of fixed point",
        _change_embedding(reduced_precision.fixed(12)),
        causes=("fixed point",),
    ),
    Fault(
        "speaker-text",
        "spk.g",
        "four decimals",
        _change_embedding(reduced_precision.text(4)),
        causes=("rounded decimals",),
    ),
    Fault(
        "speaker-0",
        "spk.g",
        "always the first speaker",
        around(Synthesizer, "speaker", lambda f, self, sid=0: f(self, 0)),
        needs=(Need.SPEAKER_ABOVE_0,),
        causes=("another speaker",),
    ),
    Fault(
        "speaker-next",
        "spk.g",
        "speakers are counted from 1",
        around(Synthesizer, "speaker", lambda f, self, sid=0: f(self, sid + 1)),
        needs=(Need.SPEAKER_0,),
        causes=("another speaker",),
    ),
]
