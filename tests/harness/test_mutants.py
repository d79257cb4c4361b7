"""The catalog of faults: its entries, its fit to `rvc`, what trials conclude, and how outcomes are counted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from parity import stages
from parity.candidates import candidate
from parity.errors import ParityError
from parity.goldens import store
from parity.judge import limits, metrics
from parity.mutants import Fault, all_faults, catalog, schedule, summary
from parity.mutants.cached_stages import StageCache
from parity.mutants.catalog import BEHAVIOR, OFFLINE, PORTS, REALTIME, legitimate, refuse_duplicates
from parity.mutants.catalog.behavior import calls
from parity.mutants.catalog.realtime import shared_code
from parity.mutants.catalog.report_order import REPORT_ORDER
from parity.mutants.clean_predictions import CleanPredictions
from parity.mutants.fault import fits
from parity.mutants.patches import Network, after, around, planted, put, replaced
from parity.mutants.repeated_calls import every_second_call
from parity.mutants.schedule import cost
from parity.mutants.trial import Outcome, accusations, checks, run
from parity.rvc_bridge import counterfactual
from rvc.audio import segments
from rvc.content import alignment, features
from rvc.nn import fcpe, generator
from rvc.nn.rmvpe import Rmvpe
from rvc.realtime.dsp.gate import Gate
from tests.unit import plain_networks
from tests.unit.tiny import tiny_synthesizer, write_hubert

CATALOG = Path(catalog.__file__).parent

STAGES = {stage.name for stage in stages.every()}
FAULTS = all_faults()


@pytest.fixture(scope="module")
def program():
    from parity.rvc_bridge.rvc_torch import RvcTorch

    return RvcTorch()


@pytest.fixture(scope="module")
def cases():
    return sorted((store.open_case(folder) for folder in store.cases(store.GOLDENS)), key=schedule.preference)


def named(name: str) -> Fault:
    return next(fault for fault in FAULTS if fault.name == name)


def case_for(fault: Fault, cases):
    return next(case for case in cases if fits(fault, case))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_names_known_stages_and_causes(fault):
    assert {fault.stage, *fault.also} <= STAGES
    assert fault.stage not in fault.also
    assert fault.why and "unknown" not in fault.causes


def test_every_stage_that_can_be_run_alone_has_faults():
    assert STAGES - {fault.stage for fault in FAULTS} == {"rt.input_wav"}  # no golden has its tensor


def test_the_readme_states_the_number_of_faults():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"plants {len(all_faults())} faults" in readme


def test_every_file_of_the_catalog_is_registered():
    folders = {"offline": OFFLINE, "realtime": (*REALTIME, shared_code), "behavior": BEHAVIOR, "ports": PORTS}
    for folder, modules in folders.items():
        files = {path.stem for path in (CATALOG / folder).glob("*.py")} - {"__init__", "hooks"}
        assert files == {module.__name__.rpartition(".")[2] for module in modules}


def test_the_report_order_lists_existing_faults_once():
    assert len(set(REPORT_ORDER)) == len(REPORT_ORDER)
    assert set(REPORT_ORDER) <= {fault.name for fault in FAULTS}


def test_new_kinds_of_faults_are_planted_in_every_stage_of_a_file():
    """Buffers that are not cleared or not filled, and a first call that returns garbage."""
    stages_of = {fault.stage for fault in calls.FAULTS}
    assert {stage.name for stage in stages.offline()} - stages_of == {
        "retrieval.search",  # its result is a decision, of which single elements are planted
        "content.upsampled",
        "seg.audio",
        "trim",
    }
    assert len(FAULTS) >= summary.FEWEST


def test_a_fault_of_every_second_call_is_caught_in_the_chain(tried):
    outcome = tried("second-prior")
    assert outcome.killed and outcome.accused == ["z_p"] and not outcome.wrong


def test_two_faults_of_the_same_name_are_refused():
    with pytest.raises(ValueError, match=r"^two faults have the same name: a, c$"):
        refuse_duplicates(["a", "b", "c", "c", "a"])


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Small networks with the attributes of the real ones."""
    hubert = write_hubert(tmp_path_factory.mktemp("networks") / "hubert")
    made = torch.Generator().manual_seed(0)
    fcpe_weights = {name: torch.randn(shape, generator=made) for name, shape in fcpe.expected_shapes(3, 16).items()}
    return {
        Network.VOICE: tiny_synthesizer(),
        Network.HUBERT: features.load_hubert(hubert),
        Network.RMVPE: Rmvpe(plain_networks.rmvpe_weights()),
        Network.FCPE: fcpe.Fcpe(fcpe_weights),
    }


NETWORK_FAULTS = [fault for fault in FAULTS if fault.patch.networks]


@pytest.mark.parametrize("fault", NETWORK_FAULTS, ids=lambda fault: fault.name)
def test_every_replaced_attribute_of_a_network_exists(fault, networks):
    for network, changes in fault.patch.networks:
        replacements = list(changes(networks[network]))
        assert replacements
        for holder, name, _ in replacements:
            assert hasattr(holder, name), f"{type(holder).__name__} has no {name}"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_replaced_attribute_of_a_module_or_class_exists(fault):
    for holder, name in fault.patch.targets:
        assert hasattr(holder, name), f"{holder.__name__} has no {name}"


def test_every_fault_can_be_activated_on_its_case(program, cases):
    plan = {fault.name: case_for(fault, cases) for fault in FAULTS}
    for fault in sorted(FAULTS, key=lambda fault: plan[fault.name].name):
        program.networks(plan[fault.name])
        with fault.patch.apply(program, plan[fault.name]):
            pass


def test_a_patch_ends_with_its_block():
    before = alignment.upsample
    with around(alignment, "upsample", lambda f, x: x).apply(None, None):
        assert alignment.upsample is not before
    assert alignment.upsample is before


def test_a_patch_of_a_missing_attribute_is_refused():
    for patch in (put(alignment, "dilate", 1), around(alignment, "dilate", lambda f, x: x)):
        with pytest.raises(ParityError, match=r"replaces dilate of rvc\.content\.alignment, which does not exist"):
            patch.apply(None, None).__enter__()


def test_a_fault_that_raises_an_attribute_error_is_not_counted_as_caught(program, cases):
    fault = Fault("odd", "padded", "it uses a missing attribute", around(segments, "pad", lambda f, x, w: f(x).gone))
    with pytest.raises(ParityError, match="the fault odd does not fit rvc any more"):
        run(fault, case_for(fault, cases), program, limits.load())


@pytest.fixture
def tried(program, cases):
    def attempt(name: str, cache: StageCache | None = None) -> Outcome:
        fault = named(name)
        case = store.open_case(case_for(fault, cases).folder).check()
        torch.set_num_threads(1)
        return run(fault, case, program, limits.load(), cache)

    return attempt


def test_tiled_upsampling_is_caught_with_stage_and_cause(tried):
    outcome = tried("upsample-tiled")
    assert outcome.killed and outcome.blamed and outcome.right and not outcome.wrong
    assert outcome.effect > summary.SUBTLE and "isolated" not in outcome.needed


def test_a_crash_behind_a_wrong_tensor_is_inherited(tried):
    """A formant shift of another length ends the stream in the crossfade of the next block, which is not to blame."""
    assert tried("live-formant-unplayed").accused == ["rt.formant"]


def test_a_stage_that_reads_an_error_within_the_limits_of_a_chain_is_not_accused(tried):
    """The block is 6.9 times beyond its limit alone and within that of a chain; the next joint is made of it."""
    assert tried("live-infer-half").accused == ["rt.infer_wav"]


def test_a_port_that_keeps_the_filtered_audio_in_float32_is_not_blamed(program, cases):
    """Its distance from the exact result is that of the original; harvest amplifies it most."""
    torch.set_num_threads(1)
    changes = {change.name: change for change in legitimate.CHANGES}
    for name in ("highpass-float32-harvest", "final-float64"):
        case = store.open_case(case_for(changes[name], cases).folder).check()
        assert accusations(case, program, limits.load(), changes[name]) == []


def test_a_legitimate_change_has_no_name_of_a_fault_and_a_case(cases):
    names = [change.name for change in legitimate.CHANGES]
    assert len(names) == len(set(names)) and not set(names) & {fault.name for fault in FAULTS}
    assert all(any(fits(change, case) for case in cases) for change in legitimate.CHANGES)


@pytest.fixture
def cache():
    kept = StageCache()
    with kept.install():
        yield kept


@pytest.mark.parametrize("names", [("second-prior", "enc-slope"), ("live-infer-16-bit",)])
def test_the_stage_cache_changes_no_outcome(tried, cache, names):
    """Networks of the fault's stage are computed, with what earlier trials of the case left in the cache."""
    cached = [tried(name, cache) for name in names]
    with cache.bypassed():
        assert [tried(name).document() for name in names] == [outcome.document() for outcome in cached]


def test_a_cached_function_is_computed_again_only_where_a_fault_touches_it(program, cases, cache):
    """The code that runs is compared with what a fault replaces: functions, constants of modules, parts of networks."""
    torch.set_num_threads(1)
    case = case_for(named("flow-shared"), cases)
    synthesizer, z = program.voice(case).synthesizer, torch.zeros(1, 192, 24)
    g = synthesizer.speaker(0)

    def changes(name: str) -> bool:
        with planted(named(name).patch, program, case) as fault, cache.trial(fault):
            under_fault = synthesizer.flow(z, g)
        return not torch.equal(under_fault, synthesizer.flow(z, g))

    right = synthesizer.flow(z, g)
    assert [changes(name) for name in ("flow-flip-after", "flow-shared", "flow-halves")] == [True] * 3
    assert [changes(name) for name in ("gen-last-slope", "enc-slope", "prior-half-noise", "final-rounded")] == [
        False
    ] * 4
    assert torch.equal(synthesizer.flow(z, g), right)


def test_a_fault_of_a_function_behind_a_decorator_touches_what_ran(networks, cache):
    """`Hubert.forward` is decorated by torch.no_grad, whose own code lies outside `rvc`."""
    hubert, audio = networks[Network.HUBERT], torch.rand(1, 1600)
    right = features.extract(audio, hubert, "v1")
    patch = after(type(hubert), "forward", lambda value: value + 1)
    with planted(patch, None, None) as fault, cache.trial(fault):
        assert torch.equal(features.extract(audio, hubert, "v1"), right + 1)
    assert torch.equal(features.extract(audio, hubert, "v1"), right)


def test_a_fault_of_a_librarys_function_touches_what_read_it(program, cases, cache):
    """harvest calls scipy's medfilt, whose code lies outside `rvc` and is not recorded."""
    torch.set_num_threads(1)
    fault = named("harvest-median-5")
    outcome = run(fault, case_for(fault, cases), program, limits.load(), cache)
    assert outcome.killed and outcome.accused == ["f0.raw"]


def test_predictions_are_made_without_the_fault(program, cases, cache):
    """A fault that every prediction of networks would contain leaves the predictions as they are."""
    torch.set_num_threads(1)
    fault = named("gen-last-slope")
    case = case_for(fault, cases)
    voice = program.voice(case)
    inputs = candidate.inputs(case, stages.stage_named("generator"), "seg0.")
    place = case, "generator", "seg0.", "seg0.waveform.segment.full"
    with cache.bypassed():
        right = next(counterfactual.RvcCounterfactuals(case, program).guesses(*place, inputs))
    with planted(fault.patch, program, case) as active, cache.trial(active):
        networks = counterfactual.RvcCounterfactuals(case, program)
        with cache.bypassed():
            faulty = next(networks.guesses(*place, inputs))
        guesses = CleanPredictions(networks, active, cache).guesses(*place, inputs)
        clean = next(guesses)
        assert generator.LAST_SLOPE != 0.01  # the fault is active again between two predictions
        guesses.close()
        assert generator.LAST_SLOPE != 0.01
    assert generator.LAST_SLOPE == 0.01 and voice.synthesizer is program.voice(case).synthesizer
    assert np.array_equal(clean.value, right.value) and not np.array_equal(faulty.base, right.base)


def test_a_paused_fault_keeps_what_it_remembers():
    holder = SimpleNamespace(double=lambda x: 2 * x)
    fault = every_second_call(holder, "double", np.negative)
    with planted(fault, None, None) as active:
        first = holder.double(1)
        with active.paused():
            assert [holder.double(1), holder.double(1)] == [2, 2]
        assert [first, holder.double(1), holder.double(1)] == [2, -2, 2]
    assert holder.double(1) == 2


def test_a_comparison_that_accepts_everything_catches_no_fault(tried, monkeypatch):
    monkeypatch.setattr(metrics, "form", lambda name, golden, made: (None, ""))
    monkeypatch.setattr(
        metrics,
        "compare",
        lambda name, golden, made, axis=None: metrics.Numbers(
            dict.fromkeys(metrics.metrics(name), 0.0), 0.0, None, np.zeros(1)
        ),
    )
    outcomes = [tried(name) for name in ("upsample-tiled", "segment-half", "final-rounded")]
    counts = summary.summarize(outcomes)
    assert (counts["killed"], counts["blamed"], counts["caused"]) == (0, 0, 0)
    assert counts["survivors"] == ["upsample-tiled", "segment-half", "final-rounded"]
    assert counts["idle_checks"] == checks()


def outcome(name="one", effect=5.0, stage="flow", **other) -> Outcome:
    defaults = {
        "case": "c",
        "killed": True,
        "blamed": True,
        "accused": [stage],
        "cause": "gain",
        "right": True,
        "wrong": False,
        "needed": ["isolated"],
    }
    return Outcome(name, stage, effect=effect, **(defaults | other))


def test_a_summary_counts_outcomes():
    counts = summary.summarize(
        [
            outcome("a"),
            outcome("b", 500.0, blamed=False, right=False, wrong=True),
            outcome("c", None, right=False),
            outcome("d", 0.0, killed=False, blamed=False, right=False, needed=[]),
        ]
    )
    keys = ("mutants", "killed", "blamed", "caused", "miscaused", "subtle")
    assert [counts[key] for key in keys] == [4, 3, 2, 1, 1, 3]
    assert counts["fine_by_stage"] == {"flow": 2}
    assert (counts["survivors"], counts["misblamed"], counts["wrong_causes"]) == (["d"], ["b"], ["b"])
    assert "isolated" not in counts["idle_checks"] and "chained" in counts["idle_checks"]


def test_every_missed_target_is_reported():
    counts = summary.summarize([outcome("a", 1e6, blamed=False, right=False, wrong=True)])
    counts |= {"null_runs": 100, "null_accusations": [{"accused": ["flow"]}], "untried": ["b"]}
    assert summary.missed(counts) == [
        "0 of 1 mutants are blamed, expected 100% at least",
        "0 of 1 mutants are caused, expected 60% at least",
        "0 of 1 mutants are subtle, expected 50% at least",
        "1 mutants were tried, expected 480 at least",
        "1 of 1 causes are wrong, expected 2% at most",
        "fewer than 3 mutants within 100 times the limit: flow 0",
        "1 of 100 runs without a fault blame a stage, expected none",
        "untried: b",
    ]


def test_a_group_holds_jobs_of_one_golden():
    jobs = [schedule.Job(str(i), "x" if i < 60 else "y") for i in range(100)]
    groups = schedule.groups(jobs, 2)
    assert [job for group in groups for job in group] == jobs
    assert max(map(len, groups)) == 6 and all(len({job.folder for job in group}) == 1 for group in groups)


def test_parts_contain_every_job_once():
    jobs = [schedule.Job(str(i), "x") for i in range(23)]
    assert [job for i in range(1, 6) for job in schedule.part(jobs, i, 5)] == jobs


def test_runs_without_a_fault_cover_every_variant_and_case(cases):
    small = [case for case in cases if cost(case) <= schedule.MOST_COST_WITHOUT_FAULT]
    jobs = schedule.runs_without_fault(small, 100)
    assert {job.variant for job in jobs} == set(schedule.VARIANTS)
    assert len({Path(job.folder).name for job in jobs}) == len(small) > 50


def test_a_replaced_class_attribute_leaves_no_instance_attribute():
    class Thing:
        value = 1

    thing = Thing()
    with replaced(thing, "value", 2):
        assert thing.value == 2
    assert vars(thing) == {}


def test_a_gate_that_keeps_the_end_of_the_last_block_is_caught(program):
    def keep(original, self, block, threshold):
        gated = original(self, block, threshold)
        return gated[len(gated) - len(block) :]

    torch.set_num_threads(1)
    fault = Fault("kept", "rt.input16k", "the last 20 ms stay as they were", around(Gate, "__call__", keep))
    outcome = run(fault, store.open_case(store.GOLDENS / "alone-rt-gate-2026").check(), program, limits.load())
    assert outcome.killed and outcome.blamed and outcome.accused == ["rt.input16k"]
