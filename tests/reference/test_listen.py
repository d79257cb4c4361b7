"""Stand-ins come and go without a trace, and the locals of a running function can be read."""

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reference.hooks.interception import StandIn, locals_of, refuse_failure, replaced
from reference.recording.options import Seconds


def test_a_name_is_given_back_even_after_an_error() -> None:
    owner = SimpleNamespace(kept=1)
    with pytest.raises(RuntimeError), replaced(owner, kept=2, new=3):
        assert (owner.kept, owner.new) == (2, 3)
        raise RuntimeError
    assert vars(owner) == {"kept": 1}


def test_a_stand_in_answers_for_the_rest() -> None:
    module = ModuleType("there")
    module.__dict__.update(one=1, two=2)
    stand_in = StandIn(module, two=22)
    assert (stand_in.one, stand_in.two) == (1, 22)


def test_a_method_laid_over_an_object_hides_and_returns() -> None:
    class Voice:
        def infer(self) -> str:
            return "original"

    voice = Voice()
    with replaced(voice, infer=lambda: "heard"):
        assert voice.infer() == "heard"
    assert voice.infer() == "original"
    assert not vars(voice)


def test_locals_of_the_nearest_caller() -> None:
    def ask() -> dict[str, Any]:
        return locals_of("vc")

    def vc(score: int) -> dict[str, Any]:
        weight = 2 * score
        found = ask()
        assert weight == found["weight"]
        return found

    assert vc(3)["score"] == 3
    assert locals_of("nothing_runs_under_this_name") == {}


@pytest.mark.parametrize(("seconds", "samples"), [(0.15, 2400), (1.0, 16000), (0.1, 1600), (0.3, 4800)])
def test_seconds_times_a_rate_are_whole_samples(seconds: float, samples: int) -> None:
    assert 16000 * Seconds(seconds) == samples
    assert isinstance(16000 * Seconds(seconds), int)


def test_a_failure_in_words_is_not_recorded() -> None:
    with pytest.raises(Exception, match="the original failed"):
        refuse_failure(("Traceback (most recent call last): …", (None, None)))
    refuse_failure(("Success.", (40000, [1, 2])))
