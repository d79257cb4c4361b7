"""What an adapter may use: memory with its children, the size of its files; and what is left when it ends."""

import os
import shlex
import sys
import time
from pathlib import Path

import pytest
from small_case import golden

from parity import __main__ as command_line
from parity.candidates import resources
from parity.candidates.process import AdapterProcess, ProtocolError
from parity.candidates.resources import GIB, Resources

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are kept on Linux")

LOOP = """
import json, subprocess, sys, time
def answer(number, **fields):
    print(json.dumps({"id": number, "ok": True, **fields}), flush=True)
for line in sys.stdin:
    number = json.loads(line)["id"]
"""
FILL = "held = bytearray(400 << 20); held[::4096] = bytes([1]) * len(held[::4096]); time.sleep(30)"


def adapter(folder: Path, body: str) -> str:
    """A command whose adapter runs `body` for each request."""
    program = folder / "adapter.py"
    program.write_text(LOOP + "\n".join(f"    {line}" for line in body.splitlines()) + "\n", encoding="utf-8")
    return shlex.join([sys.executable, str(program)])


def refusal(command: str, limits: Resources) -> ProtocolError:
    process = AdapterProcess(command, 60.0, limits)
    try:
        with pytest.raises(ProtocolError) as caught:
            process.request("run_stage")
    finally:
        process.stop()
    return caught.value


@pytest.mark.parametrize(
    "body",
    [FILL, f"subprocess.run([sys.executable, '-c', 'import time; {FILL}'])"],
    ids=["the adapter", "its child"],
)
def test_memory_beyond_the_limit_ends_the_adapter_with_a_sentence(body: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    error = refusal(adapter(tmp_path, body), Resources(GIB // 4))
    assert time.monotonic() - begin < 20  # it would have slept for 30 s
    assert error.code == "memory"
    assert str(error).startswith("the adapter and its children used 0.")
    assert str(error).endswith(
        " GiB of memory during run_stage, and 0.25 GiB are allowed; --adapter-memory GIB allows more"
    )


def test_a_mapped_file_is_not_counted(tmp_path: Path) -> None:
    big = tmp_path / "weights"
    with big.open("wb") as file:
        file.truncate(400 << 20)
    body = f"import mmap; file = open({str(big)!r}, 'rb'); m = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
    body += "total = sum(m[i] for i in range(0, len(m), 4096)); time.sleep(1); answer(number, total=total)"
    process = AdapterProcess(adapter(tmp_path, body), 60.0, Resources(GIB // 4))
    assert process.request("run_stage")["total"] == 0
    process.stop()


def test_a_file_beyond_the_limit_is_not_written(tmp_path: Path) -> None:
    large = tmp_path / "large"
    error = refusal(adapter(tmp_path, f"open({str(large)!r}, 'wb').write(bytes(3 << 20))"), Resources(None, 1 << 20))
    assert error.code == "crash" and "File too large" in str(error)
    assert large.stat().st_size <= 1 << 20


def test_children_end_with_the_adapter(tmp_path: Path) -> None:
    body = (
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\nanswer(number, c=child.pid)"
    )
    process = AdapterProcess(adapter(tmp_path, body), 60.0)
    child = int(process.request("run_stage")["c"])
    process.stop()
    end = time.monotonic() + 5
    while _runs(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except FileNotFoundError:
        return False
    return fields[0] != "Z"


def test_an_adapter_leaves_no_core_file_and_gets_the_file_limit(tmp_path: Path) -> None:
    body = (
        "import resource as r; answer(number, core=r.getrlimit(r.RLIMIT_CORE)[0], file=r.getrlimit(r.RLIMIT_FSIZE)[0])"
    )
    process = AdapterProcess(adapter(tmp_path, body), 60.0)
    answer = process.request("run_stage")
    process.stop()
    assert (answer["core"], answer["file"]) == (0, resources.LARGEST_FILE)


def test_the_doctor_reports_the_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden(tmp_path)
    fake = [sys.executable, str(Path(__file__).with_name("fake_adapter.py")), "none", str(tmp_path / "small")]
    doctor = ["doctor", "--candidate", shlex.join(fake), "--goldens", str(tmp_path)]
    assert command_line.main(doctor) == 0
    default = (
        "120 s for a call; 80 % of this machine's memory, children included; files of at most 8 GiB; no core files"
    )
    assert default in capsys.readouterr().out
    assert command_line.main([*doctor, "--adapter-memory", "1.5"]) == 0
    assert "120 s for a call; 1.5 GiB of memory, children included;" in capsys.readouterr().out
    for wrong in ("0", "-1", "nan", "inf"):
        assert command_line.main([*doctor, f"--adapter-memory={wrong}"]) == 2
        assert f"--adapter-memory is {wrong}; expected a positive number of GiB" in capsys.readouterr().err


def test_the_default_is_a_share_of_the_machine_or_its_container() -> None:
    assert 0 < resources.machine_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert resources.default().memory == int(0.8 * resources.machine_memory())
