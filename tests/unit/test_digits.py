"""Convolutions in digits of eight bits: how near they come, to loud rows and to quiet ones, and their silence."""

import plain_networks as plain
import pytest
import torch
from torch.nn import functional as F

from rvc.nn import digits
from rvc.nn.dense import windows
from rvc.nn.hubert import FrontEnd, Hubert, IntegerFrontEnd

needs_tiles = pytest.mark.skipif(not digits.available(), reason="no tiles for integers here")


def convolve(rows, weight, width=3, stride=2):
    """The product's GELU in digits and in float64."""
    truth = F.gelu(windows(rows.double(), width, stride) @ weight.double().t())
    return digits.Digits(weight)(rows.clone(), width, stride), truth


def error(made, truth):
    """The largest relative RMS error of a row."""
    return float(((made - truth).norm(dim=1) / truth.norm(dim=1)).max())


@pytest.mark.parametrize("loudest", [1e-6, 1.0, 3e4])
def test_digits_sum_to_the_number(loudest):
    x = torch.randn(50, 64, generator=torch.Generator().manual_seed(0))
    x = torch.cat([x / x.abs().max(), torch.tensor([[1.0, -1.0] * 32])]) * loudest
    step, (high, middle, low) = digits.split(x.clone())
    whole = 65536 * high.long() + 256 * middle.long() + low.long()
    assert (x.double() - whole * step).abs().max() < 0.8 * step
    assert step == pytest.approx(loudest / digits.SIGNAL)


@needs_tiles
def test_a_product_leaves_80_db():
    made = torch.Generator().manual_seed(1)
    rows, weight = torch.randn(71, 64, generator=made), torch.randn(32, 192, generator=made)
    made, truth = (x.flatten()[None] for x in convolve(rows, weight))
    assert error(made, truth) < 1e-4


@needs_tiles
def test_a_breath_beside_a_shout_keeps_its_digits():
    made = torch.Generator().manual_seed(2)
    rows, weight = torch.randn(64, 64, generator=made), torch.randn(32, 128, generator=made)
    rows[20:40] *= 1e-2
    assert error(*convolve(rows, weight, 2)) < 1e-3


@needs_tiles
def test_a_small_channel_keeps_its_digits():
    made = torch.Generator().manual_seed(3)
    rows, weight = torch.randn(40, 64, generator=made), torch.randn(32, 128, generator=made)
    weight[5] *= 1e-4
    made, truth = convolve(rows, weight, 2)
    assert error(made[:, 5:6].t(), truth[:, 5:6].t()) < 2e-4


@needs_tiles
def test_silence_stays_silent():
    made, _ = convolve(torch.zeros(11, 64), torch.randn(32, 192))
    assert torch.equal(made, torch.zeros(5, 32))


def networks(monkeypatch, there, dtype):
    monkeypatch.setattr(digits, "available", lambda: there)
    return Hubert(plain.SMALL, plain.hubert_weights(), dtype=dtype)


@needs_tiles
def test_hubert_hears_through_digits_what_it_hears_in_float32(monkeypatch):
    sound = torch.randn(16000, generator=torch.Generator().manual_seed(4)) * 0.1
    exact, fast = (networks(monkeypatch, True, dtype).front for dtype in (torch.float32, torch.bfloat16))
    assert (type(exact), type(fast)) == (FrontEnd, IntegerFrontEnd)
    assert 0 < error(fast(sound), exact(sound)) < 1e-3


def test_without_tiles_the_front_end_is_float32s(monkeypatch):
    sound = torch.randn(9000, generator=torch.Generator().manual_seed(5)) * 0.1
    exact, slow = (networks(monkeypatch, False, dtype).front for dtype in (torch.float32, torch.bfloat16))
    assert torch.equal(slow(sound), exact(sound))


@needs_tiles
def test_threads_change_no_bit(monkeypatch):
    sound = torch.randn(40000, generator=torch.Generator().manual_seed(6)) * 0.1
    front, threads = networks(monkeypatch, True, torch.bfloat16).front, torch.get_num_threads()
    heard = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        heard.append(front(sound))
    torch.set_num_threads(threads)
    assert torch.equal(heard[0], heard[1]) and torch.equal(heard[0], heard[2])
