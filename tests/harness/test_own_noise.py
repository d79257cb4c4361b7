"""A program that draws its own noise: right noise is not accused, each mistake is named, and no verdict is a pass."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from parity import stages
from parity.candidates.candidate import NotOffered, Tensors
from parity.goldens import store
from parity.goldens.store import Case
from parity.own_noise import noise_stages, power, sound_scale
from parity.own_noise.distribution import Noise, examine
from parity.own_noise.noise_stages import PRIOR, UNVOICED, VOICED
from parity.own_noise.statistical_mode import LABEL, NumericPart, StatisticalMode, draws_own
from parity.runs import doctor
from parity.runs.run import run

NAME = "v1-40k-rmvpe-rpy"
CASE = store.open_case(store.GOLDENS / NAME)
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Right noise."""
    return generator.standard_normal(shape)


def kinds(values: np.ndarray) -> set[str]:
    """The kinds of findings of noise that should be standard normal."""
    return {finding.kind for finding in examine(Noise("z_p", values, PRIOR))}


@pytest.mark.parametrize("shape", [(4, 192, 58), (4, 192, 8), (4, 1, 9000), (4, 1, 500), (1, 192, 58)])
def test_right_noise_of_any_size_is_not_accused(shape: tuple[int, ...]) -> None:
    for seed in range(8):
        assert not kinds(np.random.default_rng(seed).standard_normal(shape)), seed


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("none", lambda e: 0 * e),
        ("scale", lambda e: 1.05 * e),
        ("mean", lambda e: e + 0.1),
        ("shape", lambda e: np.random.default_rng(2).uniform(-(3**0.5), 3**0.5, e.shape)),
        ("shape", lambda e: np.random.default_rng(2).laplace(size=e.shape) / 2**0.5),
        ("shape", lambda e: np.clip(e, -2, 2) / np.std(np.clip(e, -2, 2))),
        ("shape", lambda e: (e**2 - 1) / 2**0.5),
        ("white", lambda e: (e + np.roll(e, 1, 2)) / 2**0.5),
        ("white", lambda e: np.tile(e[..., :29], 2)),
        ("channels", lambda e: (e + np.roll(e, 1, 1)) / 2**0.5),
        ("channels", lambda e: np.broadcast_to(e[:, :1], e.shape)),
        ("fresh", lambda e: np.broadcast_to(e[:1], e.shape)),
        ("fresh", lambda e: (e + e[:1]) / 2**0.5),
    ],
)
def test_each_mistake_of_noise_has_its_kind(kind: str, make: Callable[[np.ndarray], np.ndarray]) -> None:
    assert kind in kinds(make(np.random.default_rng(1).standard_normal((4, 192, 58))))


def stream(draw: Callable[[int, int, tuple[int, ...]], np.ndarray]) -> list[dict[str, np.ndarray]]:
    """What four calls made of a stream's noise stages; `draw` takes the call, the block and a shape."""
    case = store.open_case(store.GOLDENS / STREAM)
    runs: list[dict[str, np.ndarray]] = [{} for _ in range(4)]
    for call, made in enumerate(runs):
        for block, prefix in enumerate(stages.prefixes_of(case)):
            m, logs, sine = (case[prefix + name] for name in ("enc_p.m", "enc_p.logs", "nsf.sine"))
            made[f"{prefix}z_p"] = (m + np.exp(logs) * PRIOR * draw(call, block, m.shape)).astype(np.float32)
            voiced = noise_stages.voiced(case, prefix)
            assert voiced is not None
            other = draw(call, block, sine.shape) - case[f"{prefix}noise.nsf"]
            made[f"{prefix}nsf.sine"] = sine + other * np.where(voiced, VOICED, UNVOICED).reshape(sine.shape)
    return runs


STREAM = "rt-key-change-2026"


@pytest.mark.parametrize(
    ("draw", "sentences"),
    [
        (lambda call, block, shape: np.random.default_rng([call, block]).standard_normal(shape), []),
        (
            lambda call, block, shape: np.random.default_rng(call).standard_normal(shape),
            ["rt.z_p: the noise of two blocks of one run is the same", "rt.nsf.sine: the noise of two blocks"],
        ),
        (
            lambda call, block, shape: np.resize(np.random.default_rng([call, block]).standard_normal(6000), shape),
            ["rt.nsf.sine voiced: the noise"],
        ),
    ],
    ids=["right", "a seed for each call", "a table of 6000 values"],
)
def test_the_noise_of_a_stream_is_fresh_in_each_block(
    draw: Callable[[int, int, tuple[int, ...]], np.ndarray], sentences: list[str]
) -> None:
    case = store.open_case(store.GOLDENS / STREAM)
    listed = [each.sentence for each in noise_stages.findings(case, stages.prefixes_of(case), stream(draw))]
    assert bool(listed) == bool(sentences), listed
    for sentence in sentences:
        assert any(each.startswith(sentence) for each in listed), listed


class Replayed:
    """A candidate that replays the golden, and draws its own noise in z_p and nsf.

    Attributes:
        scale, unvoiced: the scales of the noise.
        draw: makes the noise.
        whole: whether it converts, always to the golden's waveform.
    """

    def __init__(
        self, scale: float = PRIOR, unvoiced: float = UNVOICED, draw: Draw = normal, whole: bool = False
    ) -> None:
        self.scale, self.unvoiced, self.draw, self.whole = scale, unvoiced, draw, whole
        self.generator = np.random.default_rng(7)

    @property
    def about(self) -> Mapping[str, object]:
        return {"name": "replayed", "version": "1", "command": None, "declares": {"noise": False}}

    @property
    def chains(self) -> bool:
        return self.whole

    def takes(self, case: Case) -> bool:
        return True

    def offers(self, stage: stages.Stage) -> bool:
        return stage.name in ("z_p", "nsf", "flow", "content.upsampled")

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        if stage.name.endswith("z_p"):
            m, logs = inputs[f"{prefix}enc_p.m"], inputs[f"{prefix}enc_p.logs"]
            drawn = self.draw(self.generator, m.shape) * self.scale
            return {f"{prefix}z_p": (m + np.exp(logs) * drawn).astype(np.float32)}
        if stage.name.endswith("nsf"):
            return self._source(case, prefix)
        return {prefix + row.name: case[prefix + row.name] for row in stage.makes if prefix + row.name in case}

    def _source(self, case: Case, prefix: str) -> Tensors:
        sine, voiced = case[f"{prefix}nsf.sine"], noise_stages.voiced(case, prefix)
        assert voiced is not None
        recorded = case[f"{prefix}noise.nsf"].reshape(-1) * np.where(voiced, VOICED, UNVOICED)
        drawn = self.draw(self.generator, (sine.size,)) * np.where(voiced, VOICED, self.unvoiced)
        made = (sine.reshape(-1) - recorded + drawn).astype(np.float32).reshape(sine.shape)
        return {f"{prefix}nsf.sine": made}

    def run(self, case: Case) -> Tensors:
        return {name: case[name] for name in case if ".noise." not in name}

    def run_final(self, case: Case) -> Tensors:
        return self.run(case)

    def restart(self) -> bool:
        return False


def judged(program: Replayed, out: Path) -> dict:
    """The verdict on one golden, whose noise stages are the only ones that the candidate computes."""
    return run(program, store.GOLDENS, out, only_case=NAME)


def test_right_noise_is_partial_and_labeled_and_never_a_pass(tmp_path: Path) -> None:
    document = judged(Replayed(), tmp_path)
    assert (document["state"], document["exit_code"]) == ("partial", 4), document["sentence"]
    assert LABEL in document["notes"] and not document["failures"]
    noisy = ("seg0.z_p", "seg0.nsf.sine")
    listed = [cell for case in document["cases"] for stage in case["stages"] for cell in stage["cells"]]
    cells = [cell for cell in listed if cell["tensor"] in noisy]
    assert cells and {cell["state"] for cell in cells} == {"not tested"}
    written = json.loads((tmp_path / "own-noise.json").read_text())
    assert written["format"] == "rvc-own-noise/1" and written["cases"][0]["findings"] == []
    scale = written["cases"][0]["scales"]["seg0.z_p"]
    assert abs(scale["scale"] / scale["expected"] - 1) < scale["resolution"] < 0.03


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (Replayed(scale=1.0), "0.66666 is missing"),
        (Replayed(unvoiced=0.1), "0.1 in place of 0.1/3"),
        (Replayed(draw=lambda generator, shape: np.random.default_rng(1).standard_normal(shape)), "same at each call"),
    ],
    ids=["factor", "unvoiced", "seed"],
)
def test_a_mistake_is_a_failure_of_the_run_in_words(program: Replayed, sentence: str, tmp_path: Path) -> None:
    document = judged(program, tmp_path)
    assert document["exit_code"] == 1
    assert any(sentence in failure for failure in document["failures"]), document["failures"]


def test_a_sound_outside_of_the_originals_spread_is_a_finding() -> None:
    pytest.importorskip("librosa")
    result = StatisticalMode(Replayed(whole=True)).after_case(CASE)
    sentences = [finding.sentence for finding in result.findings if finding.kind == "sound"]
    assert any("log_spectral is 0.000 dB, expected" in sentence for sentence in sentences)


def test_a_conversion_keeps_what_depends_on_no_noise_for_the_numerical_judgment() -> None:
    with pytest.raises(NotOffered) as raised:
        NumericPart(Replayed(whole=True)).run(CASE)
    kept = raised.value.partial
    assert {"highpassed", "f0.coarse", "seg0.enc_p.m", "seg0.spk.g"} <= set(kept)
    assert not {"seg0.z_p", "seg0.flow.z", "seg0.nsf.sine", "waveform.final"} & set(kept)


def test_the_doctor_does_not_expect_equal_noise_from_a_program_that_draws_its_own() -> None:
    finding = doctor._examine_stage(Replayed(), stages.stage_named("z_p"), [CASE])
    assert finding.well and "judges it by distribution" in finding.sentence
    assert draws_own(Replayed())


@pytest.mark.parametrize("name", sorted(json.loads(sound_scale.DATA.read_text())["cases"]))
def test_the_scale_states_its_origin_and_holds_its_own_runs(name: str) -> None:
    entry = json.loads(sound_scale.DATA.read_text())["cases"][name]
    assert entry["original"] == store.open_case(store.GOLDENS / name).profile and entry["environment"]
    scale = sound_scale.of_case(name)
    assert scale is not None and entry["runs"] >= 12
    for measure, values in entry["values"].items():
        low, high = scale.limits(measure, 4)
        assert low is not None and high is not None and low <= np.mean(values[:4]) <= high


def test_a_fault_of_unvoiced_samples_is_planted_where_there_are_some() -> None:
    voiced, mixed = (store.open_case(store.GOLDENS / name) for name in ("ear-turn-v2-2026", NAME))
    unplanted = [fault.name for fault in power.of_case(mixed) if fault not in power.of_case(voiced)]
    assert unplanted == ["0.1 in place of 0.1/3 in unvoiced frames"]
    without_f0 = store.open_case(store.GOLDENS / "v1-32k-nof0-rpy")
    assert {fault.stage for fault in power.of_case(without_f0)} == {"z_p"}


@pytest.mark.parametrize("name", [NAME, "rt-key-change-2026"])
def test_the_planted_faults_are_named_without_a_network(name: str) -> None:
    """The faults of the noise alone, of a file and of a stream; the command `own-noise` also converts the file."""
    case = store.open_case(store.GOLDENS / name)

    class Formula(Replayed):
        """z_p and nsf from the noise that is handed over."""

        def offers(self, stage: stages.Stage) -> bool:
            return stage.name in noise_stages.STAGES

        def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
            noise = inputs.get(f"{prefix}noise.z", inputs.get(f"{prefix}noise.nsf"))
            assert noise is not None
            self.draw = lambda generator, shape: noise.reshape(shape)
            return super().run_stage(case, stage, prefix, inputs)

    class Alone(power.OwnNoise):
        """Without conversions."""

        chains = False

    named = []
    for number, fault in enumerate(power.FAULTS):
        result = StatisticalMode(Alone(Formula(), number, fault)).after_case(case)
        named.append(power.Trial(fault, result).right)
    assert [fault.name for fault, right in zip(power.FAULTS, named, strict=True) if not right] == [
        "the factor is 2/3 in place of 0.66666"  # a difference of 1e-5 needs 1e11 values
    ]
