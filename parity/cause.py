"""The likeliest reason for an error, where a small family explains it; "unknown" otherwise."""

from collections.abc import Mapping
from typing import Any

from parity import stages
from parity.candidate import Tensors
from parity.store import Case


def suggest(
    case: Case, stage: stages.Stage, prefix: str, made: Tensors, mode: str, whole: Tensors
) -> Mapping[str, Any]:
    """name, sentence, explains (share of the error's energy) and, where it is registered, the divergence."""
    return {"name": "unknown", "sentence": "no simple change explains this error", "explains": 0.0}
