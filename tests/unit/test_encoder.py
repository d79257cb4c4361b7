"""The text encoder against the reference's way of evaluating relative attention."""

import pytest
import small_voice as sv
import torch

from rvc.errors import BadInput
from rvc.nn import encoder as module
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config


def build(version="v2", f0=1):
    cfg = sv.config()
    tensors = sv.weights(layout(read_config(cfg, version, f0)))
    return cfg, tensors, Synthesizer(cfg, version, f0, tensors)


def inputs(net, frames, seed=1):
    made = torch.Generator().manual_seed(seed)
    content = torch.randn(1, frames, net.sizes.content, generator=made)
    return content, torch.randint(0, 256, (1, frames), generator=made) if net.sizes.f0 else None


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("f0", [1, 0])
@pytest.mark.parametrize("frames", [1, 2, 9, 10, 11, 12, 33, 75])
def test_the_number_of_queries_at_a_time_does_not_matter(monkeypatch, version, f0, frames):
    monkeypatch.setattr(module, "QUERIES", 16)
    cfg, tensors, net = build(version, f0)
    content, coarse = inputs(net, frames)
    for ours, plain in zip(net.encode(content, coarse), sv.encode(tensors, cfg, content, coarse), strict=True):
        assert sv.gap(ours, plain) < 5e-6


def test_keep_from_returns_the_last_frames_of_the_complete_result():
    _, _, net = build()
    content, coarse = inputs(net, 40)
    for kept, whole in zip(net.encode(content, coarse, 17), net.encode(content, coarse), strict=True):
        assert kept.shape == (1, 8, 23)
        assert sv.gap(kept, whole[:, :, 17:]) < 1e-6


def test_memory_does_not_grow_with_the_square_of_length(monkeypatch):
    widest = []
    softmax = torch.softmax

    def watched(x, dim):
        widest.append(x.numel())
        return softmax(x, dim=dim)

    monkeypatch.setattr(torch, "softmax", watched)
    _, _, net = build()
    net.encode(*inputs(net, 2000))
    assert max(widest) <= net.sizes.heads * module.QUERIES * 2000


def test_content_of_the_other_version_is_refused():
    _, _, net = build("v2")
    with pytest.raises(BadInput, match="content features have 256 channels, but this v2 voice reads 768"):
        net.encode(torch.zeros(1, 5, 256), torch.ones(1, 5, dtype=torch.int64))


def test_pitch_out_of_range_is_refused():
    _, _, net = build()
    content, coarse = inputs(net, 5)
    with pytest.raises(BadInput, match="from 256 to 256, expected 0 to 255"):
        net.encode(content, torch.full_like(coarse, 256))
    with pytest.raises(BadInput, match=r"expected \(1, 5\) like the content"):
        net.encode(content, coarse[:, :4])
    with pytest.raises(BadInput, match="pitch-guided, but there is no coarse pitch"):
        net.encode(content, None)
