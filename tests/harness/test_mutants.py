"""The catalogue of planted bugs: it fits our code, it is counted truly, and a judge who never looks scores nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from parity import stages
from parity.errors import ParityError
from parity.goldens import store
from parity.judge import limits
from parity.judge import metrics as compare
from parity.mutants import Fault, catalogue, schedule, summary
from parity.mutants.cached_stages import Memory
from parity.mutants.fault import fits
from parity.mutants.patches import around, put, replaced
from parity.mutants.schedule import cost
from parity.mutants.trial import Outcome, checks, run
from rvc.audio import segments
from rvc.content import alignment

STAGES = {stage.name for stage in stages.every()}
FAULTS = catalogue()


@pytest.fixture(scope="module")
def program():
    from parity.rvc_bridge.rvc_torch import RvcTorch

    return RvcTorch()


@pytest.fixture(scope="module")
def cases():
    return sorted((store.open_case(folder) for folder in store.cases(store.GOLDENS)), key=cost)


def named(name: str) -> Fault:
    return next(fault for fault in FAULTS if fault.name == name)


def case_for(fault: Fault, cases):
    return next(case for case in cases if fits(fault, case))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_says_where_it_lives(fault):
    assert {fault.stage, *fault.also} <= STAGES
    assert fault.stage not in fault.also
    assert fault.why and "unknown" not in fault.causes


def test_every_stage_that_we_offer_has_faults():
    assert STAGES - {fault.stage for fault in FAULTS} == {"rt.input_wav"}  # no original shows it, so none runs it alone


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_replaced_attribute_of_a_module_or_class_exists(fault):
    for holder, name in fault.patch.targets:
        assert hasattr(holder, name), f"{holder.__name__} has no {name}"


def test_every_fault_fits_our_code(program, cases):
    """Laid on the case it is tried on, and lifted: what it replaces is there."""
    plan = {fault.name: case_for(fault, cases) for fault in FAULTS}
    for fault in sorted(FAULTS, key=lambda fault: plan[fault.name].name):
        program.networks(plan[fault.name])
        with fault.patch.apply(program, plan[fault.name]):
            pass


def test_a_fault_is_lifted():
    before = alignment.upsample
    with around(alignment, "upsample", lambda f, x: x).apply(None, None):
        assert alignment.upsample is not before
    assert alignment.upsample is before


def test_a_fault_whose_code_is_gone_is_refused():
    for patch in (put(alignment, "dilate", 1), around(alignment, "dilate", lambda f, x: x)):
        with pytest.raises(ParityError, match=r"replaces dilate of rvc\.content\.alignment, which does not exist"):
            patch.apply(None, None).__enter__()


def test_a_fault_that_python_refuses_is_no_catch(program, cases):
    fault = Fault("odd", "padded", "it calls what is not there", around(segments, "pad", lambda f, x, w: f(x).gone))
    with pytest.raises(ParityError, match="the fault odd does not fit rvc any more"):
        run(fault, case_for(fault, cases), program, limits.load())


@pytest.fixture
def tried(program, cases):
    def attempt(name: str, memory: Memory | None = None) -> Outcome:
        fault = named(name)
        case = store.open_case(case_for(fault, cases).folder).check()
        torch.set_num_threads(1)
        return run(fault, case, program, limits.load(), memory)

    return attempt


def test_a_fault_is_caught_blamed_and_named(tried):
    outcome = tried("upsample-tiled")
    assert outcome.killed and outcome.blamed and outcome.right and not outcome.wrong
    assert outcome.effect > summary.SUBTLE and "isolated" not in outcome.needed


def test_memory_changes_no_verdict(tried):
    plain = tried("pad-float32")
    with Memory().installed() as memory:
        with memory.learn():
            tried("pad-float32")  # a run is kept, the next one hears it again
        again = tried("pad-float32", memory)
    assert again.document() == plain.document()


def test_a_comparator_that_always_says_yes_scores_nothing(tried, monkeypatch):
    monkeypatch.setattr(compare, "form", lambda name, golden, ours: ("", ""))
    monkeypatch.setattr(
        compare,
        "compare",
        lambda name, golden, ours, clock=None: compare.Numbers(
            dict.fromkeys(compare.metrics(name), 0.0), 0.0, None, np.zeros(1)
        ),
    )
    outcomes = [tried(name) for name in ("upsample-tiled", "pad-float32", "final-rounded")]
    found = summary.summary(outcomes)
    assert (found["killed"], found["blamed"], found["caused"]) == (0, 0, 0)
    assert found["survivors"] == ["upsample-tiled", "pad-float32", "final-rounded"]
    assert found["idle_checks"] == checks()


def outcome(name="one", effect=5.0, stage="flow", **other) -> Outcome:
    given = {
        "case": "c",
        "killed": True,
        "blamed": True,
        "accused": [stage],
        "cause": "gain",
        "right": True,
        "wrong": False,
        "needed": ["isolated"],
    }
    return Outcome(name, stage, effect=effect, **(given | other))


def test_the_summary_counts():
    found = summary.summary(
        [
            outcome("a"),
            outcome("b", 500.0, blamed=False, right=False, wrong=True),
            outcome("c", None, right=False),
            outcome("d", 0.0, killed=False, blamed=False, right=False, needed=[]),
        ]
    )
    counts = [found[key] for key in ("mutants", "killed", "blamed", "caused", "miscaused", "subtle")]
    assert counts == [4, 3, 2, 1, 1, 3]
    assert found["fine_by_stage"] == {"flow": 2}
    assert (found["survivors"], found["misblamed"], found["wrong_causes"]) == (["d"], ["b"], ["b"])
    assert "isolated" not in found["idle_checks"] and "chained" in found["idle_checks"]


def test_every_missed_target_is_said():
    found = summary.summary([outcome("a", 1e6, blamed=False, right=False, wrong=True)])
    found |= {"null_runs": 100, "null_accusations": [{"accused": ["flow"]}], "untried": ["b"]}
    assert summary.missed(found) == [
        "0 of 1 mutants are blamed, expected 95% at least",
        "0 of 1 mutants are caused, expected 60% at least",
        "0 of 1 mutants are subtle, expected 50% at least",
        "1 of 1 causes are wrong, expected 5% at most",
        "fewer than 3 mutants within 100 times the limit: flow 0",
        "1 of 100 runs without a fault accuse somebody",
        "untried: b",
    ]


def test_parts_cover_the_work_once(cases):
    jobs = [schedule.Job(str(i), "x") for i in range(23)]
    assert [job for i in range(1, 6) for job in schedule.part(jobs, i, 5)] == jobs


def test_runs_without_a_fault_meet_every_variant_and_case(cases):
    small = [case for case in cases if cost(case) <= schedule.SMALL]
    jobs = schedule.innocents(small, 100)
    assert {job.variant for job in jobs} == set(schedule.VARIANTS)
    assert len({Path(job.folder).name for job in jobs}) == len(small) > 50


def test_an_attribute_of_an_instance_goes_when_it_was_its_class_s():
    class Thing:
        value = 1

    thing = Thing()
    with replaced(thing, "value", 2):
        assert thing.value == 2
    assert vars(thing) == {}
