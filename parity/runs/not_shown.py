"""What the profiles of a run cannot show: behaviors that only other originals have, and the goldens that show them.

A candidate that is judged by one profile passes with every fault in what that original does not do. The behaviors
follow from the table of profiles (`parity.stages.profile_table.behaviors`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parity import stages
from parity.errors import GoldenError
from parity.goldens import store
from parity.goldens.store import Case
from parity.stages import profile_table
from parity.stages.profile_table import PROFILES, Behavior

_SAME = "slice"  # the recipe of a tensor that is a piece of another one: its stage changes nothing in that golden


def of_run(
    metas: Iterable[Mapping[str, Any]], folders: Sequence[Path], offers: Callable[[str], bool]
) -> list[dict[str, Any]]:
    """What the judged cases cannot show.

    Args:
        metas: the fields of case.json of each judged case.
        folders: all goldens, among which one that shows a behavior is searched.
        offers: whether the candidate has a stage, by its name; other stages are not listed.
    Returns:
        The entries of `not_shown` in verdict.json.
    """
    names = sorted({str(meta["profile"]) for meta in metas} & set(PROFILES))
    hidden = [
        behavior
        for behavior in profile_table.behaviors()
        if names and offers(behavior.stage) and not any(behavior.shown_by(PROFILES[name]) for name in names)
    ]
    goldens = list(_readable(folders)) if hidden else []
    entries = []
    for behavior in hidden:
        golden = next((case for case in goldens if shows(case, behavior)), None)
        if golden is not None:
            entries.append(
                {
                    "what": behavior.name,
                    "stage": behavior.stage,
                    "profiles": names,
                    "because": behavior.because,
                    "golden": golden.name,
                    "golden_profile": golden.profile,
                }
            )
    return entries


def _readable(folders: Iterable[Path]) -> Iterable[Case]:
    """The goldens of files, the shortest first."""
    cases = []
    for folder in folders:
        try:
            case = store.open_case(folder)
        except GoldenError:
            continue
        if not case.facts.blocks and "audio16k.raw" in case:
            cases.append(case)
    return sorted(cases, key=lambda case: int(case.entry("audio16k.raw")["shape"][0]))


def shows(case: Case, behavior: Behavior) -> bool:
    """Whether a golden shows a behavior: its profile has it, its options ask for it, and its stage has an effect."""
    if not behavior.shown_by(PROFILES[case.profile]) or not behavior.in_case(case.document):
        return False
    prefix = stages.prefix(stages.Scope.SEGMENT)
    rows = [row.name for stage in stages.offline() if stage.name == behavior.stage for row in stage.makes]
    made = [name for row in rows for name in (row, prefix + row) if name in case]
    return any(case.entry(name)["stored"]["how"] != _SAME for name in made)
