"""The kills notice a file that is half-written, one that is left, and a command that does not finish afterwards."""

import random
from pathlib import Path

import pytest

from reliability.kills import __main__ as kills
from reliability.kills.tasks import TASKS, Task

SLOWLY = "import time\nfor _ in range(40):\n    file.write('x' * 100); file.flush(); time.sleep(0.03)\nfile.close()\n"
IN_PLACE = f"file = open('a.txt', 'w')\n{SLOWLY}"
RENAMED = f"import os\nfile = open('.a.part', 'w')\n{SLOWLY}os.replace('.a.part', 'a.txt')"
OTHER_NAMES = f"import os\nname = f'.{{os.getpid()}}.part'\nfile = open(name, 'w')\n{SLOWLY}os.replace(name, 'a.txt')"
FOLDER = f"""import os, tempfile
{{begin}}
name = tempfile.mkdtemp(prefix='.out-0a1b2c-1-', dir='.')
file = open(name + '/a.txt', 'w')
{SLOWLY}os.replace(name, 'out') if not os.path.exists('out') else None
{{end}}"""
REMOVED = "import glob, shutil\nfor old in glob.glob('.out-*'): shutil.rmtree(old)"
ONLY_ONCE = f"import sys\nfrom pathlib import Path\nPath('begun').touch(exist_ok=False)\n{RENAMED}"


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (RENAMED, None),
        (IN_PLACE, "a.txt is half-written"),
        (OTHER_NAMES, ".part is left"),
        (FOLDER.format(begin=REMOVED, end=REMOVED), None),
        (FOLDER.format(begin="", end=""), " is left"),
        (ONLY_ONCE, "ends with 1"),
    ],
)
def test_each_loss_is_noticed(script: str, problem: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kills, "EARLIEST", 0.5)
    task = Task("planted", lambda folder: None, ("-c", script), ("*.txt", "*/*.txt"))
    row = kills.run(task, 4, random.Random(1))
    problems = row["problems"]
    assert isinstance(problems, list)
    assert (problems == []) if problem is None else any(problem in text for text in problems), problems


def test_a_kill_that_meets_no_running_command_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    late = iter((2.0, 0.5, 0.9, 0.5, 0.5))  # the first one comes when the command has ended
    monkeypatch.setattr(random.Random, "uniform", lambda self, low, high: next(late))
    row = kills.run(Task("planted", lambda folder: None, ("-c", RENAMED), ("*.txt",)), 3, random.Random(1))
    assert (row["kills"], row["ended_before"], row["problems"]) == (3, 1, [])
    monkeypatch.setattr(random.Random, "uniform", lambda self, low, high: 2.0)
    row = kills.run(Task("planted", lambda folder: None, ("-c", RENAMED), ("*.txt",)), 1, random.Random(1))
    assert row["problems"] == ["only 0 of 1 kills met a running command"]


def test_every_task_prepares_its_inputs(tmp_path: Path) -> None:
    for place, task in enumerate(TASKS):
        folder = tmp_path / str(place)
        folder.mkdir()
        task.prepare(folder)
        assert any(folder.iterdir())
