"""Who may import whom: the doors between the rooms, from the plan of the house."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("rvc", "reference", "parity", "reports", "bench", "tests")
ORIGINALS = ("rvc_python", "infer", "configs", "fairseq", "torchcrepe", "torchfcpe", "transformers")
OPEN_TO_REFERENCE = {"goldens", "stages", "voices"}
KNOWS_RVC = ("parity/rvc_bridge/", "parity/mutants/")


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, `from a import b` as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def doors(room: str) -> list[tuple[str, str]]:
    """Every import of another room: (file, module)."""
    found = []
    for path in files(room):
        for name in imports(path):
            if name.split(".")[0] in ROOMS and name.split(".")[0] != room:
                found.append((path.relative_to(ROOT).as_posix(), name))
    return found


@pytest.mark.parametrize("room", ["rvc", "parity", "reference", "reports", "bench"])
def test_the_room_is_there(room: str) -> None:
    assert files(room), f"{room}/ holds no code; a test over nothing proves nothing"


def test_rvc_opens_onto_no_room() -> None:
    assert doors("rvc") == []


def test_reference_opens_onto_the_stores_side_of_parity() -> None:
    for path, name in doors("reference"):
        parts = name.split(".")
        assert parts[0] == "parity" and len(parts) > 1 and parts[1] in OPEN_TO_REFERENCE, f"{path} imports {name}"


def test_what_reference_sees_does_not_know_rvc() -> None:
    seen, todo = set[str](), {f"parity.{name}" for name in OPEN_TO_REFERENCE}
    while todo:
        module = todo.pop()
        seen.add(module)
        path = ROOT / (module.replace(".", "/") + ".py")
        paths = [path] if path.is_file() else sorted(path.with_suffix("").rglob("*.py"))
        assert paths, module
        for name in (name for path in paths for name in imports(path)):
            assert name.split(".")[0] != "rvc", f"{module} imports {name}"
            if name.startswith("parity."):
                parts = name.split(".")
                for candidate in (".".join(parts[:3]), ".".join(parts[:2])):
                    there = ROOT / candidate.replace(".", "/")
                    if there.is_dir() or there.with_suffix(".py").is_file():
                        todo |= {candidate} - seen
                        break


def test_parity_opens_onto_rvc_through_its_candidates_alone() -> None:
    for path, name in doors("parity"):
        assert name.split(".")[0] == "rvc" and path.startswith(KNOWS_RVC), f"{path} imports {name}"


def test_reports_open_onto_parity() -> None:
    assert {name.split(".")[0] for _, name in doors("reports")} <= {"parity"}


def test_bench_opens_onto_rvc_and_parity() -> None:
    assert {name.split(".")[0] for _, name in doors("bench")} <= {"rvc", "parity"}


@pytest.mark.parametrize("room", ["rvc", "parity", "reports", "bench", "tests"])
def test_no_original_is_imported(room: str) -> None:
    for path in files(room):
        for name in imports(path):
            assert name.split(".")[0] not in ORIGINALS, f"{path} imports {name}"


def test_tests_never_open_onto_the_code_that_runs_originals() -> None:
    for path, name in doors("tests"):
        assert not name.startswith("reference.originals"), f"{path} imports {name}"
