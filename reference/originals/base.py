"""What driving an original needs in every case: a scratch folder, the segmentation window, output suppression."""

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
from parity.hooks.interception import replaced
from reference.errors import Refusal
from reference.recording import environment
from reference.recording.options import Options, Weights
from reference.runtime_options import ON_CPU, Runtime

THREADS = 2  # torch threads; the goldens were recorded with two
Method = TypeVar("Method", bound=Callable[..., Any])


def suppress_output(method: Method) -> Method:
    """Decorator: discard what an original prints to stdout, and its warnings; exceptions pass through."""

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return method(*arguments, **named)

    return cast(Method, call)


class Original(ABC):
    """One original in this process: opened once, then used for any number of conversions."""

    profile: str
    rmvpe_module: str  # the module that defines the class RMVPE
    runtime: Runtime = ON_CPU

    def __init__(self, weights: Weights, threads: int = THREADS) -> None:
        self.weights, self.threads = weights, threads
        self.scratch = tempfile.TemporaryDirectory(prefix="rvc-reference-")
        self.folder = Path(self.scratch.name)
        self.previous_folder = os.getcwd()

    def __enter__(self) -> "Original":
        """Import the original with a scratch folder as working directory, on its device, without network access."""
        torch.set_num_threads(self.threads)
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
        if self.runtime.device == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        environment.use_exact_float32()
        sys.dont_write_bytecode = sys.pycache_prefix is None  # write no .pyc files into the user's checkout
        logging.getLogger("numba").setLevel(logging.WARNING)
        os.chdir(self.folder)
        try:
            self.open()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.chdir(self.previous_folder)
        self.scratch.cleanup()

    @abstractmethod
    def open(self) -> None:
        """Import the original and put its files where it reads them."""

    @abstractmethod
    def load_voice(self) -> None:
        """Load the voice of `weights` as the original's own interface does."""

    @abstractmethod
    def convert(self, audio: Path, options: Options, seed: str) -> Trace:
        """Convert the file `audio`; returns every tensor of docs/spec/00 §0.3 that the original computes."""

    @suppress_output
    def stream(self, samples: Any, settings: dict[str, Any], seed: str) -> Trace:
        """Run the original's realtime loop; returns every tensor of docs/spec/00 §0.4, block by block.

        Args:
            samples: float32 (N,) at the stream's rate.
            settings: see `reference.originals.gui.RecordedWindow.run`.
            seed: the key of the noise in the fixed random stream.
        Raises:
            Refusal: the original has no realtime loop.
        """
        return cast(Trace, self.window().run(samples, settings, self.weights.model, self.weights.index, seed))

    def window(self) -> Any:
        """The original's realtime window (`reference.originals.gui.RecordedWindow`), not started."""
        raise Refusal(f"{self.profile} has no realtime loop; stream through webui-2026 or webui-classic")

    @abstractmethod
    def networks(self) -> tuple[Any, Any, Callable[[Any, str], Any]]:
        """(synthesizer, its module, HuBERT as (source, version) → features) of the last conversion."""

    @abstractmethod
    def version(self) -> dict[str, str]:
        """Which original this is, as case.json stores it: `name`, `version` and, of a checkout, `commit`."""


@contextmanager
def command_line(*arguments: str) -> Iterator[None]:
    """Set sys.argv while the block runs, because the originals' configuration parses it."""
    with replaced(sys, argv=["original", *arguments]):
        yield


def require_file(path: Path | None, option: str, why: str) -> Path:
    """The absolute path of an existing file.

    Raises:
        Refusal: the path is None or does not exist; the message names the option and `why` it is needed.
    """
    if path is None or not path.exists():
        raise Refusal(f"{why} needs a file, but {option} is {path or 'missing'}; name it with {option}")
    return path.resolve()
