"""The inverse flow equals its formulas, and its receptive field."""

import small_voice as sv
import torch

from rvc.nn.flow import REACH
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config


def build():
    cfg = sv.config()
    tensors = sv.weights(layout(read_config(cfg, "v2", 1)))
    return cfg, tensors, Synthesizer(cfg, "v2", 1, tensors)


def test_flow_is_its_formulas():
    cfg, tensors, net = build()
    for frames in (1, 3, 50):
        z = torch.randn(1, 8, frames, generator=torch.Generator().manual_seed(frames))
        ours = net.flow(z, net.speaker(2))
        assert sv.gap(ours, sv.flow(tensors, cfg, z, net.speaker(2))) < 2e-6


def test_the_receptive_field_is_twenty_four_frames_on_each_side():
    _, _, net = build()
    z, g = torch.randn(1, 8, 120, generator=torch.Generator().manual_seed(1)), net.speaker(0)
    marked = z.clone()
    marked[:, :, 60] = float("nan")  # a loud value fades below the last bit on its way
    moved = net.flow(marked, g).isnan().any(1)[0].nonzero()[:, 0]
    assert REACH == 24
    assert (moved.min(), moved.max()) == (60 - REACH, 60 + REACH)


def test_twenty_four_frames_of_context_give_the_uncut_flow():
    _, _, net = build()
    z, g = torch.randn(1, 8, 120, generator=torch.Generator().manual_seed(1)), net.speaker(0)
    assert sv.gap(net.flow(z[:, :, 40:], g)[:, :, REACH:], net.flow(z, g)[:, :, 40 + REACH :]) < 1e-6


def test_each_speaker_is_another():
    _, _, net = build()
    z = torch.randn(1, 8, 20, generator=torch.Generator().manual_seed(1))
    assert sv.gap(net.flow(z, net.speaker(0)), net.flow(z, net.speaker(1))) > 1e-2


def test_prior_multiplies_in_the_references_order():
    _, _, net = build()
    made = torch.Generator().manual_seed(3)
    m, logs, noise = (torch.randn(1, 8, 30, generator=made) for _ in range(3))
    kept = [x.clone() for x in (m, logs, noise)]
    assert torch.equal(net.prior(m, logs, noise), m + torch.exp(logs) * noise * 0.66666)
    assert all(torch.equal(a, b) for a, b in zip((m, logs, noise), kept, strict=True))
