"""The README's Python example runs unchanged in a folder that holds the files it names."""

import doctest
from pathlib import Path

import pytest
import soundfile

from parity import voices

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_python_example_runs(tmp_path, monkeypatch):
    files = {
        "voice.pth": voices.make_voice("v2-40k-f0"),
        "hubert_base": voices.make_hubert(),
        "rmvpe.pt": voices.make_rmvpe(),
        "voice.index": voices.make_index("v2"),
    }
    for name, path in files.items():
        (tmp_path / name).symlink_to(path)
    samples, rate = soundfile.read(ROOT / "goldens" / "inputs" / "speech_word.flac", dtype="float32")
    soundfile.write(tmp_path / "in.wav", samples, rate)
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert results.attempted >= 6, "the README has lost its example"
    assert results.failed == 0
    assert soundfile.info(tmp_path / "out.wav").samplerate == 40000
