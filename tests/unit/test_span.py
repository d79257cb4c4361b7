"""Stretches of a layer: computed alone they are what the whole layer has there."""

import pytest
import torch

from rvc.nn.kernels.conv import Conv
from rvc.nn.streaming.ranges import Span, add_reaching, added_reaching, cut, reaching, silenced, taken


def test_a_stretch_may_stick_out():
    assert Span(5, 9, 12).wider(7) == Span(-2, 16, 12)
    assert Span(-4, 8, 12).aligned(4) == Span(-4, 8, 12)
    assert Span(-5, 9, 12).aligned(4) == Span(-8, 12, 12)
    assert len(Span(-2, 16, 12)) == 18


@pytest.mark.parametrize("start, end", [(-3, 2), (-5, -1), (2, 5), (4, 9), (7, 12), (-4, 12)])
def test_beyond_the_ends_is_silence(start, end):
    whole, wanted = torch.arange(1.0, 6.0), Span(start, end, 5)
    expected = torch.tensor([whole[row] if 0 <= row < 5 else 0 for row in range(start, end)])
    assert torch.equal(taken(whole, wanted), expected)
    assert torch.equal(taken(whole[:, None].expand(-1, 3), wanted), expected[:, None].expand(-1, 3))
    rows = torch.ones(end - start, 2)
    assert torch.equal(silenced(rows, wanted)[:, 0], (expected > 0).float())


@pytest.mark.parametrize("start, end", [(0, 40), (0, 9), (31, 40), (12, 20), (2, 39), (-4, 6), (38, 45)])
def test_a_stretch_is_the_whole_there(start, end):
    made = torch.Generator().manual_seed(0)
    conv = Conv(torch.randn(4, 6, 5, generator=made), torch.randn(4, generator=made), 3)
    x = torch.randn(40, 6, generator=made)
    wanted = Span(start, end, 40)
    given = wanted.wider(conv.reach)
    part = taken(x, given)
    ours = reaching(conv, part, given, wanted)
    torch.testing.assert_close(ours, taken(conv.same(x), wanted))
    ones = taken(torch.ones(40, 4), wanted)
    torch.testing.assert_close(added_reaching(ones, conv, part, given, wanted), ours + ones)
    assert torch.equal(ones, taken(torch.ones(40, 4), wanted))
    torch.testing.assert_close(add_reaching(ones.clone(), conv, part, given, wanted), ours + ones)
    assert cut(part, given, wanted).data_ptr() == part[conv.reach :].data_ptr()
