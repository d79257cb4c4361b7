"""F0 files, TOML configurations and noise tapes."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from safetensors.numpy import save

from reliability.fuzz.mutation import tensor_files, text_lines
from reliability.fuzz.reader import NotFinite, Reader
from rvc.cli import main as command_line
from rvc.cli import options
from rvc.f0 import curve_file
from rvc.noise import Tape

CURVE_FIELDS = (
    "0",
    "1",
    "-1",
    "0.01",
    "1e30",
    "1e999",
    "nan",
    "-inf",
    "440",
    "440,5",
    "16000",
    "86400",
    "1_0",
    "٣",
    "",
    "x",
)
CURVE_LINES = (
    "# comment",
    "",
    "time,f0",
    "0;0,5",
    "0\t440",
    "0 440",
    "1,2,3",
    "\ufeff0,1",
    "\x1b[31m,1",
    "99999,1",
    "0,0",
)
TOML_NAMES = [
    "f0-method",
    "transpose",
    "index-rate",
    "protect",
    "rms-mix-rate",
    "resample-rate",
    "filter-radius",
    "speaker",
    "f0-file",
    "window",
    "profile",
    "model",
    "hubert",
    "index",
    "seed",
    "noise",
    "trace",
    "threads",
    "device",
    "precision",
    "json",
    "verbose",
    "format",
    "exact-hits",
    "config",
    "help",
    "voices",
    "rmvpe",
]
TOML_VALUES = (
    '"pm"',
    '"rmvpe"',
    '""',
    "1",
    "-1",
    "0.5",
    "1e400",
    "nan",
    "inf",
    "true",
    "[1, 6, 38, 41]",
    "[1]",
    "[[1]]",
    "{a = 1}",
    "2026-01-01",
    "99999999999999999999999",
    '"\\u001b[31m"',
    "12.7",
    '"webui-2026"',
    '"../outside"',
    "'''",
)


def _read_curve(path: Path) -> None:
    curve = curve_file.read_curve(path)
    curve_file.notes(curve)
    if not np.isfinite(curve).all():
        raise NotFinite(f"{path.name} has points that are not finite")


def _curves() -> Sequence[bytes]:
    return [b"0,220\n0.5,440\n1,0\n", b"time,f0\n0;220,5\n1;330\n", "# comment\n0\t1\n".encode("utf-16")]


def _change_curve(data: bytes, random: Random) -> bytes:
    return text_lines.mutate(data, random, CURVE_FIELDS, CURVE_LINES)


def _read_options(path: Path) -> None:
    parser = command_line.build()
    args = parser.parse_args(["convert", "in.wav", "out.wav", "--config", str(path)])
    options.merge_config(args)
    options.conversion(args)


def _configurations() -> Sequence[bytes]:
    return [
        b'f0-method = "pm"\ntranspose = 12\nindex-rate = 0.5\nwindow = [1, 6, 38, 41]\nseed = 3\n',
        b"protect = 0.33\n",
    ]


def _change_options(data: bytes, random: Random) -> bytes:
    lines = [f"{random.choice(TOML_NAMES)} = {random.choice(TOML_VALUES)}", "[table]", "a.b = 1", '"" = 1']
    return text_lines.mutate(data, random, TOML_VALUES, lines)


def _read_tape(path: Path) -> None:
    tape = Tape.read(path)
    for name, value in list(tape.tensors.items())[:4]:
        tape.draw(name, value.shape)


def _tapes() -> Sequence[bytes]:
    noise = np.zeros((1, 4, 5), np.float32)
    return [save({"seg0.noise.z": noise, "seg0.noise.nsf": noise}), save({"noise.crepe": noise[0, 0]}, {"rvc": "{}"})]


READERS = (
    Reader("F0 file", "curve.csv", _curves, _change_curve, _read_curve, ("rvc.f0.curve_file",)),
    Reader(
        "TOML configuration",
        "rvc.toml",
        _configurations,
        _change_options,
        _read_options,
        ("rvc.cli.options", "rvc.config"),
    ),
    Reader("noise tape", "tape.safetensors", _tapes, tensor_files.mutate, _read_tape, ("rvc.noise",)),
)
