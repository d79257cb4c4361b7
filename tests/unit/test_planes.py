"""Small pictures take another way through oneDNN; the numbers are torch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from rvc.nn.planes import SMALL, Plane, Rise


@pytest.mark.parametrize("shape", [(1, 16, 1, 4), (1, 16, 2, 8), (1, 16, 5, 7), (1, 16, 40, 64)])
@pytest.mark.parametrize("width", [1, 3])
def test_a_plane_is_torchs_convolution(shape, width):
    generator = torch.Generator().manual_seed(1)
    weight, bias = torch.randn(24, 16, width, width, generator=generator), torch.randn(24, generator=generator)
    image = torch.randn(shape, generator=generator)
    assert (image.numel() > SMALL) == (shape[2] == 40)
    plane = Plane(weight, bias)
    expected = F.conv2d(image, weight, bias, padding=width // 2)
    for _ in range(2):  # packed, then from what was packed
        torch.testing.assert_close(plane(image), expected, rtol=1e-5, atol=1e-5)


def test_a_plane_repacks_for_another_size():
    weight, bias = torch.randn(8, 8, 3, 3), torch.randn(8)
    plane = Plane(weight, bias)
    for rows in (1, 3, 1, 2):
        image = torch.randn(1, 8, rows, 6)
        torch.testing.assert_close(plane(image), F.conv2d(image, weight, bias, padding=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 32, 1, 4), (1, 32, 8, 16), (1, 32, 33, 40)])
def test_a_rise_is_torchs_transposed_convolution(shape):
    weight, bias, image = torch.randn(32, 16, 3, 3), torch.randn(16), torch.randn(shape)
    expected = F.conv_transpose2d(image, weight, bias, stride=2, padding=1, output_padding=1)
    torch.testing.assert_close(Rise(weight, bias)(image), expected, rtol=1e-5, atol=1e-5)
