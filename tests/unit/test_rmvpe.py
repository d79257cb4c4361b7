"""RMVPE against its formulas, in one piece and in many, and its decoding."""

import numpy as np
import plain_networks as plain
import pytest
import torch

from rvc.errors import BadCheckpoint, BadInput
from rvc.f0 import mel
from rvc.f0.methods import rmvpe as method
from rvc.f0.network_files import F0Weights
from rvc.f0.salience import CENTS, decode
from rvc.nn import rmvpe
from rvc.nn.rmvpe import Rmvpe
from rvc.weights.policy import RESIDENT, STREAMED, StreamedPart


def mels(frames):
    walk = torch.randn(frames, 128, generator=torch.Generator().manual_seed(1)).cumsum(0)
    return (walk * 0.05 - 6).clamp(-11.5, 3)


def whole(net, mel):
    """All stretches in the order of time."""
    return torch.cat([found for _, found in sorted(net.salience(mel), key=lambda part: part[0])])


@pytest.mark.parametrize("frames", [1, 31, 32, 33, 100])
def test_rmvpe_is_its_formulas(frames):
    weights = plain.rmvpe_weights()
    ours = whole(Rmvpe(weights), mels(frames))
    assert ours.shape == (frames, 360)
    assert plain.gap(ours, plain.rmvpe_salience(weights, mels(frames))) < 2e-6


def test_pieces_change_nothing(monkeypatch):
    """5000 frames at once against pieces of 1600, with the GRU's gates in pieces too."""
    net = Rmvpe(plain.rmvpe_weights())
    monkeypatch.setattr(rmvpe, "PIECE", 8192)
    once = whole(net, mels(5000))
    monkeypatch.setattr(rmvpe, "PIECE", 1600)
    monkeypatch.setattr(rmvpe, "GRU_PIECE", 700)
    monkeypatch.setattr(rmvpe, "SLICE", 160)
    assert plain.gap(whole(net, mels(5000)), once) < 2e-6


def test_a_streamed_network_has_the_same_bits_and_holds_no_deep_layer():
    resident, streamed = (Rmvpe(plain.rmvpe_weights(), policy) for policy in (RESIDENT, STREAMED))
    assert torch.equal(whole(streamed, mels(100)), whole(resident, mels(100)))
    deep = [*streamed.middle, *streamed.down[2:], *(up.blocks for up in streamed.up[:3])]
    assert all(isinstance(part, StreamedPart) for layer in deep for part in layer)
    assert not any(isinstance(part, StreamedPart) for layer in resident.middle for part in layer)


def test_both_directions_at_once_hear_what_one_after_the_other_hears(monkeypatch):
    monkeypatch.setattr(rmvpe, "GRU_PIECE", 64)
    net, features = Rmvpe(plain.rmvpe_weights()), torch.rand(320, 384)
    before = torch.get_num_threads()
    try:
        heard = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            heard.append(torch.cat([rows for _, rows in sorted(net.heard(features))]))
    finally:
        torch.set_num_threads(before)
    backward = torch.cat([rows for _, rows in sorted(net.gru["_reverse"].run(features, reverse=True))])
    assert torch.equal(*heard)
    assert torch.equal(heard[0][:, backward.shape[1] :], backward)


def test_the_recurrence_is_the_same_as_script_and_as_python():
    given = [
        torch.randn(*size, generator=torch.Generator().manual_seed(i))
        for i, size in enumerate([(20, 8), (20, 4), (8, 4), (4, 4), (4,), (4,)])
    ]
    script = rmvpe.without_lock(rmvpe.steps)(*(x.clone() for x in given))
    assert torch.equal(script, rmvpe.steps(*(x.clone() for x in given)))


def test_a_file_of_rmvpe_has_741_tensors_of_90_million_numbers():
    shapes = rmvpe.expected_shapes()
    assert len(shapes) == 741
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 90_472_917


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("fc.1.bias"), r"lacks 1 of 741 tensors: fc\.1\.bias"),
        (lambda w: w.update(x=torch.zeros(1)), "1 unexpected tensors: x"),
        (lambda w: w.update({"fc.1.bias": torch.zeros(3)}), r"fc\.1\.bias \(3,\) instead of \(360,\)"),
        (lambda w: w.update({"fc.1.bias": torch.zeros(360).long()}), "not floating-point"),
    ],
)
def test_any_other_file_is_refused(change, said):
    weights = plain.rmvpe_weights()
    change(weights)
    with pytest.raises(BadCheckpoint, match=said):
        Rmvpe(weights)


def test_weights_are_asked_for():
    with pytest.raises(BadInput, match=r"--rmvpe rmvpe\.pt"):
        F0Weights().network("rmvpe")


def test_a_given_file_is_opened_once(tmp_path):
    halves = {k: v.half() if v.is_floating_point() else v for k, v in plain.rmvpe_weights().items()}
    torch.save(halves, tmp_path / "r.pt")
    weights = F0Weights({"rmvpe": tmp_path / "r.pt"})
    assert weights.network("rmvpe") is weights.network("rmvpe")
    assert len(method.track(np.zeros(1600), weights.network("rmvpe"))) == 11


def test_filters_have_the_area_of_slaneys_normalisation():
    bank = mel.filterbank(30.0, 8000.0, "htk")
    assert bank.shape == (128, 513)
    assert bank.dtype == torch.float32
    area = bank[60:].double().sum(1) * 8000 / 512  # narrow ones fall between bins
    assert torch.allclose(area, torch.ones(68, dtype=torch.float64), atol=0.02)


def test_mel_is_taken_in_pieces_without_a_seam(monkeypatch):
    x = torch.randn(1024 + 160 * 50, generator=torch.Generator().manual_seed(2))
    whole = mel.log_mel(x, mel.filterbank(30.0, 8000.0, "htk"))
    monkeypatch.setattr(mel, "PIECE", 7)
    assert torch.allclose(mel.log_mel(x, mel.filterbank(30.0, 8000.0, "htk")), whole, atol=2e-5)


@pytest.mark.parametrize("count", [513, 1599, 1600, 16000])
def test_a_frame_every_160_samples_and_one_more(count):
    assert method.track(np.zeros(count), Rmvpe(plain.rmvpe_weights())).shape == (count // 160 + 1,)


def test_a_sound_too_short_to_reflect_is_refused():
    with pytest.raises(BadInput, match="more than 512 samples"):
        method.mel(np.zeros(512))


def test_decoding_averages_nine_bins_and_cuts_the_quiet():
    salience = np.full((4, 360), 0.001, np.float32)
    salience[0, 100:103] = (0.4, 0.9, 0.4)
    salience[1, 0] = 0.9  # at the edge the window goes on in silence
    salience[2, 200] = np.float32(0.03)  # not above the threshold
    salience[3, 50], salience[3, 60] = 0.5, 0.49  # beyond the window, so unheard
    hz = decode(salience, 0.03)
    assert hz.dtype == np.float64
    weights = salience[0, 97:106].astype(np.float64)
    assert hz[0] == pytest.approx(10 * 2 ** ((weights * CENTS[97:106]).sum() / weights.sum() / 1200), rel=1e-6)
    assert hz[1] == pytest.approx(10 * 2 ** (CENTS[0] / 1200), rel=1e-3)
    assert hz[2] == 0
    assert hz[3] == pytest.approx(10 * 2 ** (CENTS[50] / 1200), rel=1e-3)
