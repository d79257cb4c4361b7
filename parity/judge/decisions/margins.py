"""Hard decisions and their margins: a flip is explained only where the golden stood nearer to the edge than the
candidate's own upstream error can reach.

Each flip is a JSON object: index, ours, golden, margin (how far the golden was from deciding otherwise), upstream (how
far the candidate's own inputs can have moved it), explained, sentence.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from parity import stages
from parity.goldens.arrays import Array

Tensors = Mapping[str, Array]
Flip = dict[str, Any]

MEL_LOW, MEL_HIGH = 77.75496616579426, 1064.4082331636394  # the coarse scale's ends, docs/spec/00 §0.2
SLACK = {"float32": 1e-4, "float64": 1e-9}  # what one evaluation of the coarse scale can round differently, in bins
DISTANCE_SLACK = 4e-6  # relative: a sum of 768 squares in float32, in another order


def flips(name: str, golden: Tensors, ours: Tensors, inherited: bool) -> list[Flip]:
    """Every element of a decision tensor that differs, with its margin; `inherited` in a chained run, where the
    candidate's own inputs count as upstream. At most 1000 are looked at; more are no knife-edge."""
    local = stages.TensorName.parse(name).local
    judge = _JUDGES.get(local)
    different = np.argwhere(golden[name] != ours[name])
    if judge is None or len(different) > 1000:
        return [_flip(tuple(map(int, index)), golden[name], ours[name], None, None) for index in different[:20]]
    return [judge(name, tuple(map(int, index)), golden, ours, inherited) for index in different]


def _flip(index: tuple[int, ...], golden: Array, ours: Array, margin: float | None, upstream: float | None) -> Flip:
    explained = margin is not None and upstream is not None and margin <= upstream
    found: Flip = {
        "index": list(index),
        "ours": float(ours[index]),
        "golden": float(golden[index]),
        "margin": margin,
        "upstream": upstream,
        "explained": explained,
    }
    if margin is None or upstream is None:
        found["sentence"] = "no margin is known for this decision"
    else:
        word = "reaches" if explained else "does not reach"
        found["sentence"] = (
            f"the golden was {margin:.2g} from deciding otherwise; the upstream error {upstream:.2g} {word} it"
        )
    return found


def bins(hz: Array) -> Array:
    """The coarse scale before rounding, float64: bin 1 at 50 Hz, 255 at 1100 Hz, clipped to them."""
    mel = 1127 * np.log1p(hz.astype(np.float64) / 700)
    return np.clip((mel - MEL_LOW) * 254 / (MEL_HIGH - MEL_LOW) + 1, 1, 255)


def _pitch(tensors: Tensors) -> Array | None:
    for name in ("f0.filled", "f0.raw"):
        if name in tensors:
            return tensors[name].ravel()
    return None


def _coarse(name: str, index: tuple[int, ...], golden: Tensors, ours: Tensors, inherited: bool) -> Flip:
    there, here = _pitch(golden), _pitch(ours if inherited else golden)
    a, b = int(golden[name][index]), int(ours[name][index])
    if there is None or here is None or len(there) <= index[-1] or len(here) <= index[-1] or abs(a - b) != 1:
        return _flip(index, golden[name], ours[name], None, None)
    exact = float(bins(golden["f0.hz"].ravel()[index[-1] : index[-1] + 1])[0])
    margin = abs(exact - (max(a, b) - 0.5))
    # Before transposition; a transposed bin moves by no more than twice as much.
    gap = np.abs(bins(here[index[-1] : index[-1] + 1]) - bins(there[index[-1] : index[-1] + 1]))
    slack = SLACK[there.dtype.name] + SLACK["float32"]  # f0.hz itself is rounded to float32
    return _flip(index, golden[name], ours[name], margin, 2 * float(gap[0]) + slack)


def _neighbour(name: str, index: tuple[int, ...], golden: Tensors, ours: Tensors, inherited: bool) -> Flip:
    prefix = stages.TensorName.parse(name).prefix
    row, rank = index
    distances = golden[prefix + "retrieval.distances"][row].astype(np.float64)
    own = ours.get(prefix + "retrieval.distances")
    there, here = set(golden[name][row].tolist()), set(ours[name][row].tolist())
    if len(here - there) > 1 or len(there) < golden[name].shape[1] or len(here) < len(there):
        return _flip(index, golden[name], ours[name], None, None)  # more than a swap, or than one neighbour for another
    place = np.flatnonzero(golden[name][row] == ours[name][index])
    if place.size:
        margin, far = abs(distances[place[0]] - distances[rank]), distances[place[0]]
    elif own is not None and own[row, rank] != golden[prefix + "retrieval.distances"][row, -1]:
        # Another vector at the very same distance is a wrong id beside a right distance, not a near neighbour.
        margin, far = abs(float(own[row, rank]) - distances[-1]), float(own[row, rank])
    else:
        return _flip(index, golden[name], ours[name], None, None)
    moved = 0.0
    features = prefix + "hubert.features"
    if inherited and features in ours and ours[features].shape == golden[features].shape:
        moved = float(np.linalg.norm(ours[features][0, row].astype(np.float64) - golden[features][0, row]))
    reach = 2 * moved * (np.sqrt(distances[rank]) + np.sqrt(max(far, 0.0))) + DISTANCE_SLACK * distances[rank]
    return _flip(index, golden[name], ours[name], float(margin), float(reach))


def _cut(name: str, index: tuple[int, ...], golden: Tensors, ours: Tensors, inherited: bool) -> Flip:
    profile, own = golden.get("quiet.profile"), ours.get("quiet.profile")
    there, here = int(golden[name][index]), int(ours[name][index])
    if profile is None or not 0 <= here < len(profile):
        return _flip(index, golden[name], ours[name], None, None)
    moved = 0.0
    if inherited and own is not None and own.shape == profile.shape:
        moved = 2 * float(np.abs(own - profile).max())
    return _flip(index, golden[name], ours[name], float(profile[here] - profile[there]), moved)


def _offset(name: str, index: tuple[int, ...], golden: Tensors, ours: Tensors, inherited: bool) -> Flip:
    cor = stages.TensorName.parse(name).prefix + "sola.cor"
    if cor not in golden or cor not in ours or golden[cor].shape != ours[cor].shape:
        return _flip(index, golden[name], ours[name], None, None)
    line = golden[cor].ravel().astype(np.float64)
    moved = 2 * float(np.abs(ours[cor].ravel() - line).max()) if inherited else 0.0
    margin = float(line[int(golden[name][index])] - line[int(ours[name][index])])
    return _flip(index, golden[name], ours[name], margin, moved)


Judge = Callable[[str, tuple[int, ...], Tensors, Tensors, bool], Flip]
_JUDGES: dict[str, Judge] = {
    "f0.coarse": _coarse,
    "retrieval.ids": _neighbour,
    "segment.cuts": _cut,
    "sola.offset": _offset,
}
