"""A measured result put where it is kept: python -m bench.keeping [out/bench].

The figures go to bench/results, named after the day, the original and the length; the pictures to docs/images.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from bench.workload import ROOT


def name_of(result: dict[str, object]) -> str:
    """2026-11-22_webui-2026_30s, for example."""
    sections = result["sections"]
    assert isinstance(sections, dict)
    seconds = f"_{sections['offline']['seconds_of_audio']:g}s" if "offline" in sections else ""
    return f"{str(result['measured'])[:10]}_{result['original']}{seconds}"


def main() -> int:
    """0 kept, 2 there is nothing to keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.keeping", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("out/bench"))
    folder: Path = parser.parse_args().folder
    source = folder / "result.json"
    if not source.exists():
        print(f"{source} does not exist, so there is nothing to keep; run: nox -s bench", file=sys.stderr)
        return 2
    target = ROOT / "bench" / "results" / f"{name_of(json.loads(source.read_text(encoding='utf-8')))}.json"
    shutil.copy(source, target)
    print(target)
    for picture in folder.glob("*.svg"):
        print(shutil.copy(picture, ROOT / "docs" / "images" / f"performance-{picture.name}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
