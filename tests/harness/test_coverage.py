"""The table of coverage: the state of each cell, and a failure for each value and pair that no golden covers."""

from pathlib import Path

import pytest

from parity.calibration import coverage
from parity.calibration.coverage import NO_METHOD, Cell
from parity.cli import main as command_line

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"


def test_the_committed_goldens_cover_every_value_and_every_pair(capsys):
    assert command_line.main(["coverage"]) == 0
    out = capsys.readouterr().out
    cells, have = coverage.existing(), coverage.covered(GOLDENS)
    assert out.count("left out") - 1 == len(cells) - len(have.keys() & set(cells))
    assert "NO GOLDEN" not in out


@pytest.mark.parametrize(
    "lost", [Cell("v1-32k-f0", "fcpe", "webui-2026"), Cell("v2-48k-nof0", NO_METHOD, "rvc-python")]
)
def test_a_lost_golden_is_reported(lost, monkeypatch, capsys):
    have = coverage.covered(GOLDENS)
    del have[lost]
    monkeypatch.setattr(coverage, "covered", lambda _: have)
    assert command_line.main(["coverage"]) == 1
    out = capsys.readouterr().out
    assert f"not covered: {lost.sides()[0][0]} with {lost.sides()[0][1]}" in out or (
        f"not covered: {lost.kind} with {lost.profile}" in out
    )
    assert "NO GOLDEN" in out


def test_a_lost_value_is_named(monkeypatch, capsys):
    have = {cell: names for cell, names in coverage.covered(GOLDENS).items() if cell.method != "fcpe"}
    monkeypatch.setattr(coverage, "covered", lambda _: have)
    assert command_line.main(["coverage"]) == 1
    assert "not covered: fcpe\n" in capsys.readouterr().out


def test_every_cell_has_one_state():
    have = coverage.covered(GOLDENS)
    for method in ("dio", "harvest", "crepe-tiny"):
        assert coverage.state(Cell("v2-40k-f0", method, "webui-2026"), have) == "no original"
    assert coverage.state(Cell("v2-40k-nof0", "pm", "webui-2026"), have) == "·"
    assert coverage.state(Cell("v2-48k-f0", "pm", "webui-2026"), have) == "left out"
