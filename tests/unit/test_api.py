"""The public API: info, readiness, arrays, threads, taps, errors."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from tiny import write_hubert, write_voice

import rvc
from rvc.trace import Recorder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    write_voice(folder / "v.pth")
    write_hubert(folder / "hubert_base")
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(12000) / 16000)
    soundfile.write(folder / "in.wav", tone, 16000, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def voice(folder):
    return rvc.load_voice(folder / "v.pth")


def test_info_describes_the_voice(voice, folder):
    info = voice.info()
    assert (info["version"], info["rate"], info["f0"], info["info"]) == ("v1", 40000, True, "tiny")
    assert info["file"] == str(folder / "v.pth")


def test_readiness_depends_on_the_options(voice):
    assert voice.is_ready(f0_method="pm")
    assert not voice.is_ready(f0_method="rmvpe")
    assert not voice.is_ready(f0_method="pm", speaker=99999)


def test_hubert_beside_the_voice_is_used(voice, folder):
    assert voice.parts.paths["hubert"] == folder / "hubert_base"


def test_a_file_and_its_samples_give_the_same_bits(voice, folder):
    samples, rate = soundfile.read(folder / "in.wav", dtype="float32")
    first = voice.convert(folder / "in.wav", f0_method="pm", transpose=3)
    second = voice.convert(samples, rate=rate, f0_method="pm", transpose=3)
    assert np.array_equal(first.samples, second.samples)
    assert (first.rate, first.samples.dtype) == (40000, np.int16)


def test_several_threads_get_the_same_bits_as_one(folder):
    voice = rvc.load_voice(folder / "v.pth")  # its networks are not loaded yet, so the threads race for that too
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(voice.convert, folder / "in.wav", f0_method="pm", seed=i % 2) for i in range(8)]
        concurrent = [run.result().samples for run in runs]
    alone = [voice.convert(folder / "in.wav", f0_method="pm", seed=seed).samples for seed in (0, 1)]
    assert all(np.array_equal(samples, alone[i % 2]) for i, samples in enumerate(concurrent))


def test_a_tap_changes_no_bit(voice, folder):
    recorder = Recorder()
    converted = voice.convert(folder / "in.wav", f0_method="pm", tap=recorder)
    assert np.array_equal(converted.samples, voice.convert(folder / "in.wav", f0_method="pm").samples)
    assert np.array_equal(converted.samples, recorder["waveform.final"])


def test_the_result_can_be_written(voice, folder, tmp_path):
    out = voice.convert(folder / "in.wav", f0_method="pm")
    out.write(tmp_path / "out.flac")
    assert np.array_equal(soundfile.read(tmp_path / "out.flac", dtype="int16")[0], out.samples)


def test_networks_are_kept_unless_keep_is_false(folder):
    from rvc.config import Config
    from rvc.pipeline.voice_networks import VoiceNetworks

    config = Config.of(f0_method="pm")
    kept, released = VoiceNetworks(folder / "v.pth"), VoiceNetworks(folder / "v.pth", keep=False)
    with released.borrow_hubert():
        assert released.loaded() == {"hubert"}
    assert released.loaded() == set()
    kept.load(config)
    assert kept.loaded() == {"hubert", "synthesizer"}


def test_load_loads_every_network(folder):
    voice = rvc.load_voice(folder / "v.pth").load(f0_method="pm")
    assert voice.parts.loaded() == {"hubert", "synthesizer"}


@pytest.mark.parametrize(
    "call",
    [
        lambda v: v.convert("none.wav", f0_method="pm"),
        lambda v: v.convert("none.wav", pitch=3),
        lambda v: v.convert(np.full(9000, np.nan), f0_method="pm"),
    ],
)
def test_every_error_is_an_rvc_error_of_one_line(voice, call):
    with pytest.raises(rvc.RvcError) as refused:
        call(voice)
    assert "\n" not in str(refused.value)
