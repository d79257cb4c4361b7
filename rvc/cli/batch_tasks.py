"""The conversions of a batch as independent tasks, for processes on this machine or on others."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvc.cli import options

if TYPE_CHECKING:
    from rvc.config import Config
    from rvc.noise import NoiseSource
    from rvc.pipeline.conversion_networks import ConversionNetworks

# Arguments of `rvc convert` that are not options of a single conversion. The options of --config are merged before.
OF_THE_COMMAND = ("inputs", "out", "parser", "run", "config", "executor")


@dataclass(frozen=True)
class Settings:
    """What all tasks of a batch have in common; equal on every worker.

    Attributes:
        folder: the working directory, which relative paths start from.
        environment: the variables RVC_*.
        options: the options of the command line, merged with --config.
    """

    folder: str
    environment: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, args: argparse.Namespace) -> Settings:
        """The settings of a command.

        They include its number of threads, which workers use too, because it may change the last bits of a result.
        """
        import torch

        chosen = {name: value for name, value in vars(args).items() if name not in OF_THE_COMMAND}
        chosen["threads"] = torch.get_num_threads()
        chosen["window"] = tuple(args.window) if args.window is not None else None
        environment = sorted((name, value) for name, value in os.environ.items() if name.startswith("RVC_"))
        return cls(os.getcwd(), tuple(environment), tuple(chosen.items()))


@dataclass(frozen=True)
class Task:
    """One file to convert."""

    settings: Settings
    source: Path
    target: Path


def convert_task(task: Task) -> dict[str, Any]:
    """Convert one file. The process keeps the networks for its next task.

    Returns:
        the fields of `rvc.pipeline.file_conversion.Result`.
    Raises:
        RvcError: a file, a network or an option cannot be used; the message names it.
    """
    from rvc.pipeline.file_conversion import convert_file  # imports torch

    networks, config, noise = _prepared(task.settings)
    samples: Any = dict(task.settings.options)["format"] or "int16"
    return asdict(convert_file(task.source, task.target, networks, config, noise, samples=samples))


@cache
def _prepared(settings: Settings) -> tuple[ConversionNetworks, Config, NoiseSource]:
    if os.getcwd() != settings.folder:
        os.chdir(settings.folder)
    os.environ.update(settings.environment)
    args = argparse.Namespace(**dict(settings.options))
    options.start(args)
    return options.conversion_networks(args, keep=True), options.conversion(args), options.noise_source(args)
