"""One file for each original: how it is imported from where it lies, given its files, and asked for one conversion."""

from pathlib import Path

from reference.hooks.interception import Refusal
from reference.originals.base import THREADS, Original
from reference.recording.options import Weights

WHERE = {
    "webui-2026": "RVC-Project/Retrieval-based-Voice-Conversion-WebUI at 4338f12",
    "webui-classic": "kingfree/Retrieval-based-Voice-Conversion-WebUI at 33ef97e",
}


def opened(profile: str, weights: Weights, checkout: Path | None = None, threads: int = THREADS) -> Original:
    """The original of a profile. One process opens one original: two of them share their modules' names."""
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
