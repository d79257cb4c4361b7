"""A candidate that is right, but another original's: what our pipeline makes of the same case under other profiles.

The profiles part ways after the pitch method: unvoiced frames (D1) and the sine (D16). So only a case that differs
there first is tried, and it matches only where all that the candidate made is within its limit of the other profile.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Tensors
from parity.errors import ParityError
from parity.goldens import store
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge import ledger
from parity.judge import limits as tolerance
from parity.stages.profile_table import PROFILES

WHERE_PROFILES_PART = ("f0.filled", "f0.hz", "f0.coarse", "nsf")
Run = Callable[[Case], Tensors]


@dataclass(frozen=True)
class Match:
    """The profile under which a differing case would have passed, and how near it comes (relative RMS)."""

    profile: str
    distance: float
    asked: str

    @property
    def sentence(self) -> str:
        """For the verdict."""
        how = f"to {self.distance:.1g}" if self.distance else "bit by bit"
        return f"matches {self.profile} {how}; you asked for {self.asked}"


def nearest(case: Case, whole: Tensors, first: str, limits: tolerance.Limits, ours: Run) -> Match | None:
    """The nearest other profile whose conversion `whole` is; None where there is none.

    first : the first stage that differs in the chain;  ours : our whole conversion of a case
    """
    if first not in WHERE_PROFILES_PART or case.facts.blocks:
        return None
    given = {name: case[name] for name in case if stages.is_input(name)}
    found = []
    for profile in PROFILES:
        if profile == case.profile:
            continue
        meta = {**case.meta, "profile": profile}
        try:
            made = ours(store.MemoryCase(meta, given))
        except ParityError:
            continue
        other = store.MemoryCase(
            meta, {**given, **{name: value for name, value in made.items() if stages.is_known(name)}}
        )
        if (distance := _distance(other, whole, limits)) is not None:
            found.append(Match(profile, distance, case.profile))
    return min(found, key=lambda match: match.distance, default=None)


def _distance(other: Case, whole: Mapping[str, Array], limits: tolerance.Limits) -> float | None:
    """The largest relative RMS of the tensors that both made; None where one is beyond its limit or no sound is."""
    worst, heard = 0.0, False
    for name in ledger.expected_tensors(other):
        if name not in whole or stages.stage_of(name) is None:
            continue
        judged, numbers = ledger.judge_tensor(other, name, "chained", whole[name], limits)
        if numbers is None or any(cell.failed for cell in judged):
            return None
        kind = stages.tensor(name).kind
        heard |= kind in ("wave", "pcm")
        if kind in ("float", "wave", "hz"):
            worst = max(worst, numbers.values["relative_rms"])
    return worst if heard else None


def first_of(case: Case, failed: list[ledger.Cell]) -> str:
    """The first stage of the flow that differs in the chain, "" where none does."""
    wrong = {cell.tensor for cell in failed if cell.mode == "chained"}
    for stage, prefix in candidate.steps(case):
        if any(prefix + row.name in wrong for row in stage.makes):
            return stage.name
    return ""
