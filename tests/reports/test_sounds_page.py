"""The page of two sounds, and the perceptual curves under the waveforms of a case."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from parity.cli.main import main as judge
from reports.__main__ import main
from reports.data.pack import ArrayBlock
from reports.panels import perceptual, waveforms
from reports.panels.waveforms import Waveforms

pytest.importorskip("librosa")
pytest.importorskip("mir_eval")
RATE, SECONDS, HEAD = 16000, 1.2, 0.25


def tone(hz: float = 180.0, seconds: float = SECONDS) -> np.ndarray:
    """A harmonic tone with a level that changes, full scale 1."""
    time = np.arange(round(seconds * RATE)) / RATE
    harmonics = sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 20))
    return 0.1 * harmonics * (1 + 0.8 * np.sin(2 * np.pi * 1.7 * time + np.cos(9 * time)))


def bent() -> np.ndarray:
    """The tone with noise from 0.6 s to 0.8 s."""
    wave, draws = tone(), np.random.default_rng(2)
    wave[round(0.6 * RATE) : round(0.8 * RATE)] += 0.1 * draws.standard_normal(round(0.2 * RATE))
    return wave


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `compare --out` writes of a sound without its first quarter second, half as loud, with noise in a part."""
    folder = tmp_path_factory.mktemp("sounds")
    soundfile.write(folder / "a.wav", tone(), RATE)
    soundfile.write(folder / "<b>.wav", 0.5 * bent()[round(HEAD * RATE) :], RATE)
    arguments = ["compare", str(folder / "a.wav"), str(folder / "<b>.wav"), "--out", str(folder / "out")]
    assert judge(arguments) == 1
    return folder / "out"


def of_page(text: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(text.split('id="page-data">')[1].split("</script>")[0])
    return data


def test_aligned_sounds_lie_on_the_time_axis_of_the_reference(compared: Path) -> None:
    (a, rate), (b, _) = (soundfile.read(compared / name) for name in ("reference.flac", "candidate.flac"))
    assert rate == RATE and len(a) == len(b) == round(SECONDS * RATE)
    assert not b[: round(HEAD * RATE) - 2].any()
    quiet = slice(round(0.3 * RATE), round(0.55 * RATE))
    assert np.abs(a[quiet] - b[quiet]).max() < 0.02  # the noise moves the delay by 0.04 samples
    document = json.loads((compared / "sounds.json").read_text())
    assert document["frames"]["times"][0] == pytest.approx(HEAD, abs=1e-3)
    assert (
        document["scale"]["float16"]["log_spectral"]["largest"]
        < document["scale"]["bfloat16"]["log_spectral"]["largest"]
    )


def test_two_sounds_get_a_page_that_shows_where_they_differ(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(compared), str(tmp_path)]) == 0
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"open {tmp_path / 'index.html'}\n"
    assert "it is 6.02 dB quieter" in text and "the first 0.250 s of" in text and "<b>" not in text
    data = of_page(text)
    assert [lane["name"] for lane in data["perceptual"]["lanes"]] == [*perceptual.TITLES][:4]  # no band above 8 kHz
    assert data["perceptual"]["start"] == pytest.approx(HEAD, abs=1e-3) and data["rows"] == []
    assert 0.5 < data["start"]["time"] < 0.8
    for part in (
        'id="perceptual"',
        'id="waves"',
        'id="spectra"',
        'id="measures"',
        'id="places"',
        'id="flac-candidate"',
    ):
        assert part in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read (Expecting property name"),
        ("[]", "is no rvc-sounds/1; compare again: rvc-parity compare A.wav B.wav --out FOLDER"),
    ],
)
def test_a_file_that_is_not_sounds_json_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    (tmp_path / "sounds.json").write_text(content)
    assert main([str(tmp_path), str(tmp_path / "pages")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "pages").exists()


def test_a_page_without_the_aligned_sounds_is_refused(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sounds.json").write_text((compared / "sounds.json").read_text())
    assert main([str(tmp_path), str(tmp_path / "pages")]) == 2
    assert "compare again with --out, which writes it" in capsys.readouterr().err


def test_curves_rise_where_the_waveforms_of_a_case_differ() -> None:
    arrays = ArrayBlock()
    one, other = tone(), bent()
    audio = Waveforms(one, other, waveforms.difference(one, other), RATE, "a", "b")
    shown = perceptual.of_case(audio, arrays)
    assert shown.curves is not None
    lane = next(lane for lane in shown.curves.lanes if lane.name == "log_spectral")
    beyond = np.flatnonzero(arrays.array(lane.values) > lane.mark) * shown.curves.step + shown.curves.start
    assert beyond.size and beyond.min() > 0.57 and beyond.max() < 0.83
    table = {row.name: row for row in shown.measures}
    assert float(table["log_spectral"].value) > 0 and len(table["log_spectral"].scale) == len(shown.tiers) == 2


def test_waveforms_that_differ_by_less_than_a_step_have_no_curves() -> None:
    one = tone()
    shown = perceptual.of_case(Waveforms(one, one + 1e-6, np.full(len(one), 1e-6), RATE, "a", "b"), ArrayBlock())
    assert shown.curves is None and shown.measures == []
    assert shown.note == "no audible difference: no sample differs by more than one step of a 16-bit file"
    assert perceptual.of_case(None, ArrayBlock()).note == ""


def test_missing_libraries_are_stated_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> None:
        raise ModuleNotFoundError("librosa")

    monkeypatch.setattr(perceptual.perceptual, "measure", missing)
    one, other = tone(), bent()
    shown = perceptual.of_case(Waveforms(one, other, waveforms.difference(one, other), RATE, "a", "b"), ArrayBlock())
    assert shown.curves is None and shown.note == perceptual.MISSING
