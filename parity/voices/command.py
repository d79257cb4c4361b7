"""The command `rvc-parity voices`, also `python -m parity.voices`: write synthetic weights into a folder.

It is defined here and not in `parity.cli`, because `reference` imports this package and may not import the judge.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from parity.errors import ParityError
from parity.voices import cache
from parity.voices.kinds import WEIGHTS, digest, weights
from parity.voices.synthesizer import VOICES

DEFAULT_KIND = "v2-40k-f0"
DESCRIPTION = f"""Write synthetic weights, the same bits on every machine, as the originals' own files: a voice (.pth),
HuBERT (a transformers folder), RMVPE (.pt) and an index. They are made once and kept in the cache (RVC_CACHE).

  rvc-parity voices weights/
  rvc-parity voices weights/ --kind v1-48k-nof0 --kind {DEFAULT_KIND}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """OUT_DIR, --kind, --only-voice and --pin."""
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="the folder to write to")
    parser.add_argument(
        "--kind",
        action="append",
        choices=VOICES,
        metavar="KIND",
        help=f"the kind of voice to write (default {DEFAULT_KIND}), may be repeated: {', '.join(VOICES)}",
    )
    parser.add_argument("--only-voice", action="store_true", help="leave out HuBERT, RMVPE and the indexes")
    parser.add_argument("--pin", action="store_true", help="write only OUT_DIR/voices.json, the digests of all weights")


def execute(options: argparse.Namespace) -> int:
    """Copy the chosen weights from the cache to OUT_DIR, which is made where it is missing; returns exit code 0.

    Raises:
        ParityError: the cache cannot be written, or this machine makes other bits than the pinned ones.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    if options.pin:
        pin(options.out / "voices.json")
    else:
        _copy(options.kind or [DEFAULT_KIND], options.out, only_voice=options.only_voice)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m parity.voices`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m parity.voices",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    try:
        return execute(parser.parse_args(arguments))
    except ParityError as error:
        print(error, file=sys.stderr)
        return 2


def pin(path: Path) -> None:
    """Make all weights and write their digests; where one changes, every golden made with it is recorded again."""
    digests = {name: digest(cache.draw(name, weights(name)), weights(name).facts) for name in WEIGHTS}
    path.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")


def _copy(kinds: Sequence[str], out: Path, *, only_voice: bool) -> None:
    names = list(kinds)
    if not only_voice:
        names += ["hubert", "rmvpe", *(f"index-{version}" for version in sorted({kind[:2] for kind in kinds}))]
    for name in names:
        made = cache.path_of(name)
        if made.is_dir():
            shutil.copytree(made, out / made.name, dirs_exist_ok=True)
        else:
            shutil.copy2(made, out / made.name)
        print(out / made.name)
