"""An installation of the judge alone, for tests: a folder for PYTHONPATH that hides the libraries that it lacks.

A process whose PYTHONPATH begins with that folder, and each of its children, fails to import them as if they were not
installed, and appends the names to a log.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HIDDEN = (
    "torch",
    "rvc",
    "av",
    "librosa",
    "matplotlib",
    "mir_eval",
    "numba",
    "onnx",
    "onnxruntime",
    "parselmouth",
    "PIL",
    "pyworld",
    "sklearn",
    "torchaudio",
    "torchcrepe",
    "torchfcpe",
    "transformers",
)
_SITECUSTOMIZE = """
import sys

class Hidden:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            with open({log!r}, "a") as log:
                log.write(name + "\\n")
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden)
"""


class LightInstallation:
    """Runs programs of the project in processes that cannot import HIDDEN."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "hidden.log"
        self._path = folder / "site"
        self._path.mkdir()
        (self._path / "sitecustomize.py").write_text(_SITECUSTOMIZE.format(hidden=HIDDEN, log=str(self.log)))

    @property
    def python_path(self) -> str:
        """The value of PYTHONPATH that hides the libraries."""
        return os.pathsep.join([str(self._path), str(ROOT)])

    def run(self, *arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
        """`python ARGUMENTS…`, with its output."""
        environment = os.environ | {"PYTHONPATH": self.python_path}
        return subprocess.run(
            [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
        )

    def imports(self) -> list[str]:
        """The hidden libraries that were imported since the last call, sorted, each once."""
        names = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return sorted({name.partition(".")[0] for name in names})
