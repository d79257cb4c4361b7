"""One stream with networks of full size: its output is finite, audible, and equal in a second run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from safetensors.numpy import load_file

from parity import voices
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.realtime import BlockSizes, Controls, Stream, load_models, measure
from rvc.trace import Recorder

INPUTS = Path(__file__).parents[2] / "goldens" / "inputs"


@pytest.mark.slow
def test_the_original_windows_defaults_run_at_full_size():
    parts = VoiceNetworks(voices.make_voice("v2-40k-f0"), voices.make_hubert(), rmvpe=voices.make_rmvpe())
    trace = Recorder()
    stream = Stream(load_models(parts, "webui-2026", Controls()), BlockSizes.of(40000), tap=trace)
    sung, rate = soundfile.read(INPUTS / "sung_scale.flac", dtype="float32")
    sound = soxr.resample(sung[rate // 2 :], rate, 40000)[:30000]
    out = np.concatenate([stream.block(block) for block in np.split(sound, 3)])
    assert np.isfinite(out).all()
    assert np.sqrt(np.mean(out[10000:] ** 2)) > 0.01
    sung_at = load_file(INPUTS / "sung_scale.f0.safetensors")["hz"][125 - 60 : 125 - 2]  # the sound ends at 1.25 s
    tracked = trace["rt.2.f0.hz"][0, -60:-2]
    both = (sung_at > 0) & (tracked > 0)
    assert both.mean() > 0.7
    assert np.median(np.abs(1200 * np.log2(tracked[both] / sung_at[both]))) < 30
    stream.tap = lambda name, value: value
    stream.reset()
    np.testing.assert_array_equal(np.concatenate([stream.block(block) for block in np.split(sound, 3)]), out)
    report = measure(stream, sound, warm=1)
    assert report["blocks"] == 2
    assert report["algorithmic_latency_seconds"] == pytest.approx(0.31)
    assert report["block_ms"]["p50"] > 0
