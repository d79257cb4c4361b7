"""Progress bars on stderr, shown only where stderr is a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Never, Self

from tqdm import tqdm

log = logging.getLogger("rvc")


class ConversionProgress:
    """The progress of `convert`: files of a batch, or segments of one long file."""

    def __init__(self, files: int, batch: bool) -> None:
        """Show a bar of `files` files for a batch; for one file a bar appears once it has several segments."""
        self.batch = batch
        self.bar: tqdm[Never] | None = _bar(files, "file") if batch and sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def segments(self, source: Path) -> Callable[[int, int], None]:
        """The callback (segments done, segments in all) for the conversion of one file."""

        def progress(done: int, total: int) -> None:
            if self.batch or total <= 2 or not sys.stderr.isatty():
                log.info("%s: %d of %d steps", source.name, done, total)
                return
            if self.bar is None:
                self.bar = _bar(total, "step")
            self.bar.update(done - self.bar.n)

        return progress

    def file_done(self) -> None:
        """Count one file of a batch, converted or not."""
        if self.batch and self.bar is not None:
            self.bar.update()

    def print_error(self, message: str) -> None:
        """Print one line on stderr without breaking the bar."""
        tqdm.write(message, file=sys.stderr)


class StepProgress:
    """A callback (step, done, total) that shows one bar for each step."""

    def __init__(self) -> None:
        self.bars: dict[str, tqdm[Never]] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        """Move the bar of `step` to `done` of `total`."""
        if not sys.stderr.isatty():
            return
        if step not in self.bars:
            self.bars[step] = tqdm(total=total, desc=step, file=sys.stderr)
        bar = self.bars[step]
        bar.update(done - bar.n)
        if done >= total:
            bar.close()


class ItemProgress:
    """A callback (name) that counts items and shows the name of the current one; their number is not known before."""

    def __init__(self) -> None:
        self.bar: tqdm[Never] | None = _bar(None, "file") if sys.stderr.isatty() else None

    def __call__(self, name: str) -> None:
        """Show that `name` has begun."""
        if self.bar is None:
            log.info("%s", name)
            return
        self.bar.set_description(name)
        self.bar.update()

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()


def _bar(total: int | None, unit: str) -> tqdm[Never]:
    return tqdm(total=total, unit=unit, file=sys.stderr)
