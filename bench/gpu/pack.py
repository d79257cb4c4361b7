"""The packed folder: code, goldens, packages, the original, and `run.sh`, in at most LIMIT bytes."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gpu import packages
from bench.gpu.packages import PackError
from bench.measure.workload import ROOT, SPEECH
from parity.goldens import store
from parity.goldens.store import Case
from parity.runs.selection import stage_names

LIMIT = 50_000_000  # bytes
CODE = ("bench", "parity", "reference", "rvc", "goldens/set.json", "goldens/inputs", "LICENSE")
NOT_NEEDED = ("bench/results/", "bench/publish/", "parity/adapters/templates/", "parity/foreign_dumps/maps/")
ORIGINAL = "webui-2026"
ORIGINAL_FILES = ("LICENSE", "configs", "i18n", "infer", "realtime_gui.py", "tools/*.py", "tools/torchgate")
METHOD = "rmvpe"  # the F0 method whose network is drawn; the others need packages that are not packed
ABOUT = "about.json"
RUN = """#!/bin/sh
# Measure rvc and the original on this machine: ./run.sh [--device cuda] [--out results]
# Needs Python {python} with torch, and no network; another interpreter than python3 is named with PYTHON=...
set -eu
here=$(cd "$(dirname "$0")" && pwd)
start=$(date +%s)
python=${{PYTHON:-python3}}
command -v "$python" >/dev/null || {{ echo "there is no $python; name an interpreter with PYTHON=..." >&2; exit 2; }}
"$python" -I -S "$here/code/bench/gpu/unpack.py" "$here/packages" "$here/site" {python}
export PYTHONPATH="$here/code:$here/code/bench/gpu/absent:$here/site"
export PYTHONPYCACHEPREFIX="$here/bytecode" OMP_WAIT_POLICY=passive RVC_CACHE="$here/voices" RVC_BACKEND=fixed
exec "$python" -m bench.gpu.on_machine --pack "$here" --started "$start" "$@"
"""


@dataclass(frozen=True)
class Packed:
    """What a folder holds.

    Attributes:
        total: bytes of all files.
        archives: bytes of each archive of packages.
        goldens: names of the goldens.
        original: whether it holds the original.
        is_trial: whether the packages are compressed quickly, so that the size is not that of `--pack`.
    """

    total: int
    archives: dict[str, int]
    goldens: list[str]
    original: bool
    is_trial: bool = False

    def sentence(self) -> str:
        """What was written, in words."""
        sizes = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sorted(self.archives.items()))
        left = sorted(packages.LEFT_OUT)
        allowed = " (compressed quickly, which --pack does not)" if self.is_trial else f" of {LIMIT / 1e6:.0f}"
        return (
            f"{self.total / 1e6:.1f} MB{allowed}: {len(self.goldens)} goldens, packages (MB: {sizes})"
            f"{', the original' if self.original else ', no original (--checkout)'}; left out: {', '.join(left)}"
        )


def goldens(cases: Sequence[Case]) -> list[Case]:
    """Few and small goldens that reach every stage, with one conversion and one stream for the original.

    Greedily, the most new stages per byte, of those whose F0 needs no package that is not packed.

    Raises:
        PackError: these goldens do not reach every stage.
    """
    able = [case for case in cases if _needs_no_package(case)]
    chosen = {case.name: case for case in (_smallest(able, stream) for stream in (False, True))}
    missing = set[str]().union(*map(stage_names, cases)) - set[str]().union(*map(stage_names, chosen.values()))
    while missing:
        best = max(able, key=lambda case: (len(stage_names(case) & missing) / size(case.folder), case.name))
        if not stage_names(best) & missing:
            raise PackError(f"no golden without further packages has the stages {', '.join(sorted(missing))}")
        chosen[best.name] = best
        missing -= stage_names(best)
    return [chosen[name] for name in sorted(chosen)]


def for_original(cases: Collection[Case]) -> list[Case]:
    """The goldens, of those given, that the original runs as a whole: a conversion and a stream with F0."""
    return [case for case in cases if _of_original(case)]


def _needs_no_package(case: Case) -> bool:
    alone = case.facts.isolated and "f0.raw" not in stage_names(case)
    return alone or not case.voice["f0"] or case.options.get("f0_method") == METHOD


def _of_original(case: Case) -> bool:
    whole = case.profile == ORIGINAL and not case.facts.isolated
    return whole and bool(case.voice["f0"]) and case.options.get("f0_method") == METHOD


def _smallest(cases: Sequence[Case], stream: bool) -> Case:
    fitting = [case for case in cases if _of_original(case) and bool(case.facts.blocks) == stream]
    if not fitting:
        raise PackError(f"there is no golden of {ORIGINAL} with {METHOD}{' and blocks' if stream else ''} to pack")
    return min(fitting, key=lambda case: (size(case.folder), case.name))


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write(
    folder: Path,
    checkout: Path | None,
    python: str,
    download: Callable[[Path, str], list[Path]] = packages.download,
    is_trial: bool = False,
) -> Packed:
    """Write the folder; it appears by one rename.

    Args:
        folder: does not exist yet.
        checkout: the original's; None packs none.
        python: version of the interpreter there, such as "3.12".
        download: returns the wheels for a version of Python, in a folder.
        is_trial: compress quickly, and admit any size.
    Raises:
        PackError: the folder exists, a package or the original is missing, or the whole exceeds LIMIT.
    """
    if folder.exists():
        raise PackError(f"{folder} exists already; name a folder that does not")
    if checkout is not None and not (checkout / "infer" / "rtrvc.py").is_file():
        raise PackError(f"{checkout} has no infer/rtrvc.py; --checkout needs a checkout of the WebUI at 4338f12")
    folder.parent.mkdir(parents=True, exist_ok=True)
    preset = packages.QUICK_PRESET if is_trial else packages.PRESET
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with tempfile.TemporaryDirectory() as wheels:
            archives = packages.write(download(Path(wheels), python), fresh / "packages", preset)
        chosen = goldens([store.open_case(path) for path in store.cases(ROOT / "goldens" / "cases")])
        copy_code(fresh / "code", [case.name for case in chosen])
        if checkout is not None:
            copy_original(checkout, fresh / "original")
        about = {
            "format": "rvc-gpu-pack/1",
            "commit": git("rev-parse", "--short", "HEAD").strip(),
            "python": python,
            "goldens": [case.name for case in chosen],
            "for_original": [case.name for case in for_original(chosen)],
            "original": checkout is not None,
            "left_out": dict(packages.LEFT_OUT),
        }
        (fresh / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        run = fresh / "run.sh"
        run.write_text(RUN.format(python=python), encoding="utf-8")
        run.chmod(0o755)
        fresh.chmod(0o755)
        packed = Packed(size(fresh), archives, [case.name for case in chosen], checkout is not None, is_trial)
        if packed.total > LIMIT and not is_trial:
            raise PackError(f"the folder would exceed its limit: {packed.sentence()}")
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return packed


def copy_code(folder: Path, cases: Sequence[str]) -> None:
    """Copy the tracked files that a run needs, and the goldens of some names."""
    wanted = [*CODE, *(f"goldens/cases/{name}" for name in cases)]
    for name in git("ls-files", "-z", "--", *wanted).split("\0"):
        if not name or name.startswith(NOT_NEEDED):
            continue
        if name.startswith("goldens/inputs/") and Path(name).name not in (*SPEECH, *_inputs(cases)):
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def _inputs(cases: Sequence[str]) -> list[str]:
    """The input files of some goldens."""
    opened = [store.open_case(ROOT / "goldens" / "cases" / name) for name in cases]
    return [str(case.input["file"]) for case in opened if "file" in case.input]


def copy_original(checkout: Path, folder: Path) -> None:
    """Copy what the original's driver imports and reads.

    Raises:
        PackError: the checkout lacks some of it.
    """
    for pattern in ORIGINAL_FILES:
        paths = sorted(checkout.glob(pattern))
        if not paths:
            raise PackError(f"{checkout} has no {pattern}; --checkout needs a checkout of the WebUI at 4338f12")
        for path in paths:
            target = folder / path.relative_to(checkout)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(path, target)


def git(*arguments: str) -> str:
    """The output of a command of git in the repository.

    Raises:
        PackError: this is no clone, or git is missing.
    """
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackError(f"git cannot list the files of {ROOT.name}, which has to be a clone: {error}") from None
