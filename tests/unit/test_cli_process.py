"""The command as a process, which ends without Python's shutdown: all of its output must arrive."""

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")


def rvc(*arguments, **where):
    return subprocess.run([sys.executable, "-m", "rvc", *arguments], stderr=subprocess.PIPE, text=True, **where)


def test_all_output_arrives_in_a_pipe():
    done = rvc("profiles", stdout=subprocess.PIPE)
    assert done.returncode == 0 and not done.stderr
    assert "webui-2026" in done.stdout and done.stdout.endswith("\n")


def test_a_refusal_has_the_exit_code_2():
    done = rvc("inspect", "no-such-voice.pth", stdout=subprocess.PIPE)
    assert done.returncode == 2 and done.stderr.startswith("rvc: ")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
def test_output_that_cannot_be_written_is_a_failure():
    with FULL.open("w") as full:
        done = rvc("profiles", stdout=full)
    assert done.returncode == 1
    assert done.stderr == "rvc: the system refused: [Errno 28] No space left on device\n"
