"""Files and messages that the judge reads: traces, goldens, spread, verdicts, waivers, and what adapters send."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from safetensors.numpy import save

from parity.candidates import external, process
from parity.candidates.candidate import NotOffered
from parity.goldens import store
from parity.judge import limits, waivers
from parity.output import badge, diff, junit, markdown, table
from parity.runs import dumps
from parity.voices import cache
from reliability.fuzz.mutation import bundles, json_text, tensor_files
from reliability.fuzz.reader import Reader
from reports.data import load

GOLDEN = Path("goldens") / "cases" / "alone-silence-harvest-classic"  # from the root of the repository, 16 kB
ROOT = Path(__file__).parents[3]


def trace(frames: int = 6) -> dict[str, Any]:
    """A few tensors of a conversion, under the names of the stage table."""
    generator = np.random.default_rng(0)
    hz = np.full((1, frames), 220, np.float32)
    return {
        "audio16k": generator.standard_normal(frames * 160).astype(np.float32),
        "f0.raw": hz[0].astype(np.float64),
        "f0.hz": hz,
        "f0.coarse": np.full((1, frames), 60, np.int64),
        "seg0.hubert.features": generator.standard_normal((1, frames // 2, 8)).astype(np.float32),
        "seg0.enc_p.m": generator.standard_normal((1, 4, frames)).astype(np.float32),
        "seg0.flow.z": generator.standard_normal((1, 4, frames)).astype(np.float32),
    }


def _traces() -> Sequence[bytes]:
    about = {"profile": "webui-2026", "options": {"f0_method": "pm", "transpose": 0}, "rate": 40000}
    return [save(trace()), save(trace(), {"rvc": json.dumps(about)}), save(trace(), {"options": '{"protect": 0.5}'})]


def _loading() -> Sequence[bytes]:
    """Traces to read first, when the judge's cache holds the voices that its replays use: it may write them there."""
    for name in cache.pinned():
        cache.path_of(name)
    return _traces()[:2]


def _read_trace(path: Path) -> None:
    """Judge a trace by itself and by a right one."""
    right = path.with_name("right.safetensors")
    right.write_bytes(save(trace()))
    dumps.compare(right, path)
    dumps.compare(path, right)


def _goldens() -> Sequence[bytes]:
    folder = ROOT / GOLDEN
    return [bundles.pack({name: (folder / name).read_bytes() for name in (store.JSON_NAME, store.DATA_NAME)})]


def _read_golden(path: Path) -> None:
    case = store.open_case(path).check()
    _ = case.facts, case.options, case.voice


def _spreads() -> Sequence[bytes]:
    """A part of the committed spread, each group of values cut to a few."""
    return [json.dumps(_few(json.loads((ROOT / "parity/data/spread.json").read_text(encoding="utf-8")))).encode()]


def _few(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _few(item) for key, item in list(value.items())[:6]}
    return [_few(item) for item in value[:4]] if isinstance(value, list) else value


def _read_spread(path: Path) -> None:
    loaded = limits.Limits(limits.read(path))
    for name in ("f0.hz", "seg0.flow.z"):
        for mode in ("isolated", "chained"):
            loaded.find(name, mode, "rel_rms", False)


def _verdicts() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "a.safetensors", Path(folder) / "b.safetensors"
        one.write_bytes(save(trace()))
        two.write_bytes(save(trace() | {"seg0.flow.z": np.ones((1, 4, 6), np.float32)}))
        documents = [dumps.compare(one, two), dumps.compare(one, one)]
    return [bundles.pack({"verdict.json": json.dumps(document).encode()}) for document in documents]


def _read_verdict(path: Path) -> None:
    """Read a verdict as `diff`, `badge` and the reports do, and write what they write."""
    document = diff.read(path)
    diff.text(diff.changes(document, document))
    for write in (badge.document, junit.document, markdown.document, table.text, table.closing):
        write(document)
    load.verdict(path)


def _waivers() -> Sequence[bytes]:
    row = {"cell": "small/seg0.flow.z/chained/rel_rms", "because": "a reason long enough", "until": "2026-12-31"}
    return [json.dumps([row, {**row, "cell": "small/seg*/isolated/*"}]).encode(), b"[]"]


HELLO = {
    "id": 1,
    "ok": True,
    "protocol": external.PROTOCOL,
    "name": "a",
    "version": "1",
    "stages": ["flow", "f0.raw"],
    "chain": True,
    "dtypes": ["float32", "bfloat16"],
    "profiles": ["webui-2026"],
    "noise": True,
    "precision": "float32",
}


def _messages() -> Sequence[bytes]:
    answers = [HELLO, {"id": 1, "ok": False, "error": "no"}, {"id": 1, "ok": False, "lacks": "no f0"}]
    answers.append({"id": 1, "ok": True, "seconds": [0.1, 0.2, 0.3]})
    return [json.dumps(answer).encode() for answer in answers]


def _read_message(path: Path) -> None:
    line = path.read_bytes().decode("utf-8", "replace")
    for op in ("hello", "run"):
        try:
            answer = process.check_answer(op, 1, line)
        except NotOffered:
            continue
        if op == "hello":
            external.about_of(external.check_hello(answer))


def _outputs() -> Sequence[bytes]:
    upper = np.zeros(3, np.float16)
    return [save({"seg0.flow.z": np.zeros((1, 4, 6), np.float32)}), save({"f0.hz": upper, "mel": np.zeros(2)})]


def _read_outputs(path: Path) -> None:
    for half in ((), ("bfloat16", "float16")):
        external.read_outputs(path, "run", half)


def _reader(
    name: str,
    file: str,
    seeds: Callable[[], Sequence[bytes]],
    mutate: Callable[[bytes, Random], bytes],
    read: Callable[[Path], Any],
    *modules: str,
    is_bundle: bool = False,
    loading: Callable[[], Sequence[bytes]] | None = None,
) -> Reader:
    return Reader(name, file, seeds, mutate, read, modules, is_bundle, loading=loading)


FOLDER = bundles.mutator({".json": json_text.mutate, ".safetensors": tensor_files.mutate})
READERS = (
    _reader(
        "trace",
        "a.safetensors",
        _traces,
        tensor_files.mutate,
        _read_trace,
        "parity.goldens.trace_file",
        "parity.goldens.tensor_file",
        "parity.runs.dumps",
        loading=_loading,
    ),
    _reader(
        "golden",
        "alone-silence-harvest-classic",
        _goldens,
        FOLDER,
        _read_golden,
        "parity.goldens.store",
        "parity.goldens.case_schema",
        "parity.goldens.closed_schema",
        "parity.goldens.recipes",
        is_bundle=True,
    ),
    _reader("spread.json", "spread.json", _spreads, json_text.mutate, _read_spread, "parity.judge.limits"),
    _reader(
        "verdict.json",
        "run",
        _verdicts,
        FOLDER,
        _read_verdict,
        "parity.output.diff",
        "parity.output.recomputed",
        "parity.output.markdown",
        "reports.data.load",
        is_bundle=True,
    ),
    _reader("waivers", "waivers.json", _waivers, json_text.mutate, waivers.load, "parity.judge.waivers"),
    _reader(
        "adapter message",
        "line.json",
        _messages,
        json_text.mutate,
        _read_message,
        "parity.candidates.process",
        "parity.candidates.external",
        "parity.goldens.text",
    ),
    _reader(
        "adapter output",
        "outputs.safetensors",
        _outputs,
        tensor_files.mutate,
        _read_outputs,
        "parity.goldens.tensor_file",
    ),
)
