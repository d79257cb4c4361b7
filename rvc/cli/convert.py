"""`convert`: one recording, several, or a folder of them."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rvc.cli import options
from rvc.errors import BadInput, RvcError

log = logging.getLogger("rvc")


def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Check everything that can be checked before the long work, then convert.  Raises RvcError."""
    options.merge_config(args, parser)
    options.start(args)
    jobs, batch = plan(args)
    from rvc.pipeline.file_conversion import convert_file

    config = options.conversion(args)
    noise = options.noise_source(args)
    parts = options.parts(args, keep=batch)
    parts.check(config)
    for sentence in config.extensions():
        print(f"note: {sentence}", file=sys.stderr)
    failures = 0
    results: list[Any] = []
    with Bar(jobs, batch) as bar:
        for source, target in jobs:
            try:
                results.append(
                    convert_file(
                        source,
                        target,
                        parts,
                        config,
                        noise,
                        trace=args.trace,
                        samples=args.format or "int16",
                        progress=bar.segments(source),
                    )
                )
                if not args.json and not batch:
                    print(results[-1].sentence())
            except Exception as error:
                if not batch:
                    raise
                log.debug("%s", source, exc_info=True)
                said = str(error) if isinstance(error, RvcError) else f"unexpected {type(error).__name__}: {error}"
                failures += 1
                results.append({"input": str(source), "error": said})
                bar.say(f"rvc: {source.name}: {said}")
            bar.file_done()
    if args.json:
        rows = [row if isinstance(row, dict) else asdict(row) for row in results]
        print(json.dumps({"files": rows, "failed": failures} if batch else rows[0], indent=2))
    elif batch:
        print(f"{len(jobs) - failures} of {len(jobs)} files converted into {args.out}")
    return 1 if failures else 0


def plan(args: argparse.Namespace) -> tuple[list[tuple[Path, Path]], bool]:
    """Which file becomes which, and whether it is many.  Raises BadInput, before anything is loaded."""
    from rvc.audio.output import FORMATS, check_target

    batch = len(args.inputs) > 1 or args.inputs[0].is_dir()
    if not batch:
        check_target(args.out)
        refuse_overwriting(args.inputs, [args.out, args.trace])
        if args.trace is not None:
            check_target(args.trace, "TRACE", None)
            if args.trace.resolve() == args.out.resolve():
                raise BadInput(f"OUT and TRACE are both {args.out}; give them two names")
        return [(args.inputs[0], args.out)], False
    if args.trace is not None or args.noise is not None:
        raise BadInput("a trace or a tape belongs to one conversion; convert one file with it, or leave it out")
    if (args.out.exists() and not args.out.is_dir()) or args.out.suffix.lower() in FORMATS:
        raise BadInput(f"OUT {args.out} is a file, but several files are to be converted; give a folder")
    if not args.out.is_dir() and not args.out.parent.is_dir():
        raise BadInput(f"OUT's folder {args.out.parent} does not exist; make it first")
    sources = [found for path in args.inputs for found in (sounds_in(path) if path.is_dir() else [path])]
    jobs = list(zip(sources, names_for(sources, args.out), strict=True))
    refuse_overwriting(sources, [target for _, target in jobs])
    args.out.mkdir(exist_ok=True)
    return jobs, True


def sounds_in(folder: Path) -> list[Path]:
    """The files of sound in a folder, by their extension.  Raises BadInput when there is none."""
    import soundfile

    known = {f".{name.lower()}" for name in soundfile.available_formats()}
    known |= {".m4a", ".aac", ".opus", ".oga", ".mp4", ".webm", ".wma", ".aif", ".mka"}
    found = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in known)
    if not found:
        raise BadInput(f"the folder {folder} has no files of sound")
    return found


def names_for(sources: list[Path], folder: Path) -> list[Path]:
    """stem.wav for each, as the WebUI names a batch; where two stems are the same, the whole name and .wav."""
    stems = [source.stem for source in sources]
    targets = [folder / f"{source.stem if stems.count(source.stem) == 1 else source.name}.wav" for source in sources]
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if targets.count(target) > 1)
        raise BadInput(f"two inputs would both be written to {twice}; convert their folders one after the other")
    return targets


def refuse_overwriting(sources: list[Path], targets: list[Path | None]) -> None:
    """Raises BadInput where a file would be written over one that is still to be read."""
    inputs = {source.resolve() for source in sources}
    for target in targets:
        if target is not None and target.resolve() in inputs:
            raise BadInput(f"{target} is an input too, and would be overwritten; give another name or folder")


class Bar:
    """A progress bar on stderr, where somebody watches a terminal and the work is long."""

    def __init__(self, jobs: list[Any], batch: bool) -> None:
        self.batch = batch
        self.bar: Any = None
        if batch and sys.stderr.isatty():
            self.bar = self._make(len(jobs), "file")

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def segments(self, source: Path) -> Any:
        """What a conversion reports its segments to; a bar appears when there are several."""

        def progress(done: int, total: int) -> None:
            if self.batch or total <= 2 or not sys.stderr.isatty():
                log.info("%s: %d of %d steps", source.name, done, total)
                return
            if self.bar is None:
                self.bar = self._make(total, "step")
            self.bar.update(done - self.bar.n)

        return progress

    def file_done(self) -> None:
        if self.batch and self.bar is not None:
            self.bar.update()

    def say(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)

    def _make(self, total: int, unit: str) -> Any:
        from tqdm import tqdm

        return tqdm(total=total, unit=unit, file=sys.stderr)
