"""The generator in pieces equals the network run over the entire segment, and pieces are independent."""

import pytest
import small_voice as sv
import torch

from rvc.errors import BadInput
from rvc.nn import generator as module
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config


def build(kind="40k", resblock="1", f0=1):
    cfg = sv.config(kind, resblock)
    tensors = sv.weights(layout(read_config(cfg, "v2", f0)))
    return cfg, tensors, Synthesizer(cfg, "v2", f0, tensors)


def inputs(net, frames, seed=1):
    made = torch.Generator().manual_seed(seed)
    z = torch.randn(1, net.sizes.inter, frames, generator=made)
    return z, net.speaker(1), torch.randn(1, 1, frames * net.upp, generator=made) if net.sizes.f0 else None


@pytest.mark.parametrize("f0", [1, 0])
@pytest.mark.parametrize("resblock", ["1", "2"])
@pytest.mark.parametrize("kind", sv.KINDS)
@pytest.mark.parametrize("frames", [1, 65])
def test_pieces_equal_the_network_run_over_the_entire_segment(monkeypatch, kind, resblock, f0, frames):
    monkeypatch.setattr(module, "PIECE", 30)
    cfg, tensors, net = build(kind, resblock, f0)
    z, g, source = inputs(net, frames)
    result = net.generate(z, g, source)
    assert result.dtype == torch.float32
    assert sv.gap(result, sv.generate(tensors, cfg, z, g, source)) < 2e-6


@pytest.mark.parametrize("levels", [{7: 1, 11: 2}, {3: 1, 7: 2, 11: 1}])
@pytest.mark.parametrize("kind, f0", [("40k", 1), ("48k-v2", 0), ("32k-v1", 1)])
def test_fast_blocks_equal_the_network_run_over_the_entire_segment(monkeypatch, kind, f0, levels):
    monkeypatch.setattr(module, "PIECE", 30)
    monkeypatch.setattr(module, "FAST_FRAMES", 0)
    monkeypatch.setattr("rvc.nn.kernels.amx.available", lambda: False)  # AMX does not use fast blocks
    monkeypatch.setattr(
        "rvc.nn.kernels.backends.filtering.pairing_levels", lambda channels, width: levels.get(width, 0)
    )
    cfg, tensors, net = build(kind, "1", f0)
    for frames in (1, 3, 101):
        z, g, source = inputs(net, frames)
        result = net.generate(z, g, source)
        assert sv.gap(result, sv.generate(tensors, cfg, z, g, source)) < 2e-6
    assert all(block.fast._made for stage in net.generator.stages for block in stage.blocks if block.fast.levels)
    assert torch.equal(net.generate(z, g, source, 47, 85), result[47 * net.upp : 85 * net.upp])


@pytest.mark.parametrize("kind", sv.KINDS)
@pytest.mark.parametrize("long", [0, 999])
def test_the_size_of_pieces_does_not_matter(monkeypatch, kind, long):
    monkeypatch.setattr(module, "FAST_FRAMES", long)
    _, _, net = build(kind)
    z, g, source = inputs(net, 97)
    everything = net.generate(z, g, source)
    for piece in (3, 31, 96):
        monkeypatch.setattr(module, "PIECE", piece)
        assert sv.gap(net.generate(z, g, source), everything) < 2e-6


def test_any_range_of_frames_has_the_same_bits():
    _, _, net = build()
    z, g, source = inputs(net, 350)
    everything = net.generate(z, g, source)
    for first, last in [(0, 350), (50, 330), (100, 200), (199, 201), (349, 350), (30, 30)]:
        part = net.generate(z, g, source, first, last)
        assert torch.equal(part, everything[first * net.upp : last * net.upp]), (first, last)


def test_distant_frames_do_not_affect_a_piece():
    _, _, net = build()
    z, g, source = inputs(net, 300)
    before = net.generate(z, g, source, 100, 200)
    z, source = z.clone(), source.clone()
    z[:, :, :80] += 1
    z[:, :, 220:] -= 1
    source[:, :, : 80 * net.upp] = 0
    assert torch.equal(net.generate(z, g, source, 100, 200), before)


def test_inputs_are_left_as_they_are():
    _, _, net = build()
    arguments = inputs(net, 40)
    kept = [x.clone() for x in arguments]
    net.generate(*arguments)
    assert all(torch.equal(a, b) for a, b in zip(arguments, kept, strict=True))


def test_a_delayed_latent_gives_a_delayed_waveform():
    _, _, net = build(f0=0)
    z, g, _ = inputs(net, 60)
    late = torch.cat([z[:, :, :1], z[:, :, :-1]], 2)
    result, moved = net.generate(z, g, None), net.generate(late, g, None)
    inner = slice(25 * net.upp, 35 * net.upp)
    assert sv.gap(moved[net.upp :][inner], result[inner]) < 2e-6


@pytest.mark.parametrize("precision, decibels", [("bfloat16", 30), ("int8", 25)])
def test_other_precisions_add_noise_far_below_the_voice(precision, decibels):
    cfg, tensors, net = build()
    z, g, source = inputs(net, 130)
    exact = net.generate(z, g, source)
    other = Synthesizer(cfg, "v2", 1, tensors).to_precision(precision)
    rounded = other.generate(z, g, source)
    assert rounded.dtype == torch.float32
    assert 1e-6 < sv.gap(rounded, exact) < 10 ** (-decibels / 20)
    assert torch.equal(other.generate(z, g, source, 90, 110), rounded[90 * net.upp : 110 * net.upp])
    with pytest.raises(BadInput, match="precision 'float8' is unknown; known are float32, bfloat16, float16, int8"):
        net.to_precision("float8")


def test_without_fused_operations_the_result_is_the_same(monkeypatch):
    cfg, tensors, net = build()
    z, g, source = inputs(net, 40)
    fused = net.generate(z, g, source)
    monkeypatch.setattr("rvc.nn.kernels.onednn.has_fused_convolutions", lambda: False)
    monkeypatch.setattr("rvc.nn.kernels.amx.available", lambda: False)
    plain = Synthesizer(cfg, "v2", 1, tensors)
    assert plain.generator.conv_pre.backend.name == "torch"
    assert sv.gap(plain.generate(z, g, source), fused) < 2e-6


def test_short_segments_use_no_fast_blocks(monkeypatch):
    monkeypatch.setattr("rvc.nn.kernels.amx.available", lambda: False)
    monkeypatch.setattr("rvc.nn.kernels.backends.filtering.pairing_levels", lambda channels, width: 1)
    monkeypatch.setattr(module, "FAST_FRAMES", 40)
    _, _, net = build()
    made = [block.fast for stage in net.generator.stages for block in stage.blocks]
    net.generate(*inputs(net, 39))
    assert not any(fast._made for fast in made)
    net.generate(*inputs(net, 40))
    assert all(fast._made for fast in made)
