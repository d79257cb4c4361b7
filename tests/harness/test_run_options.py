"""A run keeps and continues its finished cases, ends at a failure, selects cases and stages, and shows progress."""

import datetime
import io
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import META, Player, golden, tensors
from without_torch import LightInstallation

from parity.candidates.candidate import Tensors
from parity.cli import main as command_line
from parity.errors import UsageError
from parity.goldens import store
from parity.judge.limits import Limits
from parity.judge.waivers import Waivers
from parity.output import table
from parity.runs import progress, selection, watch
from parity.runs import run as running
from parity.runs.run import RunOptions
from parity.stages import offline, realtime

NAMES = ("one", "other", "small", "third")


@pytest.fixture
def goldens(tmp_path: Path) -> Path:
    """Four cases; `one` is of another profile than the others."""
    golden(tmp_path / "goldens")
    for name in NAMES:
        profile = "webui-classic" if name == "one" else META["profile"]
        if name != "small":
            store.save_case(tmp_path / "goldens" / name, tensors(), META | {"name": name, "profile": profile})
    return tmp_path / "goldens"


class Counting(Player):
    """A candidate of one wrong stage that counts its conversions and can be interrupted before one of them."""

    def __init__(self, interrupt_at: int = -1, version: str = "1") -> None:
        wrong = tensors()
        wrong["seg0.z_p"] = wrong["seg0.z_p"] * np.float32(1.01)
        super().__init__(wrong, wrong)
        self.interrupt_at, self.version, self.ran = interrupt_at, version, list[str]()

    @property
    def about(self) -> dict[str, object]:
        return {"name": "counting", "version": self.version}

    def run(self, case: store.Case) -> Tensors:
        if len(self.ran) == self.interrupt_at:
            raise KeyboardInterrupt
        self.ran.append(case.name)
        return super().run(case)


UNTIL = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
WAIVER = [{"cell": "other/seg0.z_p/isolated/*", "because": "a known difference", "until": UNTIL}]


def run(goldens: Path, out: Path, program: Player, **options: Any) -> dict[str, Any]:
    return running.run(
        program, goldens, out, waivers=Waivers(WAIVER), limits=Limits(), options=RunOptions(**options), only_stage="z_p"
    )


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    cases = [{key: value for key, value in case.items() if key != "wall_s"} for case in document["cases"]]
    return {key: value for key, value in document.items() if key not in ("started", "seconds")} | {"cases": cases}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_interrupted_run_that_is_resumed_gives_the_verdict_of_an_undisturbed_run(
    goldens: Path, tmp_path: Path, count: int
) -> None:
    undisturbed = run(goldens, tmp_path / "whole", Counting())
    with pytest.raises(KeyboardInterrupt):
        run(goldens, tmp_path / "half", Counting(interrupt_at=count))
    kept = json.loads((tmp_path / "half" / "verdict.json").read_text())
    assert ([case["name"] for case in kept["cases"]], kept["pending"]) == (list(NAMES[:count]), list(NAMES[count:]))
    assert kept["sentence"].endswith(f"; {4 - count} not judged yet: the same command with --resume continues")
    rest = Counting()
    resumed = run(goldens, tmp_path / "half", rest, resume=True)
    assert rest.ran == list(NAMES[count:])
    assert without_times(resumed) == without_times(undisturbed)
    assert {row["used"] for row in resumed["waivers"]} == {2}
    assert not (tmp_path / "half" / "unfinished").exists()


def test_a_killed_run_leaves_a_verdict_on_what_is_finished(goldens: Path, tmp_path: Path) -> None:
    class Killed(Counting):
        def run(self, case: store.Case) -> Tensors:
            if len(self.ran) == 2:
                kept = json.loads((tmp_path / "out" / "verdict.json").read_text())
                assert len(kept["cases"]) >= 1 and kept["state"] == "differs"
                assert len(list((tmp_path / "out" / "unfinished").glob("*.json"))) == 3
            return super().run(case)

    assert "pending" not in run(goldens, tmp_path / "out", Killed())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_is_resumed_to_the_verdict_of_an_undisturbed_one(goldens: Path, tmp_path: Path) -> None:
    """SIGKILL while the third of four cases is judged; one case differs."""
    adapter, hold = tmp_path / "adapter.py", tmp_path / "hold"
    waiting = f"    while case['name'] == 'small' and os.path.exists({str(hold)!r}): time.sleep(0.01)\n"
    wrong = "    wave = bytes(len(wave)) if case['name'] == 'other' else wave\n"
    adapter.write_text(
        ADAPTER.replace("    entry =", f"{waiting}{wrong}    entry =").replace("sys\n", "sys, os, time\n", 1)
    )
    light = LightInstallation(tmp_path)
    arguments = ["-m", "parity", "check", "--candidate", f"{sys.executable} -S {adapter}", "--stage", "trim"]
    arguments += ["--goldens", str(goldens), "--out"]
    assert light.run(*arguments, str(tmp_path / "whole")).returncode == 1
    out = tmp_path / "out"
    hold.touch()
    environment = os.environ | {"PYTHONPATH": light.python_path}
    killed = subprocess.Popen([sys.executable, *arguments, str(out)], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list((out / "unfinished").glob("*.json"))) < 3 and time.monotonic() < deadline:  # run.json and two cases
        time.sleep(0.02)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    hold.unlink()
    finished = {path.name for path in (out / "unfinished").glob("*.json")}
    assert finished == {"run.json", "one.json", "other.json"}
    resumed = light.run(*arguments, str(out), "--resume")
    assert resumed.returncode == 1, resumed.stderr
    whole, after = (json.loads((folder / "verdict.json").read_text()) for folder in (tmp_path / "whole", out))
    for document in (whole, after):
        document["repeats"].pop("seconds")
        document["repeats"].pop("calls")  # those of the cases that this process judged
        for case in document["cases"]:
            case["reproduce"] = case["reproduce"].replace(str(out), str(tmp_path / "whole"))
    assert without_times(after) == without_times(whole)
    assert whole["sentence"].startswith("1 of 4 cases differs: other")


def test_a_run_is_resumed_only_as_the_same_run(goldens: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError) as nothing:
        run(goldens, out, Counting(), resume=True)
    assert str(nothing.value) == (
        f"there is no unfinished run in {out}; leave out --resume, or name its folder with --out"
    )
    with pytest.raises(KeyboardInterrupt):
        run(goldens, out, Counting(interrupt_at=2))
    with pytest.raises(UsageError) as other:
        run(goldens, out, Counting(version="2"), resume=True)
    assert str(other.value) == (
        f"the unfinished run in {out} has another candidate; its cases cannot be mixed with this one's: leave out "
        "--resume to judge all cases again"
    )


def test_a_changed_golden_and_a_damaged_entry_are_judged_again(goldens: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(goldens, tmp_path / "out", Counting(interrupt_at=3))
    text = (goldens / "one" / "case.json").read_text()
    (goldens / "one" / "case.json").write_text(text.replace('"why": "', '"why": "now '))
    (tmp_path / "out" / "unfinished" / "other.json").write_text("{")
    rest = Counting()
    run(goldens, tmp_path / "out", rest, resume=True)
    assert rest.ran == ["one", "other", "third"]


def test_fail_fast_ends_after_the_first_case_that_fails(goldens: Path, tmp_path: Path) -> None:
    program = Counting()
    document = run(goldens, tmp_path / "out", program, fail_fast=True)
    assert (program.ran, document["pending"], document["exit_code"]) == (["one"], list(NAMES[1:]), 1)
    document = run(goldens, tmp_path / "out", program, fail_fast=True, resume=True)
    assert len(program.ran) > 1 and program.ran.count("one") == 1
    assert len(document["pending"]) < len(NAMES) - 1


def test_a_profile_selects_its_cases(goldens: Path, tmp_path: Path) -> None:
    document = running.run(Player(tensors()), goldens, tmp_path / "out", options=RunOptions(profile="webui-classic"))
    assert [case["name"] for case in document["cases"]] == ["one"]
    assert document["sentence"].endswith("cells of 1 of 4 cases: partial; nothing failed")
    with pytest.raises(UsageError) as unknown:
        running.run(Player(tensors()), goldens, tmp_path / "out", options=RunOptions(profile="webui"))
    assert str(unknown.value) == ("there is no profile 'webui'; the profiles are webui-2026, webui-classic, rvc-python")
    with pytest.raises(UsageError) as none:
        running.run(Player(tensors()), goldens, tmp_path, "small", options=RunOptions(profile="webui-classic"))
    assert str(none.value) == ("none of the chosen cases has the profile webui-classic; leave out --case or --profile")


def test_several_stages_are_selected_by_commas(goldens: Path, tmp_path: Path) -> None:
    document = running.run(Player(tensors()), goldens, tmp_path / "out", "small", "flow, retrieval,nsf")
    judged = {stage["stage"] for case in document["cases"] for stage in case["stages"]}
    assert judged == {"flow", "nsf", "retrieval.search", "retrieval.weights", "retrieval.mean", "retrieval.blended"}


def test_the_quick_set_reaches_every_stage_and_states_what_it_cannot_show() -> None:
    selected = selection.select(store.GOLDENS, selection.Selection(quick=True))
    cases = [store.open_case(folder) for folder in selected.folders]
    reached = set[str]().union(*map(selection.stage_names, cases))
    everywhere = set[str]().union(*(selection.stage_names(store.open_case(f)) for f in store.cases(store.GOLDENS)))
    assert reached == everywhere
    assert {stage.name for stage in (*offline(), *realtime())} - reached <= {"rt.input_wav"}  # no golden has the gate
    assert sum(map(selection.seconds, cases)) < 6
    assert selected.notes[0].startswith(f"quick: {len(cases)} of ")
    assert any(note.startswith("quick: it cannot show the voices v1-") for note in selected.notes)
    assert any(note.startswith("quick: it cannot show errors that begin after ") for note in selected.notes)


def test_the_notes_of_a_run_are_printed(goldens: Path, tmp_path: Path) -> None:
    document = running.run(Player(tensors()), goldens, tmp_path / "out", options=RunOptions(quick=True))
    assert document["notes"][0] == "quick: 1 of 4 goldens, 0.5 s of input, reach every stage once"
    assert document["notes"][0] in table.closing(document)


def test_the_progress_names_case_stage_and_time_left() -> None:
    stream = io.StringIO()
    with progress.Progress({"one": 1.0, "two": 3.0, "three": 1.0}, stream) as shown:
        shown.start("one")
        shown.stage("flow")
        begin = shown._begin
        assert shown.text(begin + 5) == "case 1 of 3: one, flow"
        shown.finish("one")
        shown.start("two")
        shown.stage("run")
        assert shown.text(begin + 5) == "case 2 of 3: two, whole conversion, 20 s left"
    assert stream.getvalue() == ""  # a log gets at most one line in ten seconds
    assert [progress.duration(s) for s in (8.2, 200, 3900)] == ["8 s", "3 min 20 s", "1 h 5 min"]


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOG", 0.0)
    stream = io.StringIO()
    progress.Progress({"one": 1.0}, stream).start("one")
    assert stream.getvalue() == "case 1 of 1: one\n"


def test_a_change_is_reported_once_the_files_stay_the_same(tmp_path: Path) -> None:
    program, hidden = tmp_path / "port", tmp_path / ".git"
    program.write_text("one")
    hidden.mkdir()
    before = watch.stamps(tmp_path)
    written = iter(["two", None, "three", None])

    def pause(seconds: float) -> None:
        (hidden / "index").write_text("x")
        text = next(written)
        if text == "two":
            program.unlink()
        elif text == "three":
            program.write_text(text)
            os.utime(program, ns=(1, 1))

    after = watch.wait_for_change(program, watch.stamps(program), pause)
    assert list(after) == [program] and after != before
    assert list(written) == []
    with pytest.raises(UsageError) as missing:
        watch.stamps(tmp_path / "none")
    assert str(missing.value) == (
        f"there is no {tmp_path / 'none'} to watch; give a file or a folder, such as the program that is built"
    )


def test_ctrl_c_is_one_sentence_and_exit_code_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "cases", interrupted)
    assert command_line.main(["coverage", "--goldens", str(tmp_path)]) == 130
    assert capsys.readouterr().err == (
        "parity: interrupted; a run keeps its finished cases, and the same command with --resume continues it\n"
    )


@pytest.mark.slow
def test_an_iteration_of_one_stage_costs_at_most_one_and_a_half_seconds_of_our_own_time(tmp_path: Path) -> None:
    """The time of our process and of an adapter that answers at once; the voices of the case are in the cache."""
    adapter = tmp_path / "adapter.py"
    adapter.write_text(ADAPTER)
    command = f"check --candidate '{sys.executable} -S {adapter}' --case two-segments-rpy --stage trim --out {tmp_path}"
    script = (
        f"import sys; from parity.cli import main; code = main.main({shlex.split(command)}); print(code, *sys.modules)"
    )
    # Compiled modules are kept, as wherever no variable forbids it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path / "compiled")
    seconds = []
    for _ in range(3):  # the first one compiles the modules, and may have to fill the cache
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert done.stdout.splitlines()[-1].startswith("4 "), done.stdout  # partial: the stage holds
    assert not {"torch", "scipy", "sklearn", "faiss", "librosa", "matplotlib"} & set(done.stdout.split())
    assert min(seconds) <= 1.5


# An adapter of the stage `trim` without any library.
ADAPTER = """
import json, struct, sys
HELLO = {"protocol": "rvc-parity/1", "name": "a", "version": "1", "stages": ["trim"], "chain": False}

def answer(request):
    data = open(request["inputs"], "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    name = request["prefix"] + "waveform.segment"
    begin, end = json.loads(data[8 : 8 + length])[name + ".full"]["data_offsets"]
    case = request["case"]
    pad = 4 * round(case["voice"]["rate"] * case["options"]["window"][0])
    wave = data[8 + length + begin + pad : 8 + length + end - pad]
    entry = {"dtype": "F32", "shape": [len(wave) // 4], "data_offsets": [0, len(wave)]}
    header = json.dumps({name: entry}).encode()
    with open(request["outputs"], "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + wave)

for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "bye":
        break
    if request["op"] != "hello":
        answer(request)
    fields = {"ok": True, **HELLO} if request["op"] == "hello" else {"ok": True}
    print(json.dumps({"id": request["id"], **fields}), flush=True)
"""
