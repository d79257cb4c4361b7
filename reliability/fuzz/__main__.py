"""`nox -s fuzz`: try damaged and hostile inputs on every reader.

Exit code 0: each input was used or refused in one sentence. 1: there are defects; their inputs, made small, lie in
`out/fuzz/READER/failures`. 2: wrong options.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("RVC_BACKEND", "fixed")  # no reader measures kernels and stores the result
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before NumPy and torch: a forked process has no threads of its parent

PROJECT = ["rvc", "parity", "reports"]
DEFAULT_OUT = Path("out") / "fuzz"


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign."""
    parser = argparse.ArgumentParser(
        prog="nox -s fuzz --", description="Try damaged and hostile inputs on every reader."
    )
    parser.add_argument("--minutes", type=float, help="duration of all readers together (default 10)")
    parser.add_argument("--inputs", type=int, help="inputs of each reader, in place of a duration")
    parser.add_argument("--seed", type=int, default=0, help="seed of all choices (default 0)")
    parser.add_argument(
        "--reader", action="append", default=[], metavar="TEXT", help="readers whose names contain TEXT"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time (default: all cores)"
    )
    parser.add_argument("--unguided", action="store_true", help="without atheris, which guides inputs by coverage")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of inputs and figures (default out/fuzz)")
    parser.add_argument("--figures", type=Path, help="merge figures and reached lines into this JSON file")
    options = parser.parse_args(arguments)
    guided = not options.unguided and importlib.util.find_spec("atheris") is not None
    if not guided:
        print("atheris does not guide this campaign; inputs are chosen at random", file=sys.stderr)
    _import_readers(guided)
    from reliability.fuzz import campaign, coverage, figures, minimization
    from reliability.fuzz.targets import READERS

    readers = [
        reader for reader in READERS if not options.reader or any(text in reader.name for text in options.reader)
    ]
    if not readers:
        names = ", ".join(reader.name for reader in READERS)
        print(f"no reader has {' or '.join(options.reader)} in its name; they are {names}", file=sys.stderr)
        return 2
    out = options.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    minutes = options.minutes if options.minutes is not None or options.inputs else 10.0
    results = campaign.run(
        readers, out, options.seed, minutes=minutes, inputs=options.inputs, jobs=options.jobs, guided=guided
    )
    by_name = {reader.name: reader for reader in readers}
    for result in results:
        reader = by_name[result.reader]
        if options.figures:
            corpus = sorted((out / reader.slug / "corpus").iterdir())
            result.covered, result.lines = coverage.measure(reader, (path.read_bytes() for path in corpus))
        for path in map(Path, result.defects.values()):
            path.write_bytes(minimization.minimize(reader, path.read_bytes()))
    document = campaign.document(results, options.seed, guided)
    (out / "figures.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.figures:
        figures.merge(options.figures, document)
    for result in results:
        for signature, example in result.defects.items():
            print(f"DEFECT {result.reader}: {signature}\n       {example}")
    return int(any(result.defects for result in results))


def _import_readers(guided: bool) -> None:
    """Import the readers; where atheris guides, with counters in the project's code."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    if guided:
        import atheris  # optional

        with (
            contextlib.redirect_stderr(io.StringIO()),  # a line for each module
            atheris.instrument_imports(include=PROJECT, enable_loader_override=False),
        ):
            import reliability.fuzz.targets
    else:
        import reliability.fuzz.targets  # noqa: F401
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
