"""`rvc profiles`, `rvc doctor` and `rvc audio`, and what `rvc --help` imports."""

import argparse
import json
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
import soundfile

from rvc.cli.main import build, main


def test_profiles_prints_the_table(capsys):
    assert main(["profiles"]) == 0
    printed = capsys.readouterr().out
    assert "unvoiced frames (D1)" in printed
    assert "no original" in printed


def test_profiles_in_json(capsys):
    assert main(["profiles", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rvc-python"]["f0_method"] == "harvest"


def test_the_doctor_names_what_is_missing(capsys, monkeypatch):
    from importlib import metadata

    def version(name):
        if name in ("soxr", "av"):
            raise metadata.PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "missing: pip install soxr" in printed
    assert "missing: in the project's folder, pip install '.[decoding]'" in printed
    assert "Install soxr first." in printed


def test_audio_describes_a_file(tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(8000) / 5) * 0.5, 16000)
    assert main(["audio", str(tmp_path / "a.wav")]) == 0
    assert "0.500 s, 8000 samples at 16000 Hz" in capsys.readouterr().out
    assert main(["audio", str(tmp_path / "a.wav"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clipped"] == 0


def test_audio_of_a_missing_file_is_refused(tmp_path, capsys):
    assert main(["audio", str(tmp_path / "a.wav")]) == 2
    assert capsys.readouterr().err == f"rvc: there is no file {tmp_path}/a.wav\n"


def test_help_imports_neither_numpy_nor_torch():
    heavy = "{'torch', 'numpy', 'scipy'} & set(sys.modules)"
    code = f"import sys; from rvc.cli.main import build; build(); sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_conversion_imports_neither_librosa_nor_faiss_nor_matplotlib():
    heavy = "{'librosa', 'faiss', 'matplotlib', 'av'} & set(sys.modules)"
    code = f"import sys, rvc.pipeline.file_conversion; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_command_is_refused(capsys):
    assert main(["sing"]) == 2
    assert capsys.readouterr().err.startswith("rvc: argument COMMAND: invalid choice: 'sing' ")


def commands(parser):
    """Every parser under `parser`, itself included, by its program name."""
    by_name = {parser.prog: parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                by_name |= commands(command)
    return by_name


@pytest.mark.parametrize("command", commands(build()).values(), ids=lambda command: command.prog)
def test_every_command_and_option_has_a_help_text(command, capsys):
    assert command.prog.split()[0] == "rvc"
    assert command.description[0].isupper() and command.description.endswith(".")
    for action in command._actions:
        assert action.help or isinstance(action, argparse._SubParsersAction), action.dest
    with pytest.raises(SystemExit):
        command.parse_args(["--help"])
    assert command.prog in capsys.readouterr().out


def test_choices_equal_the_values_that_the_library_takes():
    """The parser has its own lists, since `rvc --help` must not import the modules that define the values."""
    from rvc.nn.kernels.backends import selection
    from rvc.nn.kernels.conv import PRECISIONS
    from rvc.pipeline.file_conversion import SampleKind
    from rvc.realtime.controls import Crossfade
    from rvc.realtime.io.sources import PcmFormat
    from rvc.retrieval.search import ExactHits

    parsers = commands(build())
    choices = {
        action.dest: action.choices for name in ("rvc convert", "rvc stream") for action in parsers[name]._actions
    }
    assert choices["crossfade"] == tuple(Crossfade)
    assert choices["pcm_format"] == get_args(PcmFormat)
    assert choices["exact_hits"] == get_args(ExactHits)
    assert choices["format"] == get_args(SampleKind)
    assert choices["precision"] == tuple(PRECISIONS)
    assert choices["backend"] == selection.names()
