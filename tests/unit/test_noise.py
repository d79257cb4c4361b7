"""Random numbers by name: generated from a seed, replayed from a tape, passed to a tap."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from rvc.errors import BadCheckpoint, BadInput
from rvc.noise import Seeded, Tape, TappedNoise


def test_draws_do_not_depend_on_their_order():
    one, two = Seeded(3), Seeded(3)
    first, second = one.draw("a", (2, 3)), one.draw("b", (4,))
    assert np.array_equal(two.draw("b", (4,)), second)
    assert np.array_equal(two.draw("a", (2, 3)), first)


def test_seeds_and_names_differ():
    draws = [Seeded(seed).draw(name, (8,)).tolist() for seed in (0, 1) for name in ("a", "b")]
    assert len({tuple(draw) for draw in draws}) == 4


def test_the_stream_is_pinned():
    assert Seeded(0).draw("seg0.noise.z", (3,)).tolist() == pytest.approx(PINNED, abs=1e-7)


def test_each_kind_has_its_distribution():
    normal, uniform, dither = (Seeded().draw("x", (20000,), kind) for kind in ("normal", "uniform", "dither"))
    assert {draw.dtype for draw in (normal, uniform, dither)} == {np.dtype(np.float32)}
    assert (abs(normal.mean()) < 0.03) and abs(normal.std() - 1) < 0.03
    assert uniform.min() >= 0 and uniform.max() < 1
    assert dither.min() >= -20 and dither.max() <= 20 and abs(dither.std() - 20 / np.sqrt(6)) < 0.2


def tape(tmp_path, **tensors):
    save_file(tensors, tmp_path / "tape.safetensors")
    return Tape.read(tmp_path / "tape.safetensors")


def test_a_trace_is_a_tape(tmp_path):
    values = np.ones((1, 2), np.float32)
    recorded = tape(tmp_path, **{"seg0.noise.z": values, "waveform.final": np.zeros(3, np.int16)})
    assert np.array_equal(recorded.draw("seg0.noise.z", (1, 2)), values)


def test_the_unused_phase_may_be_missing(tmp_path):
    other = {"seg1.noise.z": np.ones(2, np.float32)}
    assert tape(tmp_path, **other).draw("seg0.noise.phase", (1, 1), "uniform").tolist() == [[0]]


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        (
            {"seg1.noise.z": np.ones((1, 2), np.float32)},
            "holds no seg0.noise.z (float32 [1, 2]); was it made for another input?",
        ),
        (
            {"seg0.noise.z": np.ones((1, 3), np.float32)},
            "is float32 [1, 3], but this conversion draws float32 [1, 2]; ",
        ),
        ({"seg0.noise.z": np.ones((1, 2), np.int64)}, "is int64 [1, 2], but this conversion draws float32 [1, 2]; "),
        (
            {"seg0.noise.z": np.full((1, 2), np.nan, np.float32)},
            "has values that are not finite; record the tape again",
        ),
    ],
)
def test_a_tape_that_does_not_fit_is_refused(tmp_path, tensors, sentence):
    with pytest.raises(BadInput) as refused:
        tape(tmp_path, **tensors).draw("seg0.noise.z", (1, 2))
    assert sentence in str(refused.value)


def test_a_file_without_draws_is_no_tape(tmp_path):
    with pytest.raises(BadInput, match=r"holds no draws, whose names contain noise\.; --noise takes a trace or a tape"):
        tape(tmp_path, other=np.ones(2, np.float32))
    with pytest.raises(
        BadCheckpoint, match=r"^tape\.safetensors is an RMVPE model, expected a trace or a noise tape; "
    ):
        tape(tmp_path, **{"unet.encoder.bn.weight": np.ones(2, np.float32)})


def test_a_file_that_is_no_tape_is_refused(tmp_path):
    (tmp_path / "tape").write_bytes(b"no tape")
    with pytest.raises(BadInput, match="is no safetensors file"):
        Tape.read(tmp_path / "tape")
    with pytest.raises(BadInput, match="there is no noise tape"):
        Tape.read(tmp_path / "none")


def test_tapped_draws_are_the_same_draws():
    recorded = {}
    source = TappedNoise(Seeded(1), recorded.__setitem__)
    assert np.array_equal(source.draw("a", (3,)), Seeded(1).draw("a", (3,)))
    assert list(recorded) == ["a"]


PINNED = [-0.45047861337661743, 0.08578833937644958, 1.6183152198791504]
