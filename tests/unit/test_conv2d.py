"""Packed 2-D convolutions equal those of torch, for images of any size."""

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from rvc.nn.kernels.conv2d import Conv2d, DoublingConv2d

SHAPES = [(1, 16, 1, 4), (1, 16, 2, 8), (1, 16, 5, 7), (1, 16, 40, 64)]


def made(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [1, 3])
def test_it_equals_the_convolution_of_torch(shape, width):
    weight, bias, image = made(24, 16, width, width), made(24), made(*shape)
    expected = F.conv2d(image, weight, bias, padding=width // 2)
    for layout in (torch.contiguous_format, torch.channels_last):
        result = Conv2d(weight, bias, (width // 2, width // 2))(image.contiguous(memory_format=layout))
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)
    relu = Conv2d(weight, bias, (width // 2, width // 2))(image, relu=True)
    torch.testing.assert_close(relu, expected.relu(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_doubling_equals_the_transposed_convolution_of_torch(shape):
    weight, bias, image = made(16, 24, 3, 3), made(24), made(*shape)
    expected = F.conv_transpose2d(image, weight, bias, stride=2, padding=1, output_padding=1).relu()
    torch.testing.assert_close(DoublingConv2d(weight, bias)(image), expected, rtol=1e-5, atol=1e-5)


def test_the_input_is_left_as_it_is():
    image = made(1, 16, 5, 7)
    before = image.clone()
    Conv2d(made(24, 16, 3, 3), made(24), (1, 1))(image, relu=True)
    assert torch.equal(image, before)


CALLS = """
import torch
from rvc.nn.kernels.conv2d import Conv2d
for channels, bands in ((256, 8), (512, 4)):  # RMVPE has 128 bands and 16 channels, and halves and doubles them
    convolve = Conv2d(torch.zeros(channels, channels, 3, 3), torch.zeros(channels), (1, 1))
    for frames in (32, 64, 128, 512):
        image = torch.zeros(1, channels, frames * bands // 128, bands)
        convolve(image)
        print(f"called with {channels} {frames}", flush=True)
        convolve(image.contiguous(memory_format=torch.channels_last))
        print("done", flush=True)
"""


def test_the_weights_of_rmvpes_deep_levels_are_not_rearranged_at_every_call():
    """By oneDNN's log. Rearranging a weight of 512 channels takes some 100 ms, and the convolution 3 ms."""
    environment = os.environ | {"ONEDNN_VERBOSE": "1"}
    done = subprocess.run([sys.executable, "-c", CALLS], env=environment, text=True, capture_output=True, check=True)
    for channels in (256, 512):
        for frames in (32, 64, 128, 512):
            again = done.stdout.split(f"called with {channels} {frames}\n")[1].split("done\n")[0]
            weight = f"{channels}x{channels}x3x3"
            assert not [line for line in again.splitlines() if "reorder" in line and weight in line]
