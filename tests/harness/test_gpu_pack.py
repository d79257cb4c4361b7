"""The folder for a GPU machine: what is packed, how its parts end in time, and the import of their results."""

import json
import lzma
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bench.gpu import import_results, measurements, on_machine, pack, packages, parts, unpack
from bench.gpu.__main__ import main
from bench.gpu.packages import PackError
from bench.measure.workload import ROOT
from parity.goldens import store
from parity.judge import limits
from parity.judge.states import Metric, Mode
from parity.runs.selection import stage_names
from reference import runtime_options
from reference.errors import Refusal
from reference.originals import open_original
from reference.recording.options import Weights
from reference.spread import ON_DEVICE

PYTHON = ".".join(map(str, sys.version_info[:2]))


def wheel(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "some-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def one_wheel(folder: Path, _python: str) -> list[Path]:
    return [
        wheel(folder, {"some/__init__.py": b"VALUE = 7\n", "some/tests/test_some.py": b"", "some-1.dist-info/M": b""})
    ]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu") / "pack"
    return folder, pack.write(folder, None, PYTHON, one_wheel)


def test_the_packed_goldens_reach_every_stage():
    cases = [store.open_case(path) for path in store.cases(ROOT / "goldens" / "cases")]
    chosen = pack.goldens(cases)
    every = set().union(*map(stage_names, cases))
    assert every == set().union(*map(stage_names, chosen))
    assert sum(pack.size(case.folder) for case in chosen) < 5_000_000
    assert {bool(case.facts.blocks) for case in pack.for_original(chosen)} == {True, False}


def test_goldens_that_lack_a_stage_are_refused():
    cases = [store.open_case(path) for path in store.cases(ROOT / "goldens" / "cases")]
    only_streams_and_files = [case for case in cases if "segment.cuts" not in case or case.options["f0_method"] == "pm"]
    few = [case for case in only_streams_and_files if not case.facts.isolated]
    with pytest.raises(PackError, match="no golden without further packages has the stages"):
        pack.goldens([*few])


def test_the_folder_holds_what_a_run_needs_and_no_path_of_this_machine(packed):
    folder, sizes = packed
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"run.sh", "about.json", "code/bench/gpu/on_machine.py", "code/rvc/nn/kernels/amx.c"} <= names
    assert {"code/rvc/api.py", "code/parity/data/spread.json", "code/reference/spread.py"} <= names
    assert not [name for name in names if "/results/" in name or name.startswith("code/tests")]
    assert sizes.total == pack.size(folder) < pack.LIMIT
    texts = [path for path in folder.rglob("*") if path.suffix in (".py", ".sh", ".json", ".toml")]
    here = (str(ROOT), str(Path.home()) + "/")
    assert [path for path in texts if any(word in path.read_text(encoding="utf-8") for word in here)] == []


def test_the_unpacked_packages_import_and_hold_no_tests(packed, tmp_path):
    folder, _ = packed
    site = tmp_path / "site"
    assert unpack.main([str(folder / "packages"), str(site), PYTHON]) == 0
    assert sorted(str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()) == [
        "some-1.dist-info/M",
        "some/__init__.py",
    ]


def test_another_python_is_refused(packed, tmp_path, capsys):
    assert unpack.main([str(packed[0] / "packages"), str(tmp_path / "site"), "2.7"]) == 2
    assert (
        capsys.readouterr().err == f"this is Python {PYTHON}, but the packages are for 2.7; set PYTHON to one of it\n"
    )


def test_a_folder_beyond_the_limit_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "LIMIT", 1000)
    with pytest.raises(PackError, match=r"the folder would exceed its limit: \d+\.\d MB of 0: "):
        pack.write(tmp_path / "pack", None, PYTHON, one_wheel)
    assert list(tmp_path.iterdir()) == []
    trial = pack.write(tmp_path / "pack", None, PYTHON, one_wheel, is_trial=True)
    assert " MB (compressed quickly, which --pack does not): " in trial.sentence()


def test_an_existing_folder_and_a_folder_without_the_original_are_refused(tmp_path, capsys):
    assert main(["--pack", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path} exists already; name a folder that does not\n"
    assert main(["--pack", str(tmp_path / "new"), "--checkout", str(tmp_path)]) == 2
    expected = f"{tmp_path} has no infer/rtrvc.py; --checkout needs a checkout of the WebUI at 4338f12\n"
    assert capsys.readouterr().err == expected


def test_every_left_out_package_stands_in_the_lock():
    names = {line.partition("==")[0] for line in packages.LOCK.read_text(encoding="utf-8").splitlines()}
    assert set(packages.LEFT_OUT) - names == set()
    assert "numpy" in {line.partition("==")[0] for line in packages.requirements(packages.LOCK.read_text("utf-8"))}


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("scipy/signal/_signaltools.py", True),
        ("scipy/signal/tests/test_a.py", False),
        ("numpy/__init__.pyi", False),
        ("numpy/f2py/__init__.py", True),  # `from numpy import *` imports it
        ("librosa/__init__.pyi", True),
        ("transformers/models/hubert/modeling_hubert.py", True),
        ("transformers/models/bert/modeling_bert.py", False),
        ("torchaudio/lib/_torchaudio.so", False),
    ],
)
def test_what_no_program_imports_is_trimmed(path, kept):
    assert packages.is_kept(path) is kept


def test_an_archive_has_the_same_bytes_for_the_same_files(tmp_path):
    files = {"a/b.so": bytes(range(256)) * 40, "a/c.py": b"x = 1\n"}
    assert lzma.decompress(packages.compress(files, packages.QUICK_PRESET)) == lzma.decompress(packages.compress(files))
    data = packages.compress(files)
    assert data == packages.compress(files) and lzma.decompress(data)
    (tmp_path / "a.tar.xz").write_bytes(data)
    with tarfile.open(tmp_path / "a.tar.xz") as archive:
        assert archive.getnames() == ["a/b.so", "a/c.py"]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_the_parts_end_within_six_minutes(device, tmp_path):
    about = {"original": True}
    made = parts.parts(tmp_path, about, device, tmp_path, parts.FULL)
    assert sum(part.limit for part in made) <= parts.TOTAL - 15  # seconds for the unpacking
    assert len({part.name for part in made}) == len(made)
    assert set(import_results.ROWS) <= {part.name for part in made} or device == "cpu"


def test_without_the_original_its_part_reads_not_measured(tmp_path):
    about = {"original": False, "for_original": ["some"]}
    made = {part.name: part for part in parts.parts(tmp_path, about, "cpu", tmp_path, parts.trial(about))}
    answer = on_machine.run_part(made["original"], 100.0, tmp_path / "log")
    assert (answer["state"], answer["message"]) == ("not measured", "not measured: packed without --checkout")
    assert not [word for word in made["offline 1 s"].command if word == "--checkout"]


def sleeping(seconds: float, tmp_path: Path, code: int = 0) -> parts.Part:
    child = f"import time; time.sleep({seconds})"
    program = f"import subprocess, sys; print('begun', flush=True); subprocess.run([sys.executable, '-c', '{child}'])"
    return parts.Part("one", (sys.executable, "-c", f"{program}; sys.exit({code})"), 60.0, tmp_path / "one.json")


def test_a_part_beyond_its_limit_is_ended_with_its_children_and_keeps_its_result(tmp_path):
    (tmp_path / "one.json").write_text('{"rows": {}}')
    start = time.monotonic()
    answer = on_machine.run_part(replace(sleeping(60, tmp_path), limit=1.5), 100.0, tmp_path / "log")
    assert time.monotonic() - start < 20
    assert (answer["state"], answer["message"]) == ("out of time", "ended after its 2 s")
    assert answer["result"] == {"rows": {}}


def test_a_trial_measures_one_of_each_kind_and_judges_one_golden_in_the_reduced_precision(tmp_path):
    about = {"original": True, "for_original": ["some", "other"]}
    made = {part.name: part for part in parts.parts(tmp_path, about, "cpu", tmp_path, parts.trial(about))}
    assert list(made) == ["voices", "parity float32", "parity bfloat16", "original", "offline 1 s", "live 0.25 s"]
    assert made["parity bfloat16"].command[-2:] == ("--case", "some")
    assert "--case" not in made["parity float32"].command


def test_a_run_that_is_ended_ends_the_part_that_runs(tmp_path):
    """Whoever ends `run.sh` after its time does not know of the part's processes."""
    log = tmp_path / "child"
    program = f"import os, time; open({str(log)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    part = f"parts.Part('one', (sys.executable, '-c', {program!r}), 60.0)"
    run = (
        "import signal, sys; from pathlib import Path; from bench.gpu import on_machine, parts;"
        "signal.signal(signal.SIGTERM, on_machine.leave);"
        f"on_machine.run_part({part}, 60.0, Path({str(tmp_path / 'log')!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", run], cwd=ROOT)
    while not (log.is_file() and log.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    assert process.wait(20) == on_machine.TERMINATED
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


SERVER = """
import json, sys
print('{}', flush=True)
for count in map(int, sys.stdin):
    print(json.dumps({"each": [{"total": 0.5}] * count, "ms": [4.0] * count, "device_mib": 7.0}), flush=True)
"""


@pytest.mark.parametrize("task", ["offline", "live"])
def test_programs_are_measured_in_turn_and_those_that_end_are_named(task, tmp_path, monkeypatch):
    programs = {"rvc float32": SERVER, "rvc float16": "raise SystemExit('no card')", "original float32": SERVER[:20]}
    commands = {name: [sys.executable, "-c", program] for name, program in programs.items()}
    monkeypatch.setattr(measurements, "programs", lambda _options: list(commands))
    for name in ("_conversion_command", "_stream_command"):
        monkeypatch.setattr(measurements, name, lambda program, *_: commands[program])
    monkeypatch.setattr(measurements, "Workload", lambda *_arguments, **_named: SimpleNamespace(voice_options=list))
    out = tmp_path / "out.json"
    options = ["--device", "cpu", "--turns", "2", "--repeats", "2", "--blocks-per-turn", "3", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["measurements", task, *options])
    assert measurements.main() == 0
    result = json.loads(out.read_text())
    assert set(result["not_measured"]) == {"rvc float16", "original float32"}
    assert "no card" in result["not_measured"]["rvc float16"]
    (row,) = result["rows"].values()
    if task == "live":
        assert (row["blocks"], row["p95_ms"], row["missed_deadlines"], row["device_mib"]) == (6, 4.0, 0, 7.0)
    else:
        assert (row["seconds"], len(row["each"]), row["device_mib"]) == (0.5, 2, 7.0)
        assert row["first_conversion_seconds"] > 0.5


def test_the_last_part_takes_the_time_that_the_others_left(tmp_path, monkeypatch):
    limits_of = []
    monkeypatch.setattr(on_machine, "machine", lambda _device: {})
    about = {"commit": "abc", "original": True, "for_original": ["some"]}
    (tmp_path / "about.json").write_text(json.dumps(about))

    def run(part, left, _log):
        limits_of.append(min(part.limit, left))
        return {"state": on_machine.State.DONE, "seconds": 0.0}

    monkeypatch.setattr(on_machine, "run_part", run)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert on_machine.main(["--pack", str(tmp_path), "--device", "cpu"]) == 0
    assert limits_of[:-1] == [40, 30, 30, 70, 55, 30, 30]
    assert parts.TOTAL - 15 < limits_of[-1] < parts.TOTAL


def test_a_part_is_not_begun_without_time(tmp_path):
    answer = on_machine.run_part(sleeping(0, tmp_path), 0.5, tmp_path / "log")
    assert (answer["state"], answer["message"]) == ("out of time", "the run has no time left for it")


def test_a_part_that_fails_states_what_it_printed(tmp_path):
    answer = on_machine.run_part(sleeping(0, tmp_path, 3), 100.0, tmp_path / "log")
    assert answer["state"] == "failed" and answer["message"] == "exit code 3: begun\n"
    (tmp_path / "one.json").write_text("no")
    done = on_machine.run_part(sleeping(0, tmp_path), 100.0, tmp_path / "log")
    assert (done["state"], done["message"]) == ("done", "one.json is no JSON")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a card is here")
def test_a_machine_without_a_card_is_refused(tmp_path, capsys):
    assert on_machine.main(["--pack", str(tmp_path)]) == 2
    refusal = f"torch {torch.__version__} finds no CUDA device here; run.sh --device cpu --trial tries the script\n"
    assert capsys.readouterr().err == refusal


def a_run() -> dict:
    entry = {"tensor": "flow.z", "mode": "isolated", "metric": "relative_rms", "network_f0": False, "cases": 1}
    variant = {"name": "cuda", "environment": {"device": "cuda", "dtype": "float32", "card": "NVIDIA X1"}}
    spread = {"format": "rvc-spread/1", "variants": [variant], "entries": [{**entry, "by_variant": {"cuda": 0.5}}]}
    row = {"seconds": 0.3, "real_time_factor": 0.01, "first_conversion_seconds": 6.04, "device_mib": 1234.4}
    block = {"blocks": 60, "p50_ms": 8.0, "p95_ms": 9.04, "p99_ms": 11.0, "missed_deadlines": 0, "device_mib": None}
    machine = {
        "device": "cuda",
        "card": "NVIDIA X1",
        "driver": "550.1",
        "cuda": "13.0",
        "torch": "2.13",
        "tf32": "False",
    }
    done = {"state": "done", "seconds": 1.0}
    return {
        "format": "rvc-gpu/1",
        "measured": "2026-11-27T00:00:00+00:00",
        "commit": "abc1234",
        "trial": False,
        "machine": machine,
        "parts": {
            "voices": done,
            "parity float32": {**done, "result": {"sentence": "all 9 cells of 2 cases hold"}},
            "original": {**done, "result": spread},
            "offline 30 s": {**done, "result": {"rows": {"rvc float16": row}, "not_measured": {"original": "no"}}},
            "live 0.1 s": {**done, "result": {"rows": {"rvc float16": block}, "not_measured": {}}},
            "offline 600 s": {"state": "out of time", "seconds": 35.0, "message": "ended after its 35 s"},
        },
    }


def test_results_become_a_table_with_the_cards_name_and_variants_that_change_no_limit(tmp_path):
    source, page, spread = tmp_path / "results.json", tmp_path / "page.md", tmp_path / "spread.json"
    source.write_text(json.dumps(a_run()))
    page.write_text("before\n<!-- gpu -->\nstale\n<!-- /gpu -->\nafter\n")
    spread.write_bytes(limits.SPREAD.read_bytes())
    import_results.write(source, page, tmp_path, spread)
    text = page.read_text()
    for line in (
        "NVIDIA X1, driver 550.1, CUDA 13.0, torch 2.13; TF32 off; commit abc1234.",
        "all 9 cells of 2 cases hold",
        "0.30 s, real-time factor 0.0100, first conversion 6.0 s after start, peak 1234 MiB on the device",
        "p50 8.0 ms, p95 9.0 ms, 0 of 60 missed",
        "distances of 1 tensors from its own goldens (cuda)",
        "out of time: ended after its 35 s",
    ):
        assert line in text
    assert text.startswith("before\n<!-- gpu -->\n") and text.endswith("<!-- /gpu -->\nafter\n") and "stale" not in text
    assert (tmp_path / "2026-11-27_gpu_nvidia-x1.json").is_file()
    merged = limits.read(spread)
    assert merged["variants"][-1]["name"] == "nvidia-x1-cuda"
    before, after = (limits.Limits(limits.read(path)) for path in (limits.SPREAD, spread))
    for name in ("seg0.flow.z", "seg0.nsf.source", "rt.0.flow.z"):
        for mode, metric in ((Mode.ISOLATED, Metric.RELATIVE_RMS), (Mode.CHAINED, Metric.WORST_FRAME)):
            assert before.find(name, mode, metric, False).limit == after.find(name, mode, metric, False).limit
    again = import_results.with_variants(
        merged, import_results.renamed(a_run()["parts"]["original"]["result"], "nvidia-x1")
    )
    assert again == merged


def test_an_import_that_changes_the_spread_names_the_command_that_pins_it(monkeypatch, capsys):
    monkeypatch.setattr(import_results, "write", lambda path: [limits.SPREAD])
    assert main(["--import", "results.json"]) == 0
    pinned = "parity/data/manifest.json pins spread.json: run `rvc-parity manifest --write`, and commit both together"
    assert capsys.readouterr().out.splitlines() == [str(limits.SPREAD), pinned]
    monkeypatch.setattr(import_results, "write", lambda path: [import_results.DOCUMENT])
    assert main(["--import", "results.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(import_results.DOCUMENT)]


def test_results_of_a_trial_or_of_another_format_are_refused(tmp_path, capsys):
    path = tmp_path / "results.json"
    assert main(["--import", str(path)]) == 2
    assert "cannot be read as results.json of a run: " in capsys.readouterr().err
    path.write_text("{}")
    assert main(["--import", str(path)]) == 2
    assert capsys.readouterr().err == f"{path} is no results.json of a run; its format should be rvc-gpu/1\n"
    path.write_text(json.dumps({**a_run(), "trial": True}))
    assert main(["--import", str(path)]) == 2
    expected = f"{path} is of a trial or of a processor, which measures no card; run run.sh on a GPU\n"
    assert capsys.readouterr().err == expected


def test_the_page_states_what_was_not_measured():
    page = import_results.DOCUMENT.read_text(encoding="utf-8")
    held = import_results.MARKED.search(page)
    assert held is not None
    assert list(import_results.RESULTS.glob("*_gpu_*.json")) or import_results.table(None) in held[0]


class FakeConfiguration:
    """The parts of the original's configuration that choose a device and a precision."""

    def __init__(self, device):
        self.infer_device, self.infer_dtype = torch.device(device), torch.float16

    @staticmethod
    def get_device_dtype_sm(_number):
        return "cuda:0", torch.float16, 9.0, 80.0


def test_an_original_on_a_card_computes_in_the_chosen_precision():
    module = FakeConfiguration("cuda:0")
    runtime_options.choose_precision(module, torch.float32)
    assert module.infer_dtype is torch.float32
    assert module.get_device_dtype_sm(0) == ("cuda:0", torch.float32, 9.0, 80.0)
    with pytest.raises(Refusal, match="the original finds no GPU that it uses"):
        runtime_options.choose_precision(FakeConfiguration("cpu"), torch.float32)


def test_an_original_that_has_no_driver_for_a_card_is_refused(tmp_path):
    weights = Weights(tmp_path / "v.pth", tmp_path)
    with pytest.raises(Refusal, match="rvc-python is run on cpu, not on cuda"):
        open_original("rvc-python", weights, runtime=runtime_options.Runtime("cuda"))


def test_sound_of_another_rate_is_not_read_without_ffmpeg(tmp_path):
    import soundfile

    path = tmp_path / "a.wav"
    soundfile.write(path, [[0.0, 0.0]] * 100, 8000)
    with pytest.raises(Refusal, match="without ffmpeg an original reads mono files of 16000 Hz"):
        runtime_options.read_plain_sound(str(path), 16000)


def test_every_variant_of_a_card_states_its_precision():
    assert {name: variant.runtime.half for name, variant in ON_DEVICE.items()} == {
        "cpu-device": False,
        "cuda": False,
        "cuda-float16": True,
    }


def test_the_script_is_valid_for_a_posix_shell(packed):
    assert subprocess.run(["sh", "-n", str(packed[0] / "run.sh")], check=False).returncode == 0
