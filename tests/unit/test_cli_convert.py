"""`rvc convert` on small files: a trace changes no byte, and every error is one sentence."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file, save_file
from tiny import write_hubert, write_voice

from rvc.cli.main import main

RATE = 16000


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a voice, one without F0, a HuBERT, and recordings."""
    folder = tmp_path_factory.mktemp("files")
    write_voice(folder / "voice.pth")
    write_voice(folder / "plain.pth", f0=False)
    write_hubert(folder / "hubert_base")
    time = np.arange(RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 150 * time) + 0.1 * np.sin(2 * np.pi * 300 * time)
    tone *= np.where((time > 0.4) & (time < 0.6), 0.001, 1)
    soundfile.write(folder / "in.wav", tone, RATE)
    soundfile.write(folder / "short.wav", tone[:160], RATE)
    soundfile.write(folder / "few.wav", tone[:12], RATE)
    soundfile.write(folder / "silence.wav", tone * 0, RATE)
    (folder / "text.wav").write_text("no sound")
    return folder


def convert(files, out, *options, source="in.wav", model="voice.pth", method="pm"):
    chosen = ["--f0-method", method] if method else []
    return main(["convert", str(files / source), str(out), "--model", str(files / model), *chosen, *map(str, options)])


def refusal(capsys, code):
    """The one sentence on stderr of a command that ended with 2."""
    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert printed.err.startswith("rvc: ")
    assert printed.err.count("\n") == 1
    return printed.err[5:-1]


def test_tracing_and_replaying_change_no_byte(files, tmp_path):
    window = ("--window", 0.5, 0.1, 0.4, 0.5)
    assert convert(files, tmp_path / "a.wav", *window) == 0
    assert convert(files, tmp_path / "b.wav", *window, "--trace", tmp_path / "t.safetensors") == 0
    assert convert(files, tmp_path / "c.wav", *window, "--noise", tmp_path / "t.safetensors") == 0
    assert convert(files, tmp_path / "d.wav", *window, "--seed", 1) == 0
    first = (tmp_path / "a.wav").read_bytes()
    assert (tmp_path / "b.wav").read_bytes() == (tmp_path / "c.wav").read_bytes() == first
    assert (tmp_path / "d.wav").read_bytes() != first


def test_a_conversion_imports_nothing_that_it_does_not_use(files, tmp_path):
    arguments = [
        "convert",
        files / "in.wav",
        tmp_path / "a.wav",
        "--model",
        files / "voice.pth",
        "--f0-method",
        "harvest",
    ]
    unused = {"librosa", "faiss", "matplotlib", "numba", "sklearn", "av", "parselmouth", "torchcrepe", "torchfcpe"}
    code = (
        f"import sys; from rvc.cli.main import main; assert main({[str(word) for word in arguments]}) == 0; "
        f"print(sorted({unused} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "a.wav").exists()


def test_a_trace_holds_every_tensor_of_the_specification(files, tmp_path):
    assert (
        convert(
            files,
            tmp_path / "a.wav",
            "--trace",
            tmp_path / "t",
            "--resample-rate",
            44100,
            "--window",
            0.5,
            0.1,
            0.4,
            0.5,
        )
        == 0
    )
    trace = load_file(tmp_path / "t")
    cuts = len(trace["segment.cuts"])
    assert cuts == 2
    kinds = {name: (value.dtype.name, value.ndim) for name, value in trace.items()}
    expected = RECORDING_TENSORS | {
        f"seg{i}.{name}": kind for i in range(cuts + 1) for name, kind in SEGMENT_TENSORS.items()
    }
    assert kinds == expected
    final, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert np.array_equal(final, trace["waveform.final"])
    assert rate == 44100
    for i in range(cuts + 1):
        full, kept = trace[f"seg{i}.waveform.segment.full"], trace[f"seg{i}.waveform.segment"]
        assert np.array_equal(kept, full[20000:-20000])


def test_a_voice_without_f0_needs_no_pitch(files, tmp_path):
    assert convert(files, tmp_path / "a.wav", "--trace", tmp_path / "t", model="plain.pth", method=None) == 0
    trace = load_file(tmp_path / "t")
    assert not any("f0" in name or "nsf" in name or "phase" in name for name in trace)
    assert np.array_equal(trace["seg0.content.protected"], trace["seg0.content.upsampled"])


def test_json_prints_the_result(files, tmp_path, capsys):
    assert convert(files, tmp_path / "a.wav", "--json", "--protect", 0.2, "--profile", "rvc-python") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["rate"], result["samples"], result["profile"], result["noise"]) == (
        40000,
        39200,
        "rvc-python",
        "seed 0",
    )
    assert result["options"]["protect"] == 0.2
    assert {"read", "audio", "f0", "features", "synthesizer", "output", "write", "total"} <= set(result["seconds"])


def test_protect_acts_on_unvoiced_frames_only_where_they_stay_unvoiced(files, tmp_path):
    from rvc.retrieval import index_building

    rows = np.random.default_rng(0).standard_normal((100, 256), dtype=np.float32)
    index_building.save(index_building.build(rows), tmp_path / "v.index")
    outs = {}
    for profile in ("webui-2026", "rvc-python"):
        for protect in (0.1, 0.5):
            out = tmp_path / f"{profile}{protect}.wav"
            assert convert(files, out, "--profile", profile, "--protect", protect, "--index", tmp_path / "v.index") == 0
            outs[profile, protect] = out.read_bytes()
    assert outs["webui-2026", 0.1] == outs["webui-2026", 0.5]
    assert outs["rvc-python", 0.1] != outs["rvc-python", 0.5]


def test_an_extension_is_announced(files, tmp_path, capsys):
    assert convert(files, tmp_path / "a.wav", method="dio") == 0
    printed = capsys.readouterr()
    assert "note: dio has no original under webui-2026; it runs as an extension" in printed.err
    assert printed.out.count("\n") == 1


@pytest.mark.parametrize(
    ("suffix", "kind", "subtype"), [("wav", "float", "FLOAT"), ("flac", "int16", "PCM_16"), ("flac", "float", "PCM_24")]
)
def test_flac_and_float_hold_the_same_samples(files, tmp_path, suffix, kind, subtype):
    assert convert(files, tmp_path / "a.wav") == 0
    assert convert(files, tmp_path / f"b.{suffix}", "--format", kind) == 0
    assert soundfile.info(tmp_path / f"b.{suffix}").subtype == subtype
    integers = soundfile.read(tmp_path / "a.wav")[0]
    assert soundfile.read(tmp_path / f"b.{suffix}")[0] == pytest.approx(integers, abs=1.01 / 32768)


def test_silence_is_converted(files, tmp_path):
    assert convert(files, tmp_path / "a.wav", source="silence.wav") == 0
    assert len(soundfile.read(tmp_path / "a.wav")[0]) == 39200


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("short.wav", "the audio is 10 ms long; expected 25 ms at least"),
        ("few.wav", "the audio is 12 samples (0.8 ms) long; expected more than 18"),
        ("none.wav", "there is no file {}/none.wav"),
        ("text.wav", "{}/text.wav cannot be decoded as sound: "),
    ],
)
def test_a_recording_that_cannot_be_used_is_refused(files, tmp_path, capsys, source, sentence):
    message = refusal(capsys, convert(files, tmp_path / "a.wav", source=source))
    assert message.startswith(sentence.format(files))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--f0-method", "rmvpe"],
            "the F0 method rmvpe needs its weights; give --rmvpe rmvpe.pt, or another --f0-method",
        ),
        (["--speaker", 109], "speaker is 109, but voice.pth has speakers 0 to "),
        (["--hubert", "no"], "there is no HuBERT at no"),
        (["--index", "no.index"], "there is no file no.index for --index"),
        (["--index-rate", 1.5], "index_rate is 1.5; expected 0 to 1"),
        (["--window", 1, 6, 3, 4], "the window's query (6.0 s) exceeds its center (3.0 s); make it smaller"),
        (["--f0-file", "no.csv"], "the F0 file no.csv cannot be read "),
        (["--threads", 0], "--threads is 0; expected 1 to 1024"),
        (["--noise", "no"], "there is no noise tape no; record one with --trace, or leave --noise out"),
        (
            ["--noise", "no", "--seed", 0],
            "argument --seed: not allowed with argument --noise; see rvc convert --help",
        ),
        (["--profile", "applio"], "argument --profile: invalid choice: 'applio' "),
        (["--transpose", 0.5], "argument --transpose: 0.5 is no whole number"),
        (["--transpose", "inf"], "argument --transpose: inf is no whole number"),
        (["--config", "no.toml"], "no.toml cannot be read as TOML: "),
        (["--device", "cuda"], "this machine has no device 'cuda'; it has cpu"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(files, tmp_path, capsys, options, sentence, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert refusal(capsys, convert(files, tmp_path / "a.wav", *options)).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_voice_is_refused(files, tmp_path, capsys):
    message = refusal(capsys, main(["convert", str(files / "in.wav"), str(tmp_path / "a.wav")]))
    assert message == "no voice was named; give one with --model voice.pth"


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("no/a.wav", "OUT's folder {}/no does not exist; make it first"),
        ("a.mp3", "OUT a.mp3 ends in .mp3; expected .wav or .flac"),
        ("", "OUT {} is a folder; name a file in it"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(files, tmp_path, capsys, out, sentence):
    assert refusal(capsys, convert(files, tmp_path / out)) == sentence.format(tmp_path)


def test_the_input_is_never_overwritten(files, capsys):
    message = refusal(capsys, convert(files, files / "in.wav"))
    assert message == f"{files}/in.wav is an input too, and would be overwritten; give another name or folder"


def test_a_tape_for_another_input_is_refused(files, tmp_path, capsys):
    save_file({"seg0.noise.z": np.zeros((1, 16, 4), np.float32)}, tmp_path / "tape")
    message = refusal(capsys, convert(files, tmp_path / "a.wav", "--noise", tmp_path / "tape"))
    assert message.startswith(
        f"seg0.noise.z in {tmp_path}/tape is float32 [1, 16, 4], but this conversion draws float32 [1, "
    )
    assert not (tmp_path / "a.wav").exists()


def test_an_index_of_another_width_is_refused(files, tmp_path, capsys):
    from rvc.retrieval import index_building

    index_building.save(
        index_building.build(np.random.default_rng(0).random((50, 768), np.float32)), tmp_path / "v.index"
    )
    message = refusal(capsys, convert(files, tmp_path / "a.wav", "--index", tmp_path / "v.index"))
    assert message == (
        "content features have 256 channels, but the index v.index has 768; "
        "was the index built for another model version?"
    )


def test_a_folder_converts_and_one_bad_file_does_not_stop_the_rest(files, tmp_path, capsys):
    out = tmp_path / "out"
    code = main(["convert", str(files), str(out), "--model", str(files / "voice.pth"), "--f0-method", "pm"])
    printed = capsys.readouterr()
    assert code == 1
    assert sorted(path.name for path in out.iterdir()) == ["in.wav", "silence.wav"]
    assert printed.out == f"2 of 5 files converted into {out}\n"
    assert sorted(line.split(": ")[1] for line in printed.err.splitlines()) == ["few.wav", "short.wav", "text.wav"]
    assert convert(files, tmp_path / "alone.wav") == 0
    assert (out / "in.wav").read_bytes() == (tmp_path / "alone.wav").read_bytes()


def test_several_files_need_a_folder(files, tmp_path, capsys):
    arguments = ["convert", str(files / "in.wav"), str(files / "silence.wav"), str(tmp_path / "a.wav")]
    message = refusal(capsys, main([*arguments, "--model", str(files / "voice.pth")]))
    assert message == f"OUT {tmp_path}/a.wav is a file, but several files are to be converted; give a folder"


def test_a_config_file_gives_options_and_the_command_line_wins(files, tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text(
        f'model = "{files / "voice.pth"}"\nf0-method = "pm"\nprotect = 0.1\nwindow = [0.5, 1, 2, 3]\njson = true\n'
    )
    arguments = ["convert", str(files / "in.wav"), str(tmp_path / "a.wav"), "--config", str(config), "--protect", "0.2"]
    assert main(arguments) == 0
    options = json.loads(capsys.readouterr().out)["options"]
    assert (options["protect"], options["window"], options["f0_method"]) == (0.2, [0.5, 1.0, 2.0, 3.0], "pm")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pitch = 3", "sets 'pitch', which is no option; the options are "),
        ('profile = "applio"', "sets profile to 'applio'; expected one of webui-2026, webui-classic, rvc-python"),
        ("transpose = 0.5", "sets transpose to 0.5: 0.5 is no whole number"),
        ("transpose = inf", "sets transpose to inf: inf is no whole number"),
        ("transpose = nan", "sets transpose to nan: nan is no whole number"),
        ("window = 3", "sets window to 3; expected a list"),
        ('json = "yes"', "sets json to 'yes'; expected true or false"),
        ("x = = 1", "cannot be read as TOML: "),
    ],
)
def test_a_wrong_config_file_is_refused(files, tmp_path, capsys, text, sentence):
    (tmp_path / "c.toml").write_text(text)
    message = refusal(capsys, convert(files, tmp_path / "a.wav", "--config", tmp_path / "c.toml"))
    assert message.startswith(f"{tmp_path}/c.toml {sentence}")


def test_a_voice_is_opened_by_its_name(files, tmp_path, monkeypatch):
    monkeypatch.setenv("RVC_VOICES", str(files))
    assert (
        main(["convert", str(files / "in.wav"), str(tmp_path / "a.wav"), "--model", "voice", "--f0-method", "pm"]) == 0
    )


def test_an_f0_file_replaces_the_pitch(files, tmp_path):
    (tmp_path / "curve.csv").write_text("0,220\n0.5,330\n")
    options = ("--f0-file", tmp_path / "curve.csv", "--profile", "webui-classic", "--trace", tmp_path / "t")
    assert convert(files, tmp_path / "a.wav", *options, "--transpose", 12) == 0
    hz = load_file(tmp_path / "t")["f0.hz"][0]
    assert hz[[100, 125, 150]] == pytest.approx([220, 275, 330])


def test_a_crash_in_one_file_does_not_stop_a_folder(files, tmp_path, capsys, monkeypatch):
    from rvc.pipeline import file_conversion

    convert_file = file_conversion.convert_file

    def crash(source, *rest, **options):
        if source.name == "in.wav":
            raise ZeroDivisionError("a bug")
        return convert_file(source, *rest, **options)

    monkeypatch.setattr(file_conversion, "convert_file", crash)
    inputs = [str(files / "in.wav"), str(files / "silence.wav")]
    assert (
        main(["convert", *inputs, str(tmp_path / "o"), "--model", str(files / "voice.pth"), "--f0-method", "pm"]) == 1
    )
    assert capsys.readouterr().err == "rvc: in.wav: unexpected ZeroDivisionError: a bug\n"
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["silence.wav"]


def test_an_index_is_built_from_recordings_and_used(files, tmp_path, capsys):
    index, hubert = tmp_path / "v.index", files / "hubert_base"
    build = ["index", "build", str(files / "in.wav"), str(index), "--hubert", str(hubert), "--version", "v1", "--json"]
    assert main(build) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 49
    inspect = ["index", "inspect", str(index), "--audio", str(files / "in.wav"), "--hubert", str(hubert), "--json"]
    assert main(inspect) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames_hit_exactly"] == 1
    assert facts["change_at_rate_1"]["relative_change"] == 0
    assert convert(files, tmp_path / "a.wav", "--index", index, "--trace", tmp_path / "t") == 0
    trace = load_file(tmp_path / "t")
    assert trace["seg0.retrieval.ids"].shape == trace["seg0.retrieval.weights"].shape == (149, 8)
    assert trace["seg0.retrieval.mean"].shape == (149, 256)
    assert trace["seg0.retrieval.blended"].shape == (1, 149, 256)


def test_an_exact_hit_is_nan_only_with_the_option(files, tmp_path):
    from rvc.retrieval import index_building

    assert convert(files, tmp_path / "a.wav", "--trace", tmp_path / "t") == 0
    rows = load_file(tmp_path / "t")["seg0.hubert.features"][0]
    index_building.save(index_building.build(rows), tmp_path / "v.index")
    weights = {}
    for choice in ("finite", "nan"):
        options = ("--index", tmp_path / "v.index", "--exact-hits", choice, "--trace", tmp_path / choice)
        assert convert(files, tmp_path / "b.wav", *options) == 0
        weights[choice] = load_file(tmp_path / choice)["seg0.retrieval.weights"]
    assert np.isfinite(weights["finite"]).all()
    assert np.isnan(weights["nan"]).any(axis=1).all()


F, D, I = "float32", "float64", "int64"
RECORDING_TENSORS = {
    "audio16k.raw": (F, 1),
    "audio16k": (F, 1),
    "highpassed": (D, 1),
    "quiet.profile": (D, 1),
    "segment.cuts": (I, 1),
    "padded": (D, 1),
    "f0.raw": (D, 1),
    "f0.filled": (D, 1),
    "f0.hz": (F, 2),
    "f0.coarse": (I, 2),
    "waveform.concat": (F, 1),
    "waveform.rmsmixed": (F, 1),
    "waveform.resampled": (F, 1),
    "waveform.final": ("int16", 1),
}
SEGMENT_TENSORS = {
    "audio": (F, 2),
    "hubert.features": (F, 3),
    "content.upsampled": (F, 3),
    "content.protected": (F, 3),
    "spk.g": (F, 3),
    "enc_p.m": (F, 3),
    "enc_p.logs": (F, 3),
    "noise.z": (F, 3),
    "z_p": (F, 3),
    "flow.z": (F, 3),
    "noise.phase": (F, 2),
    "noise.nsf": (F, 3),
    "nsf.sine": (F, 3),
    "nsf.source": (F, 3),
    "waveform.segment.full": (F, 1),
    "waveform.segment": (F, 1),
}
