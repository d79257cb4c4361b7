"""The order of the stages of a conversion, its noise, its progress, and its errors."""

import numpy as np
import pytest
from tiny import write_hubert, write_voice

from rvc.audio.segments import Window
from rvc.config import Config
from rvc.errors import BadInput, RvcError
from rvc.noise import Seeded, Tape
from rvc.pipeline import offline
from rvc.pipeline.timing import Stopwatch
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.trace import Recorder

WINDOW = Window(pad=0.5, query=0.1, center=0.4, max=0.5)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return VoiceNetworks(write_voice(folder / "v.pth"), write_hubert(folder / "hubert"))


def sound(seconds=1.0):
    time = np.arange(round(16000 * seconds)) / 16000
    return (0.3 * np.sin(2 * np.pi * 150 * time)).astype(np.float32)


def convert(networks, raw, noise=None, **options):
    recorder = Recorder()
    config = Config.of(f0_method="pm", window=WINDOW, **options)
    final, rate = offline.convert(raw, networks, config, noise=noise or Seeded(0), tap=recorder)
    return recorder, final, rate


def test_segments_are_joined_in_time(networks):
    trace, final, rate = convert(networks, sound(), rms_mix_rate=1)
    kept = [trace[f"seg{i}.waveform.segment"] for i in range(len(trace["segment.cuts"]) + 1)]
    assert len(kept) == 3
    assert np.array_equal(trace["waveform.concat"], np.concatenate(kept))
    assert "waveform.rmsmixed" not in trace
    assert (len(final), rate) == (len(trace["waveform.concat"]), 40000)


def test_the_f0_of_a_segment_is_a_part_of_the_files(networks):
    trace, _, _ = convert(networks, sound())
    assert trace["f0.hz"].shape == trace["f0.coarse"].shape == (1, 200)
    assert trace["f0.hz"].dtype == np.float32
    assert trace["f0.coarse"].dtype == np.int64
    first = trace["segment.cuts"][0] // 160
    frames = trace["seg1.content.protected"].shape[1]
    assert frames <= 200 - first


def test_a_trace_can_be_replayed_as_a_tape(networks):
    trace, final, _ = convert(networks, sound())
    assert np.array_equal(convert(networks, sound(), Tape(trace))[1], final)


def test_the_unused_phase_has_no_influence(networks):
    trace, final, _ = convert(networks, sound())
    changed = {name: value + 0.3 if "phase" in name else value for name, value in trace.items()}
    assert np.array_equal(convert(networks, sound(), Tape(changed))[1], final)


@pytest.mark.parametrize(("profile", "shape"), [("webui-2026", (1, 1)), ("webui-classic", (1, 1, 1))])
def test_the_shape_of_the_phase_depends_on_the_generation(networks, profile, shape):
    trace, _, _ = convert(networks, sound(), profile=profile)
    assert trace["seg0.noise.phase"].shape == shape
    assert ("f0.filled" in trace) == (profile == "webui-2026")


def test_the_input_is_not_changed(networks):
    raw = 2 * sound()
    before = raw.copy()
    convert(networks, raw)
    assert np.array_equal(raw, before)


def test_audio_of_less_than_25_ms_is_refused(networks):
    with pytest.raises(BadInput, match="the audio is 24 ms long; expected 25 ms at least"):
        convert(networks, sound(0.024))
    assert len(convert(networks, sound(0.025))[1]) > 0


def test_a_waveform_that_is_not_finite_is_refused(networks, monkeypatch):
    def broken(self, z, g, source, first, last):
        return np.full((last - first) * 400, np.nan, np.float32)

    monkeypatch.setattr(offline.Segment, "generate", broken)
    with pytest.raises(RvcError, match="the voice's waveform is not finite; its weights are damaged"):
        convert(networks, sound())


def test_time_and_progress_are_reported(networks):
    steps = []
    watch = Stopwatch(lambda done, total: steps.append((done, total)))
    offline.convert(sound(), networks, Config.of(f0_method="pm", window=WINDOW), noise=Seeded(0), watch=watch)
    assert steps == [(i, 6) for i in range(1, 7)]
    assert set(watch.seconds) == {"audio", "f0", "loading", "features", "retrieval", "synthesizer", "output"}
