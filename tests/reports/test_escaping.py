"""Names of candidates, cases and tensors are text in every output: none becomes markup, and no page runs them."""

import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from parity.candidates.candidate import CandidateError, Tensors
from parity.goldens import store
from parity.goldens.store import Case
from parity.judge import limits, waivers
from parity.output import github, table
from parity.runs import run as running
from reports.__main__ import run
from tests.reports import synthetic

ATTACK = "</script><img src=x onerror=alert(1)>\"'`|&<b>"
FOLDER = "<img src=x onerror=alert(2)>"


class Hostile(synthetic.Replay):
    """A candidate whose name, version, errors and tensors hold markup."""

    def run_stage(self, case: Case, stage: Any, prefix: str, inputs: Tensors) -> Tensors:
        if stage.name == "flow":
            raise CandidateError(ATTACK)
        return super().run_stage(case, stage, prefix, inputs)


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.handlers: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        own = (dict(attrs).get("src") or "").startswith("data:image/")  # the picture for browsers without scripts
        self.images += [tag] if tag in ("img", "b") and not own else []
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("hostile")
    made = synthetic.tensors(1.0, 0)
    meta = synthetic.meta("tone", f"a tone {ATTACK}", "webui-2026", "pm")
    store.save_case(root / "goldens" / "tone", made, meta)
    (root / "goldens" / FOLDER).mkdir()
    (root / "goldens" / FOLDER / "case.json").write_text("{")
    program = Hostile({"tone": made}, {"tone": made | {ATTACK: np.zeros(3, np.float32)}}, ATTACK)
    program.about["version"] = ATTACK
    program.run = lambda case: made | {ATTACK: np.zeros(3, np.float32)}  # type: ignore[method-assign]
    document = running.run(program, root / "goldens", root / "out", waivers=waivers.Waivers([]), limits=limits.Limits())
    return root / "out", document


def test_the_verdict_holds_the_names_as_they_are(verdict: tuple[Path, dict[str, Any]]) -> None:
    _, document = verdict
    assert document["candidate"]["name"] == ATTACK
    assert {case["name"]: case["state"] for case in document["cases"]} == {"tone": "differs", FOLDER: "unreadable"}
    assert next(case for case in document["cases"] if case["name"] == "tone")["extra"] == [ATTACK]


def test_junit_and_markdown_hold_them_as_text(verdict: tuple[Path, dict[str, Any]]) -> None:
    folder, document = verdict
    suites = ElementTree.fromstring((folder / "junit.xml").read_text("utf-8").partition("\n")[2])
    assert FOLDER in {suite.get("name") for suite in suites}
    assert not list(suites.iter("img")) and not list(suites.iter("script"))
    summary = (folder / "summary.md").read_text("utf-8")
    for attack in ("<img", "</script>", "<b>"):
        assert all(summary[place - 1] == "\\" for place in places(summary, attack)), attack
    for text in (table.text(document), table.closing(document), github.annotations(document)):
        assert text.replace("\n", "").isprintable()


def places(text: str, part: str) -> list[int]:
    return [place for place in range(len(text)) if text.startswith(part, place)]


def test_no_page_holds_a_tag_of_theirs(verdict: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = verdict
    run([folder], tmp_path, quiet=True)
    shutil.copytree(folder, tmp_path / "other")
    run([folder, tmp_path / "other", folder], tmp_path / "two", quiet=True)
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) >= 6
    for page in pages:
        tags = Tags()
        tags.feed(page.read_text(encoding="utf-8"))
        assert (tags.images, tags.handlers) == ([], []), page.name
        assert 1 <= tags.scripts <= 40
