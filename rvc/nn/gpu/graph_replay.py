"""Replay of recorded kernels: a function of tensors is captured once as a CUDA graph, and replayed for further inputs.

A live block runs some thousand small kernels, whose launches from Python take longer than the kernels. The recorder is
an argument, so that everything but the capture itself runs on a CPU too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import torch
from torch import Tensor

from rvc.nn.gpu import branches

WARM_UPS = 3  # runs before a capture, in which libraries choose kernels and allocate their workspaces
_one_at_a_time = Lock()
HELD = 8  # recordings that are kept; each holds the memory of one block


class Recorder(Protocol):
    """Records the kernels of a function."""

    def __call__(self, run: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, Callable[[], None]]:
        """Run a function and record what it computes.

        Args:
            run: computes a tensor of inputs that stay at the same addresses.
            device: where `run` computes.
        Returns:
            The result, and a function that computes it again, into the same memory, from the inputs' present values.
        """


def cuda_graph(run: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, Callable[[], None]]:
    """A `Recorder` that captures the function as a CUDA graph."""
    with _one_at_a_time, torch.cuda.device(device):  # a capture waits for the device, which would break another one
        return _captured(run)


def _captured(run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    # cuDNN's own measurement of its kernels (benchmark) made no block faster, and took up to 5 s.
    with branches.recording():
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads may load another voice meanwhile, which the default mode would not admit.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            result = run()
    return result, graph.replay


@dataclass(frozen=True)
class Recording:
    """One recorded call: the memory of its inputs and its result, and the replay.

    The function is held as well: its networks' weights are read by every replay, and while it lives no other network
    can have the `id` that the key contains.
    """

    function: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]
    result: Tensor
    replay: Callable[[], None]


class Replayed:
    """A function of tensors whose kernels are recorded once for each set of shapes and constants."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.recordings: dict[Hashable, Recording] = {}

    def __call__(self, function: Callable[..., Tensor], key: Hashable, *inputs: Tensor, **constants: Any) -> Tensor:
        """The result of `function(*inputs, **constants)`.

        Args:
            function: reads nothing from the device and changes no input.
            key: names the function and the networks that it uses.
            inputs: tensors on the device.
            constants: hashable values, which belong to the recording.
        Returns:
            A new tensor.
        """
        shapes = tuple((tuple(x.shape), x.dtype) for x in inputs)
        name = (key, shapes, tuple(sorted(constants.items())))
        recording = self.recordings.pop(name, None)
        if recording is None:
            held = tuple(x.clone() for x in inputs)
            made = self.recorder(lambda: function(*held, **constants), held[0].device)
            recording = Recording(function, held, *made)
            for old in list(self.recordings)[: 1 - HELD]:
                del self.recordings[old]
        else:
            for held_input, x in zip(recording.inputs, inputs, strict=True):
                held_input.copy_(x)
        self.recordings[name] = recording
        recording.replay()
        return recording.result.clone()
