"""One file per original: how it is imported, how it gets its weight files, and how it is called."""

from pathlib import Path

from reference.hooks.interception import Refusal
from reference.originals.base import THREADS, Original
from reference.recording.options import Weights

WHERE = {
    "webui-2026": "RVC-Project/Retrieval-based-Voice-Conversion-WebUI at 4338f12",
    "webui-classic": "kingfree/Retrieval-based-Voice-Conversion-WebUI at 33ef97e",
}


def open_original(profile: str, weights: Weights, checkout: Path | None = None, threads: int = THREADS) -> Original:
    """The original of a profile, not yet entered; use it as a context manager.

    A process opens one original only, because the modules of two originals have the same names. Each is imported on
    demand, because each needs packages that the others lack.

    Args:
        profile: one of `reference.recording.options.PROFILES`.
        weights: the files to load.
        checkout: the folder of a WebUI's checkout; rvc-python is an installed package and needs none.
        threads: number of torch threads.
    Raises:
        Refusal: a WebUI is requested without a checkout.
    """
    weights = weights.resolved()
    if profile == "rvc-python":
        from reference.originals.rvc_python import RvcPython

        return RvcPython(weights, threads)
    if checkout is None:
        raise Refusal(f"{profile} is recorded from a checkout; name one of {WHERE[profile]} with --checkout DIR")
    if profile == "webui-2026":
        from reference.originals.webui_2026 import Webui2026

        return Webui2026(weights, checkout, threads)
    from reference.originals.webui_classic import WebuiClassic

    return WebuiClassic(weights, checkout, threads)
