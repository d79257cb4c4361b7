"""tools/made_files.py: marked sections, and files that repeat a source."""

from pathlib import Path

import pytest

from parity.errors import ParityError
from tools import made_files


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    text = "head\n<!-- made by program: begin -->\n\nold\n\\1\n<!-- made by program: end -->\ntail\n"
    made = made_files.between(text, "new \\1", "program", Path("a.md"))
    assert made == "head\n<!-- made by program: begin -->\n\nnew \\1\n<!-- made by program: end -->\ntail\n"
    assert made_files.between(made, "new \\1", "program", Path("a.md")) == made


def test_a_file_without_markers_is_refused() -> None:
    with pytest.raises(ParityError) as error:
        made_files.between("head", "new", "program", Path("a.md"))
    assert str(error.value) == (
        "a.md lacks the lines '<!-- made by program: begin -->' and '<!-- made by program: end -->'; "
        "put them where program writes"
    )


def test_a_file_that_does_not_repeat_its_source_is_named_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(made_files, "ROOT", tmp_path)
    files = {Path("a.md"): "text\n"}
    assert made_files.settle(files, "x.toml", "tools.x", write=False) == 1
    assert capsys.readouterr().err == "a.md does not repeat x.toml; run python -m tools.x --write\n"
    assert made_files.settle(files, "x.toml", "tools.x", write=True) == 0
    assert capsys.readouterr().out == "a.md\n" and (tmp_path / "a.md").read_text() == "text\n"
    assert made_files.settle(files, "x.toml", "tools.x", write=False) == 0
