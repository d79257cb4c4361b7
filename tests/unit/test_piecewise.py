"""A local network run piece by piece equals one run over the entire signal."""

import pytest
import torch
from torch.nn import functional as F

from rvc.nn.streaming.piecewise import EvenFrames, FrameQueue, PiecewiseFunction


@pytest.mark.parametrize("pieces", [[30], [10, 20], [5, 5, 5, 15], [29, 1]])
def test_pieces_join_without_a_seam(pieces):
    x = torch.randn(1, 2, 30, 4, generator=torch.Generator().manual_seed(0))
    kernel = torch.randn(3, 2, 5, 3, generator=torch.Generator().manual_seed(1))

    def network(frames):
        return F.conv2d(frames, kernel, padding=(2, 1))

    piecewise = PiecewiseFunction(network, 2)
    parts = x.split(pieces, 2)
    results = [piecewise(part, part is parts[-1]) for part in parts]
    assert torch.allclose(torch.cat(results, 2), network(x), atol=1e-5)


def test_results_at_twice_the_rate_are_cut_at_twice_the_reach():
    x = torch.randn(1, 2, 12, 4, generator=torch.Generator().manual_seed(0))
    kernel = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(1))

    def network(frames):
        return F.conv_transpose2d(frames, kernel, stride=2, padding=1, output_padding=1)

    piecewise = PiecewiseFunction(network, 1, scale=2)
    results = torch.cat((piecewise(x[:, :, :7], False), piecewise(x[:, :, 7:], True)), 2)
    assert torch.allclose(results, network(x), atol=1e-5)


def test_queued_frames_can_be_taken_in_any_numbers():
    queue, frames = FrameQueue(), torch.arange(10.0).view(1, 1, 10, 1)
    queue.put(frames[:, :, :4])
    queue.put(frames[:, :, 4:])
    assert [queue.take(n).flatten().tolist() for n in (3, 5, 2)] == [[0, 1, 2], [3, 4, 5, 6, 7], [8, 9]]


def test_an_odd_frame_waits_for_the_next_piece():
    even, frames = EvenFrames(), torch.arange(8.0).view(1, 1, 8, 1)
    assert [even(part).flatten().tolist() for part in frames.split([3, 2, 3], 2)] == [[0, 1], [2, 3], [4, 5, 6, 7]]
