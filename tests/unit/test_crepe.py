"""CREPE's network against its formulas, spectra and cut filters included."""

import pytest
import torch
from torch.nn import functional as F

from rvc.errors import BadCheckpoint
from rvc.nn.crepe import BATCH, Crepe, expected_shapes

CHANNELS = (8, 6, 5, 4, 6, 7)


def weights(seed=0):
    made = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in expected_shapes(CHANNELS).items():
        x = torch.randn(shape, generator=made)
        if len(shape) > 1:
            x *= (2 / x[0].numel()) ** 0.5
        elif "running_var" in name:
            x = 0.5 + x.abs()
        elif "BN.weight" in name:
            x = 1 + 0.3 * x  # some below zero, so that normalizing and pooling cannot trade places
        tensors[name] = x
    return tensors


def plain(w, windows):
    w = {name: value.double() for name, value in w.items()}
    x = windows.double()[:, None, :, None]
    for i in range(1, 7):
        x = F.pad(x, (0, 0, 254, 254) if i == 1 else (0, 0, 31, 32))
        x = F.relu(F.conv2d(x, w[f"conv{i}.weight"], w[f"conv{i}.bias"], stride=(4 if i == 1 else 1, 1)))
        norm = [w[f"conv{i}_BN.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = F.max_pool2d(F.batch_norm(x, *norm, eps=0.0010000000474974513), (2, 1))
    x = x.permute(0, 2, 1, 3).reshape(len(windows), -1)
    return torch.sigmoid(F.linear(x, w["classifier.weight"], w["classifier.bias"]))


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 3])
def test_crepe_is_its_formulas(count):
    windows = torch.randn(count, 1024, generator=torch.Generator().manual_seed(count))
    before = windows.clone()
    ours = Crepe(weights()).salience(windows)
    assert ours.shape == (count, 360)
    torch.testing.assert_close(ours.double(), plain(weights(), windows), rtol=0, atol=2e-6)
    assert torch.equal(windows, before)


def test_shapes_that_do_not_fit_are_listed():
    tensors = weights()
    tensors["conv3.weight"] = torch.zeros(5, 6, 63, 1)
    with pytest.raises(BadCheckpoint, match=r"conv3\.weight \(5, 6, 63, 1\) instead of \(5, 6, 64, 1\)"):
        Crepe(tensors)
    del tensors["conv3.weight"]
    with pytest.raises(BadCheckpoint, match=r"lacks 1 tensors: conv3\.weight"):
        Crepe(tensors)
