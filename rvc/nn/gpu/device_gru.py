"""RMVPE's recurrent layer on a GPU, where steps as single operations would take longer than everything else.

cuDNN runs a direction in one call, but refuses more than 65,535 steps, at which the originals stop (655 s of audio).
Long signals are divided, and each part begins with the state that the part before it ended with.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

STEPS = 32768  # steps per call


class DeviceGru:
    """Both directions of the layer: frames (F, in) → states (F, 2·hidden)."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Read `fc.0.gru.*` in float32, to the device of the tensors."""
        self.directions = [one_direction(weights, suffix) for suffix in ("", "_reverse")]

    def __call__(self, frames: Tensor) -> Tensor:
        """Run both directions: float32 (frames, in) → (frames, 2 · hidden). Nothing is copied to main memory."""
        forwards, backwards = self.directions
        return torch.cat((run(forwards, frames), run(backwards, frames.flip(0)).flip(0)), 1)


def one_direction(weights: Mapping[str, Tensor], suffix: str) -> nn.GRU:
    """One direction as torch's layer. Its weights are adjacent in memory, as cuDNN requires.

    Args:
        weights: the tensors of RMVPE, by name.
        suffix: "" for the forward direction, "_reverse" for the other.
    """
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    tensors = {f"{name}_l0": weights[f"fc.0.gru.{name}_l0{suffix}"].to(torch.float32) for name in names}
    hidden, into = tensors["weight_hh_l0"].shape[1], tensors["weight_ih_l0"].shape[1]
    layer = nn.GRU(into, hidden, device="meta").requires_grad_(False).eval()  # trained layers keep memory for gradients
    layer.load_state_dict(tensors, assign=True)
    layer.flatten_parameters()
    return layer


def run(layer: nn.GRU, frames: Tensor) -> Tensor:
    """Run one direction over frames (F, in), at most STEPS of them per call; returns every state, (F, hidden)."""
    states, state = [], None
    for part in torch.split(frames, STEPS):
        some, state = layer(part.contiguous(), state)
        states.append(some)
    return states[0] if len(states) == 1 else torch.cat(states)
