"""Build the distributions of the project, check them, and try them where there is no repository: `nox -s dist`.

python tools/distributions.py [--out DIR] [--only NAME] [--no-trial]

The table [tool.distributions] of pyproject.toml lists them. Each names its packages and its requirements; the versions
of these, the extras, the license and the scripts are those of [project]. A distribution's own pyproject.toml and its
files are put together in DIR/source/NAME, built there as an sdist, and the wheel is built from the sdist.
"""

import argparse
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MOST_GOLDENS = 90e6  # bytes of the wheel of goldens
MOST_INSTALLED = {"judge": 330e6, "judge and goldens": 450e6}  # bytes of an environment, Python's own packages included
MOST_SECONDS = 300.0  # processor seconds from an empty environment to the report of a first verdict
CACHES = ("__pycache__/*", "*.py[cod]")  # caches that Python writes where a program is run beside the source
COMPILED = (".so", ".pyd", ".dll", ".dylib")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Wrong(Exception):
    """A distribution does not hold what it must."""


@dataclass(frozen=True)
class Project:
    """pyproject.toml."""

    document: Mapping[str, Any]

    @classmethod
    def read(cls) -> "Project":
        """The project's own file."""
        return cls(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))

    @property
    def distributions(self) -> dict[str, "Distribution"]:
        """Name → what [tool.distributions] states."""
        table = self.document["tool"]["distributions"]
        return {name: Distribution(name, self, entry) for name, entry in table.items()}

    @cached_property
    def requirements(self) -> dict[str, str]:
        """Name of a library → the requirement with its version, from any list of the file."""
        project = self.document["project"]
        lists = [project["dependencies"], *project["optional-dependencies"].values()]
        lists += self.document["dependency-groups"].values()
        return {name_of(line): line for lines in lists for line in lines if "[" not in line}


def name_of(requirement: str) -> str:
    """The library of a requirement such as "numpy>=2.0"."""
    match = _NAME.match(requirement)
    assert match is not None, requirement
    return match[0]


@dataclass(frozen=True)
class Distribution:
    """One distribution: a sdist and a wheel.

    Attributes:
        name: its name.
        project: the file that lists it.
        entry: its table: description, packages or data, requires, extras, scripts.
    """

    name: str
    project: Project
    entry: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The version of the project, or of the file that `version-file` names."""
        if "version-file" in self.entry:
            content = (ROOT / self.entry["version-file"]).read_text(encoding="utf-8")
            version = re.search(r'"version": "([\d.]+)"', content)
            assert version is not None
            return version[1]
        return str(self.project.document["project"]["version"])

    @property
    def files(self) -> dict[str, Path]:
        """Path in the wheel → the tracked file of the repository."""
        placed = {package: package for package in self.entry.get("packages", ())} | self.entry.get("data", {})
        files = {}
        for place, source in placed.items():
            for path in tracked(source):
                inner = path.relative_to(ROOT / source) if (ROOT / source).is_dir() else Path(path.name)
                files[(Path(place) / inner).as_posix()] = path
        return files

    @property
    def requires(self) -> list[str]:
        """The requirements of the distribution, with versions."""
        return [self.project.requirements[name] for name in self.entry.get("requires", ())]

    @property
    def extras(self) -> dict[str, list[str]]:
        """Extra → requirements. Another distribution of the project is required in its own version."""
        extras = {
            name: [self._requirement(item) for item in items] for name, items in self.entry.get("extras", {}).items()
        }
        for name in self.entry.get("extras-of-project", ()):
            lines = self.project.document["project"]["optional-dependencies"][name]
            extras[name] = [re.sub(r"^rvc-parity\[", f"{self.name}[", line) for line in lines]
        return extras

    def _requirement(self, name: str) -> str:
        others = self.project.distributions
        if name not in others:
            return self.project.requirements[name]
        # Any later recording for the same specification will do.
        return (
            f"{name}~={others[name].version}"
            if "version-file" in others[name].entry
            else f"{name}=={others[name].version}"
        )


def tracked(source: str) -> list[Path]:
    """The files of a folder that git tracks, or that one file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", source], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name]


# ---- building ----


def stage(distribution: Distribution, folder: Path) -> None:
    """Write the source tree of a distribution."""
    shutil.rmtree(folder, ignore_errors=True)
    for place, source in distribution.files.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    for package in distribution.entry.get("data", {}):
        top = folder / package.split("/")[0]
        (top / "__init__.py").write_text(f'"""{distribution.entry["description"]}."""\n', encoding="utf-8")
    shutil.copy2(ROOT / "LICENSE", folder / "LICENSE")
    shutil.copy2(ROOT / distribution.entry.get("readme", "README.md"), folder / "README.md")
    if distribution.entry.get("compiled"):
        shutil.copy2(ROOT / "setup.py", folder / "setup.py")
    (folder / "pyproject.toml").write_text(own_pyproject(distribution), encoding="utf-8")
    grafts = [f"graft {top}" for top in tops(distribution)]
    lines = [*grafts, *(f"global-exclude {pattern}" for pattern in CACHES)]
    (folder / "MANIFEST.in").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tops(distribution: Distribution) -> list[str]:
    """The packages at the top of a wheel."""
    return sorted({place.split("/")[0] for place in distribution.files})


def own_pyproject(distribution: Distribution) -> str:
    """The text of the pyproject.toml of one distribution."""
    project, entry = distribution.project.document["project"], distribution.entry
    packages = sorted({"/".join(place.split("/")[:-1]) for place in distribution.files if place.endswith(".py")})
    if "data" in entry:
        packages = tops(distribution)
    scripts = {name: project["scripts"][name] for name in entry.get("scripts", ())}
    lines = [
        "[build-system]",
        f"requires = {toml(distribution.project.document['build-system']['requires'])}",
        f"build-backend = {toml(distribution.project.document['build-system']['build-backend'])}",
        "",
        "[project]",
        f"name = {toml(distribution.name)}",
        f"version = {toml(distribution.version)}",
        f"description = {toml(entry['description'])}",
        'readme = "README.md"',
        f"requires-python = {toml(project['requires-python'])}",
        f"license = {toml(project['license'])}",
        'license-files = ["LICENSE"]',
        f"dependencies = {toml(distribution.requires)}",
        "",
        "[project.optional-dependencies]",
        *(f"{name} = {toml(lines)}" for name, lines in distribution.extras.items()),
        "",
        "[project.scripts]",
        *(f"{name} = {toml(target)}" for name, target in scripts.items()),
        "",
        "[tool.setuptools]",
        f"packages = {toml([package.replace('/', '.') for package in packages])}",
        "include-package-data = true",
    ]
    return "\n".join(lines) + "\n"


def toml(value: str | list[str]) -> str:
    """A string or a list of strings as TOML; the strings of this project need no escape but that of quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def build(distribution: Distribution, out: Path) -> tuple[Path, Path]:
    """Build the sdist of a staged distribution, and the wheel from it; returns both files."""
    source, target = out / "source" / distribution.name, out / distribution.name
    shutil.rmtree(target, ignore_errors=True)
    stage(distribution, source)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Wrong(f"{distribution.name} cannot be built:\n{done.stdout}{done.stderr}")
    return next(target.glob("*.tar.gz")), next(target.glob("*.whl"))


# ---- checking ----


def check(distribution: Distribution, sdist: Path, wheel: Path) -> None:
    """Raise Wrong unless both files hold exactly what they must."""
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel)], check=True)
    check_wheel(distribution, wheel)
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    if missing := sorted({*distribution.files, "LICENSE", "README.md", "pyproject.toml"} - names):
        raise Wrong(f"{sdist.name} lacks {missing[0]} and {len(missing) - 1} other files")
    refuse_caches(sdist, names)


def refuse_caches(archive: Path, names: Iterable[str]) -> None:
    """Raise Wrong where an archive holds compiled Python."""
    for name in sorted(names):
        if "__pycache__" in name or name.endswith((".pyc", ".pyo")):
            raise Wrong(f"{archive.name} holds {name}, which it should not")


def check_wheel(distribution: Distribution, wheel: Path) -> None:
    """Raise Wrong unless a wheel holds each tracked file bit for bit, its license, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        info = f"{distribution.name.replace('-', '_')}-{distribution.version}.dist-info/"
        facts = email.message_from_bytes(archive.read(f"{info}METADATA"))
        for place, source in distribution.files.items():
            if place not in names:
                raise Wrong(f"{wheel.name} lacks {place}")
            if archive.read(place) != source.read_bytes():
                raise Wrong(f"{place} of {wheel.name} is not the file of the repository")
        if archive.read(f"{info}licenses/LICENSE") != (ROOT / "LICENSE").read_bytes():
            raise Wrong(f"{wheel.name} holds another LICENSE")
    pure = not distribution.entry.get("compiled")
    allowed = {*distribution.files, *(f"{top}/__init__.py" for top in tops(distribution))}
    for name in sorted(names - allowed):
        if not name.startswith(info) and (pure or not name.endswith(COMPILED)):
            raise Wrong(f"{wheel.name} holds {name}, which it should not")
    if pure and not wheel.name.endswith("-py3-none-any.whl"):
        raise Wrong(f"{wheel.name} is not pure Python")
    required = [line for line in facts.get_all("Requires-Dist") or [] if "extra ==" not in line]
    if sorted(map(name_of, required)) != sorted(distribution.entry.get("requires", ())):
        raise Wrong(f"{wheel.name} requires {', '.join(required)}")
    if facts["License-Expression"] != distribution.project.document["project"]["license"]:
        raise Wrong(f"{wheel.name} states the license {facts['License-Expression']}")
    if "data" in distribution.entry and wheel.stat().st_size > MOST_GOLDENS:
        raise Wrong(
            f"{wheel.name} has {wheel.stat().st_size / 1e6:.1f} MB, at most {MOST_GOLDENS / 1e6:.0f} are allowed"
        )


# ---- trying ----


class Trial:
    """A fresh environment and a working folder, both without the repository; each step's time and size is printed.

    Attributes:
        folder: the working folder.
        environment: the virtual environment.
        seconds: wall-clock seconds of all steps so far.
        computed: processor seconds of all steps so far.
    """

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.folder, self.environment = folder, folder / "environment"
        self.seconds = self.computed = 0.0  # wall-clock seconds and processor seconds of all steps
        folder.mkdir(parents=True)
        venv.create(self.environment, with_pip=True)
        self._programs = self.environment / ("Scripts" if sys.platform == "win32" else "bin")
        self._variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._variables["RVC_CACHE"] = str(folder / "cache")
        self._variables["PATH"] = os.pathsep.join([str(self._programs), os.environ.get("PATH", "")])

    def run(self, step: str, command: list[str], codes: Iterable[int] = (0,)) -> str:
        """Run a command in the working folder; returns what it prints. Raises Wrong for another exit code."""
        begin, computed = time.monotonic(), children()
        program = shutil.which(command[0], path=self._variables["PATH"]) or command[0]
        done = subprocess.run(
            [program, *command[1:]], cwd=self.folder, env=self._variables, capture_output=True, text=True
        )
        seconds, computed = time.monotonic() - begin, children() - computed
        self.seconds, self.computed = self.seconds + seconds, self.computed + computed
        print(f"{step:32} {seconds:8.1f} s {computed:8.1f} s of CPU {megabytes(self.folder):8.1f} MB", flush=True)
        if done.returncode not in set(codes):
            raise Wrong(f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def installed(self, what: str) -> None:
        """Print the size of the environment. Raises Wrong where it is larger than MOST_INSTALLED."""
        size, most = megabytes(self.environment), MOST_INSTALLED[what] / 1e6
        print(f"environment of {what}: {size:.1f} MB of at most {most:.0f}")
        if size > most:
            raise Wrong(f"the environment of {what} has {size:.1f} MB, at most {most:.0f} are allowed")


def children() -> float:
    """The CPU seconds of all ended child processes."""
    return os.times().children_user + os.times().children_system


def megabytes(folder: Path) -> float:
    """The size of all files below a folder, in 10^6 bytes."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def try_out(wheels: Mapping[str, Path], folder: Path, case: str | None) -> None:
    """Perform a newcomer's steps where there is no repository, then judge the adapter in C.

    From the installation to the report of a first verdict it must take at most MOST_SECONDS of processor time.
    """
    trial = Trial(folder)
    trial.run("pip install rvc-parity", ["python", "-m", "pip", "install", "-q", str(wheels["rvc-parity"])])
    trial.installed("judge")
    goldens = str(wheels["rvc-parity-goldens"])
    trial.run("pip install rvc-parity-goldens", ["python", "-m", "pip", "install", "-q", goldens])
    trial.installed("judge and goldens")
    trial.run("import without torch and rvc", ["python", "-c", "import parity.cli.main, reports.__main__"])
    chosen = ["--case", case] if case else []
    if shutil.which("cargo"):
        trial.run("rvc-parity init rust demo", ["rvc-parity", "init", "rust", "demo"])
        build = ["cargo", "build", "-q", "--release", "--offline", "--manifest-path", "demo/Cargo.toml"]
        trial.run("cargo build --release", build)
        demo = ["--candidate", "demo/target/release/adapter"]
        trial.run("rvc-parity doctor", ["rvc-parity", "doctor", *demo])
        trial.run("rvc-parity check", ["rvc-parity", "check", *demo, *chosen], codes=(4,))
        trial.run("rvc-parity report", ["rvc-parity", "report", "--quiet"])
        print(f"from nothing to a report: {trial.computed:.1f} s of CPU, {trial.seconds:.1f} s", flush=True)
        if trial.computed > MOST_SECONDS:
            raise Wrong(f"a first verdict takes {trial.computed:.0f} s of CPU, at most {MOST_SECONDS:.0f} are allowed")
    path = trial.run(
        "find the adapter in C", ["python", "-c", "import parity.adapters as a; print(a.__path__[0] + '/stages.c')"]
    )
    trial.run("cc stages.c", ["cc", "-O2", "-o", "stages", path.strip(), "-lm"])
    trial.run("doctor of stages", ["rvc-parity", "doctor", "--candidate", "./stages"])
    trial.run("check of stages --quick", ["rvc-parity", "check", "--candidate", "./stages", "--quick"], codes=(4,))
    trial.run("check of stages", ["rvc-parity", "check", "--candidate", "./stages", *chosen], codes=(4,))
    trial.run("report of stages", ["rvc-parity", "report", "--quiet"])


def main(arguments: list[str] | None = None) -> int:
    """Build, check and try; returns the exit code: 0, or 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "dist", metavar="DIR")
    parser.add_argument("--only", metavar="NAME", help="only this distribution, and no trial")
    parser.add_argument("--no-trial", action="store_true", help="build and check only")
    parser.add_argument("--case", metavar="TEXT", help="judge only cases whose name contains TEXT in the trial")
    options = parser.parse_args(arguments)
    wheels = {}
    try:
        for name, distribution in Project.read().distributions.items():
            if options.only in (None, name):
                sdist, wheels[name] = build(distribution, options.out)
                check(distribution, sdist, wheels[name])
                size, count = wheels[name].stat().st_size / 1e6, len(distribution.files)
                print(f"{wheels[name].name}: {size:.1f} MB, {count} files, as they must be", flush=True)
        if options.only is None and not options.no_trial:
            try_out(wheels, options.out / "trial", options.case)
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
