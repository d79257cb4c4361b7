"""Both sine generations follow the ideal phase, and the noise has the amplitude that voicing defines."""

import math

import numpy as np
import pytest
import small_voice as sv
import torch

from rvc.errors import BadInput
from rvc.nn.source import sine_a, sine_b
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config


def glide(frames, seed=0):
    rng = np.random.default_rng(seed)
    hz = 220 * 2 ** np.cumsum(rng.normal(0, 0.02, frames))
    return torch.from_numpy(hz.astype(np.float32))


@pytest.mark.parametrize("rate, upp", [(32000, 320), (40000, 400), (48000, 480)])
@pytest.mark.parametrize("make, allowed", [(sine_a, 2e-6), (sine_b, 2e-5)])
def test_phase_is_the_running_sum_of_frequency(make, allowed, rate, upp):
    f0 = glide(300)
    ideal = 0.1 * np.sin(2 * np.pi * np.cumsum(np.repeat(f0.double().numpy() / rate, upp)))
    ours = make(f0, rate, upp)
    assert ours.dtype == torch.float32
    assert np.abs(ours.numpy() - ideal).max() < allowed


def test_generation_a_step_by_step():
    """The formulas of docs/spec/05 §5.5 in the reference's shapes."""
    f0, rate, upp = glide(50, 1), 40000, 400
    rad = (f0[None, :, None] / rate) % 1
    c = torch.cumsum(rad, 1) * upp
    c = torch.nn.functional.interpolate(c.transpose(2, 1), scale_factor=float(upp), mode="linear", align_corners=True)
    c = c.transpose(2, 1) % 1
    rad = torch.nn.functional.interpolate(rad.transpose(2, 1), scale_factor=float(upp), mode="nearest").transpose(2, 1)
    shift = torch.zeros_like(rad)
    shift[:, 1:] = ((c[:, 1:] - c[:, :-1]) < 0) * -1
    expected = torch.sin(torch.cumsum(rad + shift, dim=1) * 2 * math.pi) * 0.1
    assert torch.equal(sine_a(f0, rate, upp), expected[0, :, 0])


def test_generation_b_step_by_step():
    f0, rate, upp = glide(50, 1), 40000, 400
    r = f0[None, :, None] / rate * torch.arange(1, upp + 1)
    e = torch.fmod(r[:, :-1, -1:] + 0.5, 1.0) - 0.5
    acc = torch.fmod(e.cumsum(dim=1), 1.0)
    r = (r + torch.nn.functional.pad(acc, (0, 0, 1, 0))).reshape(1, -1, 1)
    assert torch.equal(sine_b(f0, rate, upp), (torch.sin(2 * math.pi * r) * 0.1)[0, :, 0])


def build(f0=1):
    cfg = sv.config()
    tensors = sv.weights(layout(read_config(cfg, "v2", f0)))
    return tensors, Synthesizer(cfg, "v2", f0, tensors)


@pytest.mark.parametrize("generation, make", [("A", sine_a), ("B", sine_b)])
def test_voiced_frames_sing_and_unvoiced_ones_hiss(generation, make):
    tensors, net = build()
    f0 = glide(30)
    f0[10:20] = 0
    noise = torch.randn(1, 30 * 400, 1, generator=torch.Generator().manual_seed(2))
    sine, source = net.source(f0[None], noise, generation)
    uv = (f0 > 0).float().repeat_interleave(400)[None, :, None]
    expected = make(f0, 40000, 400)[None, :, None] * uv + (uv * 0.003 + (1 - uv) * 0.1 / 3) * noise
    assert torch.equal(sine, expected)
    assert source.shape == (1, 1, 12000)
    weight, bias = tensors["dec.m_source.l_linear.weight"].item(), tensors["dec.m_source.l_linear.bias"].item()
    torch.testing.assert_close(source[0, 0], torch.tanh(sine[0, :, 0] * weight + bias), rtol=1e-6, atol=1e-7)


def test_the_phase_does_not_run_while_unvoiced():
    f0 = torch.full((30,), 200.0)
    f0[10:20] = 0
    ours = sine_a(f0, 40000, 400)
    assert np.ptp(ours[10 * 400 : 20 * 400].numpy()) < 1e-6


def test_noise_of_another_length_is_refused():
    _, net = build()
    with pytest.raises(BadInput, match=r"shape \(1, 4001, 1\), expected \(1, 4000, 1\) for 10 frames"):
        net.source(torch.full((1, 10), 100.0), torch.zeros(1, 4001, 1))


def test_a_voice_without_f0_has_no_source():
    _, net = build(f0=0)
    with pytest.raises(BadInput, match="not pitch-guided, so it has no source"):
        net.source(torch.zeros(1, 10), torch.zeros(1, 4000, 1))
