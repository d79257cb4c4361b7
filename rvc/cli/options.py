"""Options that several commands share, values read from a TOML file, and what they turn into.

Every option's default is None, so that "not said" can be told from "said": what the command line says wins over
--config, and --config wins over the profile.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from rvc import profiles
from rvc.errors import BadInput
from rvc.f0 import registry

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16", "int8")
CONFIG_FIELDS = (
    "f0_method",
    "transpose",
    "index_rate",
    "protect",
    "rms_mix_rate",
    "resample_rate",
    "filter_radius",
    "speaker",
    "f0_file",
    "window",
    "exact_hits",
)


def add_voice_options(parser: argparse.ArgumentParser) -> None:
    """The voice and the files it is heard with."""
    group = parser.add_argument_group("the voice")
    group.add_argument("--model", metavar="VOICE", help="voice.pth or .safetensors, or the name of a voice in --voices")
    group.add_argument("--voices", metavar="DIR", type=Path, help="folder of voices (default $RVC_VOICES, else voices)")
    group.add_argument(
        "--hubert",
        metavar="DIR_OR_FILE",
        type=Path,
        help="a transformers folder or hubert_base.pt (else $RVC_HUBERT, or beside VOICE)",
    )
    roles = registry.weight_files()
    for role, methods in sorted(roles.items(), key=lambda item: not item[1][0].needs_file):
        group.add_argument(f"--{role}", metavar="FILE", type=Path, help=_weights_help(role, methods[0]))
    group.add_argument("--index", metavar="FILE", type=Path, help="the voice's retrieval index (else no retrieval)")
    group.add_argument("--speaker", metavar="ID", type=int, help="speaker of a voice with several (default 0)")


def _weights_help(role: str, method: registry.Method) -> str:
    """The help of the option that names a weight file."""
    if method.needs_file or method.network is None or method.package is None:
        return f"{role}.pt, for --f0-method {method.name} (else $RVC_{role.upper()}, or beside VOICE)"
    return f"{method.network.title}'s weights (default: installed {method.package.module}'s)"


def add_conversion_options(parser: argparse.ArgumentParser) -> None:
    """How the voice is used; defaults are those of the profile's original."""
    group = parser.add_argument_group("the conversion (defaults: the profile's, see `profiles`)")
    group.add_argument(
        "--profile",
        choices=tuple(profiles.PROFILES),
        help=f"which original to be exact to (default {profiles.DEFAULT})",
    )
    group.add_argument("--f0-method", choices=tuple(registry.METHODS), help="how pitch is tracked")
    group.add_argument("--f0-file", metavar="FILE", type=Path, help="lines of 'seconds,hertz' to replace the pitch")
    group.add_argument("--transpose", metavar="SEMITONES", type=whole, help="whole semitones (default 0)")
    group.add_argument("--index-rate", metavar="R", type=float, help="0 keeps the content, 1 takes the index's")
    group.add_argument("--protect", metavar="P", type=float, help="0 keeps unvoiced sounds from the index, 0.5 is off")
    group.add_argument("--rms-mix-rate", metavar="M", type=float, help="1 keeps the voice's loudness, 0 the input's")
    group.add_argument("--filter-radius", metavar="N", type=int, help="harvest: above 2, a median of three frames")
    group.add_argument(
        "--exact-hits",
        choices=("finite", "nan"),
        help="where content meets the index exactly: finite (default), or the original NaN",
    )


def add_running_options(parser: argparse.ArgumentParser) -> None:
    """Noise, traces, the machine, and what is printed."""
    group = parser.add_argument_group("running")
    noise = group.add_mutually_exclusive_group()
    noise.add_argument("--seed", metavar="N", type=int, help="random numbers are made from this (default 0)")
    noise.add_argument("--noise", metavar="TAPE", type=Path, help="replay the noise of a trace or tape (.safetensors)")
    group.add_argument("--trace", metavar="TRACE", type=Path, help="write every intermediate value (.safetensors)")
    group.add_argument("--threads", metavar="N", type=int, help="processor threads")
    group.add_argument("--device", choices=DEVICES, help="where the networks run (default cpu: parity is shown there)")
    group.add_argument("--precision", choices=PRECISIONS, help="default float32, for which parity is shown")
    group.add_argument("--config", metavar="FILE.toml", type=Path, help="any of these options, as name = value")
    add_talk_options(group)


def add_talk_options(parser: Any) -> None:
    """--json and -v."""
    parser.add_argument("--json", action="store_true", default=None, help="print the result as JSON on stdout")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more on stderr; twice for everything")


def whole(text: str) -> int:
    """A whole number, also where it is written as 3.0."""
    value = float(text)
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{text} is no whole number; the originals cut it to one")
    return int(value)


def merge_config(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Fill what the command line left unsaid from the file that --config names.  Raises BadInput."""
    if args.config is None:
        return
    import tomllib

    try:
        values = tomllib.loads(args.config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{args.config} cannot be read as TOML: {error}") from None
    actions = {action.dest: action for action in parser._actions if action.option_strings and action.dest != "help"}
    for name, value in values.items():
        action = actions.get(name.replace("-", "_"))
        if action is None or action.dest == "config":
            known = ", ".join(sorted(dest.replace("_", "-") for dest in actions if dest != "config"))
            raise BadInput(f"{args.config} sets {name!r}, which is no option; the options are {known}")
        if getattr(args, action.dest) in (None, 0):
            setattr(args, action.dest, _typed(action, value, args.config))


def _typed(action: argparse.Action, value: Any, origin: Path) -> Any:
    """A TOML value as the command line would have read it."""
    name = action.option_strings[-1].lstrip("-")
    if action.nargs == 0:
        if not isinstance(value, bool | int):
            raise BadInput(f"{origin} sets {name} to {value!r}; expected true or false")
        return value
    if isinstance(action.nargs, int) != isinstance(value, list) or isinstance(value, dict | bool):
        raise BadInput(f"{origin} sets {name} to {value!r}; expected {'a list' if action.nargs else 'one value'}")
    convert: Any = action.type or str
    try:
        typed = [convert(str(part)) for part in value] if isinstance(value, list) else convert(str(value))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise BadInput(f"{origin} sets {name} to {value!r}: {error}") from None
    if action.choices is not None and typed not in action.choices:
        raise BadInput(f"{origin} sets {name} to {value!r}; expected one of {', '.join(map(str, action.choices))}")
    return typed


def start(args: argparse.Namespace) -> None:
    """Threads and logging, before anything heavy is imported."""
    import logging

    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(args.verbose, 2)]
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("rvc").setLevel(level)
    # oneDNN keeps compiled kernels for every length it has met, 0.3 MB each; a long recording meets many
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
    threads = getattr(args, "threads", None)
    if threads is not None:
        if not 1 <= threads <= 1024:
            raise BadInput(f"--threads is {threads}; expected 1 or more")
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(threads)
        import torch

        torch.set_num_threads(threads)


def conversion(args: argparse.Namespace) -> Any:
    """The `Config` that the options ask for."""
    from rvc.audio.segments import Window
    from rvc.config import Config

    wishes = {name: getattr(args, name, None) for name in CONFIG_FIELDS}
    if wishes["window"] is not None:
        wishes["window"] = Window(*wishes["window"])
    return Config.of(args.profile or profiles.DEFAULT, **wishes)


def parts(args: argparse.Namespace, *, keep: bool = False) -> Any:
    """The `VoiceNetworks` that the options name, the voice file opened."""
    from rvc.pipeline.voice_networks import VoiceNetworks
    from rvc.voices.folder import find_voice

    if args.model is None:
        raise BadInput("no voice was named; give one with --model voice.pth")
    model, index = find_voice(args.model, args.voices)
    return VoiceNetworks(
        model,
        args.hubert,
        args.index or index,
        **{role: getattr(args, role) for role in registry.weight_files()},
        device=args.device or "cpu",
        precision=args.precision or "float32",
        keep=keep,
    )


def noise_source(args: argparse.Namespace) -> Any:
    """`Tape` or `Seeded`."""
    from rvc.noise import Seeded, Tape

    return Tape.read(args.noise) if args.noise is not None else Seeded(args.seed or 0)
