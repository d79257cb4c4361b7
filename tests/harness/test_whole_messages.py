"""The whole text of each refusal of dumps and sounds, and of each sentence about noise."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from parity.candidates import timing
from parity.candidates.candidate import NotOffered
from parity.cli import main as command_line
from parity.errors import ParityError
from parity.foreign_dumps import dump_file, name_map
from parity.goldens import store
from parity.own_noise import distribution, noise_stages, sound_scale
from parity.own_noise.statistical_mode import NumericPart
from parity.waveforms import pair_output, sound_file

KINDS = "a safetensors, .npy, .npz or .pt file, or a folder of them or of raw files with their shapes in a JSON"
ROW = 'format = "rvc-names/1"\n[[tensor]]\n'
CASE = store.open_case(store.GOLDENS / "v1-40k-rmvpe-rpy")


def made(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def a_map(here: Path, content: str) -> object:
    return name_map.load(str(made(here / "a.toml", content)))


def large(here: Path) -> Path:
    """An archive that claims nine GiB."""
    path = here / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"")
        archive.filelist[0].file_size = 9 << 30
    return path


def cut(here: Path) -> Path:
    np.savez(here / "a.npz", a=np.zeros(3))
    return made(here / "a.npz", (here / "a.npz").read_bytes()[:-40])


def empty(here: Path) -> Path:
    (here / "empty").mkdir()
    return here / "empty"


def raw(here: Path) -> Path:
    (here / "raw").mkdir()
    made(here / "raw" / "a.bin", "1234")
    made(here / "raw" / "shapes.json", '{"f0.hz": {"file": "a.bin", "dtype": "f4", "shape": [2]}}')
    return here / "raw"


def renamed(dump: dict[str, np.ndarray], **row: object) -> object:
    names = ("a", "b") if len(dump) == 2 else ("a",)
    return name_map.rename(dump, name_map.NameMap("", "", (name_map.Row(names, "f0.hz", **row),)), CASE)  # type: ignore[arg-type]


REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no dump": (
        lambda here: dump_file.read(here / "a"),
        "there is no file {}/a; give the path of a trace (.safetensors) or another dump",
    ),
    "an empty folder": (lambda here: dump_file.read(empty(here)), f"{{}}/empty holds no tensor; give {KINDS}"),
    "a large archive": (
        lambda here: dump_file.read(large(here)),
        "{}/a.npz unpacks to 9 GiB, more than a dump of one conversion holds",
    ),
    "no safetensors": (
        lambda here: dump_file.read(made(here / "a.pt", "hello, I am text")),
        f"{{}}/a.pt is *; give {KINDS}",
    ),
    "no array": (
        lambda here: dump_file.read(made(here / "a.npy", b"\x93NUMPY\x01\x00")),
        f"{{}}/a.npy cannot be read as a dump (*); give {KINDS}",
    ),
    "a cut archive": (
        lambda here: dump_file.read(cut(here)),
        "{}/a.npz is not complete, or holds other than tensors (*)",
    ),
    "a pickle": (
        lambda here: dump_file.read(made(here / "a.pt", b"\x80\x04K\x01.")),
        "{}/a.pt is a pickle, which could execute anything; write it by torch.save or numpy.savez",
    ),
    "a raw file of another length": (
        lambda here: dump_file.read(raw(here)),
        "*; each entry is name: {file, dtype, shape}",
    ),
    "no such map": (
        lambda here: name_map.load("mine"),
        "there is no map mine; give a TOML file, or one of audio.cpp, rvc-rs",
    ),
    "no TOML": (
        lambda here: a_map(here, "a = ["),
        "{}/a.toml is no TOML file (*); parity/foreign_dumps/name_map.py describes it",
    ),
    "no map": (
        lambda here: a_map(here, "format = 1"),
        '{}/a.toml is no map of names; it has format = "rvc-names/1" and a [[tensor]] for each tensor',
    ),
    "a row with another key": (
        lambda here: a_map(here, f'{ROW}from = "a"\nto = "f0.hz"\nturn = 1'),
        "{}/a.toml: a [[tensor]] has from and to, and may have transpose and dtype; found "
        "{'from': 'a', 'to': 'f0.hz', 'turn': 1}",
    ),
    "a tensor that is none": (
        lambda here: a_map(here, f'{ROW}from = "a"\nto = "flw"'),
        "{}/a.toml: flw is no tensor of the specification (rvc-parity docs spec/00-overview); one of a segment is "
        "seg0.flow.z",
    ),
    "a number on one side": (
        lambda here: a_map(here, f'{ROW}from = "a{{n}}"\nto = "f0.hz"'),
        "{}/a.toml: from = a{n} and to = f0.hz must both have {n}, or neither",
    ),
    "another dtype": (
        lambda here: a_map(here, f'{ROW}from = "a"\nto = "f0.hz"\ndtype = "int4"'),
        "{}/a.toml: dtype = int4 of f0.hz is not one of float32, float64, int16, int64",
    ),
    "axes twice": (
        lambda here: a_map(here, f'{ROW}from = "a"\nto = "f0.hz"\ntranspose = [0, 0]'),
        "{}/a.toml: transpose = [0, 0] of f0.hz does not name each axis once, from 0",
    ),
    "a lossy cast": (
        lambda here: renamed({"a": np.array([1.5])}, dtype="int64"),
        "a is float64 and loses values as int64; write it as int64, or drop the dtype",
    ),
    "other axes": (
        lambda here: renamed({"a": np.zeros(3)}, transpose=(1, 0)),
        "a has 1 axes, but its transpose in the map names 2",
    ),
    "two of one name": (
        lambda here: renamed({"a": np.zeros(3), "b": np.zeros(3)}),
        "b and another tensor of the dump are both f0.hz; name one of them in the map",
    ),
    "a folder without traces of seeds": (
        lambda here: sound_scale.measure(empty(here), here),
        "{}/empty holds no traces with an about.json; make them with python -m reference.seeds",
    ),
    "time of an adapter without conversions": (
        lambda here: timing.refuse_without_conversions(SimpleNamespace(chains=False)),  # type: ignore[arg-type]
        "--time needs whole conversions, and the adapter declares none; leave it out",
    ),
    "a sound without a file's conversion": (
        lambda here: sound_file.of_case(store.open_case(store.GOLDENS / "rt-nof0-down-2026"), "it"),
        "it holds no waveform.final; compare the sound with the golden of a file's conversion",
    ),
    "a sound with NaN": (
        lambda here: [
            soundfile.write(here / "a.wav", np.full(16000, np.nan), 16000, "FLOAT"),
            sound_file.read(here / "a.wav"),
        ],
        "{}/a.wav holds samples that are NaN or infinite; a sound has finite samples only",
    ),
    "a sound of a low rate": (
        lambda here: [soundfile.write(here / "a.wav", np.zeros(900), 999), sound_file.read(here / "a.wav")],
        "{}/a.wav is sampled at 999 Hz; expected 1000 Hz or more",
    ),
    "a result that cannot be written": (
        lambda here: pair_output.write(SimpleNamespace(), made(here / "a", "")),  # type: ignore[arg-type]
        "{}/a cannot be written to (*); give another --out",
    ),
}


def matches(text: str, expected: str) -> bool:
    """Whether a text is the expected one; `*` stands for what a library or the system states."""
    return re.fullmatch(re.escape(expected).replace(r"\*", ".+"), text) is not None


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_its_whole_text(name: str, tmp_path: Path) -> None:
    act, expected = REFUSALS[name]
    with pytest.raises(ParityError) as raised:
        act(tmp_path)
    text = str(raised.value).replace(str(tmp_path), "{}")
    assert matches(text, expected), text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["compare", "a.wav", "b.npy"],
            "a.wav is a sound and b.npy is not; compare two sounds, or two dumps",
        ),
        (
            ["compare", "a.wav", "a.wav", "--stage", "flow"],
            "--stage, --waivers and --names belong to dumps of tensors; two sounds have none of them",
        ),
        (
            ["own-noise", "--case", "v1-40k-rmvpe-rpy", "--null", "-1"],
            "--null is the number of runs with right noise: 0 or more",
        ),
    ],
)
def test_a_command_refuses_with_its_whole_text(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", np.zeros(16000), 16000)
    np.save("b.npy", np.zeros(3))
    assert command_line.main(arguments) == 2
    assert expected in capsys.readouterr().err


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape)


NOISES: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "none": (lambda: 0 * normal(4, 192, 58), "z_p has no noise; expected a scale of 0.66666"),
    "mean": (lambda: normal(4, 192, 58) + 0.1, "z_p: the noise has a mean of +*.*** of its scale; expected 0"),
    "skewed": (
        lambda: _points(-1.5625, 1.8625, (4, 192, 58)),  # mean 0, deviation 1, skew 0.3, kurtosis 3
        "z_p: the noise is not normal: it is skewed (+*)",
    ),
    "away": (
        lambda: _points(-(3**0.5), 3**0.5, (4, 192, 58)),  # the moments of normal noise up to the fourth
        "z_p: the noise is not normal: its distribution is 0.*** away",
    ),
    "repeated": (
        lambda: np.tile(normal(4, 192, 29), 2),
        "z_p: the noise repeats at a distance of 29 frames",
    ),
    "the same": (
        lambda: np.broadcast_to(normal(1, 192, 58), (4, 192, 58)),
        "z_p: the noise is the same at each call; expected a fresh draw",
    ),
}


def _points(low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
    """Values `low`, 0 and `high`, so often that the mean is 0 and the deviation 1."""
    shares = [1 / (low * (low - high)), 1 / (high * (high - low))]
    return np.random.default_rng(2).choice([low, 0.0, high], shape, p=[shares[0], 1 - sum(shares), shares[1]])


@pytest.mark.parametrize("name", NOISES)
def test_a_finding_about_noise_has_its_whole_text(name: str) -> None:
    make, expected = NOISES[name]
    noise = distribution.Noise("z_p", make(), 0.66666)
    sentences = [finding.sentence for finding in distribution.examine(noise)]
    pattern = re.escape(expected).replace(r"\*", r"[\d.]+")
    assert any(re.fullmatch(pattern, sentence) for sentence in sentences), sentences


def test_findings_about_segments_and_stages_have_their_whole_text() -> None:
    piece = normal(2, 192, 58)
    (finding,) = distribution.same_in_segments("z_p", [piece, piece])
    assert finding.sentence == "z_p: the noise of two segments of one run is the same (+1.00)"
    m, logs = CASE["seg0.enc_p.m"], CASE["seg0.enc_p.logs"]
    without = {"seg0.z_p": (m + 0.66666 * normal(*m.shape)).astype(np.float32)}
    sentences = [finding.sentence for finding in noise_stages.findings(CASE, ["seg0."], [without])]
    assert np.std(logs) > 0
    assert "seg0.z_p: the noise does not follow exp(logs): exp(logs) is missing" in sentences
    source = {"seg0.nsf.sine": CASE["seg0.nsf.sine"], "seg0.nsf.source": CASE["seg0.nsf.source"] * np.float32(0.9)}
    (finding,) = [each for each in noise_stages.findings(CASE, ["seg0."], [source]) if each.kind == "source"]
    expected = "seg0.nsf.source is not the linear layer and tanh of seg0.nsf.sine: it differs by "
    assert finding.sentence.startswith(expected)


def test_the_final_waveform_of_own_noise_is_not_compared() -> None:
    part = NumericPart(SimpleNamespace())  # type: ignore[arg-type]
    with pytest.raises(NotOffered, match=r"^the final waveform depends on noise that the candidate draws itself$"):
        part.run_final(CASE)
