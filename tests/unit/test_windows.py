"""A local network fed piece by piece hears what it hears at once."""

import pytest
import torch
from torch.nn import functional as F

from rvc.nn.streaming.windows import Pairs, Queue, Window


@pytest.mark.parametrize("pieces", [[30], [10, 20], [5, 5, 5, 15], [29, 1]])
def test_pieces_join_without_a_seam(pieces):
    x = torch.randn(1, 2, 30, 4, generator=torch.Generator().manual_seed(0))
    kernel = torch.randn(3, 2, 5, 3, generator=torch.Generator().manual_seed(1))

    def network(rows):
        return F.conv2d(rows, kernel, padding=(2, 1))

    window = Window(network, 2)
    parts = x.split(pieces, 2)
    heard = [window(part, part is parts[-1]) for part in parts]
    assert torch.allclose(torch.cat(heard, 2), network(x), atol=1e-5)


def test_what_doubles_rows_is_cut_at_twice_the_reach():
    x = torch.randn(1, 2, 12, 4, generator=torch.Generator().manual_seed(0))
    kernel = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(1))

    def network(rows):
        return F.conv_transpose2d(rows, kernel, stride=2, padding=1, output_padding=1)

    window = Window(network, 1, scale=2)
    heard = torch.cat((window(x[:, :, :7], False), window(x[:, :, 7:], True)), 2)
    assert torch.allclose(heard, network(x), atol=1e-5)


def test_rows_wait_for_their_counterpart():
    queue, rows = Queue(), torch.arange(10.0).view(1, 1, 10, 1)
    queue.put(rows[:, :, :4])
    queue.put(rows[:, :, 4:])
    assert [queue.take(n).flatten().tolist() for n in (3, 5, 2)] == [[0, 1, 2], [3, 4, 5, 6, 7], [8, 9]]


def test_an_odd_row_waits_for_the_next_piece():
    pairs, rows = Pairs(), torch.arange(8.0).view(1, 1, 8, 1)
    assert [pairs(part).flatten().tolist() for part in rows.split([3, 2, 3], 2)] == [[0, 1], [2, 3], [4, 5, 6, 7]]
