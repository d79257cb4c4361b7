"""Options that several commands share, their values from a TOML file, and the objects that they describe.

The default of every option is None. An option on the command line overrides --config, and --config overrides the
profile's default.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvc import profiles
from rvc.cli import paths
from rvc.errors import BadInput
from rvc.f0 import registry

if TYPE_CHECKING:
    from rvc.config import Config
    from rvc.exported.networks import ExportedNetworks
    from rvc.noise import NoiseSource
    from rvc.pipeline.voice_networks import VoiceNetworks

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # what add_subparsers returns

DEVICES = ("auto", "cpu", "cuda", "mps")
BACKENDS = ("measured", "fixed", "cuda", "int8", "amx", "fast-2", "fast-1", "onednn", "widened", "torch")
PRECISIONS = ("float32", "bfloat16", "float16", "int8")
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
    """Add the options for the voice and its files."""
    group = parser.add_argument_group("voice")
    group.add_argument(
        "--model",
        metavar="VOICE",
        type=paths.path_text,
        help="voice.pth or .safetensors, or the name of a voice in --voices (required)",
    )
    group.add_argument(
        "--voices", metavar="DIR", type=paths.path, help="folder of voices (default: $RVC_VOICES, else voices)"
    )
    group.add_argument(
        "--hubert",
        metavar="DIR_OR_FILE",
        type=paths.path,
        help="a transformers folder or hubert_base.pt (default: $RVC_HUBERT, else beside VOICE)",
    )
    roles = registry.weight_files()
    for role, methods in sorted(roles.items(), key=lambda item: not item[1][0].needs_file):
        group.add_argument(f"--{role}", metavar="FILE", type=paths.path, help=_weights_help(role, methods[0]))
    group.add_argument("--index", metavar="FILE", type=paths.path, help="the voice's retrieval index (default: none)")
    group.add_argument("--speaker", metavar="ID", type=int, help="speaker, 0 to the voice's last (default 0)")


def _weights_help(role: str, method: registry.Method) -> str:
    """The help of the option that names a weight file."""
    if method.needs_file or method.network is None or method.package is None:
        return f"{role}.pt, for --f0-method {method.name} (default: $RVC_{role.upper()}, else beside VOICE)"
    return f"{method.network.title}'s weights (default: installed {method.package.module}'s)"


def add_conversion_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a conversion; their defaults are the profile's."""
    group = parser.add_argument_group("conversion", "Defaults are the profile's; `rvc profiles` prints them.")
    group.add_argument(
        "--profile",
        choices=tuple(profiles.PROFILES),
        help=f"the original to reproduce exactly (default {profiles.DEFAULT}, or an exported folder's own)",
    )
    group.add_argument(
        "--f0-method", choices=tuple(registry.METHODS), help="how F0 is tracked (default: the profile's)"
    )
    group.add_argument(
        "--f0-file", metavar="FILE", type=paths.path, help="replace F0 by a file with lines of seconds,hertz"
    )
    group.add_argument("--transpose", metavar="SEMITONES", type=integer, help="pitch change, -60 to 60 (default 0)")
    group.add_argument(
        "--index-rate", metavar="R", type=float, help="0 keeps the content features, 1 takes the index's"
    )
    group.add_argument("--protect", metavar="P", type=float, help="0 keeps unvoiced frames from the index, 0.5 is off")
    group.add_argument("--rms-mix-rate", metavar="M", type=float, help="1 keeps the voice's loudness, 0 the input's")
    group.add_argument(
        "--filter-radius", metavar="N", type=int, help="for harvest: above 2, take the median of 3 frames"
    )
    group.add_argument(
        "--exact-hits",
        choices=("finite", "nan"),
        help="where a frame equals an index vector: finite values, or the originals' NaN (default finite)",
    )


def add_running_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for noise, traces, the device and the printed output."""
    group = parser.add_argument_group("execution")
    noise = group.add_mutually_exclusive_group()
    noise.add_argument("--seed", metavar="N", type=int, help="seed of the random numbers (default 0)")
    noise.add_argument(
        "--noise", metavar="TAPE", type=paths.path, help="replay the noise of a trace or tape (.safetensors)"
    )
    group.add_argument(
        "--trace", metavar="TRACE", type=paths.path, help="write every intermediate value (.safetensors)"
    )
    group.add_argument("--threads", metavar="N", type=int, help="processor threads, 1 to 1024 (default: torch's own)")
    group.add_argument("--device", choices=DEVICES, help="where the networks run; parity holds on cpu (default cpu)")
    group.add_argument(
        "--precision", choices=PRECISIONS, help="arithmetic of the networks; parity holds for float32 (default float32)"
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what computes the networks' products: the fastest as measured here, the fixed order, or one backend "
        "wherever it can (default $RVC_BACKEND, else measured)",
    )
    group.add_argument(
        "--config", metavar="FILE.toml", type=paths.path, help="read options from a file of lines NAME = VALUE"
    )
    add_output_options(group)


def add_output_options(parser: argparse._ActionsContainer) -> None:
    """Add --json and --verbose."""
    parser.add_argument("--json", action="store_true", default=None, help="print the result as JSON on stdout")
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="print progress on stderr; give it twice for details"
    )


def integer(text: str) -> int:
    """Parse a whole number, which may be written as 3.0.  Raises argparse.ArgumentTypeError for any other."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is no whole number")
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{text} is no whole number; the originals cut it to one")
    return int(value)


def merge_config(args: argparse.Namespace) -> None:
    """Set the options that the command line lacks from the TOML file that --config names.

    Raises:
        BadInput: the file cannot be read, or sets an unknown option or a value that the option does not take.
    """
    if args.config is None:
        return
    import tomllib

    try:
        values = tomllib.loads(args.config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{args.config} cannot be read as TOML: {error}") from None
    actions = {action.dest: action for action in args.parser._actions if action.option_strings}
    del actions["help"]
    for name, value in values.items():
        action = actions.get(name.replace("-", "_"))
        if action is None or action.dest == "config":
            known = ", ".join(sorted(dest.replace("_", "-") for dest in actions if dest != "config"))
            raise BadInput(f"{args.config} sets {name!r}, which is no option; the options are {known}")
        if vars(args)[action.dest] in (None, 0):
            setattr(args, action.dest, _typed(action, value, args.config))


def _typed(action: argparse.Action, value: Any, origin: Path) -> Any:
    """Convert and check a TOML value as argparse converts the text of an option.  Raises BadInput."""
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
    """Set up logging and the number of threads, before NumPy and torch are imported.

    Raises:
        BadInput: --threads is out of range.
    """
    import logging

    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(args.verbose, 2)]
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("rvc").setLevel(level)
    # oneDNN caches a compiled kernel of about 0.3 MB for every tensor length; a long recording has many lengths.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
    if vars(args).get("backend") is not None:
        os.environ["RVC_BACKEND"] = args.backend
    threads = vars(args).get("threads")
    if threads is not None:
        if not 1 <= threads <= 1024:
            raise BadInput(f"--threads is {threads}; expected 1 to 1024")
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(threads)
        import torch

        torch.set_num_threads(threads)


def conversion(args: argparse.Namespace) -> Config:
    """The conversion that the options ask for.  Raises BadInput."""
    from rvc.audio.segments import Window  # these import NumPy; `rvc --help` does not need it
    from rvc.config import Config

    requested = {name: vars(args).get(name) for name in CONFIG_FIELDS}
    if requested["window"] is not None:
        requested["window"] = Window(*requested["window"])
    return Config.of(profile(args), **requested)


def profile(args: argparse.Namespace) -> str:
    """The profile that --profile names, else that of an exported folder, else the default.  Raises BadInput."""
    from rvc.exported.interface import is_exported, read_folder

    model = vars(args).get("model")
    if args.profile is not None or model is None or not is_exported(Path(model)):
        return args.profile or profiles.DEFAULT
    return str(read_folder(Path(model)).fields["profile"])


def conversion_networks(args: argparse.Namespace, *, keep: bool = False) -> VoiceNetworks | ExportedNetworks:
    """Open the voice file, or the exported folder, that --model names.

    Args:
        args: the options.
        keep: whether networks stay in memory after their stage.
    Raises:
        RvcError: no voice was named, or its file or folder cannot be used.
    """
    from rvc.exported.interface import is_exported

    if args.model is not None and is_exported(Path(args.model)):
        return exported_networks(args)
    return voice_networks(args, keep=keep)


def voice_networks(args: argparse.Namespace, *, keep: bool = False) -> VoiceNetworks:
    """Open the voice that the options name; its networks are loaded when they are first used.

    Args:
        args: the options.
        keep: whether networks stay in memory after their stage.
    Raises:
        RvcError: no voice was named, or its file cannot be used.
    """
    from rvc.pipeline.voice_networks import VoiceNetworks  # these import torch; `rvc --help` does not need it
    from rvc.voices.folder import find_voice

    if args.model is None:
        raise BadInput("no voice was named; give one with --model voice.pth")
    model, index = find_voice(args.model, args.voices)
    return VoiceNetworks(
        model,
        args.hubert,
        args.index or index,
        **{role: vars(args)[role] for role in registry.weight_files()},
        device=args.device or "cpu",
        precision=args.precision or "float32",
        keep=keep,
    )


def exported_networks(args: argparse.Namespace) -> ExportedNetworks:
    """Open the exported folder that --model names.

    Raises:
        BadInput: the folder is not complete, or its graphs cannot do what an option requests.
    """
    from rvc.exported.networks import ExportedNetworks

    if (args.device or "cpu") not in ("cpu", "auto"):
        raise BadInput(f"--device is {args.device}, but an exported voice runs on the CPU here; leave it out")
    replaced = ["hubert", *registry.weight_files()]  # options whose files the folder replaces
    ignored = tuple(f"--{name}" for name in replaced if vars(args)[name] is not None)
    networks = ExportedNetworks.open(Path(args.model), args.index, ignored)
    stored = networks.exported.fields["precision"]
    if args.precision not in (None, stored):
        raise BadInput(f"--precision is {args.precision}, but {args.model} was exported in {stored}; export it again")
    return networks


def noise_source(args: argparse.Namespace) -> NoiseSource:
    """The tape of --noise, else a generator with --seed.  Raises BadInput."""
    from rvc.noise import Seeded, Tape  # imports NumPy; `rvc --help` does not need it

    return Tape.read(args.noise) if args.noise is not None else Seeded(args.seed or 0)
