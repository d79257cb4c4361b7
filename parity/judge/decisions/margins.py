"""Margins of decisions: F0 bins, nearest neighbors, cut points, crossfade offsets.

A decision that differs is explained where its margin in the golden, the distance to the other decision, is smaller than
the candidate's own upstream error.

In this module, `golden` and `ours` name the two sides: `ours` is the candidate's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parity.goldens.arrays import Array, NamedArrays
from parity.judge.decisions.flip import Flip, flip, without_margin
from parity.stages import TensorName

MEL_LOW, MEL_HIGH = 77.75496616579426, 1064.4082331636394  # mel values of 50 Hz and 1100 Hz (docs/spec/00 §0.2)
# Bins by which one evaluation of the mel scale can differ in rounding. It multiplies a value of up to 1127·ln(1 +
# 1100/700) by 254/987, which carries a few units in the last place of the F0's dtype into about 2e-5 (float32) or 1e-13
# (float64); both are rounded up generously.
SLACK = {"float32": 1e-4, "float64": 1e-9}
# Relative error of a squared distance: a sum of 768 squares in float32 in another order, √768 · 2⁻²⁴ ≈ 1.7e-6, doubled
# and rounded up.
DISTANCE_SLACK = 4e-6
MOST_EXAMINED = 1000  # differing elements; so many do not come from rounding, and their margins are not computed
MOST_LISTED = 20  # flips that a cell lists


@dataclass(frozen=True)
class Element:
    """One differing element of a decision.

    Attributes:
        name: The decision's tensor.
        index: The position of the element.
        golden: The golden's tensors.
        ours: The candidate's tensors.
        chained: Whether the candidate's own inputs count as upstream error.
    """

    name: TensorName
    index: tuple[int, ...]
    golden: NamedArrays
    ours: NamedArrays
    chained: bool

    @property
    def values(self) -> tuple[int, int]:
        """The golden's and the candidate's decision."""
        return int(self.golden[str(self.name)][self.index]), int(self.ours[str(self.name)][self.index])

    def sibling(self, local: str) -> str:
        """The full name of another tensor of the same segment or block."""
        return str(self.name.sibling(local))

    def without_margin(self) -> Flip:
        """The flip of an element whose margin cannot be computed."""
        golden, ours = self.values
        return without_margin(self.index, float(ours), float(golden), "no margin is known for this decision")

    def with_margin(self, margin: float, upstream: float) -> Flip:
        """The flip, with its margin and upstream error, both in the unit that the decision is made in."""
        golden, ours = self.values
        what = f"the golden was {margin:.2g} from deciding otherwise"
        return flip(self.index, float(ours), float(golden), margin, upstream, what)


def flips(name: str, golden: NamedArrays, ours: NamedArrays, chained: bool) -> list[Flip]:
    """Every element of a decision that differs, with its margin.

    Args:
        name: The full name of the decision's tensor.
        golden: The golden's tensors.
        ours: The candidate's tensors, of the same shapes.
        chained: Whether the candidate's own inputs count as upstream error; False for a stage on the golden's inputs.
    Returns:
        One flip for each differing element; of more than `MOST_EXAMINED`, the first ones without margins.
    """
    parsed = TensorName.parse(name)
    margin_of = _MARGINS.get(parsed.local)
    indices = [tuple(map(int, index)) for index in np.argwhere(golden[name] != ours[name])]
    elements = [Element(parsed, index, golden, ours, chained) for index in indices]
    if margin_of is None or len(elements) > MOST_EXAMINED:
        return [element.without_margin() for element in elements[:MOST_LISTED]]
    return [margin_of(element) for element in elements]


def bins(hz: Array) -> Array:
    """F0 bins before rounding.

    Args:
        hz: F0 in Hz.
    Returns:
        float64 of the same shape: 1 at 50 Hz, 255 at 1100 Hz, clipped to this range (docs/spec/00 §0.2).
    """
    mel = 1127 * np.log1p(hz.astype(np.float64) / 700)
    return np.clip((mel - MEL_LOW) * 254 / (MEL_HIGH - MEL_LOW) + 1, 1, 255)


def _untransposed(tensors: NamedArrays) -> Array | None:
    """F0 in Hz before transposition, None where it was not recorded."""
    for name in ("f0.filled", "f0.raw"):
        if name in tensors:
            return tensors[name].ravel()
    return None


def _coarse(element: Element) -> Flip:
    """An F0 bin; its margin is the distance to the bin's border, in bins."""
    golden, ours = element.values
    frame = element.index[-1]
    golden_hz = _untransposed(element.golden)
    our_hz = _untransposed(element.ours if element.chained else element.golden)
    if golden_hz is None or our_hz is None or min(len(golden_hz), len(our_hz)) <= frame or abs(golden - ours) != 1:
        return element.without_margin()
    exact = float(bins(element.golden["f0.hz"].ravel()[frame : frame + 1])[0])
    margin = abs(exact - (max(golden, ours) - 0.5))
    # The gap is that of the tracks before transposition, which at most doubles a distance in bins; hence the factor 2.
    gap = np.abs(bins(our_hz[frame : frame + 1]) - bins(golden_hz[frame : frame + 1]))
    slack = SLACK[golden_hz.dtype.name] + SLACK["float32"]  # f0.hz itself is rounded to float32
    return element.with_margin(margin, 2 * float(gap[0]) + slack)


def _neighbor(element: Element) -> Flip:
    """A neighbor; its margin is the difference of two squared distances."""
    name, distances_name = str(element.name), element.sibling("retrieval.distances")
    frame, rank = element.index
    distances = element.golden[distances_name][frame].astype(np.float64)
    our_distances = element.ours.get(distances_name)
    golden_ids, our_ids = set(element.golden[name][frame].tolist()), set(element.ours[name][frame].tolist())
    count = element.golden[name].shape[1]
    if len(our_ids - golden_ids) > 1 or len(golden_ids) < count or len(our_ids) < count:
        return element.without_margin()  # several new neighbors, or an id that occurs twice (-1 for a missing one)
    place = np.flatnonzero(element.golden[name][frame] == element.ours[name][element.index])
    if place.size:
        margin, far = abs(distances[place[0]] - distances[rank]), distances[place[0]]
    elif our_distances is not None and our_distances[frame, rank] != element.golden[distances_name][frame, -1]:
        far = float(our_distances[frame, rank])
        margin = abs(far - distances[-1])
    else:
        return element.without_margin()  # a new id at exactly the golden's distance is a wrong id
    moved = 0.0
    features = element.sibling("hubert.features")
    if element.chained and features in element.ours and element.ours[features].shape == element.golden[features].shape:
        moved = float(
            np.linalg.norm(element.ours[features][0, frame].astype(np.float64) - element.golden[features][0, frame])
        )
    # A feature that moves by e changes a squared distance d² by at most 2·|e|·d to first order. The distances of both
    # neighbors change; DISTANCE_SLACK is the rounding.
    reach = 2 * moved * (np.sqrt(distances[rank]) + np.sqrt(max(far, 0.0))) + DISTANCE_SLACK * distances[rank]
    return element.with_margin(float(margin), float(reach))


def _cut(element: Element) -> Flip:
    """A cut point; its margin is the difference of the loudness profile at the two places."""
    profile, our_profile = element.golden.get("quiet.profile"), element.ours.get("quiet.profile")
    golden, ours = element.values
    if profile is None or not 0 <= ours < len(profile):
        return element.without_margin()
    moved = 0.0
    if element.chained and our_profile is not None and our_profile.shape == profile.shape:
        moved = 2 * float(np.abs(our_profile - profile).max())  # at both places
    return element.with_margin(float(profile[ours] - profile[golden]), moved)


def _offset(element: Element) -> Flip:
    """A SOLA offset; its margin is the difference of the correlation at the two offsets."""
    name = element.sibling("sola.cor")
    golden, ours = element.golden, element.ours
    if name not in golden or name not in ours or golden[name].shape != ours[name].shape:
        return element.without_margin()
    correlation = golden[name].ravel().astype(np.float64)
    moved = 2 * float(np.abs(ours[name].ravel() - correlation).max()) if element.chained else 0.0
    golden_offset, our_offset = element.values
    return element.with_margin(float(correlation[golden_offset] - correlation[our_offset]), moved)


_MARGINS: dict[str, Callable[[Element], Flip]] = {
    "f0.coarse": _coarse,
    "retrieval.ids": _neighbor,
    "segment.cuts": _cut,
    "sola.offset": _offset,
}
