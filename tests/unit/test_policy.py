"""The policy of weights: what is built when, and what is released."""

from rvc.weights import policy
from rvc.weights.policy import RESIDENT, STREAMED, StreamedPart, WeightPolicy


def test_a_resident_part_is_built_once():
    built = []
    part = RESIDENT.hold(lambda: built.append(1) or abs)
    assert (part(-1), part(-2), built) == (1, 2, [1])


def test_a_streamed_part_is_built_for_each_run(monkeypatch):
    trims, built = [], []
    monkeypatch.setattr(policy, "trim_heap", lambda: trims.append(1))
    part = STREAMED.hold(lambda: built.append(1) or abs, trim=True)
    assert isinstance(part, StreamedPart) and not built
    assert (part(-1), part(-2), built, trims) == (1, 2, [1, 1], [1, 1])
    STREAMED.hold(lambda: abs)(-1)
    assert len(trims) == 2


def test_only_a_streamed_policy_trims(monkeypatch):
    trims = []
    monkeypatch.setattr(policy, "trim_heap", lambda: trims.append(1))
    RESIDENT.trim()
    assert not trims
    STREAMED.trim()
    assert trims


def test_low_latency_is_resident_by_default():
    assert not WeightPolicy(low_latency=True).is_streamed and not RESIDENT.low_latency
