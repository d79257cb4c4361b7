"""What a lean network promises: its weights are read, used and let go, so that the stages' peaks do not add up."""

from math import prod
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rvc.mapped import read_safetensors
from rvc.memory import give_back
from rvc.nn import hubert, rmvpe
from rvc.nn.hubert import Hubert, HubertConfig
from rvc.nn.rmvpe import Rmvpe

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
    give_back()
    RESET.write_text("5")
    before = memory("VmRSS")
    run()
    return memory("VmHWM") - before


def write(path, shapes):
    """Random weights of these shapes in a file; returns its bytes."""
    made = torch.Generator().manual_seed(0)
    save_file({name: torch.rand(shape, generator=made) / prod(shape[1:]) for name, shape in shapes.items()}, path)
    return path.stat().st_size


def hear(path, lean):
    with torch.no_grad():
        Hubert(WIDE, read_safetensors(path), lean=lean)(torch.ones(1, 8000))


def track(path, lean):
    list(Rmvpe(read_safetensors(path), lean).salience(torch.zeros(64, 128)))


@pytest.mark.parametrize(
    ("run", "shapes"),
    [(hear, hubert.expected_shapes(WIDE)), (track, rmvpe.expected_shapes(base=8, hidden=64, into=384))],
    ids=["hubert", "rmvpe"],
)
def test_a_lean_network_takes_a_part_of_its_file(run, shapes, tmp_path):
    size = write(tmp_path / "w.safetensors", shapes)
    assert size > 80 * MB
    run(tmp_path / "w.safetensors", True)  # what is allocated once for good
    assert peak(lambda: run(tmp_path / "w.safetensors", True)) < 0.4 * size
    assert peak(lambda: run(tmp_path / "w.safetensors", False)) > 0.9 * size
