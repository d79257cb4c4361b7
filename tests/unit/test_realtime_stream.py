"""The stream of blocks, with a voice of a few channels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from rvc.errors import BadInput, RvcError
from rvc.noise import Seeded, Tape
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.formant import FormantShift
from rvc.realtime.f0_cache import F0Cache
from rvc.realtime.stream import Stream
from rvc.trace import Recorder
from tests.unit.tiny import Silence, tiny_models

SIZES = BlockSizes.of(40000, block=0.1, crossfade=0.03, extra=0.4)


def speech(samples, seed=0):
    generator = np.random.default_rng(seed)
    swell = np.abs(np.sin(np.arange(samples) / 9000)) * 0.3
    return (swell * generator.normal(size=samples)).astype(np.float32)


def run(stream, sound):
    block = stream.sizes.block
    return np.concatenate([stream.block(sound[i : i + block]) for i in range(0, len(sound), block)])


@pytest.fixture(scope="module")
def models():
    return tiny_models()


def test_a_block_that_is_not_finite_is_refused(models, monkeypatch):
    stream = Stream(models, SIZES)
    nan = torch.full((SIZES.block + SIZES.held + SIZES.search,), float("nan"))
    monkeypatch.setattr(stream._converter, "convert", lambda *_: nan)
    with pytest.raises(RvcError, match="the voice's waveform is not finite; its weights are damaged"):
        stream.block(speech(SIZES.block))
    stream.models = dataclasses.replace(models, exact_hits="nan")
    assert np.isnan(stream.block(speech(SIZES.block))).all()


# memory ---------------------------------------------------------------------------------------------------------------


CONTROLS = [
    Controls(),
    Controls(transpose=3, formant=1.0, rms_mix_rate=0.5, gate_db=-30),
    Controls(formant=-1.5, input_denoise=True, output_denoise=True, rms_mix_rate=1.0),
]


@pytest.mark.parametrize("controls", CONTROLS)
def test_state_after_a_reset_equals_a_new_object(models, controls):
    sound = speech(5 * SIZES.block)
    used = Stream(models, SIZES, controls)
    run(used, speech(4 * SIZES.block, 1))
    used.change(transpose=-2.0, gate_db=-20.0)
    run(used, speech(2 * SIZES.block, 2))
    used.reset()
    used.controls = controls
    np.testing.assert_array_equal(run(used, sound), run(Stream(models, SIZES, controls), sound))


def test_warming_up_changes_nothing_and_calls_no_tap(models):
    sound, traced = speech(3 * SIZES.block), Recorder()
    warm = Stream(models, SIZES, noise=Seeded(4), tap=traced)
    warm.warm_up()
    assert not traced
    np.testing.assert_array_equal(run(warm, sound), run(Stream(models, SIZES, noise=Seeded(4)), sound))


def test_a_block_is_not_changed_and_does_not_alias_the_output(models):
    stream, block = Stream(models, SIZES), speech(SIZES.block)
    kept = block.copy()
    first = stream.block(block)
    copy = first.copy()
    stream.block(block)
    np.testing.assert_array_equal(block, kept)
    np.testing.assert_array_equal(first, copy)


@pytest.mark.parametrize("block", [np.zeros(3999, np.float32), np.zeros(4000), np.zeros((1, 4000), np.float32)])
def test_any_other_block_is_refused(models, block):
    with pytest.raises(BadInput, match="expected float32"):
        Stream(models, SIZES).block(block)


# tapping --------------------------------------------------------------------------------------------------------------


def trace(models, controls, blocks=3, sizes=SIZES, noise=None):
    traced = Recorder()
    out = run(Stream(models, sizes, controls, noise=noise, tap=traced), speech(blocks * sizes.block))
    return traced, out


@pytest.mark.parametrize("controls", CONTROLS)
def test_tapping_changes_nothing_and_a_trace_can_be_replayed(models, controls):
    traced, out = trace(models, controls)
    sound = speech(3 * SIZES.block)
    np.testing.assert_array_equal(run(Stream(models, SIZES, controls), sound), out)
    tape = Tape({name: value for name, value in traced.items() if "noise" in name})
    np.testing.assert_array_equal(run(Stream(models, SIZES, controls, noise=tape), sound), out)


def test_names_and_shapes_follow_the_specification(models):
    traced, out = trace(models, Controls(formant=2.0, rms_mix_rate=0.5))
    p_len, frames = SIZES.window16 // 160, SIZES.return_length
    flow_head = SIZES.skip_head - 24
    made = int(np.ceil(frames * 2 ** (2 / 12)))
    n = (SIZES.window16 - 80) // 320
    shapes = {
        "in": (4000,),
        "input_wav": (SIZES.window,),
        "input16k": (SIZES.window16,),
        "hubert.features": (1, n, 768),
        "content": (1, p_len, 768),
        "f0.hz": (1, p_len),
        "f0.coarse": (1, p_len),
        "enc_p.m": (1, 16, p_len - flow_head),
        "enc_p.logs": (1, 16, p_len - flow_head),
        "noise.z": (1, 16, p_len - flow_head),
        "z_p": (1, 16, p_len - flow_head),
        "flow.z": (1, 16, p_len - flow_head),
        "spk.g": (1, 8, 1),
        "noise.nsf": (1, frames * 400, 1),
        "nsf.sine": (1, frames * 400, 1),
        "nsf.source": (1, 1, frames * 400),
        "waveform.raw": (1, made * 400),
        "waveform.model": (frames * 400,),
        "infer_wav": (frames * 400,),
        "rms_in": (frames + 1,),
        "rms_out": (frames + 1,),
        "sola.cor": (401,),
        "sola.offset": (1,),
        "sola_buffer": (SIZES.held,),
        "out": (4000,),
    }
    for number in range(3):
        traced_shapes = {name: value.shape for name, value in traced.items() if name.startswith(f"rt.{number}.")}
        assert traced_shapes == {f"rt.{number}.{name}": shape for name, shape in shapes.items()}
    assert traced["rt.0.f0.coarse"].dtype == traced["rt.0.sola.offset"].dtype == np.int64
    assert all(value.dtype == np.float32 for value in traced.values() if value.dtype.kind == "f")
    np.testing.assert_array_equal(np.concatenate([traced[f"rt.{n}.out"] for n in range(3)]), out)


def test_a_voice_without_f0_has_no_pitch_and_no_source():
    traced, out = trace(tiny_models(f0=False), Controls(formant=1.0))
    names = {name.split(".", 2)[2] for name in traced}
    assert not {name for name in names if name.startswith(("f0", "nsf", "noise.nsf"))}
    assert np.isfinite(out).all()
    assert np.abs(out).max() > 0


# the window -----------------------------------------------------------------------------------------------------------


def test_the_16_khz_window_is_the_resampled_input(models):
    """Only the newest samples, whose following input is missing, differ from resampling all of the sound at once."""
    from rvc.audio.resampling import resample

    traced, _ = trace(models, Controls(), blocks=8)
    complete = resample(torch.from_numpy(speech(8 * SIZES.block)), 40000, 16000).numpy()
    window = traced["rt.7.input16k"]
    late = resample(torch.from_numpy(speech(9 * SIZES.block)), 40000, 16000).numpy()[: len(complete)][-len(window) :]
    np.testing.assert_allclose(window[:-20], late[:-20], atol=1e-6)
    assert np.abs(window[-20:] - late[-20:]).max() > 1e-4


def test_empty_caches_are_zero_and_fill_from_the_end(models):
    traced, _ = trace(models, Controls(), blocks=3)
    p_len = SIZES.window16 // 160
    fresh = (SIZES.block16 + 800) // 160 + 1 - 4
    shift = SIZES.block16 // 160
    for number in range(3):
        coarse = traced[f"rt.{number}.f0.coarse"][0]
        known = min(fresh + number * shift, p_len)
        assert (coarse[: p_len - known] == 0).all()
        assert (coarse[p_len - known :] > 0).all()


def test_the_first_three_and_the_last_frame_of_a_track_are_dropped():
    cache = F0Cache()
    cache.push(np.arange(100, 130), np.arange(100.0, 130.0).astype(np.float32), 10)
    np.testing.assert_array_equal(cache.coarse[-26:], np.arange(103, 129))
    assert (cache.coarse[:-26] == 0).all()
    cache.push(np.arange(200, 230), np.arange(200.0, 230.0).astype(np.float32), 10)
    np.testing.assert_array_equal(cache.hz[-36:], [*range(103, 113), *range(203, 229)])


def test_formant_lengths_of_the_original():
    one = FormantShift.of(1.0, 30, 40000)
    assert (one.synthesized, one.played_hop) == (32, 423)
    none = FormantShift.of(0.0, 30, 40000)
    assert (none.synthesized, none.played_hop) == (30, 400)
    for semitones in np.arange(-2, 2.01, 0.05):
        shift = FormantShift.of(float(semitones), 30, 48000)
        made = torch.zeros(shift.synthesized * 480)
        assert len(shift.restore_duration(made)) >= 30 * 480
        assert len(shift.restore_duration(made)) == 30 * 480 or shift.played_hop == 480


def test_pitch_is_lowered_by_the_formant_and_scaled_by_the_frames(models):
    traced, _ = trace(models, Controls(transpose=5.0, formant=2.0))
    made = int(np.ceil(SIZES.return_length * 2 ** (2 / 12)))
    expected = 200 * 2 ** ((5 - 2) / 12) * made / SIZES.return_length
    np.testing.assert_allclose(traced["rt.2.f0.hz"][0, -4:], expected, rtol=1e-6)


# the joints -----------------------------------------------------------------------------------------------------------


def test_blocks_are_joined_at_the_best_correlation(models):
    """A block's output is its sound from the offset on, its first 30 ms crossfaded with the held samples."""
    traced, out = trace(models, Controls(rms_mix_rate=1.0), blocks=4)
    fade = np.sin(np.pi / 2 * np.linspace(0, 1, SIZES.held)) ** 2
    held = np.zeros(SIZES.held)
    for number in range(4):
        sound = traced[f"rt.{number}.waveform.model"].astype(np.float64)
        search = sound[: SIZES.held + SIZES.search]
        fit = [
            (search[i : i + SIZES.held] * held).sum() / np.sqrt((search[i : i + SIZES.held] ** 2).sum() + 1e-8)
            for i in range(SIZES.search + 1)
        ]
        offset = int(np.argmax(fit))
        assert traced[f"rt.{number}.sola.offset"][0] == offset
        np.testing.assert_allclose(traced[f"rt.{number}.sola.cor"], fit, atol=2e-5)
        sound = sound[offset:]
        sound[: SIZES.held] = sound[: SIZES.held] * fade + held * (1 - fade)
        held = sound[SIZES.block : SIZES.block + SIZES.held]
        np.testing.assert_allclose(out[number * 4000 : (number + 1) * 4000], sound[:4000], atol=1e-6)


def jumps(sound, block):
    """Largest second difference near the joints, and elsewhere."""
    bend = np.abs(np.diff(sound, 2))
    near = np.zeros(len(bend), bool)
    for joint in range(block, len(sound) - block, block):
        near[joint - 4 : joint + 4] = True
    return bend[near].max(), bend[~near].max()


def test_no_discontinuity_when_voice_key_formant_rate_or_gate_change(models):
    other = tiny_models(rate=48000, seed=9)
    stream, parts = Stream(models, SIZES, noise=Silence()), []
    changes = [
        {},
        {},
        {"transpose": 4.0},
        {},
        {"formant": 1.0},
        {},
        {"gate_db": -40.0},
        {"formant": 0.0},
        {"transpose": 0.0},
        {"input_denoise": True},
        {},
        {"input_denoise": False},
        {"rms_mix_rate": 1.0},
        {},
    ]
    sound = (0.2 * np.sin(2 * np.pi * 200 * np.arange(len(changes) * SIZES.block) / 40000)).astype(np.float32)
    for number, change in enumerate(changes):
        stream.change(**change)
        stream.models = other if number >= 10 else models
        parts.append(stream.block(sound[number * SIZES.block : (number + 1) * SIZES.block]))
    out = np.concatenate(parts)[3 * SIZES.block :]
    seam, elsewhere = jumps(out, SIZES.block)
    assert 0 < seam <= elsewhere


@pytest.mark.parametrize("crossfade", ["fade", "phase-vocoder"])
def test_both_crossfades_join_without_a_discontinuity(crossfade):
    models = tiny_models(profile="webui-classic")
    out = run(Stream(models, SIZES, Controls(crossfade=crossfade)), speech(5 * SIZES.block))
    seam, elsewhere = jumps(out, SIZES.block)
    assert 0 < seam <= elsewhere


# compared with one conversion of all samples --------------------------------------------------------------------------


def synthesized_at_once(models, seconds):
    """The same steady tone through the same networks, without blocks."""
    frames = int(seconds * 100)
    tone = np.sin(2 * np.pi * 200 * np.arange(frames * 160 + 80) / 16000).astype(np.float32) * 0.2
    content = models.hubert(torch.from_numpy(tone)[None], 12, False).repeat_interleave(2, dim=1)[:, :frames]
    net = models.voice.synthesizer
    frames = content.shape[1]
    coarse, hz = models.track(None, 160 * frames, "rmvpe", 0.0, None)
    coarse, hz = (torch.from_numpy(track[None, :frames]) for track in (coarse, hz))
    m, _ = net.encode(content, coarse)
    _, source = net.source(hz, torch.zeros(1, frames * net.upp, 1))
    return net.generate(net.flow(m, net.speaker(0)), net.speaker(0), source).numpy()


def partials(second):
    """Amplitudes at the multiples of 100 Hz, all that a steady tone in frames of 10 ms can make, and what is left."""
    bins = np.abs(np.fft.rfft(second)) / len(second) * 2
    rest = np.delete(bins, np.arange(0, len(bins), 100))
    return bins[100::100], np.linalg.norm(rest)


@pytest.mark.parametrize("block", [0.05, 0.1, 0.17, 0.25, 0.5])
def test_a_steady_tone_has_the_same_partials_for_every_block_length(models, block):
    sizes = BlockSizes.of(40000, block=block, crossfade=0.04, extra=0.8)
    blocks = int(np.ceil(3.0 / block))
    tone = (0.2 * np.sin(2 * np.pi * 200 * np.arange(blocks * sizes.block) / 40000)).astype(np.float32)
    out = run(Stream(models, sizes, Controls(rms_mix_rate=1.0), noise=Silence()), tone)
    stream, stray = partials(out[-40000:])
    offline, _ = partials(synthesized_at_once(models, 2.0)[20000:60000])
    # Measured 0.002 to 0.011 and 0.005 to 0.021; the most at 50 ms, where nearly everything is a crossfade.
    assert np.linalg.norm(stream - offline) < 0.03 * np.linalg.norm(offline)
    assert stray < 0.05 * np.linalg.norm(offline)
