"""The goldens that a run judges: all of them, or those that the options of the command line select."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity import stages
from parity.candidates import candidate
from parity.errors import GoldenError, UsageError
from parity.goldens import golden_set, store, time_axes
from parity.goldens.store import Case
from parity.judge import verdict
from parity.stages.profile_table import PROFILES


@dataclass(frozen=True)
class Selection:
    """What a run judges.

    Attributes:
        case: Only the case of this name, else those whose name contains this text; None for all.
        stage: Only this stage, or these, separated by commas; None for all.
        profile: Only cases of this profile; None for all.
        quick: Only a small set of goldens that reaches every stage.
        names: Only the cases of these names; None for all.
    """

    case: str | None = None
    stage: str | None = None
    profile: str | None = None
    quick: bool = False
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Selected:
    """The goldens of a selection.

    Attributes:
        complete: Whether no golden is left out.
        folders: Those of one voice are neighbors, so that each voice is loaded once.
        notes: Sentences for people: what the selection cannot show.
    """

    folders: list[Path]
    notes: list[str]
    complete: bool = True


def select(goldens: Path, selection: Selection) -> Selected:
    """The goldens below a folder that a selection means.

    Raises:
        UsageError: there is no such stage, profile or case, or none of the selected cases has the stage.
    """
    verdict.refuse_unknown(selection.stage)
    if selection.profile is not None and selection.profile not in PROFILES:
        raise UsageError(f"there is no profile {selection.profile!r}; the profiles are {', '.join(PROFILES)}")
    available = store.cases(goldens)
    folders = [folder for folder in available if folder.name == selection.case] or [
        folder for folder in available if selection.case is None or selection.case in folder.name
    ]
    if selection.names is not None:
        folders = [folder for folder in folders if folder.name in selection.names]
    if not folders:
        if available and selection.case is not None:
            raise UsageError(
                f"there is no case whose name contains {selection.case!r} below {goldens}"
                f"{near_names(selection.case, [folder.name for folder in available])}"
            )
        what = f"case whose name contains {selection.case!r}" if selection.case else "case"
        raise UsageError(f"there is no {what} below {goldens}; {golden_set.ADVICE}")
    cases = [(folder, _opened(folder)) for folder in folders]
    cases = [(folder, case) for folder, case in cases if case is None or verdict.has(case, selection.stage)]
    if not cases:
        raise UsageError(
            f"none of the chosen cases has the stage {selection.stage}; leave out --case to search all cases"
        )
    if selection.profile is not None:
        cases = [(folder, case) for folder, case in cases if case is None or case.profile == selection.profile]
        if not cases:
            raise UsageError(
                f"none of the chosen cases has the profile {selection.profile}; leave out --case or --profile"
            )
    notes: list[str] = []
    if selection.quick:
        opened = [case for _, case in cases if case is not None]
        fewest = quick_set(opened)
        notes = [f"quick: {sentence}" for sentence in _not_shown(fewest, opened)]
        cases = [(case.folder, case) for case in fewest]
    ordered = sorted(cases, key=lambda pair: ("" if pair[1] is None else str(pair[1].voice.get("kind")), pair[0].name))
    narrow = selection.case is not None or selection.profile is not None or selection.quick
    narrow = narrow or _left_out(available, selection)
    return Selected([folder for folder, _ in ordered], notes, not narrow)


def _left_out(available: Sequence[Path], selection: Selection) -> bool:
    """Whether the names of a selection leave out a golden that has its stages."""
    if selection.names is None:
        return False
    others = [_opened(folder) for folder in available if folder.name not in selection.names]
    return any(case is None or verdict.has(case, selection.stage) for case in others)


def golden_of(path: Path, goldens: Path) -> Path:
    """The place that a command line means by a path or by the name of a golden.

    Args:
        path: a path, or the name of a golden.
        goldens: the folder of the goldens; a path that exists is preferred to a name.
    Raises:
        UsageError: it is neither, and has the form of a name.
    """
    if path.exists() or len(path.parts) != 1:
        return path
    names = [folder.name for folder in store.cases(goldens)]
    if path.name in names:
        return goldens / path.name
    if path.suffix or not names:
        return path
    raise UsageError(
        f"there is no file {path} and no golden of that name below {goldens}{near_names(str(path), names)}"
    )


def near_names(text: str, names: Sequence[str]) -> str:
    """A hint at the name that a text with a typing error means, whole or in part; else at the number of names."""
    parts: dict[str, str] = {}
    for name in names:
        words = name.split("-")
        for begin in range(len(words)):
            for end in range(len(words), begin, -1):
                parts.setdefault("-".join(words[begin:end]), name)
    near = difflib.get_close_matches(text, parts, 1)
    return f"; did you mean {parts[near[0]]}?" if near else f"; it has {len(names)} cases, such as {names[0]}"


def _opened(folder: Path) -> Case | None:
    """The golden of a folder; None where it cannot be opened, which the run reports as unreadable."""
    try:
        return store.open_case(folder)
    except GoldenError:
        return None


def seconds(case: Case) -> float:
    """The duration of a case's input."""
    if "audio16k.raw" in case:
        return float(case.entry("audio16k.raw")["shape"][0] / stages.SR16)
    return case.facts.blocks * time_axes.block_seconds(case.document)


def stage_names(case: Case) -> set[str]:
    """The stages that a case has."""
    return {stage.name for stage, _ in candidate.steps(case)}


def quick_set(cases: Sequence[Case]) -> list[Case]:
    """A small set of conversions that reaches every stage of all: greedily, the most new stages per second of input."""
    cases = [case for case in cases if not case.facts.isolated]
    missing = set[str]().union(*map(stage_names, cases)) if cases else set()
    fewest: list[Case] = []
    while missing:
        best = max(cases, key=lambda case: (len(stage_names(case) & missing) / (1 + seconds(case)), case.name))
        fewest.append(best)
        missing -= stage_names(best)
    return fewest


def _not_shown(fewest: Sequence[Case], cases: Sequence[Case]) -> list[str]:
    """What the other cases have and the quick set lacks, in one sentence for each property."""
    sentences = [
        f"{len(fewest)} of {len(cases)} goldens, {sum(map(seconds, fewest)):.1f} s of input, reach every stage once"
    ]
    properties: dict[str, Callable[[Case], str]] = {
        "voices": lambda case: str(case.voice.get("kind")),
        "F0 methods": lambda case: str(case.options.get("f0_method")),
        "profiles": lambda case: case.profile,
    }
    for title, of in properties.items():
        left_out = sorted({of(case) for case in cases} - {of(case) for case in fewest})
        if left_out:
            sentences.append(f"it cannot show the {title} {', '.join(left_out)}")
    longest, here = max(map(seconds, cases)), max(map(seconds, fewest))
    if longest > here:
        sentences.append(
            f"it cannot show errors that begin after {here:.1f} s (the longest golden has {longest:.1f} s)"
        )
    return sentences
