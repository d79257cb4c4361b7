"""The commands `rvc inspect`, `rvc export` and `rvc merge`: their options, and how their results are printed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvc import profiles
from rvc.cli import options, paths
from rvc.cli.progress import ItemProgress
from rvc.errors import BadInput, printable
from rvc.f0 import registry

if TYPE_CHECKING:
    from rvc.voices.voice import Voice

COLUMNS = ("file", "kind", "version", "rate", "f0", "embedder", "playable")  # of a folder's table


def add_commands(commands: options.Commands) -> None:
    """Add the three commands to the parser."""
    inspect = commands.add_parser(
        "inspect",
        help="print what a model file is and what is wrong with it",
        description="Print the kind, sizes and parameters of a model file, and what is missing or unusual in it. For a "
        "folder of models, print a table.",
    )
    inspect.add_argument(
        "file",
        metavar="FILE",
        type=paths.path,
        help="a voice, HuBERT (file or folder), RMVPE, CREPE, FCPE, an .index file, or a folder of them",
    )
    inspect.set_defaults(run=run_inspect)
    export = commands.add_parser(
        "export",
        help="write a voice in another format, or a small voice from a training checkpoint",
        description="Write VOICE as OUT, in the format that OUT's name ends with. A training checkpoint (G_*.pth) "
        "becomes a small voice: float16, without the tensors that only training uses. Sizes that no tensor shows are "
        "read from the config.json beside it. With --format onnx, VOICE and its networks become a folder of ONNX "
        "graphs that rvc convert --model and programs without PyTorch can run.",
    )
    export.add_argument("voice", metavar="VOICE", type=paths.path, help=".pth or .safetensors")
    export.add_argument("out", metavar="OUT", type=paths.path, help=".pth or .safetensors")
    export.add_argument("--speaker", metavar="ID", type=int, help="keep only this speaker (default: all)")
    export.add_argument("--info", metavar="TEXT", help="the info text of the new voice (default: that of VOICE)")
    add_onnx_options(export)
    export.set_defaults(run=run_export)
    merge = commands.add_parser(
        "merge",
        help="write the weighted mean of two voices of the same kind",
        description="Write the voice R·A + (1 − R)·B in float16, with A's config.",
    )
    merge.add_argument("a", metavar="A", type=paths.path, help="the first voice")
    merge.add_argument("b", metavar="B", type=paths.path, help="the second voice, of the same version, rate and sizes")
    merge.add_argument(
        "out", metavar="OUT", type=paths.path, nargs="?", help="the new voice (default: A+B.pth beside A)"
    )
    merge.add_argument("--ratio", metavar="R", type=float, default=0.5, help="0 is B, 1 is A (default 0.5)")
    merge.add_argument("--info", metavar="TEXT", help="the info text of the new voice (default: the ratio and names)")
    merge.set_defaults(run=run_merge)
    for parser in (inspect, export, merge):
        options.add_output_options(parser)


def add_onnx_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of an export to ONNX."""
    group = parser.add_argument_group("export to ONNX")
    group.add_argument("--format", choices=("onnx",), help="write a folder of ONNX graphs (default: by OUT's name)")
    group.add_argument(
        "--hubert",
        metavar="DIR_OR_FILE",
        type=Path,
        help="a transformers folder or hubert_base.pt (default: $RVC_HUBERT, else beside VOICE)",
    )
    for role in registry.weight_files():
        group.add_argument(f"--{role}", metavar="FILE", type=Path, help=f"weights of the F0 method {role}")
    group.add_argument("--index", metavar="FILE", type=Path, help="the voice's retrieval index (default: none)")
    group.add_argument(
        "--f0-method",
        metavar="METHOD",
        choices=tuple(name for name, method in registry.METHODS.items() if method.is_neural),
        nargs="+",
        action="extend",
        help="F0 methods whose networks are exported (default: those whose weights are named or found)",
    )
    group.add_argument(
        "--precision",
        choices=("float32", "float16"),
        help="type of the weights; parity is for float32 (default float32)",
    )
    group.add_argument(
        "--profile",
        choices=tuple(profiles.PROFILES),
        help=f"the original it reproduces (default {profiles.DEFAULT})",
    )
    group.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="compare a short conversion through the folder with rvc's before it is kept (default: yes)",
    )


ONNX_OPTIONS = ("hubert", "index", "f0_method", "precision", "profile", "verify")  # beside the roles of F0 weights


def run_inspect(args: argparse.Namespace) -> int:
    """Print what FILE is.

    Returns:
        0, also when something is missing in the file.
    Raises:
        RvcError: the file does not exist, is damaged, or is no model.
    """
    from rvc.content.features import is_hubert_folder  # these import torch; `rvc --help` does not need it
    from rvc.voices.inspection import inspect, inspect_folder

    if args.file.is_dir() and not is_hubert_folder(args.file):
        print_table(args.file, inspect_folder(args.file), args.json)
    else:
        print_report(inspect(args.file), args.json)
    return 0


def print_table(folder: Path, rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print one line for each file of a folder, or all as JSON."""
    if as_json:
        print(json.dumps({"folder": str(folder), "files": rows}, indent=2, ensure_ascii=False))
        return
    cells = [list(COLUMNS), *([printable(_cell(row.get(name))) for name in COLUMNS] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    for line, row in zip(cells, [{"why": None}, *rows], strict=True):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(f"{text}  {printable(row['why'])}" if row["why"] else text.rstrip())


def _cell(value: Any) -> str:
    """A value of the table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def run_export(args: argparse.Namespace) -> int:
    """Write VOICE as OUT.  Raises RvcError."""
    if args.format == "onnx":
        return run_onnx_export(args)
    given = [name for name in (*ONNX_OPTIONS, *registry.weight_files()) if vars(args)[name] is not None]
    if given:
        raise BadInput(
            f"--{given[0].replace('_', '-')} belongs to an export to ONNX; add --format onnx, or leave it out"
        )
    from rvc.voices.model_tools import export  # imports torch; `rvc --help` does not need it

    voice = export(args.voice, args.out, speaker=args.speaker, info=args.info)
    print_report(describe_file(args.out, voice), args.json)
    return 0


def run_onnx_export(args: argparse.Namespace) -> int:
    """Write VOICE as a folder of ONNX graphs.  Raises RvcError."""
    if args.speaker is not None or args.info is not None:
        raise BadInput("--speaker and --info belong to an export to .pth; export that first, then its result to ONNX")
    from rvc.config import Config  # these import torch; `rvc --help` does not need it
    from rvc.exported.export import chosen_methods, export_folder
    from rvc.pipeline.voice_networks import VoiceNetworks

    profile = args.profile or profiles.DEFAULT
    roles = {role: vars(args)[role] for role in registry.weight_files()}
    networks = VoiceNetworks(args.voice, args.hubert, args.index, keep=False, **roles)
    methods = chosen_methods(networks, args.f0_method)
    for method in methods or ["pm"]:
        networks.check(Config.of(profile, f0_method=method, index_rate=1.0))
    steps = ItemProgress()
    exported = export_folder(
        networks,
        args.out,
        f0_methods=methods,
        profile=profile,
        precision=args.precision or "float32",
        verify=args.verify is not False,
        progress=steps,
    )
    steps.close()
    files = {name: (args.out / name).stat().st_size for name in exported.fields["files"]}
    report = {"folder": str(args.out), **{name: exported.fields[name] for name in SHOWN}, "bytes": files}
    print_report(report, args.json)
    return 0


SHOWN = ("version", "rate", "f0", "speakers", "precision", "profile", "opset", "f0_methods", "retrieval", "source")


def run_merge(args: argparse.Namespace) -> int:
    """Write the weighted mean of A and B.  Raises RvcError."""
    from rvc.voices.model_tools import merge  # imports torch; `rvc --help` does not need it

    out = args.out or args.a.with_name(f"{args.a.stem}+{args.b.stem}.pth")
    voice = merge(args.a, args.b, out, args.ratio, info=args.info)
    print_report(describe_file(out, voice), args.json)
    return 0


def describe_file(out: Path, voice: Voice) -> dict[str, Any]:
    """The facts that `export` and `merge` print about the file they wrote."""
    from rvc.weights.checkpoint import sha256  # imports torch; `rvc --help` does not need it

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


def print_report(report: Mapping[str, Any], as_json: bool) -> None:
    """Print a report as JSON or as one line for each entry."""
    if as_json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
        return
    width = max(len(name) for name in report)
    for name, value in report.items():
        lines = [printable(line) for line in _lines(value)]
        print(f"{name:<{width}}  {lines[0] if lines else 'nothing'}")
        for line in lines[1:]:
            print(f"{'':<{width}}  {line}")


def _lines(value: Any) -> list[str]:
    if value is None or isinstance(value, bool):
        return ["not stated" if value is None else _cell(value)]
    if isinstance(value, Mapping):
        return [f"{key}: {f'{item:,}' if isinstance(item, int) else item}" for key, item in value.items()]
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return [" ".join(json.dumps(item) for item in value)]
    if isinstance(value, list):
        return list(value)
    return [f"{value:,}" if isinstance(value, int) and value > 999999 else str(value)]
