"""HuBERT compared with its formulas, and the pieces it runs in."""

import plain_networks as plain
import pytest
import torch

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn import hubert as module
from rvc.nn.hubert import Hubert
from rvc.nn.hubert_config import HubertConfig, config_from_json
from rvc.nn.kernels import amx
from rvc.nn.kernels.backends import selection
from rvc.nn.kernels.dense import Dense, Grouped
from rvc.nn.kernels.layout import unfold_frames
from rvc.weights.policy import RESIDENT, STREAMED

needs_amx = pytest.mark.skipif(not amx.available(), reason="no AMX here, or RVC_TILES=0")


@pytest.fixture(scope="module")
def net():
    return Hubert(plain.SMALL, plain.hubert_weights())


def sound(count, seed=0):
    return torch.randn(1, count, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_hubert_equals_its_formulas(net, layer):
    x = sound(5003)
    assert plain.gap(net(x, layer=layer), plain.hubert(plain.hubert_weights(), plain.SMALL, x, layer)) < 1e-6


def test_projection_follows_the_last_layer_that_runs(net):
    w = plain.hubert_weights()
    hidden = plain.hubert(w, plain.SMALL, sound(4000), 2)
    expected = torch.nn.functional.linear(hidden, w["final_proj.weight"].double(), w["final_proj.bias"].double())
    assert plain.gap(net(sound(4000), layer=2, project=True), expected) < 1e-6


@pytest.mark.parametrize("count", [400, 719, 720, 1000, 4321])
def test_the_number_of_frames_follows_the_formula(net, count):
    assert net(sound(count)).shape == (1, (count - 400) // 320 + 1, 32)


def test_the_size_of_pieces_does_not_matter(net, monkeypatch):
    features = net(sound(9000))
    monkeypatch.setattr(module, "PIECE", 5)
    assert plain.gap(net(sound(9000)), features) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_streamed_network_has_the_same_bits_and_holds_no_layer(dtype):
    resident, streamed = (
        Hubert(plain.SMALL, plain.hubert_weights(), dtype=dtype, policy=policy) for policy in (RESIDENT, STREAMED)
    )
    assert torch.equal(streamed(sound(5003), layer=2), resident(sound(5003), layer=2))
    assert torch.equal(streamed(sound(5003)), resident(sound(5003)))
    assert (len(resident.layers), len(streamed.layers)) == (plain.SMALL.layers, 0)


def test_weight_norm_is_folded_over_the_kernel_axis(monkeypatch):
    made = torch.Generator().manual_seed(3)
    g, v = torch.rand(1, 1, 5, generator=made), torch.randn(6, 4, 5, generator=made)
    monkeypatch.setattr(module, "FILTERS_PER_FOLD", 4)
    norm = v.double().square().sum((0, 1), keepdim=True).sqrt()
    assert torch.equal(module.fold_position(g, v)[:, :, 0], (v * (g / norm)).float())


@needs_amx
@pytest.mark.parametrize(("width", "stride", "gelu"), [(1, 1, False), (3, 2, True), (2, 2, False)])
def test_a_product_on_amx_equals_the_plain_one(width, stride, gelu):
    made = torch.Generator().manual_seed(2)
    frames, weight, bias = (torch.randn(size, generator=made) for size in ((45, 20), (36, width * 20), (36,)))
    expected = torch.nn.functional.linear(unfold_frames(frames, width, stride).double(), weight.double(), bias.double())
    expected = torch.nn.functional.gelu(expected) if gelu else expected
    result = Dense(weight, bias, width=width, stride=stride)(frames, gelu=gelu)
    assert plain.gap(result, expected) < 1e-6


@needs_amx
@pytest.mark.parametrize("kernel", [8, 7])
def test_a_grouped_convolution_on_amx_equals_that_of_torch(kernel):
    made = torch.Generator().manual_seed(4)
    frames, weight, bias = (torch.randn(size, generator=made) for size in ((21, 36), (36, 12, 1, kernel), (36,)))
    on_amx = Grouped(weight, 3)(frames, bias)
    with selection.pinned("torch"):
        through_torch = Grouped(weight, 3)(frames, bias)
    assert len(on_amx) == 21 + (kernel + 1) % 2
    assert plain.gap(on_amx, through_torch) < 1e-6


@needs_amx
@pytest.mark.parametrize(("count", "heads", "width"), [(49, 3, 16), (70, 2, 40), (1, 1, 64)])
def test_attention_on_amx_equals_that_of_torch(count, heads, width):
    three = torch.randn(count, 3, heads, width, generator=torch.Generator().manual_seed(5)) * 2
    q, k, v = three.unbind(1)
    expected = torch.nn.functional.scaled_dot_product_attention(*(x.double().transpose(0, 1) for x in (q, k, v)))
    assert plain.gap(amx.attend(q, k, v), expected.transpose(0, 1)) < 1e-6
    assert torch.equal(amx.attend(q * 1, k, v), amx.attend(q, k, v))  # for any distance between frames in memory


@needs_amx
def test_the_front_end_of_a_bfloat16_network_is_close_to_float32():
    exact, fast = (Hubert(plain.SMALL, plain.hubert_weights(), dtype=d).front for d in (torch.float32, torch.bfloat16))
    assert 0 < plain.gap(fast(sound(16000)[0]), exact(sound(16000)[0])) < 3e-5


def test_without_amx_the_front_end_computes_in_float32(monkeypatch):
    monkeypatch.setattr(amx, "available", lambda: False)
    exact, slow = (Hubert(plain.SMALL, plain.hubert_weights(), dtype=d).front for d in (torch.float32, torch.bfloat16))
    assert torch.equal(slow(sound(9000)[0]), exact(sound(9000)[0]))


@needs_amx
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_neither_threads_nor_pieces_change_a_bit(dtype, monkeypatch):
    net, threads, features = Hubert(plain.SMALL, plain.hubert_weights(), dtype=dtype), torch.get_num_threads(), []
    for count, piece in ((1, 72), (2, 72), (3, 5)):
        torch.set_num_threads(count)
        monkeypatch.setattr(module, "PIECE", piece)
        features.append(net(sound(40000)))
    torch.set_num_threads(threads)
    assert torch.equal(features[0], features[1]) and torch.equal(features[0], features[2])


def test_loud_samples_far_away_change_the_first_norm(net):
    """The first layer normalizes over the entire segment, in pieces or not."""
    x = sound(9000)
    louder = x.clone()
    louder[:, -400:] *= 30
    assert plain.gap(net.front(louder[0])[:5], net.front(x[0])[:5]) > 0.1


def test_the_features_of_silence_are_finite(net):
    assert torch.isfinite(net(torch.zeros(1, 2000))).all()


def test_the_input_is_left_as_it_is(net):
    x = sound(2000)
    before = x.clone()
    net(x)
    assert torch.equal(x, before)


def test_too_short_audio_is_refused(net):
    with pytest.raises(BadInput, match="has 399 samples at 16 kHz, but a content frame needs 400"):
        net(sound(399))


def test_v1_without_final_proj_is_refused():
    weights = {name: value for name, value in plain.hubert_weights().items() if not name.startswith("final")}
    with pytest.raises(BadCheckpoint, match="final_proj"):
        Hubert(plain.SMALL, weights)(sound(1000), project=True)


def test_sizes_come_from_the_json():
    assert config_from_json(plain.JSON) == plain.SMALL
    assert config_from_json({}) == HubertConfig()


@pytest.mark.parametrize(
    "field", [{"hidden_size": 16}, {"num_attention_heads": 0}, {"num_conv_pos_embedding_groups": 5}]
)
def test_a_width_that_its_parts_do_not_divide_is_refused(field):
    with pytest.raises(BadCheckpoint, match="does not divide hidden_size"):
        config_from_json(field)


@pytest.mark.parametrize("field", [{"do_stable_layer_norm": True}, {"feat_extract_norm": "layer"}, {"conv_bias": True}])
def test_another_architecture_is_refused(field):
    with pytest.raises(BadCheckpoint, match=next(iter(field))):
        config_from_json(field)
