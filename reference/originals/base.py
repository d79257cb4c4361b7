"""What the originals have in common when they are driven: a scratch folder, numbers for the window, a plain answer."""

import contextlib
import functools
import io
import logging
import os
import sys
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

import torch

from parity.goldens.trace_file import Trace
from reference.hooks.interception import Refusal, replaced
from reference.recording.options import Options, Seconds, Weights, Window

THREADS = 2
Method = TypeVar("Method", bound=Callable[..., Any])


def set_window(config: Any, window: Window) -> None:
    """The original's configuration object speaks of x_pad, x_query, x_center, x_max."""
    for name, seconds in (("pad", window.pad), ("query", window.query), ("center", window.center), ("max", window.max)):
        setattr(config, f"x_{name}", Seconds(seconds))


def quietly(method: Method) -> Method:
    """What an original prints and the deprecations it was written before are not news; its tracebacks stay."""

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return method(*arguments, **named)

    return cast(Method, call)


class Original(ABC):
    """One original in this process: opened once, asked any number of times."""

    profile: str

    def __init__(self, weights: Weights, threads: int = THREADS) -> None:
        self.weights, self.threads = weights, threads
        self.scratch = tempfile.TemporaryDirectory(prefix="rvc-reference-")
        self.folder = Path(self.scratch.name)
        self.home = os.getcwd()

    def __enter__(self) -> "Original":
        """Import it, with its working directory in a scratch folder, on the CPU, in float32, without a network."""
        torch.set_num_threads(self.threads)
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
        sys.dont_write_bytecode = True  # no traces in the user's checkout
        logging.getLogger("numba").setLevel(logging.WARNING)
        os.chdir(self.folder)
        try:
            self.open()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.chdir(self.home)
        self.scratch.cleanup()

    @abstractmethod
    def open(self) -> None:
        """Import the original and lay its files where it looks for them."""

    @abstractmethod
    def convert(self, audio: Path, options: Options, seed: str) -> Trace:
        """One conversion of the file `audio`: every tensor of docs/spec/00 §0.3 that the original computes."""

    @quietly
    def stream(self, samples: Any, settings: dict[str, Any], seed: str) -> Trace:
        """The realtime loop of an original that has one: every tensor of docs/spec/00 §0.4, block by block."""
        return cast(Trace, self.window().run(samples, settings, self.weights.model, self.weights.index, seed))

    def window(self) -> Any:
        """The realtime window of an original that has one, not started."""
        raise Refusal(f"{self.profile} has no realtime loop; stream through webui-2026 or webui-classic")

    @abstractmethod
    def parts(self) -> tuple[Any, Any, Callable[[Any, str], Any]]:
        """(synthesizer, its module, HuBERT as (source, version) → features) of the last conversion."""

    @abstractmethod
    def version(self) -> dict[str, str]:
        """Which original this is: name, version or commit, where it is published."""


@contextmanager
def command_line(*arguments: str) -> Iterator[None]:
    """The originals' configuration reads sys.argv."""
    with replaced(sys, argv=["original", *arguments]):
        yield


def need(path: Path | None, option: str, why: str) -> Path:
    """The file, or one sentence about the option that names it."""
    if path is None or not path.exists():
        raise Refusal(f"{why} needs a file, but {option} is {path or 'missing'}; name it with {option}")
    return path.resolve()
