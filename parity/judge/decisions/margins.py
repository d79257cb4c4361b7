"""Margins of decisions: F0 bins, nearest neighbors, cut points, crossfade offsets.

A decision that differs is explained where all of this holds:
- It lies in the range that the original chooses from; a cut outside its search window is an error.
- Its margin in the golden, the distance to the other decision (0 or more), is not larger than the error of the
  candidate's own quantities that are decided on.
- The candidate's own quantities lead to it by the original's rule. Of equal ones the original takes the first, alone
  and in a chain.

In this module, `golden` and `ours` name the two sides: `ours` is the candidate's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity import stages
from parity.goldens.arrays import Array, NamedArrays
from parity.judge.decisions.f0_bins import bins
from parity.judge.decisions.flip import Flip, flip, unexplained, without_margin
from parity.stages import SR16, Scope, TensorName

# Bins by which one evaluation of the mel scale can differ in rounding. It multiplies a value of up to 1127·ln(1 +
# 1100/700) by 254/987, which carries a few units in the last place of the F0's dtype into about 2e-5 (float32) or 1e-13
# (float64); both are rounded up generously.
SLACK = {"float32": 1e-4, "float64": 1e-9}
# Relative error of a squared distance: a sum of 768 squares in float32 in another order, √768 · 2⁻²⁴ ≈ 1.7e-6, doubled
# and rounded up.
DISTANCE_SLACK = 4e-6
MOST_EXAMINED = 1000  # differing elements; so many do not come from rounding, and their margins are not computed
MOST_LISTED = 20  # flips that a cell lists
# Seconds: a cut is searched up to SEARCH before and after each multiple of CENTER (docs/spec/06 §6.2), unless a case
# states its window.
SEARCH, CENTER = 6.0, 38.0
LOUDNESS = 160  # samples that one value of the loudness profile sums (docs/spec/06 §6.5)


@dataclass(frozen=True)
class Element:
    """One differing element of a decision.

    Attributes:
        name: The decision's tensor.
        index: The position of the element.
        golden: The golden's tensors.
        ours: The candidate's tensors.
        chained: Whether the candidate's own inputs count as upstream error.
        options: The options of the case.
    """

    name: TensorName
    index: tuple[int, ...]
    golden: NamedArrays
    ours: NamedArrays
    chained: bool
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> tuple[int, int]:
        """The golden's and the candidate's decision."""
        return int(self.golden[str(self.name)][self.index]), int(self.ours[str(self.name)][self.index])

    def sibling(self, local: str) -> str:
        """The full name of another tensor of the same segment or block."""
        return str(self.name.sibling(local))

    def without_margin(self, sentence: str = "no margin is known for this decision") -> Flip:
        """The flip of an element whose margin cannot be computed, or that lies outside what can be chosen."""
        golden, ours = self.values
        return without_margin(self.index, float(ours), float(golden), sentence)

    def with_margin(self, margin: float, upstream: float) -> Flip:
        """The flip, with its margin and upstream error, both in the unit that the decision is made in."""
        golden, ours = self.values
        what = f"the golden was {margin:.2g} from deciding otherwise"
        return flip(self.index, float(ours), float(golden), margin, upstream, what)

    def unexplained(self, margin: float, upstream: float, sentence: str) -> Flip:
        """The flip of a decision that the candidate's own quantities do not lead to."""
        golden, ours = self.values
        return unexplained(self.index, float(ours), float(golden), margin, upstream, sentence)


def flips(
    name: str, golden: NamedArrays, ours: NamedArrays, chained: bool, options: Mapping[str, Any] | None = None
) -> list[Flip]:
    """Every element of a decision that differs, with its margin.

    Args:
        name: The full name of the decision's tensor.
        golden: The golden's tensors.
        ours: The candidate's tensors, of the same shapes.
        chained: Whether the candidate's own inputs count as upstream error; False for a stage on the golden's inputs.
        options: The options of the case.
    Returns:
        One flip for each differing element; of more than `MOST_EXAMINED`, the first ones without margins.
    """
    parsed = TensorName.parse(name)
    margin_of = _MARGINS.get(parsed.local)
    indices = [tuple(map(int, index)) for index in np.argwhere(golden[name] != ours[name])]
    elements = [Element(parsed, index, golden, ours, chained, options or {}) for index in indices]
    if margin_of is None or len(elements) > MOST_EXAMINED:
        return [element.without_margin() for element in elements[:MOST_LISTED]]
    return [margin_of(element) for element in elements]


def _pitch(element: Element, tensors: NamedArrays) -> Array | None:
    """The F0 in Hz that bins are made of: before transposition for a file, with it for a block."""
    locals = ("f0.hz",) if element.name.scope is Scope.BLOCK else ("f0.filled", "f0.raw")
    for local in locals:
        if element.sibling(local) in tensors:
            return tensors[element.sibling(local)].ravel()
    return None


def _coarse(element: Element) -> Flip:
    """An F0 bin; its margin is the distance to the bin's border, in bins."""
    golden, ours = element.values
    frame, transposed = element.index[-1], element.sibling("f0.hz")
    of_block = element.name.scope is Scope.BLOCK
    golden_hz = _pitch(element, element.golden)
    # A block's stage makes both F0 and its bins, so that its own F0 counts where it runs alone, too.
    our_hz = _pitch(element, element.ours if element.chained or of_block else element.golden)
    if golden_hz is None or our_hz is None or min(len(golden_hz), len(our_hz)) <= frame or abs(golden - ours) != 1:
        return element.without_margin()
    slack = SLACK[golden_hz.dtype.name] + SLACK["float32"]  # f0.hz itself is rounded to float32
    exact = float(bins(element.golden[transposed].ravel()[frame : frame + 1])[0])
    if abs(exact - golden) > 0.5 + slack:
        return element.without_margin()  # a formant shift scales a block's F0, but not its bins
    margin = abs(exact - (max(golden, ours) - 0.5))
    # The gap of a file is that of the tracks before transposition, which at most doubles a distance in bins.
    gap = float(np.abs(bins(our_hz[frame : frame + 1]) - bins(golden_hz[frame : frame + 1]))[0])
    upstream = (gap if of_block else 2 * gap) + slack
    own = element.ours.get(transposed)
    if (element.chained or of_block) and own is not None and own.size > frame:
        exact_own = float(bins(own.ravel()[frame : frame + 1])[0])
        if abs(exact_own - ours) > 0.5 + slack:
            sentence = f"its own F0 belongs to bin {exact_own:.6g}, which is not rounded to {ours}"
            return element.unexplained(margin, upstream, sentence)
    return element.with_margin(margin, upstream)


def _neighbor(element: Element) -> Flip:
    """A neighbor; its margin is the difference of two squared distances."""
    name, distances_name = str(element.name), element.sibling("retrieval.distances")
    frame, rank = element.index
    golden_id, our_id = element.values
    theirs, own = element.golden[name][frame], element.ours[name][frame]
    known, chosen = theirs[theirs >= 0], own[own >= 0]
    new = set(chosen.tolist()) - set(known.tolist())
    if golden_id < 0 or our_id < 0 or len(known) != len(chosen):
        return element.without_margin("a neighbor is missing (id -1) on one side only")
    if len(new) > 1 or len(set(known.tolist())) < len(known) or len(set(chosen.tolist())) < len(chosen):
        return element.without_margin()  # several new neighbors, or an id that occurs twice
    distances = element.golden[distances_name][frame].astype(np.float64)
    own_row = element.ours.get(distances_name)
    own_distances = None if own_row is None else own_row[frame].astype(np.float64)
    place = np.flatnonzero(theirs == our_id)
    if place.size:
        far = float(distances[place[0]])
        margin = abs(far - float(distances[rank]))
    elif own_distances is not None and own_distances[rank] != distances[len(known) - 1]:
        far = float(own_distances[rank])
        margin = abs(far - float(distances[len(known) - 1]))
    else:
        return element.without_margin()  # a new id at exactly the golden's distance is a wrong id
    moved = _moved_feature(element, frame) if element.chained else 0.0
    # A feature that moves by e changes a squared distance d² by at most 2·|e|·d to first order. The distances of both
    # neighbors change; DISTANCE_SLACK is the rounding.
    reach = 2 * moved * (np.sqrt(distances[rank]) + np.sqrt(max(far, 0.0))) + DISTANCE_SLACK * distances[rank]
    if own_distances is not None:
        if (np.diff(own_distances[: len(chosen)]) < 0).any():
            return element.unexplained(margin, reach, "its own distances are not in ascending order")
        other = np.flatnonzero(own == golden_id)
        is_tie = margin == 0 and (not other.size or own_distances[other[0]] == own_distances[rank])
    else:
        is_tie = margin == 0 and moved == 0
    if is_tie:
        return element.unexplained(margin, reach, f"both are equally near; the original takes {golden_id} first")
    return element.with_margin(float(margin), float(reach))


def _moved_feature(element: Element, frame: int) -> float:
    """How far the candidate's content feature that is searched for lies from the golden's, Euclidean.

    A stream searches for the frames from skip_head // 2 on, of which the last one is repeated (docs/spec/04 §4.4).
    """
    features = element.sibling("hubert.features")
    if features not in element.ours or element.ours[features].shape != element.golden[features].shape:
        return 0.0
    theirs, own = element.golden[features][0], element.ours[features][0]
    repeated = 1 if element.name.scope is Scope.BLOCK else 0
    first = len(theirs) + repeated - len(element.golden[str(element.name)])
    at = min(first + frame, len(theirs) - 1)
    return float(np.linalg.norm(own[at].astype(np.float64) - theirs[at]))


def _first_of_best(element: Element, what: str, theirs: Array, own: Array | None, choices: range) -> Flip:
    """A choice of the first place at which a quantity is largest.

    Args:
        element: The choice.
        what: The quantity, for the sentence.
        theirs: float (n,), the golden's quantity.
        own: The candidate's; None where it is not known.
        choices: The places that the original chooses from.
    """
    golden, ours = element.values
    rounding = 0.0 if own is None else float(np.finfo(own.dtype).eps)  # before the conversion to float64
    theirs, own = theirs.astype(np.float64), None if own is None else own.astype(np.float64)
    choices = range(choices.start, min(choices.stop, len(theirs)))
    if ours not in choices:
        return element.without_margin(
            f"{ours} is outside the places {choices.start} to {choices.stop - 1} of which one is chosen"
        )
    margin = float(theirs[golden] - theirs[ours]) if golden in choices else -1.0
    if not margin >= 0 or own is None or own.shape != theirs.shape:
        return element.without_margin()
    reach = float(abs(own[golden] - theirs[golden]) + abs(own[ours] - theirs[ours]))
    best = float(own[choices.start : choices.stop].max())
    if not own[ours] >= best - rounding * abs(best):
        return element.unexplained(margin, reach, f"its own {what} is not the best one at {ours}")
    if margin == 0 and own[ours] == own[golden]:
        sentence = f"the {what} is equal at {golden} and {ours}; the original takes the first such place"
        return element.unexplained(margin, reach, sentence)
    return element.with_margin(margin, reach)


def _cut(element: Element) -> Flip:
    """A cut point: the first place in its window with the least loudness."""
    window = element.options.get("window") or (0.0, SEARCH, CENTER)
    reach, center = (round(float(seconds) * SR16) for seconds in window[1:3])
    middle = (element.index[0] + 1) * center
    choices = range(middle - reach, middle + reach)
    profile, own = element.golden.get("quiet.profile"), element.ours.get("quiet.profile")
    if profile is None:
        return element.without_margin()
    if own is None and "highpassed" in element.ours:
        own = _loudness(element.ours["highpassed"])
    return _first_of_best(element, "quietness", -profile, None if own is None else -own, choices)


def _loudness(highpassed: Array) -> Array:
    """The sum of |x| over samples n-80 … n+79 around each sample n: docs/spec/06 §6.5; float64 (N,) → (N,)."""
    edge = np.abs(np.pad(highpassed.astype(np.float64), LOUDNESS // 2, mode="reflect"))
    total = np.concatenate([np.zeros(1), np.cumsum(edge)])
    return np.asarray((total[LOUDNESS:] - total[:-LOUDNESS])[: len(highpassed)])


def _offset(element: Element) -> Flip:
    """A SOLA offset: the first lag with the largest correlation."""
    name = element.sibling("sola.cor")
    if name not in element.golden:
        return element.without_margin()
    theirs, own = element.golden[name].ravel(), element.ours.get(name)
    return _first_of_best(element, "correlation", theirs, None if own is None else own.ravel(), range(len(theirs)))


_MARGINS: dict[str, Callable[[Element], Flip]] = {
    "f0.coarse": _coarse,
    "retrieval.ids": _neighbor,
    "segment.cuts": _cut,
    "sola.offset": _offset,
}


def without_margins() -> list[str]:
    """The decisions of the stage table that have no margin, by local name; there should be none."""
    rows = {row.name for stage in stages.every() for row in stage.makes if row.kind is stages.TensorKind.DECISION}
    return sorted(rows - set(_MARGINS))
