"""The language check detects the words that docs/glossary.md and CONTRIBUTING.md exclude."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def language() -> ModuleType:
    spec = importlib.util.spec_from_file_location("language", ROOT / "tools" / "language.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def findings(language: ModuleType, folder: Path, name: str, text: str) -> list[str]:
    (folder / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return [f"{finding.line} {finding.word.lower()}" for finding in language.check(folder)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1  # the file says so\n", ["1 says"]),  # literal
        ("heard_before = 1\n", ["1 heard"]),  # literal
        ("wasHeard = 1\n", ["1 heard"]),  # literal
        ("def test_it_tells():\n    pass\n", ["1 tells"]),  # literal
        ("color = 'grey'\n", ["1 grey"]),  # literal
        ("found = 1\n", ["1 found"]),  # literal
        ("for found in []:\n    pass\n", ["1 found"]),  # literal
        ("def run(found):\n    return found\n", ["1 found"]),  # literal
        ("if (found := 1):\n    pass\n", ["1 found"]),  # literal
    ],
)
def test_words_and_names_are_detected(language: ModuleType, tmp_path: Path, text: str, expected: list[str]) -> None:
    assert findings(language, tmp_path, "module.py", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "not_found = 1  # the file was not found\n",
        "essay = shear = tellurium = 1\n",
        "x = 'says'  # literal\n",  # literal
        "cause = 'fewer neighbours'  # a name in goldens\n",
        "generator = judge = verdict = 'synthesis'\n",
    ],
)
def test_other_words_are_not_detected(language: ModuleType, tmp_path: Path, text: str) -> None:
    assert findings(language, tmp_path, "module.py", text) == []


def test_a_file_name_is_checked(language: ModuleType, tmp_path: Path) -> None:
    assert findings(language, tmp_path, "heard.md", "text\n") == ["0 heard"]  # literal
