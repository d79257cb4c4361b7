"""The duration of a candidate's whole conversions, which it measures itself, beside a measurement of an original."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from parity import stages
from parity.candidates.candidate import CandidateError
from parity.errors import GoldenError, UsageError
from parity.goldens import store
from parity.goldens.store import Case

REPEAT = 3  # conversions of one request
WHAT = "processing time of one second of input"
# docs/performance.md: 49.9 s for 30 s of speech, v2 40k, rmvpe, retrieval; `nox -s bench` measures it.
ORIGINAL = {"who": "RVC WebUI 4338f12, two cores of a Sapphire Rapids, 30 s of speech", "value": 1.66}


class Timed(Protocol):
    """A candidate that answers the request `time`."""

    @property
    def chains(self) -> bool:
        """As `Candidate.chains`."""
        ...

    def takes(self, case: Case) -> bool:
        """As `Candidate.takes`."""
        ...

    def time(self, case: Case, repeat: int = REPEAT) -> list[float]:
        """Seconds of each conversion. Raises CandidateError."""
        ...


def refuse_without_conversions(program: Timed) -> None:
    """Raise UsageError where the candidate declares no whole conversions."""
    if not program.chains:
        raise UsageError("--time needs whole conversions, and the adapter declares none; leave it out")


def measure(program: Timed, name: str, folders: Sequence[Path]) -> dict[str, Any]:
    """Request the time of converting the longest golden, and return the field `speed` of verdict.json.

    Args:
        program: the candidate.
        name: the name of the candidate.
        folders: the goldens to choose from.
    Returns:
        `figures`: the median, smallest and largest value of the candidate, and the value of the original, in seconds
        for each second of input; `note`: the converted golden. Where nothing was measured, a `note` with the reason.
    """
    files = [case for case in _files(folders) if program.takes(case)]
    if not files:
        return {"note": "not measured: none of the cases is a whole conversion of a file"}
    case = max(files, key=_seconds)
    length = _seconds(case)
    try:
        each = sorted(second / length for second in program.time(case))
    except CandidateError as error:
        return {"note": f"not measured: {error}"}
    own = {"who": name, "value": statistics.median(each), "low": each[0], "high": each[-1]}
    figures = [{"what": WHAT, "unit": "s", **figure} for figure in (own, ORIGINAL)]
    note = f"{name}: {REPEAT} conversions of {case.name} ({length:.1f} s), by its own clock on this machine"
    return {"figures": figures, "note": note}


def sentence(speed: dict[str, Any]) -> str:
    """The measurement in one line."""
    if "figures" not in speed:
        return f"time: {speed['note']}"
    own, original = speed["figures"]
    return (
        f"time: {own['value']:.2f} s ({own['low']:.2f} to {own['high']:.2f}) for one second of input; "
        f"{speed['note']}; {original['who']}: {original['value']:.2f} s"
    )


def _seconds(case: Case) -> float:
    return float(case.entry("audio16k.raw")["shape"][0] / stages.SR16)


def _files(folders: Sequence[Path]) -> list[Case]:
    """The goldens of whole conversions of files."""
    cases = []
    for folder in folders:
        try:
            case = store.open_case(folder)
        except GoldenError:
            continue
        if not case.facts.blocks and not case.facts.isolated and "audio16k.raw" in case:
            cases.append(case)
    return cases
