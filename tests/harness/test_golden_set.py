"""The set of goldens has a version, which the verdict states; another set stays usable, and a package can hold it."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from small_case import Player, golden, tensors

from parity import __main__ as command_line
from parity.cli import command
from parity.errors import GoldenError
from parity.goldens import golden_set, store
from parity.runs import manifest
from parity.runs import run as running

ROOT = Path(__file__).parents[2]


def make_set(folder: Path, version: str = "0.9.0") -> Path:
    """A set of one golden."""
    golden(folder / "cases")
    content = {"format": golden_set.FORMAT, "version": version, "specification": version.rpartition(".")[0]}
    (folder / golden_set.FILE_NAME).write_text(json.dumps(content))
    return folder


def test_the_committed_set_has_the_version_of_the_specification() -> None:
    committed = golden_set.read(ROOT / "goldens" / "cases")
    assert committed is not None
    overview = (ROOT / "docs" / "spec" / "00-overview.md").read_text(encoding="utf-8")
    stated = re.search(r"^Version (\d+\.\d+) of the specification\.", overview, re.MULTILINE)
    assert stated is not None and stated[1] == committed.specification
    assert committed.version.rpartition(".")[0] == committed.specification
    assert manifest.read().golden_set == committed.version


def test_a_verdict_states_the_version_of_its_goldens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_set(tmp_path / "old")
    document = running.run(Player(tensors()), root / "cases", tmp_path / "out")
    assert document["manifest"]["judged_by"]["golden_set"] == "0.9.0"
    command.print_verdict(document)
    assert "\ngoldens: set 0.9.0\n" in capsys.readouterr().out


def test_an_older_set_of_the_same_names_is_no_altered_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = make_set(tmp_path / "new", "1.0.0"), make_set(tmp_path / "old")
    monkeypatch.setattr(manifest, "FILE", tmp_path / "manifest.json")
    manifest.write(store.cases(new / "cases"))
    path = old / "cases" / "small" / "case.json"
    path.write_text(path.read_text().replace("a case small enough", "an older case small enough"))
    document = running.run(Player(tensors()), old / "cases", tmp_path / "out")
    assert (document["state"], document["manifest"]["altered"]) == ("pass", [])
    assert document["manifest"]["notes"] == [
        "these are the goldens of set 0.9.0; the manifest pins those of set 1.0.0, and no other"
    ]
    (old / golden_set.FILE_NAME).unlink()  # without its version it counts as the pinned set
    document = running.run(Player(tensors()), old / "cases", tmp_path / "out")
    assert document["manifest"]["altered"][0].startswith("the golden small is not the pinned one")


def test_the_option_takes_a_set_or_its_cases(tmp_path: Path) -> None:
    root = make_set(tmp_path / "old")
    assert golden_set.cases_folder(root) == golden_set.cases_folder(root / "cases") == root / "cases"
    assert golden_set.cases_folder(tmp_path) == tmp_path


def test_the_goldens_of_a_clone_come_before_those_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert golden_set.default_folder() == store.GOLDENS
    package = make_set(tmp_path / "site" / golden_set.PACKAGE)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert golden_set.default_folder() == package / "cases"
    assert golden_set.documentation() == ROOT / "docs"  # the clone that the judge belongs to
    (package / "docs").mkdir()
    (package / "docs" / "tutorial.md").touch()
    assert golden_set.documentation() == package / "docs"
    for folder, source in (("goldens/cases", "cases"), ("docs", "docs")):
        shutil.copytree(package / source, tmp_path / folder)
    assert (golden_set.default_folder(), golden_set.documentation()) == (store.GOLDENS, Path("docs"))
    sys.modules.pop(golden_set.PACKAGE, None)


@pytest.mark.parametrize("content", ["{", '{"format": "rvc-golden-set/1", "version": "1"}'])
def test_a_damaged_set_is_one_sentence(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_set(tmp_path / "old")
    (root / golden_set.FILE_NAME).write_text(content)
    with pytest.raises(GoldenError):
        golden_set.read(root / "cases")
    assert command_line.main(["manifest", "--goldens", str(root)]) == 2
    assert capsys.readouterr().err.startswith(f"parity: {root / golden_set.FILE_NAME} ")
