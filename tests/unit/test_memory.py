"""Memory of streamed networks: weights are read, used and released, so that the peaks of the stages do not add up."""

from math import prod
from pathlib import Path

import pytest
import small_voice as sv
import torch
from safetensors.torch import save_file

from rvc.nn import rmvpe
from rvc.nn.hubert import Hubert
from rvc.nn.hubert_config import HubertConfig, expected_shapes
from rvc.nn.kernels import amx
from rvc.nn.rmvpe import Rmvpe
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config
from rvc.weights.mapped_file import read_safetensors
from rvc.weights.memory import library_code, release_library_code, trim_heap
from rvc.weights.policy import RESIDENT, STREAMED

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MB = 1 << 20
WIDE = HubertConfig(width=256, heads=4, inner=8192, layers=6, conv_width=32, position_kernel=16)

pytestmark = pytest.mark.skipif(not RESET.exists(), reason="the peak can be read, and begun anew, on Linux alone")


def memory(field):
    """Bytes that this process holds (VmRSS) or held at most (VmHWM)."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024


def peak(run):
    """How far `run` takes the process above where it was."""
    trim_heap()
    RESET.write_text("5")
    before = memory("VmRSS")
    run()
    return memory("VmHWM") - before


def write(path, shapes):
    """Random weights of these shapes in a file; returns its bytes."""
    made = torch.Generator().manual_seed(0)
    save_file({name: torch.rand(shape, generator=made) / prod(shape[1:]) for name, shape in shapes.items()}, path)
    return path.stat().st_size


def run_hubert(path, policy):
    with torch.no_grad():
        Hubert(WIDE, read_safetensors(path), policy=policy)(torch.ones(1, 8000))


def run_rmvpe(path, policy):
    list(Rmvpe(read_safetensors(path), policy).salience(torch.zeros(64, 128)))


@pytest.mark.parametrize(
    ("run", "shapes"),
    [
        (run_hubert, expected_shapes(WIDE)),
        (run_rmvpe, rmvpe.expected_shapes(base=8, hidden=64, into=384)),
    ],
    ids=["hubert", "rmvpe"],
)
def test_a_streamed_network_takes_a_part_of_its_file(monkeypatch, run, shapes, tmp_path):
    monkeypatch.setattr(
        rmvpe, "release_library_code", lambda: None
    )  # the code that comes back is no part of the network
    size = write(tmp_path / "w.safetensors", shapes)
    assert size > 80 * MB
    run(tmp_path / "w.safetensors", STREAMED)  # what is allocated once for good
    part = (
        0.5 if run is run_hubert and amx.available() else 0.4
    )  # a layer is a sixth of it, and half as much again there
    assert peak(lambda: run(tmp_path / "w.safetensors", STREAMED)) < part * size
    assert peak(lambda: run(tmp_path / "w.safetensors", RESIDENT)) > 0.9 * size


def voice(path, inter=8, hidden=16, inner=24, initial=32):
    """A voice of these widths in a file; returns its config and the bytes of its numbers as float32."""
    config = sv.config(initial=initial, hidden=hidden)
    config[2], config[4] = inter, inner
    shapes = layout(read_config(config, "v2", True))
    write(path, shapes)
    return config, 4 * sum(map(prod, shapes.values()))


def build(config, path, precision="float32", policy=RESIDENT):
    return Synthesizer(config, "v2", 1, read_safetensors(path), precision=precision, policy=policy)


def prepare(config, path, policy):
    """A synthesizer whose encoder and flow have been run."""
    net = build(config, path, policy=policy)
    m, _ = net.encode(torch.ones(1, 200, 768), torch.ones(1, 200, dtype=torch.int64))
    net.flow(m, net.speaker(0))
    return net


def held(make):
    """What the object that `make` returns takes for as long as it lives."""
    trim_heap()
    before = memory("VmRSS")
    made = make()  # noqa: F841 - alive while memory is read
    trim_heap()
    return memory("VmRSS") - before


def test_a_streamed_synthesizer_releases_encoder_and_flow_before_the_generator_is_built(tmp_path):
    config, size = voice(tmp_path / "v", inter=128, hidden=384, inner=3072)
    assert size > 120 * MB
    prepare(config, tmp_path / "v", STREAMED)  # what is allocated once for good
    assert held(lambda: prepare(config, tmp_path / "v", STREAMED)) < 0.1 * size
    assert held(lambda: prepare(config, tmp_path / "v", RESIDENT)) > 0.9 * size


# In bfloat16 the residual blocks, four fifths of a generator, are half as large; the layers between them are not. On
# AMX a float32 number is stored as three bfloat16 terms of two bytes each, 1.5 times its size.
@pytest.mark.parametrize(("precision", "part"), [("float32", 1.1), ("bfloat16", 0.7), ("int8", 0.5)])
def test_weights_are_held_in_the_precision_that_was_asked_for(precision, part, tmp_path):
    if amx.available():
        part += {"float32": 1.0, "bfloat16": 0.2, "int8": 0.2}[precision] * 0.5
    config, size = voice(tmp_path / "v", initial=512)
    assert size > 50 * MB
    build(config, tmp_path / "v", precision)
    assert held(lambda: build(config, tmp_path / "v", precision)) < part * size


def test_code_that_is_let_go_counts_no_more_and_still_runs():
    here = torch.randn(64, 64)
    expected = here @ here
    assert library_code() and sum(size for _, size in library_code()) > 50 * MB
    before = memory("RssFile")
    release_library_code()
    assert memory("RssFile") < before - 10 * MB
    assert torch.equal(here @ here, expected)
