"""`inspect`, `export` and `merge`: what is asked for on the command line, and how the answer is shown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the three commands to the parser's."""
    from rvc.cli import options

    inspect = commands.add_parser(
        "inspect", help="what a model file is: kind, sizes, parameters, what is missing or odd"
    )
    inspect.add_argument(
        "file", metavar="FILE", type=Path, help="a voice, HuBERT (file or folder), RMVPE, or an .index"
    )
    inspect.set_defaults(run=run_inspect)
    export = commands.add_parser(
        "export",
        help="a voice in another format, or a small voice from a training checkpoint",
        description="Write VOICE as OUT, .pth or .safetensors. A training checkpoint (G_*.pth) becomes a small voice: "
        "half precision, without what only training needs. Sizes that its tensors cannot tell come from the "
        "config.json beside it.",
    )
    export.add_argument("voice", metavar="VOICE", type=Path)
    export.add_argument("out", metavar="OUT", type=Path)
    export.add_argument("--speaker", metavar="ID", type=int, help="keep only this speaker (default: all)")
    export.add_argument("--info", metavar="TEXT", help="what the voice says about itself")
    export.set_defaults(run=run_export)
    merge = commands.add_parser(
        "merge",
        help="the voice between two of one family",
        description="Write the voice R·A + (1 − R)·B, half precision, with A's config.",
    )
    merge.add_argument("a", metavar="A", type=Path)
    merge.add_argument("b", metavar="B", type=Path)
    merge.add_argument("out", metavar="OUT", type=Path, nargs="?", help="default: A+B.pth beside A")
    merge.add_argument("--ratio", metavar="R", type=float, default=0.5, help="1 is A alone, 0 is B (default 0.5)")
    merge.add_argument("--info", metavar="TEXT", help="what the voice says about itself")
    merge.set_defaults(run=run_merge)
    for parser in (inspect, export, merge):
        options.add_talk_options(parser)


def run_inspect(args: argparse.Namespace) -> int:
    """Say what FILE is; exit code 0 even when something is missing, since that was the question."""
    from rvc.voices.inspection import inspect

    _show(inspect(args.file), args.json)
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write VOICE as OUT."""
    from rvc.voices.model_tools import export

    voice = export(args.voice, args.out, speaker=args.speaker, info=args.info)
    _show(_written(args.out, voice), args.json)
    return 0


def run_merge(args: argparse.Namespace) -> int:
    """Write the voice between A and B."""
    from rvc.voices.model_tools import merge

    out = args.out or args.a.with_name(f"{args.a.stem}+{args.b.stem}.pth")
    voice = merge(args.a, args.b, out, args.ratio, info=args.info)
    _show(_written(out, voice), args.json)
    return 0


def _written(out: Path, voice: Any) -> dict[str, Any]:
    from rvc.weights.checkpoint import sha256

    return {
        "file": str(out),
        "kind": voice.kind,
        "version": voice.version,
        "rate": voice.rate,
        "f0": int(voice.f0),
        "speakers": voice.speakers,
        "info": voice.info,
        "bytes": out.stat().st_size,
        "sha256": sha256(out),
    }


def _show(report: Mapping[str, Any], as_json: bool) -> None:
    """The report as JSON, or as lines that a person reads."""
    if as_json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return
    from rvc.errors import printable

    width = max(len(name) for name in report)
    for name, value in report.items():
        lines = [printable(line) for line in _lines(value)]
        print(f"{name:<{width}}  {lines[0] if lines else 'nothing'}")
        for line in lines[1:]:
            print(f"{'':<{width}}  {line}")


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}: {f'{item:,}' if isinstance(item, int) else item}" for key, item in value.items()]
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return [" ".join(json.dumps(item) for item in value)]
    if isinstance(value, list):
        return list(value)
    return [f"{value:,}" if isinstance(value, int) and value > 999999 else str(value)]
