"""RMVPE in a stream on a GPU, where its kernels are launched as one recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock

import torch
from torch import Tensor

from rvc.nn.gpu.graph_replay import Replayed
from rvc.nn.rmvpe import Rmvpe


class RecordedRmvpe:
    """In place of the network, for sounds of few lengths: each length is recorded when it is first met."""

    def __init__(self, network: Rmvpe, replayed: Replayed) -> None:
        self.network, self.replayed = network, replayed
        self.device = network.device
        self.lock = Lock()  # streams may share the network, and a recording has one memory for its inputs

    @torch.inference_mode()
    def salience(self, samples: Tensor, spectrogram: Callable[[Tensor], Tensor]) -> Iterator[tuple[int, Tensor]]:
        """The salience of each F0 bin in each frame, as one piece.

        Args:
            samples: float32 (L,) on the device.
            spectrogram: computes the log-mel spectrogram, float32 (F, 128), of such samples; it is recorded as well.
        Yields:
            0 and the salience, float32 (F, 360) in 0 … 1, as `Rmvpe.salience` of the same spectrogram.
        """

        def run(samples: Tensor) -> Tensor:
            pieces = sorted(self.network.salience(spectrogram(samples)), key=lambda piece: piece[0])
            return torch.cat([part for _, part in pieces])

        with self.lock:
            result = self.replayed(run, id(self.network), samples)
        yield 0, result
