"""The packages that a machine with Python and torch lacks: downloaded as wheels, trimmed, and compressed.

Which they are follows from `reference/requirements.lock`, the environment of the originals, without LEFT_OUT. Of their
files, what TRIMMED names is left out: tests, headers, and parts that no program of the run imports.
"""

import io
import lzma
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from bench.measure.workload import ROOT

LOCK = ROOT / "reference" / "requirements.lock"
TORCHAUDIO = "torchaudio==2.11.0"  # outside of the lock, see reference/originals.lock; only its Python part is used
MEASURES = "mir_eval==0.8.2"  # of pitch, for the original in half precision; of the judge's extra "perceptual"
# Names in the lock that are not packed, and what follows from that.
LEFT_OUT: Mapping[str, str] = {
    **dict.fromkeys(("torch", "sympy", "mpmath", "networkx", "setuptools"), "torch is on the machine"),
    **dict.fromkeys(("numba", "llvmlite"), "60 MB: a stand-in's decorators return the function"),
    **dict.fromkeys(("av", "ffmpeg-python", "future"), "files are read with soundfile, as 16 kHz mono"),
    "praat-parselmouth": "10 MB: goldens with the F0 method pm are not packed",
    **dict.fromkeys(("pyworld", "resampy"), "goldens with the F0 method harvest or crepe are not packed"),
    **dict.fromkeys(("einops", "hyper-connections", "local-attention", "torch-einops-utils"), "no FCPE is packed"),
    **dict.fromkeys(("scikit-learn", "threadpoolctl", "narwhals"), "librosa imports it for decompositions only"),
    **dict.fromkeys(("pydantic", "pydantic-core", "annotated-types", "typing-inspection"), "transformers serves none"),
    **dict.fromkeys(("rich", "pygments", "markdown-it-py", "mdurl", "python-dotenv"), "command lines of others"),
    **dict.fromkeys(("jinja2", "markupsafe"), "reports are made where the results are imported"),
    "hf-xet": "downloads nothing",
}
# Patterns of paths within a wheel that are left out, matched from the start of the path.
TRIMMED = (
    *("*/tests/*", "*/test/*", "*.a", "*.h", "*.hpp", "*.pxd", "*.pyx", "*.f90", "*.cuh", "*/licenses/*"),
    *("numpy/_core/_simd*.so", "numpy/_core/*_tests*.so"),
    *("scipy/odr/*", "scipy/cluster/*", "scipy/datasets/*"),
    *("scipy/special/_test_internal*.so", "scipy/*/_cytest*.so", "scipy/_lib/_test_*.so"),
    *("torchaudio/*.so", "transformers/cli/*", "transformers/exporters/*", "faiss/contrib/*"),
    *("scipy/stats/_sobol_direction_numbers.npz", "huggingface_hub/cli/*"),
    *("yaml/_yaml*.so", "msgpack/_cmsgpack*.so"),  # both packages have the same in Python
    "*.dist-info/sboms/*",
)
# The models of transformers that are kept: HuBERT and what its import reads.
MODELS = ("__init__.py", "auto", "hubert", "wav2vec2", "encoder_decoder")
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014", "manylinux1")
PRESET, WINDOW = 6, 1 << 26  # preset of LZMA2; size of its dictionary in bytes, within which it finds equal parts
QUICK_PRESET = 0  # preset of LZMA2 that takes a tenth of the time and makes files half as large again
# Packages that are compressed together, since parts of them are the same; the rest is one more group.
GROUPS = (("numpy", "scipy.libs", "numpy.libs"), ("faiss", "faiss_cpu.libs"), ("scipy",))


class PackError(Exception):
    """The folder cannot be made; the message is one sentence."""


def requirements(lock: str) -> list[str]:
    """The packages of the lock file that are packed, as NAME==VERSION, and what the run needs beside them."""
    lines = [line.partition("#")[0].strip() for line in lock.splitlines()]
    return [line for line in lines if line and line.partition("==")[0] not in LEFT_OUT] + [TORCHAUDIO, MEASURES]


def download(folder: Path, python: str) -> list[Path]:
    """Download the wheels for a version of CPython, such as "3.12", on x86-64 Linux.

    Raises:
        PackError: pip could not.
    """
    tag = python.replace(".", "")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", tag, "--implementation", "cp", "--dest", str(folder)]
    for abi in (f"cp{tag}", "abi3", "none"):
        command += ["--abi", abi]
    for platform in (*(f"{name}_x86_64" for name in PLATFORMS), "any"):
        command += ["--platform", platform]
    command += requirements(LOCK.read_text(encoding="utf-8"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no message"]
        raise PackError(f"pip could not download the packages for Python {python}: {reason[0]}")
    return sorted(folder.glob("*.whl"))


def is_kept(path: str) -> bool:
    """Whether a file of a wheel is packed, by its path within the wheel."""
    if path.endswith(".pyi") and not path.startswith("librosa/"):  # librosa reads its own at run time
        return False
    model = re.match(r"transformers/models/([^/]+)", path)
    if model and model[1] not in MODELS:
        return False
    return not any(fnmatchcase(path, pattern) for pattern in TRIMMED)


def contents(wheels: Sequence[Path]) -> dict[str, bytes]:
    """The kept files of wheels: path → content."""
    files = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if not name.endswith("/") and is_kept(name):
                    files[name] = archive.read(name)
    return files


def groups(files: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """The files by archive: those of GROUPS, and "rest"."""
    by_top = {top: names[0] for names in GROUPS for top in names}
    parts: dict[str, dict[str, bytes]] = {}
    for name in sorted(files):
        parts.setdefault(by_top.get(name.partition("/")[0], "rest"), {})[name] = files[name]
    return parts


def compress(files: Mapping[str, bytes], preset: int = PRESET) -> bytes:
    """A tar.xz of files, the same bytes for the same files."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    data = memory.getvalue()
    window = {"dict_size": max(min(WINDOW, len(data)), 1 << 12)} if preset == PRESET else {}
    # x86 instructions compress better when their jump targets are absolute.
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": preset, **window}]
    return lzma.compress(data, format=lzma.FORMAT_XZ, filters=filters)


def write(wheels: Sequence[Path], folder: Path, preset: int = PRESET) -> dict[str, int]:
    """Write one NAME.tar.xz for each group into a folder, compressed with a preset of LZMA2.

    Returns:
        The bytes of each archive by name.
    """
    folder.mkdir(parents=True)
    parts = groups(contents(wheels))
    with ProcessPoolExecutor(2) as pool:
        archives = dict(zip(parts, pool.map(partial(compress, preset=preset), parts.values()), strict=True))
    for name, data in archives.items():
        (folder / f"{name}.tar.xz").write_bytes(data)
    return {name: len(data) for name, data in archives.items()}
