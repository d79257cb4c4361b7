"""Residual blocks: the fast form is the plain one, and is chosen where it pays."""

import pytest
import torch

from rvc.nn.conv import Weights
from rvc.nn.resblock import ResBlock1, levels_for
from rvc.nn.span import Span, cut


def block(width, channels=6):
    made = torch.Generator().manual_seed(width)
    tensors = {}
    for conv in (f"b.convs{n}.{l}" for n in (1, 2) for l in range(3)):
        tensors[f"{conv}.weight_v"] = torch.randn(channels, channels, width, generator=made)
        tensors[f"{conv}.weight_g"] = torch.ones(channels, 1, 1)
        tensors[f"{conv}.bias"] = torch.randn(channels, generator=made)
    return ResBlock1(Weights(tensors), "b", (1, 3, 5))


@pytest.mark.parametrize("width, levels", [(3, 1), (7, 1), (7, 2), (11, 2)])
@pytest.mark.parametrize("start, end", [(0, 300), (0, 90), (101, 203), (203, 300), (299, 300)])
def test_fast_is_plain(width, levels, start, end):
    whole, wanted = Span(0, 300, 300), Span(start, end, 300)
    made = block(width)
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(1))
    kept = x.clone()
    given = wanted.wider(made.reach)
    part = cut(x, whole, given)
    plain = made(part, torch.nn.functional.leaky_relu(part, 0.1), given, wanted)
    made.fast.levels = levels
    total = torch.ones(end - start, 6)
    made.fast.add_to(total, part, given, wanted)
    torch.testing.assert_close(total, plain + 1, rtol=1e-4, atol=1e-4)
    assert torch.equal(x, kept)


def test_pairing_where_it_pays():
    rule = {
        (channels, width): levels_for(channels, width) for channels in (16, 32, 64, 128, 256) for width in (3, 7, 11)
    }
    assert {key: level for key, level in rule.items() if level} == {
        (64, 11): 1, (128, 7): 1, (128, 11): 2, (256, 7): 2, (256, 11): 2,
    }  # fmt: skip
