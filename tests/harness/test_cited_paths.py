"""Comments, docstrings and documents name only files of this project that exist."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = "rvc|parity|reference|reports|bench|tests|docs|goldens|tools"
SUFFIXES = "py|c|h|md|json|toml|js|css|html|safetensors"
PATH = re.compile(rf"(?<![\w/.-])((?:{FOLDERS})/[\w/.-]*\.(?:{SUFFIXES}))(?![\w.])")
MADE_LATER = re.compile(r"out/|yin|my_original|data/waivers\.json")  # results of a command, examples, an optional file
OTHERS = ("docs/divergences.", "docs/spec/", "parity/foreign_dumps/maps/")  # these name files of other projects too


def test_every_cited_file_exists() -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    missing = []
    for file in files:
        if Path(file).suffix not in (".py", ".md", ".js", ".c", ".h", ".toml") or file.startswith(OTHERS):
            continue
        if file.startswith("goldens/") or not (ROOT / file).is_file() or Path(file).name == Path(__file__).name:
            continue
        for number, line in enumerate((ROOT / file).read_text(encoding="utf-8").splitlines(), 1):
            for path in PATH.findall(line):
                if not MADE_LATER.search(path) and not (ROOT / path).exists():
                    missing.append(f"{file}:{number} names {path}")
    assert not missing, "\n".join(missing)
