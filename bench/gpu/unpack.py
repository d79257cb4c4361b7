"""Unpack the packages of a packed folder: python unpack.py PACKAGES SITE PYTHON. Needs the standard library only."""

import sys
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack one archive; names that lead out of the folder are refused."""
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")


def main(arguments: Sequence[str]) -> int:
    """Exit code 0: unpacked; 2: another Python than the packages are for."""
    packages, site, wanted = Path(arguments[0]), Path(arguments[1]), arguments[2]
    here = ".".join(map(str, sys.version_info[:2]))
    if here != wanted:
        print(f"this is Python {here}, but the packages are for {wanted}; set PYTHON to one of it", file=sys.stderr)
        return 2
    if not site.exists():
        fresh = site.with_name(f".{site.name}.new")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda archive: unpack(archive, fresh), sorted(packages.glob("*.tar.xz"))))
        fresh.rename(site)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
