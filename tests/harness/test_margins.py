"""Margins of decisions: what can be chosen, what the candidate's own quantities lead to, and who is first of equals."""

from typing import Any

import numpy as np
import pytest

from parity import stages
from parity.goldens.arrays import Array
from parity.judge.decisions import f0_bins, margins
from parity.judge.decisions.flip import Flip
from parity.stages import TensorKind

WINDOW = {"window": [0.1, 0.25, 1.0, 1.2]}  # seconds: a cut between samples 12,000 and 19,999
MODES = pytest.mark.parametrize("chained", [False, True], ids=["isolated", "chained"])


def one(name: str, golden: dict[str, Array], ours: dict[str, Any], chained: bool = True) -> Flip:
    (flip,) = margins.flips(name, golden, {**golden, **ours}, chained, WINDOW)
    return flip


def test_every_decision_of_the_stage_table_has_a_margin() -> None:
    assert margins.without_margins() == []


# ---- cuts ------------------------------------------------------------------------------------------------------------


def quiet(*places: int, depth: float = 1.0) -> dict[str, Array]:
    """A profile of 10, with 1 at the places; the first of them that can be chosen is the cut."""
    profile = np.full(40000, 10.0)
    profile[list(places)] = depth
    window = profile[12000:20000]
    return {"quiet.profile": profile, "segment.cuts": np.array([12000 + int(window.argmin())])}


@MODES
@pytest.mark.parametrize("place", [11999, 20000, 23797, 39999, 40000, -1])
def test_a_cut_outside_its_window_is_never_explained(place: int, chained: bool) -> None:
    golden = quiet(14369)
    if 0 <= place < 40000:
        golden["quiet.profile"][place] = 0.0  # quieter, and not to be chosen
    flip = one("segment.cuts", golden, {"segment.cuts": np.array([place])}, chained)
    assert not flip["explained"]
    assert flip["sentence"] == f"{place} is outside the places 12000 to 19999 of which one is chosen"


@MODES
def test_the_later_of_equally_quiet_places_is_not_explained(chained: bool) -> None:
    golden = quiet(14369, 17000)
    flip = one("segment.cuts", golden, {"segment.cuts": np.array([17000])}, chained)
    assert not flip["explained"] and flip["margin"] == 0
    assert flip["sentence"] == (
        "the golden was 0 from deciding otherwise; the quietness is equal at 14369 and 17000; the original takes the "
        "first such place"
    )


@MODES
def test_a_cut_that_the_candidates_own_profile_leads_to_is_explained(chained: bool) -> None:
    golden = quiet(14369)
    golden["quiet.profile"][17000] = 1 + 1e-13
    own = golden["quiet.profile"].copy()
    own[14369] += 2e-13
    right = {"segment.cuts": np.array([17000]), "quiet.profile": own}
    assert one("segment.cuts", golden, right, chained)["explained"]
    wrong = {"segment.cuts": np.array([17001]), "quiet.profile": own}
    assert one("segment.cuts", golden, wrong, chained)["sentence"].endswith(
        "its own quietness is not the best one at 17001"
    )


def test_a_profile_that_is_not_provided_follows_from_the_candidates_audio() -> None:
    sound = np.full(40000, 0.5)
    sound[14000:14200] = 0.1
    sound[17000:17200] = 0.1 + 1e-12
    profile = margins._loudness(sound)
    golden = {"quiet.profile": profile, "highpassed": sound, "segment.cuts": np.array([int(profile.argmin())])}
    own = sound.copy()
    own[14000:14200] += 2e-12
    there = int(margins._loudness(own)[12000:20000].argmin()) + 12000
    assert 17000 < there < 17200
    ours = {"highpassed": own, "segment.cuts": np.array([there])}
    (flip,) = margins.flips("segment.cuts", golden, ours, True, WINDOW)
    assert flip["explained"], flip["sentence"]


# ---- SOLA ------------------------------------------------------------------------------------------------------------


def correlated(*values: float) -> dict[str, Array]:
    correlation = np.array(values, np.float32)
    return {"rt.1.sola.cor": correlation, "rt.1.sola.offset": np.array([int(correlation.argmax())])}


@MODES
def test_the_last_of_equal_joints_is_not_explained(chained: bool) -> None:
    for golden, last in ((correlated(0, 0, 0, 0), 3), (correlated(0.1, 0.9, 0.2, 0.9), 3)):
        flip = one("rt.1.sola.offset", golden, {"rt.1.sola.offset": np.array([last])}, chained)
        assert not flip["explained"]
        assert flip["sentence"].endswith("the original takes the first such place")


@MODES
def test_a_joint_that_the_candidates_own_correlation_leads_to_is_explained(chained: bool) -> None:
    golden = correlated(0.1, 0.90000004, 0.2, 0.9)
    own = golden["rt.1.sola.cor"].copy()
    own[1] = 0.8999999
    ours = {"rt.1.sola.offset": np.array([3]), "rt.1.sola.cor": own}
    assert one("rt.1.sola.offset", golden, ours, chained)["explained"]
    assert not one("rt.1.sola.offset", golden, {"rt.1.sola.offset": np.array([3])}, chained)["explained"]
    assert not one("rt.1.sola.offset", golden, {**ours, "rt.1.sola.offset": np.array([2])}, chained)["explained"]


# ---- neighbors -------------------------------------------------------------------------------------------------------


def neighbors(rows: int, **changes: Array) -> dict[str, Array]:
    distances = np.tile(np.array([10, 20, 20, 40, 50, 60, 70, 80], np.float32), (rows, 1))
    return {"retrieval.ids": np.tile(np.arange(8), (rows, 1)), "retrieval.distances": distances, **changes}


def swapped(golden: dict[str, Array], frame: int, rank: int) -> Array:
    ids = golden["retrieval.ids"].copy()
    ids[frame, [rank, rank + 1]] = ids[frame, [rank + 1, rank]]
    return ids


def of(prefix: str, tensors: dict[str, Array]) -> dict[str, Array]:
    return {prefix + name: value for name, value in tensors.items()}


@MODES
def test_equally_near_neighbors_keep_the_originals_order(chained: bool) -> None:
    golden = neighbors(1)
    ids = swapped(golden, 0, 1)
    flips = margins.flips(
        "seg0.retrieval.ids", of("seg0.", golden), of("seg0.", {**golden, "retrieval.ids": ids}), chained
    )
    assert [flip["explained"] for flip in flips] == [False, False]
    assert flips[0]["sentence"].endswith("both are equally near; the original takes 1 first")
    own = golden["retrieval.distances"].copy()
    own[0, 1] = np.nextafter(np.float32(20), np.float32(0))
    moved = {**golden, "retrieval.ids": ids, "retrieval.distances": own}
    flips = margins.flips("seg0.retrieval.ids", of("seg0.", golden), of("seg0.", moved), chained)
    assert [flip["explained"] for flip in flips] == [True, True]


def test_a_missing_neighbor_is_no_near_decision() -> None:
    golden = neighbors(1)
    ids = golden["retrieval.ids"].copy()
    ids[0, 7] = -1
    (flip,) = margins.flips(
        "seg0.retrieval.ids", of("seg0.", golden), of("seg0.", {**golden, "retrieval.ids": ids}), True
    )
    assert flip["sentence"] == "a neighbor is missing (id -1) on one side only"
    both = {**golden, "retrieval.ids": ids}
    both["retrieval.distances"] = np.array([[10, 20, 20.00001, 40, 50, 60, 70, 3.4e38]], np.float32)
    other = {**both, "retrieval.ids": swapped(both, 0, 1)}
    flips = margins.flips("seg0.retrieval.ids", of("seg0.", both), of("seg0.", other), False)
    assert [flip["explained"] for flip in flips] == [True, True]


def test_a_streams_neighbors_belong_to_the_frames_after_the_context() -> None:
    """12 frames of features and the last one repeated, 6 rows of neighbors: row 2 was searched for frame 9."""
    features = np.ones((1, 12, 4), np.float32)
    golden = neighbors(6, **{"hubert.features": features})
    golden["retrieval.distances"][:, 2] = 20.1
    for moved, row, explained in ((9, 2, True), (2, 2, False), (11, 5, True), (11, 4, True), (5, 5, False)):
        own = features.copy()
        own[0, moved] += 0.01
        ours = {**golden, "hubert.features": own, "retrieval.ids": swapped(golden, row, 1)}
        flips = margins.flips("rt.3.retrieval.ids", of("rt.3.", golden), of("rt.3.", ours), True)
        assert [flip["explained"] for flip in flips] == [explained] * 2, (moved, row)


# ---- F0 bins ---------------------------------------------------------------------------------------------------------


def border(bin: float) -> float:
    """The F0 in Hz at a value of the bins' scale."""
    mel = f0_bins.MEL_LOW + (bin - 1) * (f0_bins.MEL_HIGH - f0_bins.MEL_LOW) / 254
    return float(700 * np.expm1(mel / 1127))


@MODES
def test_a_bin_of_a_stream_is_explained_by_its_own_f0(chained: bool) -> None:
    golden = {"f0.hz": np.array([[border(100.499)]], np.float32), "f0.coarse": np.array([[100]])}
    near = {"f0.hz": np.array([[border(100.501)]], np.float32), "f0.coarse": np.array([[101]])}
    (flip,) = margins.flips("rt.0.f0.coarse", of("rt.0.", golden), of("rt.0.", near), chained)
    assert flip["explained"]
    wrong = {**golden, "f0.coarse": np.array([[101]])}
    (flip,) = margins.flips("rt.0.f0.coarse", of("rt.0.", golden), of("rt.0.", wrong), chained)
    assert not flip["explained"]


def test_no_margin_is_negative() -> None:
    draw = np.random.default_rng(1)
    for _ in range(200):
        golden = correlated(*draw.integers(0, 4, 6))
        ours = {"rt.1.sola.offset": draw.integers(-1, 8, 1), "rt.1.sola.cor": draw.normal(size=6).astype(np.float32)}
        for name in golden:
            if stages.tensor(name).kind is TensorKind.DECISION:
                for flip in margins.flips(name, golden, {**golden, **ours}, True):
                    assert flip["margin"] is None or flip["margin"] >= 0
                    assert flip["margin"] is not None or not flip["explained"]
