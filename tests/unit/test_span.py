"""Stretches of a layer: computed alone they are what the whole layer has there."""

import pytest
import torch

from rvc.nn.conv import Conv
from rvc.nn.span import Span, add_reaching, cut, reaching


def test_wider_stops_at_the_true_ends():
    assert Span(5, 9, 12).wider(2) == Span(3, 11, 12)
    assert Span(5, 9, 12).wider(7) == Span(0, 12, 12)


@pytest.mark.parametrize("start, end", [(0, 40), (0, 9), (31, 40), (12, 20), (2, 39)])
def test_a_stretch_is_the_whole_there(start, end):
    made = torch.Generator().manual_seed(0)
    conv = Conv(torch.randn(4, 6, 5, generator=made), torch.randn(4, generator=made), 3)
    x = torch.randn(40, 6, generator=made)
    wanted = Span(start, end, 40)
    given = wanted.wider(conv.reach)
    ours = reaching(conv, cut(x, Span(0, 40, 40), given), given, wanted)
    torch.testing.assert_close(ours, conv.same(x)[start:end])
    other = torch.ones(end - start, 4)
    torch.testing.assert_close(add_reaching(other, conv, cut(x, Span(0, 40, 40), given), given, wanted), ours + 1)
