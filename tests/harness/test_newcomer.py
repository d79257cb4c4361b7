"""What stands between an installation and a first verdict: names, limits, pages and commands that a user has."""

import ast
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import META, Player, changed, golden, tensors
from test_run_options import ADAPTER

from parity.candidates import candidate, process, resources
from parity.candidates.external import External
from parity.candidates.process import ProtocolError
from parity.cli import main as command_line
from parity.cli.command import repeated
from parity.errors import GivenUp, UsageError
from parity.goldens import golden_set, store, trace_file
from parity.judge.limits import Limits
from parity.runs import doctor, selection
from parity.runs import run as running
from parity.rvc_bridge import counterfactual
from parity.stages import stage_named

ROOT = Path(__file__).parents[2]


@pytest.fixture
def goldens(tmp_path: Path) -> Path:
    golden(tmp_path / "goldens")
    for name in ("small-long", "other-rpy"):
        store.save_case(tmp_path / "goldens" / name, tensors(), META | {"name": name})
    return tmp_path / "goldens"


# ---- names ----


def test_compare_takes_the_name_of_a_golden(goldens: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = trace_file.Trace(tensors()).write(goldens.parent / "mine.safetensors")
    assert command_line.main(["compare", "small", str(trace), "--goldens", str(goldens)]) == 0
    assert "pass: all 79 cells of 1 case hold" in capsys.readouterr().out
    assert command_line.main(["compare", "smal", str(trace), "--goldens", str(goldens)]) == 2
    assert capsys.readouterr().err == (
        f"parity: there is no file smal and no golden of that name below {goldens}; did you mean small?\n"
    )


def test_what_compare_prints_without_a_folder_is_complete(
    goldens: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counterfactual, "networks_are_installed", lambda: False)  # torch is not needed
    wrong = changed("waveform.final", tensors()["waveform.final"] + 40)
    trace = trace_file.Trace(wrong).write(goldens.parent / "mine.safetensors")
    arguments = ["compare", "small", str(trace), "--goldens", str(goldens)]
    assert command_line.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "summary.md" not in printed and "\nfinal " in printed
    again = f"   again: rvc-parity compare {goldens / 'small'} {trace} --goldens {goldens} --stage final\n"
    assert again in printed
    assert command_line.main(shlex.split(again)[2:]) == 1


def test_the_name_of_a_case_selects_it_alone_and_other_texts_all_that_contain_them(goldens: Path) -> None:
    def names(text: str) -> list[str]:
        return [folder.name for folder in selection.select(goldens, selection.Selection(case=text)).folders]

    assert (names("small"), names("smal")) == (["small"], ["small", "small-long"])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("smal-lnog", "; did you mean small-long?"),
        ("othr", "; did you mean other-rpy?"),
        ("zzz", "; it has 3 cases, such as other-rpy"),
    ],
)
def test_a_typing_error_in_a_case_gets_a_suggestion(goldens: Path, text: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        selection.select(goldens, selection.Selection(case=text))
    assert str(refused.value) == f"there is no case whose name contains {text!r} below {goldens}{hint}"


# ---- the command that shows a fault again ----


def test_the_command_of_a_fault_keeps_the_options_and_writes_to_a_place_of_its_own(
    goldens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, out = goldens.parent / "adapter.py", goldens.parent / "out"
    adapter.write_text(ADAPTER.replace("    entry =", "    wave = bytes(len(wave))\n    entry ="))
    command = f"{sys.executable} -S {adapter}"
    arguments = ["check", "--candidate", command, "--goldens", str(goldens), "--timeout", "55", "--tier", "float16"]
    monkeypatch.setattr("parity.rvc_bridge.voice_files.paths", lambda case: {})
    assert command_line.main([*arguments, "--stage", "trim", "--out", str(out)]) == 1
    before = (out / "verdict.json").read_bytes()
    again = re.findall(r"again: (.*)", (out / "summary.md").read_text().replace("\\", ""))[0]
    expected = f"--goldens {goldens} --timeout 55 --tier float16 --out {out / 'again'} --case other-rpy --stage trim"
    assert again == f"rvc-parity check --candidate '{command}' {expected}"
    assert command_line.main(shlex.split(again)[1:]) == 1
    assert (out / "verdict.json").read_bytes() == before
    assert (out / "again" / "verdict.json").is_file() and not (out / "again" / "again").exists()


def test_defaults_are_not_repeated(goldens: Path) -> None:
    options = command_line._parser("check").parse_args(["check", "--candidate", "x"])
    assert repeated("c", options) == f"c --out {Path('out') / 'parity' / 'again'}"


# ---- adapters that do not answer ----

SILENT = """
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "bye":
        break
    if request["op"] != "hello":
        time.sleep(60)
    hello = {"protocol": "rvc-parity/1", "name": "a", "version": "1", "stages": ["trim"], "chain": False}
    print(json.dumps({"id": request["id"], "ok": True, **hello}), flush=True)
"""


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The command of an adapter that answers hello only."""
    monkeypatch.setattr(process, "EXIT_TIMEOUT", 0.01)
    (tmp_path / "silent.py").write_text(SILENT)
    return f"{sys.executable} -S {tmp_path / 'silent.py'}"


def test_an_adapter_without_an_answer_is_asked_twice_and_not_for_every_case(goldens: Path, silent: str) -> None:
    with External(silent, lambda case: {}, 0.1) as program, pytest.raises(GivenUp) as end:
        running.run(program, goldens, goldens.parent / "out", limits=Limits())
    assert str(end.value) == (
        "the adapter gave no answer to 2 calls in a row, the last one run_stage trim of small within 0.1 s, so that "
        "the run ends here; --timeout SECONDS allows more, and --resume continues a run after its finished cases"
    )


def test_a_run_that_is_given_up_is_one_line_with_exit_code_2(
    goldens: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def give_up(*_: Any) -> Any:
        raise GivenUp("no answer")

    monkeypatch.setattr(External, "hello", property(give_up))
    assert command_line.main(["check", "--candidate", "x", "--goldens", str(goldens)]) == 2
    assert capsys.readouterr().err == "parity: no answer\n"


def test_the_doctor_ends_where_an_adapter_does_not_answer(goldens: Path, silent: str) -> None:
    with External(silent, lambda case: {}, 0.1) as program:
        findings = list(doctor.examine(program, goldens))
    assert [(finding.where, finding.code) for finding in findings if not finding.well][-1] == ("adapter", "hang")


def test_an_answer_between_two_hangs_counts(goldens: Path, silent: str) -> None:
    case, stage = store.open_case(goldens / "small"), stage_named("trim")
    assert stage is not None
    with External(silent, lambda case: {}, 0.1) as program:
        for _ in range(3):
            with pytest.raises(ProtocolError, match="no answer to run_stage within"):
                program.run_stage(case, stage, "seg0.", candidate.inputs(case, stage, "seg0."))
            program._hangs = 0  # as after an answer


def test_the_timeout_is_that_of_the_handshake_too(
    goldens: Path, silent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (goldens.parent / "silent.py").write_text("import time; time.sleep(60)")
    for command in ("check", "doctor"):
        arguments = [command, "--candidate", silent, "--goldens", str(goldens), "--timeout", "0.2"]
        assert command_line.main(arguments) == (2 if command == "check" else 1)
        printed = capsys.readouterr()
        assert "no answer to hello within 0.2 s" in printed.err + printed.out
        assert command_line.main([*arguments[:-1], "0"]) == 2
        assert capsys.readouterr().err == "parity: --timeout is 0; expected a positive number of seconds\n"


def test_the_line_of_a_program_that_is_no_adapter_is_shown(goldens: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # it may end before or after the request is written
        assert command_line.main(["check", "--candidate", "echo garbage", "--goldens", str(goldens)]) == 2
        assert capsys.readouterr().err == (
            "parity: the answer to hello is 'garbage', not one line of JSON; send logs to stderr\n"
        )


def test_a_folder_without_one_answer_is_one_sentence(goldens: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = goldens.parent / "requests"
    arguments = ["--goldens", str(goldens), "--stage", "trim"]
    assert command_line.main(["cases", str(folder), *arguments]) == 0
    capsys.readouterr()
    assert command_line.main(["check", "--outputs", str(folder), *arguments]) == 2
    assert capsys.readouterr().err == (
        f"parity: {folder} holds no outputs: none of its 3 requests is answered; write the tensors of each request to "
        f"its path in outputs, such as {folder / 'other-rpy' / 'seg0.trim' / 'outputs.safetensors'}\n"
    )


# ---- inputs that only some voices have ----


def without_f0(folder: Path) -> None:
    """A golden of a voice without F0."""
    values = {name: value for name, value in tensors().items() if "f0." not in name and "nsf" not in name}
    values["seg0.content.protected"] = values["seg0.content.upsampled"].copy()
    voice = META["voice"] | {"kind": "v2-40k-nof0", "f0": False}
    store.save_case(folder / "without-f0", values, META | {"name": "without-f0", "voice": voice})


def test_the_doctor_tries_a_stage_on_a_voice_without_f0(tmp_path: Path) -> None:
    golden(tmp_path)
    without_f0(tmp_path)

    class NeedsF0(Player):
        hello: dict[str, Any]
        timeout, limits = 60.0, resources.default()

        def run_stage(self, case: Any, stage: Any, prefix: str, inputs: Any) -> Any:
            if "f0.hz" not in inputs:
                raise ProtocolError("refused", "the adapter refused run_stage: there is no f0.hz")
            share = np.float32(1 + inputs["f0.hz"].mean() / 1000)
            return {name: value * share for name, value in super().run_stage(case, stage, prefix, inputs).items()}

    lacks = tuple(stage.name for stage in doctor.stages.every() if stage.name != "content.protected")
    program: Any = NeedsF0(tensors(), lacks=lacks, chains=False)
    program.hello = {"name": "n", "version": "1", "stages": ["content.protected"], "chain": False}
    findings = {finding.where: finding for finding in doctor.examine(program, tmp_path)}
    assert findings["content.protected"].code == "refused"
    assert findings["content.protected"].sentence == (
        "in without-f0, where content.protected reads content.upsampled, hubert.features: "
        "the adapter refused run_stage: there is no f0.hz"
    )


# ---- pages and commands ----


def texts(path: Path) -> list[str]:
    """The strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, bodies) and _has_docstring(node)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [str(node.value) for node in constants if id(node) not in docs]


def _has_docstring(node: Any) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)


# Commands and files of a clone, which a user of the wheels lacks. The second table names who needs a clone anyway.
OF_A_CLONE = re.compile(r"docs/[\w/-]+\.md|goldens/cases/|nox -s|python -m (parity|reports)\b(?!\.)")
FOR_DEVELOPERS = (
    "parity/mutants/",
    "parity/rvc_bridge/",
    "reports/data/field_results.py",
    "reports/data/load.py",
    "reports/__main__.py",
)


@pytest.mark.parametrize("package", ["parity", "reports"])
def test_messages_name_what_an_installation_has(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.relative_to(ROOT).as_posix().startswith(FOR_DEVELOPERS)
        for text in texts(path)
        if OF_A_CLONE.search(text)
    ]
    assert wrong == []


def test_every_page_that_a_message_names_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    folder = golden_set.documentation()
    assert folder is not None
    named = {
        page
        for package in ("parity", "reports")
        for path in (ROOT / package).rglob("*.py")
        for text in texts(path)
        for page in re.findall(r"rvc-parity docs[ \n]([a-z0-9/-]+)", text)
    }
    assert {"your-port-differs", "verifying-a-port", "spec/00-overview"} <= named
    for page in sorted(named):
        assert command_line.main(["docs", page]) == 0
        assert capsys.readouterr().out.startswith("# ")


def test_the_pages_are_listed_and_a_typing_error_gets_a_suggestion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["docs"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^tutorial +Tutorial: ", printed, re.M) and "\nthe files: " in printed
    assert command_line.main(["docs", "tutorail.md"]) == 2
    assert capsys.readouterr().err == "parity: there is no page 'tutorail.md'; did you mean tutorial?\n"
    monkeypatch.setattr(golden_set, "documentation", lambda: None)
    assert command_line.main(["docs"]) == 2
    assert capsys.readouterr().err == (
        "parity: the documentation is not installed; it comes with the goldens: "
        "python -m pip install rvc-parity-goldens\n"
    )
