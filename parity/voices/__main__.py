"""python -m parity.voices OUT_DIR [--kind v2-40k-f0]…: write synthetic weights where a person wants them."""

import argparse
import json
import shutil
import sys
from pathlib import Path

from parity.errors import ParityError
from parity.voices import cache
from parity.voices.kinds import ALL, digest, recipe
from parity.voices.synthesizer import KINDS


def main(arguments: list[str] | None = None) -> int:
    """Copy the chosen weights from the cache to OUT_DIR, made first where needed; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m parity.voices", description=main.__doc__)
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="folder to write to")
    parser.add_argument("--kind", action="append", choices=KINDS, help="voice to write (default v2-40k-f0); repeat it")
    parser.add_argument("--only-voice", action="store_true", help="leave out HuBERT, RMVPE and the indexes")
    parser.add_argument("--pin", action="store_true", help="write only OUT_DIR/voices.json, the digests of this recipe")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    try:
        if chosen.pin:
            pin(chosen.out / "voices.json")
        else:
            _copy(chosen.kind or ["v2-40k-f0"], chosen.out, only_voice=chosen.only_voice)
    except ParityError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def pin(path: Path) -> None:
    """Draw everything and write its digests; a change of one means recording every golden made with it again."""
    digests = {name: digest(cache.draw(name, recipe(name)), recipe(name).facts) for name in ALL}
    path.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")


def _copy(kinds: list[str], out: Path, *, only_voice: bool) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
