"""The programs of this folder: what about.toml states about each, and the goldens that all of them are judged by."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import UsageError

FOLDER = Path(__file__).parent
GOLDENS_AT_MOST = 6  # goldens for one program and profile
_KEYS = {"name", "version", "license", "language", "package", "repository", "commit", "profiles", "cannot", "expected"}
_OPTIONAL = {"package", "repository", "commit", "expected"}


@dataclass(frozen=True)
class Expectation:
    """The verdict that is expected of a program before the run.

    Attributes:
        verdict: "pass", "partial" or "differs".
        stage: the stage of the first origin; None where nothing is expected to differ.
        divergence: its number in docs/divergences.md; None where it has none.
        because: the observation that it follows from.
        corrected: where the judge disagreed, which of the two was wrong and why; None where it did not.
    """

    verdict: str
    stage: str | None
    divergence: str | None
    because: str
    corrected: str | None = None


@dataclass(frozen=True)
class Program:
    """One public implementation.

    Attributes:
        name: the name of its folder in field/, which is also the name of its package where it has one.
        version: the pinned version, or seven digits of a commit.
        license: its SPDX identifier.
        language: what it is written in.
        package: its name in the registry of packages; None for a checkout.
        repository: OWNER/NAME and commit on GitHub; None for a package.
        profiles: the profiles that it is judged by.
        cannot: what it does not have, in sentences.
        expected: profile → expectation.
    """

    name: str
    version: str
    license: str
    language: str
    package: str | None
    repository: str | None
    profiles: tuple[str, ...]
    cannot: tuple[str, ...]
    expected: Mapping[str, Expectation]

    @property
    def source(self) -> str:
        """Where it comes from: a package with its version, or a repository with its commit."""
        return f"PyPI {self.package}=={self.version}" if self.package else f"GitHub {self.repository}"

    @property
    def adapter(self) -> Path:
        """The program that drives it."""
        return FOLDER / self.name / "adapter.py"

    @property
    def lock(self) -> Path:
        """The file that names every package of its environment, with its version."""
        return FOLDER / self.name / "requirements.lock"


@dataclass(frozen=True)
class Lock:
    """A lock file.

    Attributes:
        packages: its own lines, each NAME==VERSION.
        common: the lock file that it includes; None where it includes none.
        digest: the SHA-256 of all lines, those of `common` included.
    """

    packages: tuple[str, ...]
    common: "Lock | None"
    digest: str

    @classmethod
    def read(cls, path: Path) -> "Lock":
        """Read a lock file and the one that it includes."""
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        included = [line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
        common = cls.read(path.parent / included[0]) if included else None
        packages = tuple(line for line in lines if not line.startswith("-r "))
        content = "\n".join([common.digest if common else "", *packages])
        return cls(packages, common, hashlib.sha256(content.encode()).hexdigest())


@dataclass(frozen=True)
class Golden:
    """A golden that programs are judged by, and what it shows that the others do not."""

    name: str
    profile: str
    reason: str


def programs() -> dict[str, Program]:
    """Every program, by name.

    Raises:
        UsageError: an about.toml has an unknown or missing key.
    """
    return {path.parent.name: _read(path) for path in sorted(FOLDER.glob("*/about.toml"))}


def _read(path: Path) -> Program:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    if wrong := sorted(set(table) - _KEYS) + sorted(_KEYS - _OPTIONAL - set(table)):
        raise UsageError(f"{path} has unknown or missing keys: {', '.join(wrong)}; expected {', '.join(sorted(_KEYS))}")
    if table["name"] != path.parent.name:
        raise UsageError(f"{path} names {table['name']}, but its folder is {path.parent.name}; rename one of them")
    repository = f"{table['repository']}@{table['commit']}" if "repository" in table else None
    return Program(
        table["name"],
        table["version"],
        table["license"],
        table["language"],
        table.get("package"),
        repository,
        tuple(table["profiles"]),
        tuple(table["cannot"]),
        {profile: _expectation(entry) for profile, entry in table.get("expected", {}).items()},
    )


def _expectation(table: Mapping[str, Any]) -> Expectation:
    return Expectation(
        table["verdict"], table.get("stage"), table.get("divergence"), table["because"], table.get("corrected")
    )


def goldens() -> Sequence[Golden]:
    """The goldens of cases.toml.

    Raises:
        UsageError: a profile has more than `GOLDENS_AT_MOST`.
    """
    table = tomllib.loads((FOLDER / "cases.toml").read_text(encoding="utf-8"))
    chosen = [Golden(row["name"], row["profile"], row["reason"]) for row in table["golden"]]
    for profile in {golden.profile for golden in chosen}:
        count = sum(golden.profile == profile for golden in chosen)
        if count > GOLDENS_AT_MOST:
            raise UsageError(f"cases.toml has {count} goldens of {profile}; at most {GOLDENS_AT_MOST} are judged")
    return chosen
