"""Decoding to 16 kHz mono: exact for files in that format, and an error of one sentence for files without audio."""

import os
import wave

import numpy as np
import pytest
import soundfile
import tiny

from rvc.audio import ffmpeg
from rvc.audio.decoding import decode
from rvc.errors import BadInput, MissingExtra
from rvc.profiles import PROFILES


def tone(rate, seconds, hertz=440.0, channels=1):
    samples = 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)
    return np.stack([samples] * channels, axis=1)


@pytest.mark.parametrize("with_av", [True, False])
def test_16_khz_mono_is_not_changed(tmp_path, with_av):
    numbers = np.array([0, 1, -1, 32767, -32768, 12345], np.int16)
    soundfile.write(tmp_path / "a.wav", numbers, 16000)
    assert np.array_equal(decode(tmp_path / "a.wav", with_av=with_av), numbers / np.float32(32768))


def test_24_bits_keep_every_bit(tmp_path):
    samples = np.arange(-500, 500) / 2**23
    soundfile.write(tmp_path / "a.flac", samples, 16000, subtype="PCM_24")
    assert np.array_equal(decode(tmp_path / "a.flac"), samples.astype(np.float32))


@pytest.mark.parametrize("with_av", [True, False])
def test_stereo_is_mixed_to_the_sum_divided_by_root_two(tmp_path, with_av):
    samples = np.stack([np.full(400, 0.25), np.full(400, 0.5)], axis=1)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    assert decode(tmp_path / "a.wav", with_av=with_av) == pytest.approx(np.full(400, 0.75 / np.sqrt(2)), abs=1e-7)


@pytest.mark.parametrize(
    ("rate", "count", "expected"), [(44100, 88213, 32005), (48000, 96013, 32004), (22050, 44113, 32010)]
)
def test_lengths_are_those_of_swresample(tmp_path, rate, count, expected):
    soundfile.write(tmp_path / "a.wav", tone(rate, 1)[:1].repeat(count, 0), rate)
    assert len(decode(tmp_path / "a.wav")) == expected


def test_rvc_python_loses_16_samples_at_the_end(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(44100, 0.5), 44100)
    complete = decode(tmp_path / "a.wav")
    cut = decode(tmp_path / "a.wav", flush=PROFILES["rvc-python"].flush_decoder)
    assert len(complete) - len(cut) == 16
    assert np.array_equal(cut, complete[: len(cut)])


def test_without_pyav_the_audio_differs_by_less_than_minus_60_decibels(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(44100, 1), 44100, subtype="FLOAT")
    with_ffmpeg, with_soxr = decode(tmp_path / "a.wav"), decode(tmp_path / "a.wav", with_av=False)
    middle = slice(1000, 15000)
    error = np.abs(with_ffmpeg[middle] - with_soxr[middle]).max()
    assert error < 0.4e-3
    assert abs(len(with_ffmpeg) - len(with_soxr)) <= 1


def test_more_channels_need_pyav(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(44100, 0.1, channels=6), 44100)
    assert len(decode(tmp_path / "a.wav")) == 1600
    with pytest.raises(MissingExtra, match="mixing 6 channels down"):
        decode(tmp_path / "a.wav", with_av=False)


def test_a_truncated_file_is_read_up_to_its_end(tmp_path, caplog):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000, 1), 16000)
    path.write_bytes(path.read_bytes()[:-16000])
    assert len(decode(path)) == 8000


def error_message(path, **options):
    with pytest.raises(BadInput) as refused:
        decode(path, **options)
    return str(refused.value).replace(str(path), "FILE")


def test_a_missing_file_is_refused(tmp_path):
    assert error_message(tmp_path / "no.wav") == "there is no file FILE"


def test_a_folder_is_refused(tmp_path):
    assert error_message(tmp_path).startswith("FILE is a folder; name a file")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.wav").touch()
    assert error_message(tmp_path / "a.wav") == "FILE is empty; expected a file of sound"


@pytest.mark.parametrize("with_av", [True, False])
def test_a_text_file_is_refused_in_one_line(tmp_path, with_av):
    (tmp_path / "a.wav").write_text("this is not sound\n" * 100)
    message = error_message(tmp_path / "a.wav", with_av=with_av)
    assert message.startswith("FILE ")
    assert "\n" not in message


def test_a_header_without_samples_is_refused(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
    assert error_message(tmp_path / "a.wav") == "FILE holds no samples; expected a file of sound"


@pytest.mark.parametrize("rate", [16000, 44100])
def test_nan_is_refused_with_its_time(tmp_path, rate):
    samples = tone(rate, 1)
    samples[rate // 2] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    message = error_message(tmp_path / "a.wav")
    assert "not finite numbers, the first at 0.4" in message or "not finite numbers, the first at 0.5" in message


@pytest.mark.parametrize(("rate", "count"), [(1000, 1000), (7999, 15998), (384000, 384000)])
def test_every_rate_of_sound_is_decoded(tmp_path, rate, count):
    soundfile.write(tmp_path / "a.wav", np.zeros(count), rate)
    assert len(decode(tmp_path / "a.wav")) == pytest.approx(count * 16000 / rate, abs=2)


def test_a_rate_below_that_of_sound_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(400), 400)
    for with_av in (True, False):
        assert error_message(tmp_path / "a.wav", with_av=with_av) == (
            "FILE is sampled at 400 Hz; expected 1000 Hz or more"
        )


@pytest.mark.parametrize("subtype", ["PCM_24", "ULAW"])
@pytest.mark.parametrize("form", ["WAV", "AU"])
def test_a_rate_that_only_a_damaged_header_states_is_refused(tmp_path, form, subtype):
    soundfile.write(tmp_path / "a.wav", np.zeros(400), 1_952_670_054, format=form, subtype=subtype)
    for with_av in (True, False):
        assert error_message(tmp_path / "a.wav", with_av=with_av) == (
            "FILE states a rate of 1952670054 Hz; expected 4000000 Hz or less; its header is damaged, so download or "
            "record it again"
        )


def test_a_rate_of_a_container_that_only_ffmpeg_reads_is_refused(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mka"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=500_000_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 400), np.int16), format="s16", layout="mono")
        frame.rate = 500_000_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert error_message(tmp_path / "a.mka").startswith("FILE states a rate of 500000000 Hz; expected 4000000 Hz or l")


def damaged(path, rate, kind):
    """A file of two seconds of noise whose end or header is wrong, and the samples of the intact file."""
    noise = np.random.default_rng(0).integers(-9000, 9000, 2 * rate, np.int16)
    soundfile.write(path, noise, rate, format="FLAC" if kind == "cut" else "WAV")
    data = bytearray(path.read_bytes())
    if kind == "cut":
        data = data[: len(data) // 2]
    else:
        size = data.index(b"data") + 4
        data[size : size + 4] = {"size 0": bytes(4), "size of a pipe": b"\xff" * 4}[kind]
    path.write_bytes(data)
    return noise / np.float32(32768)


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("kind", ["cut", "size 0", "size of a pipe"])
def test_a_damaged_file_is_read_alike_at_every_rate(tmp_path, caplog, rate, kind):
    """A FLAC file that is cut, and WAV headers as a killed recorder and a pipe leave them."""
    intact = damaged(tmp_path / "a", rate, kind)
    samples = decode(tmp_path / "a")
    expected = len(intact) * (0.35 if kind == "cut" else 1) * 16000 / rate
    assert expected - 2 <= len(samples) <= len(intact) * 16000 / rate + 2
    assert ("is cut or damaged: it holds" in caplog.text) == (kind == "cut")
    if rate == 16000:
        assert np.array_equal(samples, intact[: len(samples)])


def test_a_cut_file_is_read_without_pyav_too(tmp_path):
    intact = damaged(tmp_path / "a", 16000, "size of a pipe")
    assert np.array_equal(decode(tmp_path / "a", with_av=False), intact)


def test_tags_in_another_encoding_do_not_matter(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(44100, 0.1), 44100)
    data = (tmp_path / "a.wav").read_bytes()
    entry = b"INAM" + (6).to_bytes(4, "little") + b"caf\xe9\0\0"
    tag = b"LIST" + (4 + len(entry)).to_bytes(4, "little") + b"INFO" + entry
    (tmp_path / "b.wav").write_bytes(data[:12] + tag + data[12:])
    assert np.array_equal(decode(tmp_path / "b.wav"), decode(tmp_path / "a.wav"))


@pytest.mark.parametrize("name", ["one:two.wav", "%d.wav", "data:.wav"])
def test_a_name_is_no_address_and_no_pattern(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    soundfile.write(tmp_path / name, tone(44100, 0.1), 44100)
    assert len(decode(name)) == 1600


def test_a_path_need_not_be_utf_8(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff\xe9")
    folder.mkdir()
    for rate in (16000, 44100):
        soundfile.write(tmp_path / "a.wav", tone(rate, 0.1), rate)
        os.replace(tmp_path / "a.wav", folder / "a.wav")
        for with_av in (True, False):
            assert len(decode(folder / "a.wav", with_av=with_av)) == 1600


def test_decoders_print_nothing(tmp_path, capfd):
    """libsndfile's MPEG decoder prints a warning on stderr for a file that is shorter than its header declares."""
    soundfile.write(tmp_path / "a.mp3", tone(44100, 2), 44100, format="MP3")
    data = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(data[: len(data) // 2])
    for with_av in (True, False):
        assert len(decode(tmp_path / "a.mp3", with_av=with_av)) > 8000
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"this is text\n" * 50, "FILE cannot be decoded as sound: it is a text file; give a recording"),
        (b"#EXTM3U\na.wav\n", "NAME is a playlist, a text that names other files, expected a sound file; "),
        (b"MThd\0\0\0\6\0\1\0\1\0\x60", "NAME is a MIDI file, which holds notes and no sound, expected a sound file; "),
        (b"\x89PNG\r\n\x1a\n", "NAME is a picture, expected a sound file; "),
        (b"\x93NUMPY\1\0", "NAME is a NumPy array (.npy), such as the content features of a training, expected a "),
        (b"RIFF\x24\0\0\0WAVEfmt ", "FILE cannot be decoded as sound: it is damaged or cut off before its first sam"),
        (bytes(range(256)) * 9, "FILE cannot be decoded as sound: it is no recording that ffmpeg knows, or its "),
    ],
)
def test_a_file_without_sound_is_named(tmp_path, content, reason):
    (tmp_path / "a.wav").write_bytes(content)
    assert error_message(tmp_path / "a.wav").replace("a.wav", "NAME").startswith(reason)


def test_a_voice_given_as_the_recording_is_named(tmp_path):
    tiny.write_voice(tmp_path / "v.wav")
    message = "v.wav is an RVC voice, expected a sound file; give it with --model"
    assert error_message(tmp_path / "v.wav") == message


def test_another_resampler_is_noted(tmp_path, caplog):
    soundfile.write(tmp_path / "a.wav", tone(44100, 0.1), 44100)
    decode(tmp_path / "a.wav", with_av=False)
    assert "is resampled by soxr, whose filter differs from that of the originals' ffmpeg" in caplog.text


@pytest.mark.parametrize("form, subtype", [("WAV", "NMS_ADPCM_16"), ("WVE", None)])
def test_a_format_that_only_libsndfile_reads_is_decoded_with_a_note(tmp_path, caplog, form, subtype):
    soundfile.write(tmp_path / "a.wav", tone(8000, 0.5), 8000, format=form, subtype=subtype)
    assert len(decode(tmp_path / "a.wav", with_av=True)) == pytest.approx(8000, abs=200)
    assert "(docs/divergences.md): ffmpeg does not read its format" in caplog.text


def test_packets_that_are_skipped_are_noted(tmp_path, caplog):
    soundfile.write(tmp_path / "a.flac", tone(44100, 2), 44100)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) * 2 // 3])
    decode(tmp_path / "a.flac", with_av=True)
    lines = [record.getMessage() for record in caplog.records]
    assert lines
    assert all(line.startswith("note: ") for line in lines)


def test_bytes_that_are_no_sound_print_nothing_but_the_refusal(tmp_path, capfd):
    for seed in range(4):
        (tmp_path / "a.wav").write_bytes(np.random.default_rng(seed).bytes(9000))
        assert "cannot be decoded as sound: it is no recording" in error_message(tmp_path / "a.wav")
    assert capfd.readouterr().err == ""


def test_a_video_without_sound_and_too_many_channels_are_named(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=16, height=16, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode())
    assert error_message(tmp_path / "a.mp4") == "FILE has no audio track; give a recording"
    soundfile.write(tmp_path / "a.wav", tone(16000, 0.1, channels=100), 16000)
    assert "ffmpeg cannot mix its channels or its format" in error_message(tmp_path / "a.wav")


def wav_with(first, form=b"RIFF", after=b""):
    """A WAV file of 400 samples at 16 kHz in stereo, with a chunk before the others and bytes behind the samples."""
    order = "big" if form == b"RIFX" else "little"

    def chunk(name, content):
        return name + len(content).to_bytes(4, order) + content

    numbers = [(1, 2), (2, 2), (16000, 4), (64000, 4), (4, 2), (16, 2)]
    layout = b"".join(number.to_bytes(size, order) for number, size in numbers)
    body = b"WAVE" + first + chunk(b"fmt ", layout) + chunk(b"data", bytes(1600)) + after
    return form + len(body).to_bytes(4, order) + body


@pytest.mark.parametrize(
    ("form", "size"), [(b"RIFF", b"\x00\x00\x00\x80"), (b"RF64", b"\xf0\xff\xff\x7f"), (b"RIFX", b"\x80\x00\x00\x00")]
)
def test_a_chunk_larger_than_the_file_is_refused_before_a_decoder_reserves_its_size(tmp_path, form, size):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_with(b"be\x1b\n" + size + bytes(8), form))
    with pytest.raises(BadInput, match=r"is damaged: its chunk be\?\? states 21474836\d\d bytes, but 16\d\d follow; "):
        ffmpeg.native_rate(path)


def test_a_cut_header_names_its_chunk(tmp_path):
    (tmp_path / "cut.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x28\0\0\0" + bytes(24))
    with pytest.raises(BadInput, match="damaged: its chunk fmt states 40 bytes, but 24 follow; download"):
        ffmpeg.native_rate(tmp_path / "cut.wav")


@pytest.mark.parametrize("after", [b"", b"LIST\xff\xff\xff\x7fINFO"])
def test_chunks_that_end_within_the_file_and_what_is_cut_behind_the_samples_are_read(tmp_path, after):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_with(b"JUNK\x03\x00\x00\x00abc\x00", after=after))
    assert np.array_equal(decode(path, with_av=True), np.zeros(400, np.float32))
