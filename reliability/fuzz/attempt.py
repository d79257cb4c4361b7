"""One input: write it, read it under guard, and decide whether that is a defect."""

import contextlib
import os
import resource
import shutil
import traceback
import warnings
from pathlib import Path

from reliability.fuzz import guards
from reliability.fuzz.guards import Forbidden, Guard
from reliability.fuzz.mutation import bundles
from reliability.fuzz.reader import REFUSALS, Kind, Outcome, Reader

LONGEST_SENTENCE = 2000  # characters of a refusal
PROJECT = ("rvc", "rvc_onnx", "parity", "reports", "reference")
TOO_MUCH_MEMORY = "a refusal after the limit of memory was met"
ENOUGH = 16 << 30  # bytes of address space; one request of ffmpeg is below 2 GiB
MOST_USED = 2 << 20  # KiB of memory that may be written to then
ROOT = Path(__file__).parents[2]


class Attempts:
    """Tries inputs of one reader in a folder of its own."""

    def __init__(self, reader: Reader, folder: Path, guard: Guard) -> None:
        self.reader, self.guard = reader, guard
        self.stored = folder / "input.bin"  # the input that is being read, for a process that ends with it
        self.work = folder / "work"

    def warm_up(self) -> None:
        """Read valid inputs without guard, so that libraries and kernels are loaded."""
        for data in self.reader.loading() if self.reader.loading else self.reader.seeds()[:2]:
            with contextlib.suppress(*REFUSALS):
                self.reader.read(self._place(data))

    def run(self, data: bytes) -> Outcome:
        """Read one input."""
        self.stored.write_bytes(data)
        return self._read(self._place(data))

    def _place(self, data: bytes) -> Path:
        """Write an input where its reader reads it."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        path = self.work / self.reader.file
        if self.reader.is_bundle:
            path.mkdir()
            bundles.write(data, path)
        else:
            path.write_bytes(data)
        os.chdir(self.work)
        return path

    def _read(self, path: Path) -> Outcome:
        try:
            with warnings.catch_warnings(), self.guard.watch():
                warnings.simplefilter("ignore")
                self.reader.read(path)
        except REFUSALS as error:
            return self._refusal(error, path)
        except Forbidden as error:
            return Outcome(Kind.DEFECT, f"forbidden: {str(error).split(' ')[0]}", traceback.format_exc(limit=-12))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return Outcome(Kind.DEFECT, _signature(error), traceback.format_exc(limit=-12))
        if self.guard.violation:
            return Outcome(Kind.DEFECT, f"forbidden: {self.guard.violation}", self.guard.violation)
        return Outcome(Kind.USED)

    def _refusal(self, error: Exception, path: Path) -> Outcome:
        """A refusal, or a defect where its text is no sentence for a terminal."""
        text = str(error)
        if (cause := _lack_of_memory(error)) and not (_is_of_ffmpeg(cause) and self._lacks_it_again(path)):
            return Outcome(Kind.DEFECT, f"{TOO_MUCH_MEMORY} at {_place(error)}", traceback.format_exc(limit=-12))
        if self.guard.violation:
            return Outcome(Kind.DEFECT, f"forbidden: {self.guard.violation}", text)
        reason = ""
        if not text.strip():
            reason = "empty"
        elif len(text) > LONGEST_SENTENCE:
            reason = "longer than 2000 characters"
        elif "Traceback" in text or "object at 0x" in text:
            reason = "not a user's words"
        if reason:
            return Outcome(Kind.DEFECT, f"a refusal {reason} at {_place(error)}", text[:LONGEST_SENTENCE])
        return Outcome(Kind.REFUSED, detail=text)

    def _lacks_it_again(self, path: Path) -> bool:
        """Whether ffmpeg reports a lack of memory where there is enough for every size that it ever asks for."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with guards.more_memory(ENOUGH):
            try:
                self.reader.read(path)
            except REFUSALS as error:
                used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
                return _lack_of_memory(error) is not None and used < MOST_USED
        return False


def _lack_of_memory(error: BaseException | None) -> MemoryError | None:
    """The lack of memory that led to an error, or is it; None where there was none."""
    while error is not None and not isinstance(error, MemoryError):
        error = error.__cause__ or error.__context__
    return error


def _is_of_ffmpeg(error: MemoryError) -> bool:
    """Whether ffmpeg reports a lack of memory, as it also does, without asking for it, where a size is above 2 GiB."""
    return type(error).__module__.startswith("av.")


def _signature(error: BaseException) -> str:
    return f"{type(error).__name__} at {_place(error)}"


def _place(error: BaseException) -> str:
    """The innermost function of the project in a traceback."""
    place = "unknown"
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PROJECT:
            place = f"{path.relative_to(ROOT).as_posix()}:{frame.name}"
    return place
