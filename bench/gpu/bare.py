"""An interpreter that has torch and what torch requires, and no other package, as on a machine with torch only."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

PROGRAM = "import sysconfig; print(sysconfig.get_path('purelib'))"


def required(name: str = "torch") -> list[str]:
    """The installed distributions that one requires, with itself, without optional ones."""
    names: dict[str, None] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        try:
            requires = importlib.metadata.distribution(each).requires or []
        except importlib.metadata.PackageNotFoundError:
            continue  # the requirement is for another platform or version
        if each not in names:
            names[each] = None
            waiting += [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in requires if "extra ==" not in line]
    return list(names)


def interpreter(folder: Path) -> Path:
    """Make a virtual environment with links to torch's files; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    answer = subprocess.run([python, "-I", "-c", PROGRAM], capture_output=True, text=True, check=True)
    site = Path(answer.stdout.strip())
    for name in required():
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in sorted(tops):
            link, source = site / top, Path(str(distribution.locate_file(top)))
            if source.exists() and not link.exists():
                link.symlink_to(source)
    return python
