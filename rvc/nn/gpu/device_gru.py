"""RMVPE's recurrent layer on a GPU, where steps as single operations would take longer than everything else.

cuDNN runs a direction in one call, but refuses more than 65,535 steps, at which the originals stop (655 s of audio).
Long signals are divided, and each part begins with the state that the part before it ended with.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from threading import Lock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rvc.nn.gpu.branches import side_by_side
from rvc.nn.gpu.graph_replay import Recorder, Replayed

STEPS = 32768  # steps per call
RECORDED_STEPS = 512  # steps of a recording; from twice as many on, replays are faster than calls


class DeviceGru:
    """Both directions of the layer: frames (F, in) → states (F, 2·hidden).

    cuDNN launches several kernels for each step, which takes longer than they run. With a recorder, the steps of a long
    signal are launched as recordings, in which the two directions run side by side.
    """

    def __init__(self, weights: Mapping[str, Tensor], recorder: Recorder | None = None) -> None:
        """Read `fc.0.gru.*` in float32, to the device of the tensors; without a recorder nothing is recorded."""
        self.directions = [one_direction(weights, suffix) for suffix in ("", "_reverse")]
        self.replayed = None if recorder is None else Replayed(recorder)
        self.lock = Lock()  # threads may share the network, and a recording has one memory for its inputs

    def __call__(self, frames: Tensor) -> Tensor:
        """Run both directions: float32 (frames, in) → (frames, 2 · hidden). Nothing is copied to main memory."""
        if self.replayed is not None and len(frames) >= 2 * RECORDED_STEPS:
            with self.lock:
                return self.run_recorded(frames, self.replayed)
        inputs = (frames, frames.flip(0))
        tasks = [partial(run, layer, part) for layer, part in zip(self.directions, inputs, strict=True)]
        forwards, backwards = side_by_side(tasks)
        return torch.cat((forwards, backwards.flip(0)), 1)

    def run_recorded(self, frames: Tensor, replayed: Replayed) -> Tensor:
        """Run both directions in recordings of RECORDED_STEPS; shapes as in `__call__`."""
        count = len(frames)
        padding = (0, 0, 0, -count % RECORDED_STEPS)  # the steps after the last frame are dropped
        inputs = [torch.split(F.pad(part, padding), RECORDED_STEPS) for part in (frames, frames.flip(0))]
        hidden = self.directions[0].hidden_size
        states = frames.new_zeros(2, 1, hidden)
        parts = []
        for forwards, backwards in zip(*inputs, strict=True):
            parts.append(replayed(self.both_directions, "gru", forwards, backwards, states))
            states = parts[-1][-1].view(2, 1, hidden)
        whole = torch.cat(parts)[:count]
        return torch.cat((whole[:, :hidden], whole[:, hidden:].flip(0)), 1)

    def both_directions(self, forwards: Tensor, backwards: Tensor, states: Tensor) -> Tensor:
        """Run each direction over its next frames.

        Args:
            forwards, backwards: float32 (n, in), in the order of each direction.
            states: float32 (2, 1, hidden), the states before them.
        Returns:
            float32 (n, 2 · hidden), every state, in the order of each direction.
        """
        inputs = zip(self.directions, (forwards, backwards), states, strict=True)
        tasks = [partial(layer, part, state.contiguous()) for layer, part, state in inputs]
        return torch.cat([results for results, _ in side_by_side(tasks)], 1)


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
