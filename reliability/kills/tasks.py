"""The commands that are killed, each on small inputs, and the files that it must leave whole or absent."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from safetensors.numpy import save_file

from parity.goldens import store
from reliability.fuzz.targets import tiny
from reliability.fuzz.targets.judge_files import GOLDEN, ROOT, trace

RATE, SECONDS, FILES = 16000, 0.25, 4  # Hz, seconds and number of the recordings that are converted

# `reference.record` with another folder of proposals and of goldens; the original's part is replaced by a golden.
ACCEPT = """
import sys
from pathlib import Path
from reference import record
record.PROPOSED, record.COMMITTED = Path(sys.argv[1]), Path(sys.argv[2])
sys.exit(record.main(["--accept", "a golden that is accepted while it is killed"]))
"""
# `reference.record` of one golden; its tensors and facts take the place of what the original computes with a voice.
RECORD = """
import sys
from pathlib import Path
from types import SimpleNamespace
from parity.goldens import store
from parity.goldens.trace_file import Trace
from reference import record
from reference.recording import cases, proposal
record.PROPOSED, name = Path(sys.argv[1]), sys.argv[2]
(spec,) = [spec for spec in cases.read() if spec.name == name]
golden = store.open_case(record.COMMITTED / name)
record.record = lambda spec, original: (Trace({name: golden[name] for name in golden}), {})
record.case_weights.of_case = lambda spec: SimpleNamespace(resolved=lambda: None)
record.case_weights.voice_facts = lambda spec: golden.meta["voice"]
original = SimpleNamespace(profile=spec.profile, version=lambda: golden.meta["original"])
record.propose_one(spec, original, proposal.spread())
"""
# The cache of synthetic voices with a small entry in the place of a voice of 50 MB.
CACHE = """
import sys
from pathlib import Path
import numpy as np
from parity.voices import cache
def write(tensors, facts, path):
    np.savez(path, **tensors)
entry = Path(sys.argv[1]) / "voices" / "small-1"
if not cache._intact(entry, "small.npz"):
    cache._write_entry(entry, "small.npz", write, {"x": np.arange(500_000.0)}, {})
"""
VOICE = Path("cache") / "voices" / "small-1" / "small.npz"  # what CACHE makes


@dataclass(frozen=True)
class Task:
    """One command.

    Attributes:
        name: the name in figures.
        prepare: writes the inputs into a folder.
        command: the arguments of Python in that folder.
        outputs: patterns of the files that must be whole or absent, and equal in every complete run.
        varying: whether outputs hold times, so that they are compared by form (JSON that can be read) and not by bytes.
        renew: makes again what a finished run has used up.
    """

    name: str
    prepare: Callable[[Path], None]
    command: tuple[str, ...]
    outputs: tuple[str, ...]
    varying: bool = False
    renew: Callable[[Path], None] = lambda folder: None


def _conversion(folder: Path) -> None:
    (folder / "voice.pth").write_bytes(tiny.saved(tiny.voice("v1", True)))
    (folder / "hubert").mkdir()
    (folder / "hubert" / "config.json").write_bytes(tiny.hubert_config())
    (folder / "hubert" / "model.safetensors").write_bytes(tiny.safetensors(tiny.hubert_tensors()))
    (folder / "in").mkdir()
    for number in range(FILES):
        time = np.arange(int(RATE * SECONDS)) / RATE
        soundfile.write(folder / "in" / f"{number}.wav", 0.3 * np.sin(2 * np.pi * (150 + 20 * number) * time), RATE)


def _convert_again(folder: Path) -> None:
    """No output, where all files were converted: a run with nothing to do writes nothing that a kill could cut."""
    if len(list((folder / "out").glob("*.wav"))) == FILES:
        shutil.rmtree(folder / "out")


def _features(folder: Path) -> None:
    np.save(folder / "features.npy", np.random.default_rng(0).standard_normal((4000, 256), dtype=np.float32))


def _voice(folder: Path) -> None:
    (folder / "voice.pth").write_bytes(tiny.saved(tiny.voice("v2", True)))


def _proposal(folder: Path) -> None:
    """A proposal to accept, and the committed golden of the same name with other metadata."""
    shutil.copytree(ROOT / GOLDEN, folder / "goldens" / GOLDEN.name)
    _propose(folder)


def _propose(folder: Path) -> None:
    """The proposal, where the last run has accepted it."""
    if not store.cases(folder / "proposed"):
        shutil.copytree(ROOT / GOLDEN, folder / "proposed" / GOLDEN.name)


def _traces(folder: Path) -> None:
    save_file(trace(), folder / "golden.safetensors")
    save_file(trace() | {"seg0.flow.z": np.ones((1, 4, 6), np.float32)}, folder / "candidate.safetensors")


def _nothing(folder: Path) -> None:
    (folder / "cache").mkdir()


def _make_again(folder: Path) -> None:
    """No voice in the cache, where it is whole; what a kill has left stays."""
    if (folder / VOICE).is_file():
        shutil.rmtree(folder / VOICE.parent)


def _verdict(folder: Path) -> None:
    from parity.runs import dumps  # the judge's runs, which the other tasks do not need

    _traces(folder)
    dumps.compare(folder / "golden.safetensors", folder / "candidate.safetensors", out=folder / "run")


_CONVERT = ("-m", "rvc", "convert", "in", "out", "--model", "voice.pth", "--hubert", "hubert", "--f0-method", "harvest")
_RUN = ("-m", "parity", "run", "--case", GOLDEN.name, "--goldens", str(ROOT / GOLDEN.parent), "--out", "out")
TASKS = (
    Task("convert a folder", _conversion, _CONVERT, ("out/*.wav",), renew=_convert_again),
    Task("index build", _features, ("-m", "rvc", "index", "build", "features.npy", "out.index"), ("out.index",)),
    Task("export", _voice, ("-m", "rvc", "export", "voice.pth", "out.pth"), ("out.pth",)),
    Task("record", _nothing, ("-c", RECORD, "out", GOLDEN.name), ("out/*/*",)),
    Task("record --accept", _proposal, ("-c", ACCEPT, "proposed", "goldens"), ("goldens/*/*",), renew=_propose),
    Task("making of voices", _nothing, ("-c", CACHE, "cache"), (str(VOICE),), renew=_make_again),
    Task(
        "parity compare",
        _traces,
        ("-m", "parity", "compare", "golden.safetensors", "candidate.safetensors", "--out", "out"),
        ("out/*.json",),
        varying=True,
    ),
    Task("parity run", _nothing, _RUN, ("out/*.json",), varying=True),
    Task("reports", _verdict, ("-m", "reports", "run", "out", "--quiet"), ("out/*.html",), varying=True),
)


def command(task: Task) -> list[str]:
    """The whole command line."""
    return [sys.executable, *task.command]


def is_whole(path: Path) -> bool:
    """Whether a file of a `varying` task is complete: JSON that can be read, or a page with its end."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        try:
            json.loads(text)
        except ValueError:
            return False
        return True
    return text.rstrip().endswith("</html>")
