"""Residual blocks: the fast form equals the plain one, and is chosen where it is faster."""

import pytest
import torch

from rvc.nn.kernels import onednn
from rvc.nn.kernels.backends import selection
from rvc.nn.kernels.backends.filtering import pairing_levels
from rvc.nn.kernels.conv import Weights
from rvc.nn.residual_blocks import ResBlock1
from rvc.nn.streaming.ranges import FrameRange, slice_padded


def block(width, channels=6):
    made = torch.Generator().manual_seed(width)
    tensors = {}
    for conv in (f"b.convs{n}.{l}" for n in (1, 2) for l in range(3)):
        tensors[f"{conv}.weight_v"] = torch.randn(channels, channels, width, generator=made)
        tensors[f"{conv}.weight_g"] = torch.ones(channels, 1, 1)
        tensors[f"{conv}.bias"] = torch.randn(channels, generator=made)
    return ResBlock1(Weights(tensors), "b", (1, 3, 5))


@pytest.mark.skipif(not onednn.has_fused_convolutions(), reason="this torch has no oneDNN")
@pytest.mark.parametrize("width, levels", [(7, 1), (7, 2), (11, 1), (11, 2)])
@pytest.mark.parametrize("start, end", [(0, 300), (0, 88), (101, 201), (200, 300), (-7, 9), (292, 304)])
def test_the_fast_form_equals_the_plain_one(width, levels, start, end):
    outputs = FrameRange(start, end, 300)
    with selection.pinned(f"fast-{levels}"):
        made = block(width)
    assert made.fast.levels == levels
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(1))
    inputs = outputs.widened(made.reach)
    part = slice_padded(x, inputs)
    kept = part.clone()
    plain = made(part, inputs, outputs)
    assert torch.equal(part, kept)
    inputs = made.fast.input_range(outputs)
    part = slice_padded(x, inputs)
    kept = part.clone()
    total = torch.ones(end - start, 6)
    made.fast.add_to(total, part, inputs, outputs)
    torch.testing.assert_close(total, plain + 1, rtol=1e-4, atol=1e-4)
    assert torch.equal(part, kept)


def test_the_fast_form_is_chosen_for_many_channels_and_wide_kernels():
    rule = {
        (channels, width): pairing_levels(channels, width)
        for channels in (16, 32, 64, 128, 256)
        for width in (3, 7, 11)
    }
    assert {key: level for key, level in rule.items() if level} == {
        (64, 11): 1,
        (128, 7): 1,
        (128, 11): 2,
        (256, 7): 1,
        (256, 11): 2,
    }
