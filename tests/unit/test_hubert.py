"""HuBERT against its formulas, and the pieces it runs in."""

import plain_networks as plain
import pytest
import torch

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn import hubert as module
from rvc.nn.hubert import Hubert, HubertConfig, config_from_json


@pytest.fixture(scope="module")
def net():
    return Hubert(plain.SMALL, plain.hubert_weights())


def sound(count, seed=0):
    return torch.randn(1, count, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_hubert_is_its_formulas(net, layer):
    x = sound(5003)
    assert plain.gap(net(x, layer=layer), plain.hubert(plain.hubert_weights(), plain.SMALL, x, layer)) < 1e-6


def test_projection_follows_the_asked_layer(net):
    w = plain.hubert_weights()
    hidden = plain.hubert(w, plain.SMALL, sound(4000), 2)
    wanted = torch.nn.functional.linear(hidden, w["final_proj.weight"].double(), w["final_proj.bias"].double())
    assert plain.gap(net(sound(4000), layer=2, project=True), wanted) < 1e-6


@pytest.mark.parametrize("count", [400, 719, 720, 1000, 4321])
def test_frames_are_what_the_formula_says(net, count):
    assert net(sound(count)).shape == (1, (count - 400) // 320 + 1, 32)


def test_pieces_of_the_front_end_change_nothing(net, monkeypatch):
    whole = net(sound(9000))
    monkeypatch.setattr(module, "PIECE", 5)
    assert plain.gap(net(sound(9000)), whole) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_lean_network_hears_the_same_bits_and_holds_no_layer(dtype):
    kept, lean = (Hubert(plain.SMALL, plain.hubert_weights(), dtype=dtype, lean=lean) for lean in (False, True))
    assert torch.equal(lean(sound(5003), layer=2), kept(sound(5003), layer=2))
    assert torch.equal(lean(sound(5003)), kept(sound(5003)))
    assert (len(kept.layers), len(lean.layers)) == (plain.SMALL.layers, 0)


def test_weight_norm_is_folded_over_the_kernel_axis(monkeypatch):
    made = torch.Generator().manual_seed(3)
    g, v = torch.rand(1, 1, 5, generator=made), torch.randn(6, 4, 5, generator=made)
    monkeypatch.setattr(module, "FOLDED", 4)
    norm = v.double().square().sum((0, 1), keepdim=True).sqrt()
    assert torch.equal(module.fold_position(g, v)[:, :, 0], (v * (g / norm)).float())


def test_loudness_far_away_is_felt_by_the_first_norm(net):
    """The first layer normalises over the whole segment, pieces or not."""
    x = sound(9000)
    louder = x.clone()
    louder[:, -400:] *= 30
    assert plain.gap(net.front(louder[0])[:5], net.front(x[0])[:5]) > 0.1


def test_silence_is_finite(net):
    assert torch.isfinite(net(torch.zeros(1, 2000))).all()


def test_no_input_is_touched(net):
    x = sound(2000)
    before = x.clone()
    net(x)
    assert torch.equal(x, before)


def test_too_short_a_sound_is_refused_in_a_sentence(net):
    with pytest.raises(BadInput, match="has 399 samples at 16 kHz, but a content frame needs 400"):
        net(sound(399))


def test_v1_without_final_proj_is_refused():
    weights = {name: value for name, value in plain.hubert_weights().items() if not name.startswith("final")}
    with pytest.raises(BadCheckpoint, match="final_proj"):
        Hubert(plain.SMALL, weights)(sound(1000), project=True)


def test_sizes_come_from_the_json():
    assert config_from_json(plain.JSON) == plain.SMALL
    assert config_from_json({}) == HubertConfig()


@pytest.mark.parametrize("field", [{"do_stable_layer_norm": True}, {"feat_extract_norm": "layer"}, {"conv_bias": True}])
def test_another_architecture_is_refused(field):
    with pytest.raises(BadCheckpoint, match=next(iter(field))):
        config_from_json(field)
