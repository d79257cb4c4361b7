"""Which predictions explain an error: by size, by place, and only where no other prediction is as near."""

import numpy as np
import pytest
import torch

from parity.goldens import store
from parity.goldens.arrays import Array
from parity.judge.diagnosis import any_stage, causes, content, f0, input_audio
from parity.judge.diagnosis.acceptance import Comparison, decide
from parity.judge.diagnosis.registry import Deviation, Guess
from parity.stages import TensorName, stage_of
from rvc.f0.methods import crepe

AXES = ("batch", "frame10", "channel")


def features(frames: int = 40, channels: int = 8) -> Array:
    return np.random.default_rng(7).standard_normal((1, frames, channels))


def named(guesses: list[Guess], comparison: Comparison) -> str | None:
    fit = decide(guesses, comparison).fit
    return fit.guess.name if fit else None


def test_an_exact_prediction_is_accepted() -> None:
    golden = features()
    assert named([Guess("doubled", "", 2 * golden)], Comparison(2 * golden, golden, AXES)) == "doubled"


def test_a_prediction_near_0_does_not_explain_a_tensor_near_0() -> None:
    """A division by 160 takes the golden's place of any tensor that is nearly empty."""
    golden = features()
    nearly_empty = 1e-3 * np.roll(golden, 3, 1)
    guess = Guess("a mean, not a sum", "", golden / 160)
    assert named([guess], Comparison(nearly_empty, golden, AXES)) is None
    assert named([guess], Comparison(golden / 160, golden, AXES)) == "a mean, not a sum"


@pytest.mark.parametrize(
    ("held", "rest", "accepted"), [(1.0, 1.2, True), (0.4, 0.3, False), (0.0, 1.0, False), (1, 5, False)]
)
def test_a_random_part_of_a_network_explains_an_error_that_holds_all_of_what_it_replaces(
    held: float, rest: float, accepted: bool
) -> None:
    golden, draw = features(), np.random.default_rng(9)
    missing, other = draw.standard_normal(golden.shape), draw.standard_normal(golden.shape)
    guess = Guess("random weights", "", golden + missing, general=True, base=golden, with_rest=True)
    ours = golden + held * missing + rest * other
    assert (named([guess], Comparison(ours, golden, AXES)) is not None) == accepted
    in_half = ours.copy()
    in_half[:, ::4] = golden[:, ::4]
    assert named([guess], Comparison(in_half, golden, AXES)) is None


def test_a_part_that_is_missing_is_not_called_random() -> None:
    golden = features()
    without = golden + np.random.default_rng(9).standard_normal(golden.shape)
    guesses = [
        Guess("random weights", "", without, general=True, base=golden, with_rest=True),
        Guess("missing weights", "", without),
    ]
    assert named(guesses, Comparison(without, golden, AXES)) == "missing weights"


@pytest.mark.parametrize("axis", [1, 2])
def test_a_prediction_must_explain_every_place_of_the_error_and_not_only_the_loudest(axis: int) -> None:
    golden = features()
    loud, ours = golden.copy(), golden.copy()
    place = (slice(None),) * axis + (2,)
    loud[place] += 10
    ours[place] += 10
    ours += 0.1 * np.random.default_rng(3).standard_normal(golden.shape)
    assert named([Guess("one place is wrong", "", loud)], Comparison(loud, golden, AXES)) == "one place is wrong"
    assert named([Guess("one place is wrong", "", loud)], Comparison(ours, golden, AXES)) is None


def test_what_is_left_may_be_as_large_as_the_limit() -> None:
    golden = features()
    guess = Guess("a thousandth larger", "", 1.001 * golden)
    ours = 1.001 * golden + 1.5e-4 * np.random.default_rng(4).standard_normal(golden.shape)
    assert named([guess], Comparison(ours, golden, AXES, noise=0.0)) is None  # 2 % of the error's energy is left
    assert named([guess], Comparison(ours, golden, AXES, noise=2e-4)) == "a thousandth larger"


def test_two_mistakes_that_are_equally_near_are_both_refused() -> None:
    golden = features()
    step = np.random.default_rng(5).standard_normal(golden.shape)
    ours = golden + step
    near = [Guess(name, "", ours + 0.09 * np.roll(step, by, 1)) for name, by in (("one", 1), ("other", 2))]
    decision = decide(near, Comparison(ours, golden, AXES))
    assert decision.fit is None and {guess.name for guess in decision.rivals} == {"one", "other"}
    assert named(near[:1], Comparison(ours, golden, AXES)) == "one"
    assert named([*near, Guess("exact", "", ours)], Comparison(ours, golden, AXES)) == "exact"


def test_a_gain_is_named_before_a_fitted_mistake_that_leaves_clearly_more() -> None:
    """The fault that a buffer keeps a hundredth of the result before must not read "another mix rate"."""
    golden = features()
    ours = 1.01 * golden
    tilt = np.linspace(0.9, 1.1, golden.shape[1])[None, :, None]
    gain = Guess("gain", "", ours, general=True, fitted=True)
    fitted = Guess("another rate", "", golden * (1 + 0.01 * tilt), base=golden)
    assert named([fitted], Comparison(ours, golden, AXES)) == "another rate"
    assert named([fitted, gain], Comparison(ours, golden, AXES)) == "gain"


def test_two_fitted_mistakes_that_leave_nothing_but_rounding_are_both_refused() -> None:
    """Over one loudness window another mix rate is a gain: no tensor distinguishes them."""
    golden = features()
    ours = 1.01 * golden
    near = [
        Guess("another rate", "", golden * 1.02, base=golden),
        Guess("gain", "", ours + 1e-6 * np.roll(golden, 1, 1), general=True, fitted=True),
    ]
    decision = decide(near, Comparison(ours, golden, AXES, noise=1e-5))
    assert decision.fit is None and {guess.name for guess in decision.rivals} == {"another rate", "gain"}


def test_a_mistake_of_fixed_size_is_named_before_a_fitted_one_that_explains_the_same() -> None:
    golden = features()
    sign, gain = (Guess(name, "", -golden, general=True, fitted=name == "gain") for name in ("polarity", "gain"))
    half = Guess("halved", "", -golden * (1 + 1e-6))
    ours = -golden * (1 + 1e-7)
    assert named([gain, sign], Comparison(ours, golden, AXES, noise=1e-5)) == "polarity"
    assert named([gain, sign, half], Comparison(ours, golden, AXES, noise=1e-5)) == "halved"
    assert named([gain, sign, half], Comparison(-golden, golden, AXES)) == "polarity"


def deviation(name: str, ours: Array, case: store.Case, **inputs: Array) -> Deviation:
    stage = stage_of(name)
    assert stage is not None
    return Deviation(case, stage, TensorName.parse(name), inputs, ours)


def test_signed_sums_that_are_kept_are_recognized() -> None:
    case = store.open_case("goldens/cases/two-segments-rpy")
    x = case["highpassed"]
    total = np.concatenate([[0.0], np.cumsum(np.pad(x, 80, mode="reflect"))])
    signed = (total[160:] - total[:-160])[: len(x)]
    guesses = list(input_audio.cut_points(deviation("quiet.profile", signed, case, highpassed=x)))
    assert named(guesses, Comparison(signed, case["quiet.profile"], ("sample16k",))) == "sum without magnitude"
    silent = np.zeros_like(signed)
    assert named(guesses, Comparison(silent, case["quiet.profile"], ("sample16k",))) is None


def test_the_loop_of_the_onnx_helper_arrives_one_frame_early() -> None:
    track = np.array([0, 0, 100, 0, 0, 0, 160, 0, 120, 0, 0], np.float64)
    assert f0.filled_by_loop(track).tolist() == [100, 100, 100, 120, 140, 160, 160, 120, 120, 120, 120]
    assert f0.filled_by_loop(np.zeros(3)).tolist() == [0, 0, 0]
    assert f0.filled_by_loop(np.array([100.0, 0, 0, 130.0])).tolist() == [100, 100, 100, 130]  # the last frame's pitch


def test_a_block_whose_bins_are_cut_off_is_recognized() -> None:
    """Its pitch is scaled by the formant shift and its bins are not; frames that were never filled have bin 0."""
    case = store.open_case("goldens/cases/rt-window-2026")
    name = "rt.1.f0.coarse"
    golden = case[name]
    right = f0._pitch_of_bins(deviation(name, golden, case))
    mel = 1127 * np.log(1 + right / 700)
    cut = np.clip((mel - f0.MEL_LOW) * 254 / (f0.MEL_HIGH - f0.MEL_LOW) + 1, 1, 255).astype(np.int64)
    ours = np.where(golden == 0, 0, cut)
    assert named(list(f0.bins_of_block(deviation(name, ours, case))), Comparison(ours, golden)) == "truncated bins"


def test_a_port_that_does_not_hand_over_the_filled_track_gets_the_cause_in_its_pitch() -> None:
    case = store.open_case("goldens/cases/v1-32k-pm-2026")
    raw, golden = case["f0.raw"], case["f0.hz"]
    looped = f0.filled_by_loop(raw.astype(np.float64))[None, : golden.shape[1]]
    ours = (looped * 2.0 ** (int(case.options["transpose"]) / 12)).astype(np.float32)
    guesses = list(f0.transposed(deviation("f0.hz", ours, case, **{"f0.raw": raw})))
    assert named(guesses, Comparison(ours, golden, ("batch", "frame10"))) == "filled by the ONNX helper's loop"


def test_no_size_is_fitted_to_a_few_values() -> None:
    """One wrong frame of a pitch is a gain of any tensor that has one other value than 0."""
    golden = np.zeros((1, 40))
    golden[0, 3:5] = 200.0, 210.0
    ours = golden.copy()
    ours[0, 3:5] += 0.004
    assert decide(any_stage.guesses("rt.0.f0.hz", ours, golden), Comparison(ours, golden)).fit is None
    long = np.tile(golden + 1, 20)
    assert named(list(any_stage.guesses("rt.0.f0.hz", 1.01 * long, long)), Comparison(1.01 * long, long)) == "gain"


def test_an_ignored_f0_file_is_recognized() -> None:
    case = store.open_case("goldens/cases/curve-classic")
    raw = case["f0.raw"]
    ours = (raw[None, : case["f0.hz"].shape[1]] * 2.0 ** (int(case.options["transpose"]) / 12)).astype(np.float32)
    guesses = list(f0.transposed(deviation("f0.hz", ours, case, **{"f0.raw": raw})))
    assert named(guesses, Comparison(ours, case["f0.hz"], ("batch", "frame10"))) == "F0 file ignored"
    from rvc.f0 import postprocessing

    bins = postprocessing.quantize(ours[0].astype(np.float64))[None]
    guesses = list(f0.bins(deviation("f0.coarse", bins, case, **{"f0.raw": raw})))
    assert named(guesses, Comparison(bins, case["f0.coarse"], ("batch", "frame10"))) == "F0 file ignored"


@pytest.mark.parametrize("mistake", ["protect as multiplication", "protect decided at 20 ms"])
def test_protect_as_other_programs_compute_it_is_recognized(mistake: str) -> None:
    case = store.open_case("goldens/cases/speech-pm-protect-rpy")
    names = ("seg0.content.upsampled", "seg0.hubert.features", "f0.hz")
    inputs = {name: case[name] for name in names}
    doubled, hz, amount = inputs[names[0]], inputs["f0.hz"], float(case.options["protect"])
    silent = (hz < 1)[..., None][:, : doubled.shape[1]]
    own = np.repeat(inputs[names[1]], 2, 1)[:, : doubled.shape[1]]
    if mistake == "protect as multiplication":
        ours = np.where(silent, doubled * np.float32(amount), doubled)
    else:
        pairs = np.repeat(silent[:, ::2], 2, 1)[:, : silent.shape[1]]
        ours = np.where(pairs, doubled * np.float32(amount) + own * np.float32(1 - amount), doubled)
    golden = case["seg0.content.protected"]
    guesses = list(content.protected(deviation("seg0.content.protected", ours, case, **inputs)))
    assert named(guesses, Comparison(ours, golden, AXES, noise=5e-7)) == mistake


def test_silence_that_a_guard_divides_by_its_peak_does_not_end_the_judgment() -> None:
    case = store.open_case("goldens/cases/silence-2026")
    raw = case["audio16k.raw"]
    given = deviation("audio16k", np.full_like(raw, np.nan), case, **{"audio16k.raw": raw})
    assert next(input_audio.peak_guard(given)).name == "missing peak guard"
    assert "always normalised" not in [guess.name for guess in input_audio.peak_guard(given)]


@pytest.mark.parametrize("rounded", ["half", "fixed", "decimals"])
def test_fewer_bits_explain_a_tensor_that_is_rounded_everywhere_and_none_that_is_rounded_in_its_last_frame(
    rounded: str,
) -> None:
    golden = features().astype(np.float32)
    changes = {
        "half": lambda x: x.astype(np.float16).astype(np.float32),
        "fixed": lambda x: np.rint(x * 4096) / np.float32(4096),
        "decimals": lambda x: np.round(x, 3),
    }
    everywhere = changes[rounded](golden)
    in_last_frame = golden.copy()
    in_last_frame[:, -1] = everywhere[:, -1]

    def name(ours: Array) -> str | None:
        return named(list(any_stage.guesses("seg0.content.upsampled", ours, golden)), Comparison(ours, golden, AXES))

    assert (
        name(everywhere) == {"half": "half precision", "fixed": "fixed point", "decimals": "rounded decimals"}[rounded]
    )
    assert name(in_last_frame) is None


def test_places_behind_the_point_are_not_a_number_of_bits() -> None:
    """The largest values of a tensor in 16.16 fixed point need no more than 19 bits, and the small ones as few."""
    golden = (4 * features()).astype(np.float32)
    fixed = (np.rint(golden * 65536.0) / 65536.0).astype(np.float32)
    in_19_bits = (golden * (1 + 2.0**5)).astype(np.float32)
    in_19_bits = (in_19_bits - (in_19_bits - golden)).astype(np.float32)  # Veltkamp's splitting: 24 - 5 bits
    for ours, name in ((fixed, "fixed point"), (in_19_bits, "fewer bits")):
        guesses = list(any_stage.guesses("seg0.content.upsampled", ours, golden))
        assert named(guesses, Comparison(ours, golden, AXES, noise=5e-7)) == name


@pytest.mark.parametrize(("frames", "cause"), [(None, "wrong layer"), (4, "unknown")])
def test_a_layer_is_suspected_only_where_every_frame_has_another_content(frames: int | None, cause: str) -> None:
    case = store.open_case("goldens/cases/two-segments-rpy")
    name, stage = "seg0.hubert.features", stage_of("seg0.hubert.features")
    assert stage is not None
    ours = case[name].copy()
    ours[:, :frames] = np.random.default_rng(6).standard_normal(ours[:, :frames].shape)
    assert causes.suggest(case, stage, "seg0.", name, {name: ours}, "isolated")["name"] == cause


def test_the_lowest_bin_in_every_frame_is_no_gain() -> None:
    """NaN in every bin: the first one is chosen, and the dither is added to it."""
    case = store.open_case("goldens/cases/alone-silence-crepe-rpy")
    stage = stage_of("f0.raw")
    assert stage is not None
    salience = torch.full((len(case["f0.raw"]), 360), torch.nan)
    ours = crepe.decode([salience], case["noise.crepe"].copy())
    made = {"f0.raw": ours}
    cause = causes.suggest(case, stage, "", "f0.raw", made, "isolated", noise=1e-3)
    assert cause["name"] == "lowest pitch bin"
