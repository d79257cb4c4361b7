"""A voice in a program: info, readiness, arrays, threads."""

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


def test_a_voice_tells_what_it_is(voice, folder):
    info = voice.info()
    assert (info["version"], info["rate"], info["f0"], info["info"]) == ("v1", 40000, True, "tiny")
    assert info["file"] == str(folder / "v.pth")


def test_readiness_depends_on_what_is_wished(voice):
    assert voice.is_ready(f0_method="pm")
    assert not voice.is_ready(f0_method="rmvpe")
    assert not voice.is_ready(f0_method="pm", speaker=99999)


def test_hubert_is_found_beside_the_voice(voice, folder):
    assert voice.parts.paths["hubert"] == folder / "hubert_base"


def test_a_file_and_its_samples_give_the_same_bits(voice, folder):
    samples, rate = soundfile.read(folder / "in.wav", dtype="float32")
    first = voice.convert(folder / "in.wav", f0_method="pm", transpose=3)
    second = voice.convert(samples, rate=rate, f0_method="pm", transpose=3)
    assert np.array_equal(first.samples, second.samples)
    assert (first.rate, first.samples.dtype) == (40000, np.int16)


def test_several_threads_get_the_same_bits_as_one(folder):
    voice = rvc.load_voice(folder / "v.pth")  # not loaded yet: the threads race for that too
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(voice.convert, folder / "in.wav", f0_method="pm", seed=i % 2) for i in range(8)]
        found = [run.result().samples for run in runs]
    alone = [voice.convert(folder / "in.wav", f0_method="pm", seed=seed).samples for seed in (0, 1)]
    assert all(np.array_equal(samples, alone[i % 2]) for i, samples in enumerate(found))


def test_listening_changes_nothing(voice, folder):
    recorder = Recorder()
    heard = voice.convert(folder / "in.wav", f0_method="pm", tap=recorder)
    assert np.array_equal(heard.samples, voice.convert(folder / "in.wav", f0_method="pm").samples)
    assert np.array_equal(heard.samples, recorder["waveform.final"])


def test_the_result_can_be_written(voice, folder, tmp_path):
    out = voice.convert(folder / "in.wav", f0_method="pm")
    out.write(tmp_path / "out.flac")
    assert np.array_equal(soundfile.read(tmp_path / "out.flac", dtype="int16")[0], out.samples)


def test_networks_stay_unless_told_otherwise(folder):
    from rvc.config import Config
    from rvc.pipeline.voice_networks import VoiceNetworks

    config = Config.of(f0_method="pm")
    kept, passing = VoiceNetworks(folder / "v.pth"), VoiceNetworks(folder / "v.pth", keep=False)
    with passing.borrow_hubert():
        assert passing.loaded() == {"hubert"}
    assert passing.loaded() == set()
    kept.load(config)
    assert kept.loaded() == {"hubert", "synthesizer"}


def test_loading_first_makes_ready(folder):
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
def test_a_refusal_is_one_class(voice, call):
    with pytest.raises(rvc.RvcError) as refused:
        call(voice)
    assert "\n" not in str(refused.value)
