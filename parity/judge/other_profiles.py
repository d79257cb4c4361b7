"""A candidate that follows another original: our pipeline converts the same case under the other profiles.

The profiles differ after the pitch method: in unvoiced frames (D1) and in the sine (D16). So only a case that differs
there first is tried. It matches where everything the candidate made is within its limit under the other profile.
"""

from collections.abc import Callable
from dataclasses import dataclass

from parity import stages
from parity.candidates import candidate
from parity.errors import ParityError
from parity.goldens import store
from parity.goldens.arrays import Tensors
from parity.goldens.store import Case
from parity.judge import ledger
from parity.judge.judgment import Judgment
from parity.judge.states import Metric, Mode
from parity.stages import TensorKind
from parity.stages.profile_table import PROFILES

WHERE_PROFILES_DIFFER = ("f0.filled", "f0.hz", "f0.coarse", "nsf")  # stages
Convert = Callable[[Case], Tensors]  # our whole conversion of a case


@dataclass(frozen=True)
class ProfileMatch:
    """The profiles under which a differing case would pass.

    Attributes:
        profiles: Those profiles, the nearest first. Several can match: originals differ in few places.
        distance: The largest relative RMS of the candidate's tensors from our conversion under the nearest.
        requested: The profile of the case.
    """

    profiles: tuple[str, ...]
    distance: float
    requested: str

    @property
    def sentence(self) -> str:
        """The match as a sentence, for the report."""
        how = f"to {self.distance:.1g}" if self.distance else "bit by bit"
        names = " and ".join(filter(None, [", ".join(self.profiles[:-1]), self.profiles[-1]]))
        return f"matches {names} {how}; you asked for {self.requested}"


def matching(judgment: Judgment, convert: Convert) -> ProfileMatch | None:
    """All other profiles whose conversion the candidate's chain matches; None where it matches none.

    Args:
        judgment: A judged case that differs.
        convert: Our whole conversion of a case.
    """
    case = judgment.case
    if first_differing_stage(judgment) not in WHERE_PROFILES_DIFFER or case.facts.blocks or case.facts.isolated:
        return None
    inputs = candidate.input_tensors(case)
    distances: dict[str, float] = {}
    for profile in PROFILES:
        if profile == case.profile:
            continue
        meta = {**case.meta, "profile": profile}
        try:
            made = convert(store.MemoryCase(meta, inputs))
        except ParityError:
            continue
        known = {name: value for name, value in made.items() if stages.is_known(name)}
        distance = _distance(judgment, store.MemoryCase(meta, {**inputs, **known}))
        if distance is not None:
            distances[profile] = distance
    if not distances:
        return None
    return ProfileMatch(tuple(sorted(distances, key=distances.__getitem__)), min(distances.values()), case.profile)


def _distance(judgment: Judgment, other: Case) -> float | None:
    """The largest relative RMS of the tensors that both made; None where one is beyond its limit, or no waveform is."""
    chain = judgment.chained.tensors
    largest, has_waveform = 0.0, False
    for name in ledger.expected_tensors(other):
        if name not in chain or stages.is_input(name):
            continue
        cells, numbers = ledger.judge_tensor(other, name, Mode.CHAINED, chain[name], judgment.limits)
        if numbers is None or any(cell.failed for cell in cells):
            return None
        row = stages.tensor(name)
        has_waveform |= row.is_waveform
        if row.kind in (TensorKind.FLOAT, TensorKind.WAVE, TensorKind.HZ):
            largest = max(largest, numbers.values[Metric.RELATIVE_RMS])
    return largest if has_waveform else None


def first_differing_stage(judgment: Judgment) -> str:
    """The name of the first stage that differs in the chain; "" where none does."""
    differing = {cell.tensor for cell in judgment.ledger.cells if cell.failed and cell.mode is Mode.CHAINED}
    for stage, prefix in candidate.steps(judgment.case):
        if any(prefix + row.name in differing for row in stage.makes):
            return stage.name
    return ""
