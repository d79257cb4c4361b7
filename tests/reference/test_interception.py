"""Stand-ins are removed completely, and the local variables of a running function can be read."""

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from parity.hooks.interception import StandIn, locals_of, replaced
from parity.hooks.window import Seconds
from reference.errors import refuse_failure


def test_replaced_names_are_restored_after_an_error() -> None:
    owner = SimpleNamespace(kept=1)
    with pytest.raises(RuntimeError), replaced(owner, kept=2, new=3):
        assert (owner.kept, owner.new) == (2, 3)
        raise RuntimeError
    assert vars(owner) == {"kept": 1}


def test_a_stand_in_forwards_other_attributes() -> None:
    module = ModuleType("there")
    module.__dict__.update(one=1, two=2)
    stand_in = StandIn(module, two=22)
    assert (stand_in.one, stand_in.two) == (1, 22)


def test_a_replaced_method_is_restored() -> None:
    class Voice:
        def infer(self) -> str:
            return "original"

    voice = Voice()
    with replaced(voice, infer=lambda: "replaced"):
        assert voice.infer() == "replaced"
    assert voice.infer() == "original"
    assert not vars(voice)


def test_locals_of_the_nearest_caller_are_returned() -> None:
    def read() -> dict[str, Any]:
        return locals_of("vc")

    def vc(score: int) -> dict[str, Any]:
        weight = 2 * score
        variables = read()
        assert weight == variables["weight"]
        return variables

    assert vc(3)["score"] == 3
    assert locals_of("nothing_runs_under_this_name") == {}


@pytest.mark.parametrize(("seconds", "samples"), [(0.15, 2400), (1.0, 16000), (0.1, 1600), (0.3, 4800)])
def test_seconds_times_a_rate_are_an_integer_number_of_samples(seconds: float, samples: int) -> None:
    assert 16000 * Seconds(seconds) == samples
    assert isinstance(16000 * Seconds(seconds), int)


def test_a_traceback_returned_as_text_is_refused() -> None:
    with pytest.raises(Exception, match="the original failed"):
        refuse_failure(("Traceback (most recent call last): …", (None, None)))
    refuse_failure(("Success.", (40000, [1, 2])))
