"""One file per original: how it is imported, how it gets its weight files, and how it is called.

`ORIGINALS` is the registry: to add an original, add a file with a subclass of `Original` and an entry below.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path

from reference.errors import Refusal
from reference.originals.base import THREADS, Original
from reference.recording.options import Weights
from reference.runtime_options import ON_CPU, Runtime


@dataclass(frozen=True)
class Entry:
    """Where the code that drives an original is, and where the original comes from.

    Attributes:
        driver: "module:class" of the subclass of `Original`, imported on demand: each needs packages that others lack.
        checkout: repository and commit of the checkout that the user names; None for an installed package.
        devices: where its driver runs it.
    """

    driver: str
    checkout: str | None = None
    devices: tuple[str, ...] = ("cpu",)


ORIGINALS = {
    "rvc-python": Entry("reference.originals.rvc_python:RvcPython"),
    "webui-2026": Entry(
        "reference.originals.webui_2026:Webui2026",
        "RVC-Project/Retrieval-based-Voice-Conversion-WebUI at 4338f12",
        ("cpu", "cuda"),
    ),
    "webui-classic": Entry(
        "reference.originals.webui_classic:WebuiClassic",
        "kingfree/Retrieval-based-Voice-Conversion-WebUI at 33ef97e",
    ),
}


def open_original(
    profile: str,
    weights: Weights,
    checkout: Path | None = None,
    threads: int = THREADS,
    runtime: Runtime = ON_CPU,
) -> Original:
    """The original of a profile, not yet entered; use it as a context manager.

    A process opens one original only, because the modules of two originals have the same names.

    Args:
        profile: a key of `ORIGINALS`.
        weights: the files to load.
        checkout: the folder of a WebUI's checkout; ignored for an installed package.
        threads: number of torch threads.
        runtime: where it computes, and in which precision.
    Raises:
        Refusal: the profile has no original here, it needs a checkout and there is none, or it is not run on that
            device.
    """
    entry = ORIGINALS.get(profile)
    if entry is None:
        raise Refusal(f"no original is registered for {profile}; the registered ones are {', '.join(ORIGINALS)}")
    if entry.checkout is not None and checkout is None:
        raise Refusal(f"{profile} is recorded from a checkout; name one of {entry.checkout} with --checkout DIR")
    if runtime.device not in entry.devices:
        raise Refusal(f"{profile} is run on {' and '.join(entry.devices)}, not on {runtime.device}")
    module, _, name = entry.driver.partition(":")
    folders = () if entry.checkout is None else (checkout,)
    original: Original = getattr(importlib.import_module(module), name)(weights.resolved(), *folders, threads)
    original.runtime = runtime
    return original
