"""The command `init`: the skeleton of an adapter, to be completed stage by stage."""

import argparse
import shlex
from pathlib import Path

from parity.adapters import skeletons
from parity.cli.command import Command
from parity.goldens import golden_set


def _add_options(parser: argparse.ArgumentParser) -> None:
    languages = ", ".join(skeletons.LANGUAGES)
    parser.add_argument("language", choices=skeletons.LANGUAGES, metavar="LANGUAGE", help=f"one of {languages}")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to make")


def _init(options: argparse.Namespace) -> int:
    language = skeletons.LANGUAGES[options.language]
    written = skeletons.write(options.language, options.folder)
    print(f"{options.folder}: {', '.join(path.as_posix() for path in written)}\n\nnext:")
    folder = shlex.quote(str(options.folder))
    command = shlex.quote(language.command.format(folder=folder if options.folder.is_absolute() else f"./{folder}"))
    steps = [f"(cd {folder} && {language.build})"] if language.build else []
    steps += [f"rvc-parity {name} --candidate {command}" for name in ("doctor", "check")]
    print("\n".join(f"  {step}" for step in steps))
    if documentation := golden_set.documentation():
        print(f"\nthe specification and a tutorial: {documentation}")
    return 0


INIT = Command(
    "init",
    "write the skeleton of an adapter in Rust, C++, C or JavaScript",
    """Write a complete adapter that needs no library but the standard one: it reads and writes the protocol's messages
and safetensors files, computes two stages and has a place for each other one.

  rvc-parity init rust my-port

exit codes: 0 written, 2 usage or bad input""",
    _add_options,
    _init,
)
