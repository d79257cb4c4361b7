"""The faults of faults.toml, and a run of their reproductions in the environments of the programs."""

import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from field.environments import NotInstalled, python_of
from field.programs import FOLDER, Lock, programs
from parity.errors import ParityError

FAULTS = FOLDER / "faults.toml"
# PyPI's torchaudio has no compiled part for the version of PyTorch in common.lock, and nothing here uses that part.
PRELUDE = "from parity.hooks import stand_ins; stand_ins.torchaudio_extension()"
SECONDS = 240.0  # for one reproduction: some of the programs import PyTorch and half a dozen audio libraries
_KEYS = {"program", "title", "where", "divergence", "reproduce", "prints", "expected"}


@dataclass(frozen=True)
class Fault:
    """One fault of a public program.

    Attributes:
        program: the name of its folder in `field/`.
        title: what is wrong, in a few words.
        where: file and function in the program's code.
        divergence: its number in docs/divergences.md; "" without one.
        reproduce: a few lines of Python that show it.
        prints: consecutive lines that `reproduce` prints, or the last line of its error.
        expected: what should be printed instead, and what a user notices.
    """

    program: str
    title: str
    where: str
    divergence: str
    reproduce: str
    prints: str
    expected: str


@dataclass(frozen=True)
class Outcome:
    """What a reproduction did.

    Attributes:
        fault: the fault.
        holds: whether it printed what faults.toml states; None where the program is not installed.
        printed: what it printed, or why it was not run.
    """

    fault: Fault
    holds: bool | None
    printed: str


def faults() -> list[Fault]:
    """The entries of faults.toml.

    Raises:
        ParityError: an entry has other keys, or names a program without a folder.
    """
    entries = tomllib.loads(FAULTS.read_text(encoding="utf-8")).get("fault", [])
    known = programs()
    for entry in entries:
        if set(entry) != _KEYS or entry["program"] not in known:
            name = entry.get("program", "an entry")
            raise ParityError(f"faults.toml: {name} has the keys {sorted(entry)}; expected {sorted(_KEYS)}")
    return [Fault(**entry) for entry in entries]


def outcomes(names: Sequence[str], checkouts: Mapping[str, Path]) -> Iterator[Outcome]:
    """Run the reproductions of the named programs, of all where no name is given.

    Args:
        names: names of programs.
        checkouts: the folders of programs that live in repositories.
    """
    known = programs()
    for fault in faults():
        if names and fault.program not in names:
            continue
        program, checkout = known[fault.program], checkouts.get(fault.program)
        if program.repository and checkout is None:
            yield Outcome(fault, None, f"no checkout; name one with --checkout {program.name}=DIR")
            continue
        try:
            has_torch = Lock.read(program.lock).common is not None
            yield reproduced(fault, python_of(program), checkout, PRELUDE if has_torch else "")
        except NotInstalled as error:
            yield Outcome(fault, None, str(error))


def reproduced(fault: Fault, interpreter: Path, checkout: Path | None = None, prelude: str = "") -> Outcome:
    """Run one reproduction.

    Args:
        fault: the fault.
        interpreter: the interpreter of the program's environment.
        checkout: the working folder, from which Python imports; None: the environment alone.
        prelude: a line of Python that runs first.
    """
    command = [str(interpreter), *([] if checkout else ["-P"]), "-c", f"{prelude}\n{fault.reproduce}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=checkout)
    except subprocess.TimeoutExpired:
        return Outcome(fault, False, f"it did not end within {SECONDS:.0f} seconds")
    errors = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    lines = [*done.stdout.splitlines(), *errors]
    wanted = fault.prints.splitlines()
    places = range(len(lines) - len(wanted) + 1)
    return Outcome(
        fault, bool(wanted) and any(lines[at : at + len(wanted)] == wanted for at in places), "\n".join(lines)
    )
