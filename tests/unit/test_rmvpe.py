"""RMVPE compared with its formulas, in one piece and in many, and its decoding."""

from functools import partial

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
from rvc.scratch import ScratchArrays, frame_store
from rvc.weights.policy import RESIDENT, STREAMED, StreamedPart


def mels(frames):
    walk = torch.randn(frames, 128, generator=torch.Generator().manual_seed(1)).cumsum(0)
    return (walk * 0.05 - 6).clamp(-11.5, 3)


def salience(net, mel):
    """The salience of all pieces, in the order of time."""
    return torch.cat([piece for _, piece in sorted(net.salience(mel), key=lambda part: part[0])])


@pytest.mark.parametrize("frames", [1, 31, 32, 33, 100])
def test_rmvpe_equals_its_formulas(frames):
    weights = plain.rmvpe_weights()
    result = salience(Rmvpe(weights), mels(frames))
    assert result.shape == (frames, 360)
    assert plain.gap(result, plain.rmvpe_salience(weights, mels(frames))) < 2e-6


def test_the_size_of_pieces_does_not_matter(monkeypatch):
    """5000 frames in one piece, compared with pieces of 1600 and GRU pieces of 700."""
    net = Rmvpe(plain.rmvpe_weights())
    monkeypatch.setattr(rmvpe, "PIECE", 8192)
    once = salience(net, mels(5000))
    monkeypatch.setattr(rmvpe, "PIECE", 1600)
    monkeypatch.setattr(rmvpe, "GRU_PIECE", 700)
    monkeypatch.setattr(rmvpe, "SLICE", 160)
    assert plain.gap(salience(net, mels(5000)), once) < 2e-6


def test_frames_in_a_temporary_file_have_the_same_bits(monkeypatch):
    net, mel = Rmvpe(plain.rmvpe_weights()), mels(900)
    monkeypatch.setattr(rmvpe, "GRU_PIECE", 128)
    in_memory = salience(net, mel)
    monkeypatch.setattr(rmvpe, "frame_store", partial(frame_store, budget=0))
    monkeypatch.setattr(rmvpe, "ScratchArrays", partial(ScratchArrays, 0))
    assert torch.equal(salience(net, mel), in_memory)


def test_a_streamed_network_has_the_same_bits_and_holds_no_deep_layer():
    resident, streamed = (Rmvpe(plain.rmvpe_weights(), policy) for policy in (RESIDENT, STREAMED))
    assert torch.equal(salience(streamed, mels(100)), salience(resident, mels(100)))
    deep = [*streamed.middle, *streamed.down[2:], *(up.blocks for up in streamed.up[:3])]
    assert all(isinstance(part, StreamedPart) for layer in deep for part in layer)
    assert not any(isinstance(part, StreamedPart) for layer in resident.middle for part in layer)


def test_two_threads_compute_the_same_states_as_one(monkeypatch):
    monkeypatch.setattr(rmvpe, "GRU_PIECE", 64)
    net, features = Rmvpe(plain.rmvpe_weights()), torch.rand(320, 384)
    before = torch.get_num_threads()
    try:
        gru_states = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            gru_states.append(torch.cat([states for _, states in sorted(net.gru_states(features))]))
    finally:
        torch.set_num_threads(before)
    backward = torch.cat([states for _, states in sorted(net.gru["_reverse"].run(features, reverse=True))])
    assert torch.equal(*gru_states)
    assert torch.equal(gru_states[0][:, backward.shape[1] :], backward)


def test_the_recurrence_has_the_same_bits_as_script_and_in_python():
    arguments = [
        torch.randn(*size, generator=torch.Generator().manual_seed(i))
        for i, size in enumerate([(20, 8), (20, 4), (8, 4), (4, 4), (4,), (4,)])
    ]
    script = rmvpe.compiled(rmvpe.gru_steps)(*(x.clone() for x in arguments))
    assert torch.equal(script, rmvpe.gru_steps(*(x.clone() for x in arguments)))


def test_a_file_of_rmvpe_has_741_tensors_of_90_million_numbers():
    shapes = rmvpe.expected_shapes()
    assert len(shapes) == 741
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 90_472_917


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("fc.1.bias"), r"lacks 1 of 741 tensors: fc\.1\.bias"),
        (lambda w: w.update(x=torch.zeros(1)), "1 unexpected tensors: x"),
        (lambda w: w.update({"fc.1.bias": torch.zeros(3)}), r"fc\.1\.bias \(3,\) instead of \(360,\)"),
        (lambda w: w.update({"fc.1.bias": torch.zeros(360).long()}), "not floating-point"),
    ],
)
def test_any_other_file_is_refused(change, message):
    weights = plain.rmvpe_weights()
    change(weights)
    with pytest.raises(BadCheckpoint, match=message):
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


def test_filters_have_the_area_of_slaneys_normalization():
    bank = mel.filterbank(30.0, 8000.0, "htk")
    assert bank.shape == (128, 513)
    assert bank.dtype == torch.float32
    area = bank[60:].double().sum(1) * 8000 / 512  # narrow ones fall between bins
    assert torch.allclose(area, torch.ones(68, dtype=torch.float64), atol=0.02)


def test_mel_is_taken_in_pieces_without_a_seam(monkeypatch):
    x = torch.randn(1024 + 160 * 50, generator=torch.Generator().manual_seed(2))
    salience = mel.log_mel(x, mel.filterbank(30.0, 8000.0, "htk"))
    monkeypatch.setattr(mel, "PIECE", 7)
    assert torch.allclose(mel.log_mel(x, mel.filterbank(30.0, 8000.0, "htk")), salience, atol=2e-5)


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
    salience[3, 50], salience[3, 60] = 0.5, 0.49  # outside the window, so without effect
    hz = decode(salience, 0.03)
    assert hz.dtype == np.float64
    weights = salience[0, 97:106].astype(np.float64)
    assert hz[0] == pytest.approx(10 * 2 ** ((weights * CENTS[97:106]).sum() / weights.sum() / 1200), rel=1e-6)
    assert hz[1] == pytest.approx(10 * 2 ** (CENTS[0] / 1200), rel=1e-3)
    assert hz[2] == 0
    assert hz[3] == pytest.approx(10 * 2 ** (CENTS[50] / 1200), rel=1e-3)
