"""Every command that README and the documentation print is run, in a folder with small files of the names it uses."""

import contextlib
import importlib
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from documented import (
    ELSEWHERE,
    PAGES,
    ROOT,
    Block,
    Elsewhere,
    Reason,
    blocks,
    commands,
    elsewhere,
    is_a_command,
    outside_blocks,
)
from safetensors.numpy import load_file, save_file
from small_case import META, Player, tensors
from toolchains import starts

from parity import stages, voices
from parity.cli import main as judge
from parity.goldens import golden_set, store
from parity.goldens.store import MemoryCase
from parity.runs import user_files, watch

sys.path.append(str(ROOT / "tests" / "unit"))

from tiny import write_hubert, write_voice

CASE = "two-segments-rpy"
HELD = (0, 4)  # exit codes: everything compared holds
REPORTED = (0, 1, 4)  # a verdict; two different programs differ, and a tier may not be reached
DOCUMENT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PM = ("--f0-method", "pm")
Main = Callable[[Sequence[str]], int]


def printed(page: Path) -> list[str]:
    """The commands of a page."""
    return [command for block in blocks(page) if block.language == "sh" for command in commands(block)]


WITH_COMMANDS = [page for page in PAGES if printed(page)]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# ---- which lines are commands ----


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_states_its_language_and_commands_stand_in_blocks_of_the_shell(page: Path) -> None:
    for block in blocks(page):
        assert block.language, f"{name_of(page)}: a block without a language: {block.lines[:1]}"
        if block.language not in ("sh", "console"):
            assert not [line for line in block.lines if not line[:1].isspace() and is_a_command(line)]
    indented = [line for line in outside_blocks(page).splitlines() if re.match(r" {4,}\S", line)]
    assert not [line for line in indented if is_a_command(line)], "a command without a block of the shell"


def test_a_remark_is_no_part_of_a_command_and_a_command_may_have_two_lines() -> None:
    lines = ["# a remark", "rvc-parity report   # pages", "cc -o a \\", "   b.c", "", "rvc '#1'"]
    assert list(commands(Block(Path(), "sh", lines))) == ["rvc-parity report", "cc -o a     b.c", "rvc '#1'"]
    assert is_a_command("(cd a && make)") is False and is_a_command("rvc convert a") and not is_a_command("rvc")


# ---- commands that are run elsewhere ----


def known_requirements() -> set[str]:
    project = DOCUMENT["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *DOCUMENT["dependency-groups"].values(),
    ]
    return {re.split(r"[<>=\[]", line)[0] for lines in lists for line in lines} | {"nox"}


def check_requirement(word: str) -> None:
    """A package, a file of packages or an extra that the project has."""
    name, _, extras = word.rstrip("]").partition("[")
    distributions = DOCUMENT["tool"]["distributions"]
    assert name in ("", ".", *distributions) or name in known_requirements() or (ROOT / name).is_file(), word
    offered = set(DOCUMENT["project"]["optional-dependencies"])
    if name in distributions:
        offered = set(distributions[name].get("extras", ())) | set(distributions[name].get("extras-of-project", ()))
    assert set(filter(None, extras.split(","))) <= offered, word


def help_of(module: str, *command: str) -> str:
    """What a module prints for --help, without a process of its own."""
    text, before = io.StringIO(), sys.argv
    sys.argv = [module, *command, "--help"]
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # another test has imported the module
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.argv = before
    return text.getvalue()


SESSION_PROGRAMS = {
    "parity": ("parity", "run"),
    "record": ("reference.record",),
    "bench": ("bench",),
    "gpu": ("bench.gpu",),
    "fuzz": ("reliability.fuzz",),
    "kills": ("reliability.kills",),
}


def check_options(words: Sequence[str], *module: str) -> None:
    """Each option exists."""
    options = [word for word in words if word.startswith("--")]
    text = help_of(*module) if options else ""
    assert [option for option in options if option not in text] == []


def check_session(words: Sequence[str]) -> None:
    """nox [-l] [-s SESSION…] [-- ARGUMENTS…]: the session exists, and its program has the options."""
    own, _, arguments = " ".join(words).partition(" -- ")
    names = own.split()
    sessions = re.findall(r"^def (\w+)\(session: nox\.Session\)", (ROOT / "noxfile.py").read_text(), re.M)
    wanted = names[names.index("-s") + 1 :] if "-s" in names else []
    assert set(wanted) <= set(sessions) and set(names) <= {"-l", "-s", *sessions}
    if arguments and "--live" not in arguments:
        check_options(shlex.split(arguments), *SESSION_PROGRAMS[wanted[0]])


def check_elsewhere(command: str, entry: Elsewhere) -> None:
    words = shlex.split(command)
    if entry.reason is Reason.NETWORK:
        named = [word for word in words[4:] if not word.startswith("-")]
        assert named and words[:4] == ["python", "-m", "pip", "install"]
        for word in named:
            check_requirement(word)
    elif entry.reason is Reason.SESSION:
        check_session(words[words.index("nox") + 1 :])
    elif entry.reason is Reason.ORIGINAL:
        assert importlib.util.find_spec(words[2]) is not None, words[2]
        check_options(words[3:], words[2])
    else:
        file, _, test = entry.run_by.partition("::")
        assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.M), entry.run_by


@pytest.mark.parametrize("command", sorted({c for page in PAGES for c in printed(page) if elsewhere(c)}))
def test_a_command_that_is_run_elsewhere_names_what_exists(command: str) -> None:
    entry = elsewhere(command)
    assert entry is not None
    check_elsewhere(command, entry)


def test_only_what_needs_more_than_this_machine_and_a_minute_is_run_elsewhere() -> None:
    """A command of the judge, of `rvc` or of a compiler is run here; a new exception needs a test that runs it."""
    everything = [command for page in PAGES for command in printed(page)]
    for entry in ELSEWHERE:
        assert any(elsewhere(command) is entry for command in everything), f"nothing prints {entry.begins}"
        if entry.begins.startswith(("rvc", "cc", "make", "cargo", "(", "git")):
            assert entry.run_by and entry.reason in (Reason.DEVICE, Reason.LONG)
    assert sum(entry.reason is Reason.LONG for entry in ELSEWHERE) <= 2


# ---- commands that are run ----


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a reader: a small voice with HuBERT, index and recording, and a program under each printed name."""
    folder = tmp_path_factory.mktemp("files")
    write_voice(folder / "voice.pth")
    write_hubert(folder / "hubert_base")
    write_index(folder / "voice.index")
    for name, target in (("alto.pth", "voice.pth"), ("hubert", "hubert_base"), ("DIR", "hubert_base")):
        (folder / name).symlink_to(folder / target)
    (folder / "rmvpe.pt").symlink_to(voices.make_rmvpe())
    seconds = np.arange(16000 * 4 // 10) / 16000
    soundfile.write(folder / "in.wav", 0.3 * np.sin(2 * np.pi * 150 * seconds), 16000)
    (folder / "original.safetensors").touch()
    *_, port = (block for block in blocks(ROOT / "docs" / "tutorial.md") if block.language == "python")
    (folder / "port.py").write_text("\n".join(port.lines))
    case = store.open_case(ROOT / store.GOLDENS / CASE)
    save_file({name: np.ascontiguousarray(case[name]) for name in case}, folder / "golden.safetensors")
    return folder


def write_index(path: Path) -> None:
    import faiss

    values = np.random.default_rng(0).standard_normal((300, 256)).astype(np.float32)
    index = faiss.index_factory(256, "IVF4,Flat")
    index.train(values)
    index.add(values)
    faiss.write_index(index, str(path))


@pytest.fixture
def reader(tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a reader of one page, with one golden."""
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / store.GOLDENS).mkdir(parents=True)
    (tmp_path / store.GOLDENS / CASE).symlink_to(ROOT / store.GOLDENS / CASE)
    for name in (golden_set.FILE_NAME, "inputs"):
        (tmp_path / "goldens" / name).symlink_to(ROOT / "goldens" / name)
    (tmp_path / "parity").mkdir()
    for name in ("adapters", "data"):
        (tmp_path / "parity" / name).symlink_to(ROOT / "parity" / name)
    port = f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(files / 'port.py'))}\n"
    programs = {
        "arecord": "cat in.raw",
        "aplay": "cat > out.raw",
        "rvc": f'{shlex.quote(sys.executable)} -m rvc "$@" {" ".join(PM)}',
    }
    (tmp_path / "bin").mkdir()
    for path, text in [
        (tmp_path / "bin" / "COMMAND", port),
        *((tmp_path / "bin" / name, f"#!/bin/sh\n{line}\n") for name, line in programs.items()),
    ]:
        path.write_text(text)
        path.chmod(0o755)
    (tmp_path / "in.raw").write_bytes(bytes(2 * 4800))
    (tmp_path / ".git-blame-ignore-revs").touch()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    path = os.pathsep.join([str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The recording of an original, which `live` judges, and the candidate `my-port` of that page."""
    document = {**META, "name": "small", "segments": 1, "blocks": 0}
    monkeypatch.setattr(
        user_files, "open_trace", lambda trace, files: (MemoryCase(document, tensors()), Player(tensors()))
    )
    monkeypatch.setattr(user_files, "plain_voice", lambda model, folder: folder / "voice.safetensors")
    monkeypatch.setattr(user_files, "recorded", lambda *_: contextlib.nullcontext(tmp_path / "original.safetensors"))


def run_judge(words: Sequence[str]) -> int:
    """rvc-parity; the goldens of this folder are the only ones."""
    return judge.main(list(words))


def run_rvc(words: Sequence[str]) -> int:
    """`rvc`, without running RMVPE: its file has the full size, and takes most of the time here."""
    from rvc.cli.main import main  # imports torch

    more = {"convert": PM, "stream": PM, "export": ("--no-verify",)} if "voice.pth" in words else {}
    return main([*words, *more.get(words[0], ())])


def run_exported(words: Sequence[str]) -> int:
    from rvc_onnx.__main__ import main  # needs ONNX Runtime

    return main(list(words))


MAINS: Mapping[str, Main] = {
    "rvc-parity": run_judge,
    "python -m parity": run_judge,
    "rvc": run_rvc,
    "rvc-onnx": run_exported,
}


def program_of(command: str) -> tuple[Main, list[str]] | None:
    """The main function of a program of the project, and the arguments; None for any other program, and for pipes."""
    words = shlex.split(command)
    for name, function in MAINS.items():
        begin = name.split()
        if words[: len(begin)] == begin and "|" not in words:
            return function, words[len(begin) :]
    return None


def prepare(command: str, folder: Path) -> None:
    """The files that a reader has made before a command: a trace of the port."""
    if "mine.safetensors" in command:
        shutil.copy(folder / ("golden.safetensors" if CASE in command else "rvc.safetensors"), "mine.safetensors")
    if "--outputs" in command:  # a device that answers with the golden's tensors
        for entry in json.loads((folder / "requests" / "requests.json").read_text())["requests"]:
            answer(folder, entry)


def answer(folder: Path, entry: Mapping[str, str]) -> None:
    """Write the golden's own tensors to `outputs` of a request for a stage."""
    stage = stages.stage_named(entry["stage"])
    assert stage is not None
    stored = load_file(folder / "golden.safetensors")
    made = {entry["prefix"] + row.name for row in stage.makes} & set(stored)
    save_file({name: stored[name] for name in made}, folder / "requests" / entry["outputs"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in WITH_COMMANDS if not all(map(elsewhere, printed(page)))], ids=name_of
)
def test_every_command_of_a_page_runs(
    page: Path,
    reader: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt  # a reader ends --watch by Ctrl-C

    monkeypatch.setattr(watch, "wait_for_change", interrupted)
    if any("cargo" in command for command in printed(page)) and not starts("cargo"):
        pytest.skip("cargo is not installed, or has no toolchain for this user")
    if page.name == "live.md":
        request.getfixturevalue("original")
    for command in printed(page):
        if elsewhere(command):
            continue
        if "./my-port" in command and not (reader / "my-port").exists():
            (reader / "my-port").symlink_to(reader / "bin" / "COMMAND")
        prepare(command, reader)
        program = program_of(command)
        if program is not None:
            main, arguments = program
            code = main(arguments)
        else:
            code = subprocess.run(["bash", "-euo", "pipefail", "-c", command], timeout=300).returncode
        out = capfd.readouterr()
        accepted = REPORTED if {"live", "--tier"} & set(command.split()) else HELD
        assert code in accepted, f"{command} ended with {code}\n{out.out}\n{out.err}"
        assert "Traceback" not in out.err, f"{command}\n{out.err}"
