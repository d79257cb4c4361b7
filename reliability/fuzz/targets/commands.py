"""The command lines from end to end: any file to any command that reads one, and whole conversions."""

import contextlib
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from parity.cli import main as judge
from reliability.fuzz.mutation import archives, bundles, json_text, tensor_files
from reliability.fuzz.mutation import sounds as sound_mutation
from reliability.fuzz.reader import NotOneSentence, Reader
from reliability.fuzz.targets import indexes, judge_files, options, sounds, tiny, voices
from rvc.cli import main as converter
from rvc.errors import RvcError

NAME = "input"  # the file or folder that a command gets
OF_RVC = (
    ("inspect", "{}"),
    ("inspect", "{}", "--json"),
    ("audio", "{}", "--json"),
    ("export", "{}", "out.safetensors"),
    ("merge", "{}", "{}", "out.pth"),
    ("convert", "in.wav", "out.wav", "--model", "{}"),
    ("convert", "{}", "out.wav", "--model", "voice.pth"),
)
OF_JUDGE = (("diff", "{}", "{}"), ("badge", "{}"), ("compare", "{}", "{}"))


class Refused(RvcError):
    """A command ended with exit code 2 and one sentence."""


def command(main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> None:
    """Run a command line in this process.

    Raises:
        Refused: exit code 2 and one line on stderr.
        NotOneSentence: any other end than that and exit code 0.
    """
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 2
    lines = [line for line in err.getvalue().splitlines() if not line.startswith("note: ")]
    if code == 2 and len(lines) == 1 and lines[0].isprintable():
        raise Refused(lines[0])
    differs = main is judge.main and code in (1, 3, 4)
    if (code != 0 and not differs) or re.search(r"Traceback|object at 0x", out.getvalue() + err.getvalue()):
        raise NotOneSentence(f"{' '.join(arguments[:1])} ended with {code} and {lines[:3]}")


def _read(path: Path) -> None:
    """Give a file to the command that its first name selects; the name is a number before a dash."""
    files = sorted(path.iterdir())
    if not files:
        return
    target = files[0]
    number = int(target.name.partition("-")[0])
    choices = [*((converter.main, row) for row in OF_RVC), *((judge.main, row) for row in OF_JUDGE)]
    main, row = choices[number % len(choices)]
    with indexes.forked_probe():
        command(main, [argument.replace("{}", str(target)) for argument in row])


def _seeds() -> Sequence[bytes]:
    """Every kind of valid file, each for one of the commands."""
    files: list[tuple[str, bytes]] = []
    for reader in (*voices.READERS, *indexes.READERS, *sounds.READERS, *options.READERS, *judge_files.READERS):
        if not reader.is_bundle:
            files += [(reader.file, data) for data in reader.seeds()[:2]]
    return [bundles.pack({f"{place}-{name}": data}) for place, (name, data) in enumerate(files)]


def _loading() -> Sequence[bytes]:
    """A sound for every command: `compare` compiles functions of librosa, which takes longer than an input may."""
    sound = sounds.READERS[0].seeds()[0]
    return [bundles.pack({f"{place}-song.wav": sound}) for place in range(len(OF_RVC) + len(OF_JUDGE))]


_CHANGES = bundles.mutator(
    {
        ".pth": archives.mutate,
        ".safetensors": tensor_files.mutate,
        ".json": json_text.mutate,
        ".wav": sound_mutation.riff,
        ".ogg": sound_mutation.ogg,
        ".m4a": sound_mutation.mp4,
    }
)


def _change(data: bytes, random: Random) -> bytes:
    files = bundles.unpack(data)
    if files and random.random() < 0.3:  # another command for the same file
        name, content = next(iter(files.items()))
        return bundles.pack({f"{random.randrange(40)}-{name.partition('-')[2]}": content})
    changed = _CHANGES(data, random)
    return changed if bundles.unpack(changed) else data


def _conversions() -> Sequence[bytes]:
    """All files of a conversion."""
    files = {
        "voice.pth": tiny.saved(tiny.voice("v1", True)),
        "hubert/config.json": tiny.hubert_config(),
        "hubert/model.safetensors": tiny.safetensors(tiny.hubert_tensors()),
        "song.wav": sounds.READERS[0].seeds()[0],
        "curve.csv": b"0,220\n1,330\n",
        "rvc.toml": b'f0-method = "pm"\ntranspose = 2\n',
    }
    return [bundles.pack(files)]


_FILES = bundles.mutator(
    {
        ".pth": archives.mutate,
        ".safetensors": tensor_files.mutate,
        ".json": json_text.mutate,
        ".wav": sound_mutation.riff,
        ".csv": options.READERS[0].mutate,
        ".toml": options.READERS[1].mutate,
    }
)


def _convert(path: Path) -> None:
    names = {"--model": "voice.pth", "--hubert": "hubert", "--f0-file": "curve.csv", "--config": "rvc.toml"}
    given = [part for option, name in names.items() for part in (option, str(path / name))]
    out = path / "out.wav"
    try:
        command(converter.main, ["convert", str(path / "song.wav"), str(out), *given])
    except Refused:
        if out.exists():
            raise NotOneSentence("a refused conversion has written its output") from None
        raise


OF_ALL = (
    "rvc.cli.main",
    "rvc.cli.model_commands",
    "rvc.cli.info_commands",
    "rvc.cli.convert_command",
    "parity.cli.main",
)
READERS = (
    Reader("command lines", NAME, _seeds, _change, _read, OF_ALL, is_bundle=True, loading=_loading),
    Reader(
        "whole conversion",
        NAME,
        _conversions,
        _FILES,
        _convert,
        ("rvc.pipeline.offline",),
        is_bundle=True,
        is_full_size=True,
    ),
)
