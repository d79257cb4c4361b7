"""Faults of code that a stream shares with the conversion of a file, active while a stream is judged.

Each gets the name `live-…` and belongs to the stream's stage.
"""

from collections.abc import Iterable
from dataclasses import replace

from parity.mutants.fault import Fault
from parity.mutants.needs import Need

SHARED = (  # names of faults of files
    "hubert-gelu-tanh",
    "hubert-bfloat16-layer",
    "hubert-tf32-out",
    "hubert-short-norms",
    "hubert-late",
    "search-half-distances",
    "search-exchanged",
    "weights-1/d",
    "weights-sum-1e-9",
    "weights-16-bit",
    "mean-fp24",
    "blend-16-bit-rate",
    "speaker-fixed-14",
    "speaker-fixed-12",
    "speaker-text",
    "enc-eps-1e-6",
    "enc-short-pitch",
    "enc-m-half",
    "enc-logs-half",
    "enc-gelu",
    "prior-two-thirds",
    "prior-0.6667",
    "prior-half-noise",
    "prior-0.66667",
    "prior-fp24",
    "flow-fp24",
    "flow-short-bias",
    "flow-short-speaker",
    "flow-flip-after",
    "source-noise-0.00301",
    "source-half",
    "source-short-linear",
    "source-phase-early",
    "gen-half-latent",
    "gen-half-source",
    "gen-gain",
    "gen-last-slope",
    "blend-mean-half",
    "mean-16-bit-vectors",
    "enc-softmax-half",
    "prior-exp-power",
    "flow-sigmoid-table",
    "gen-slope-half",
)
# Offline stages that are one stage in a stream; any other is named `rt.` and the offline name.
REALTIME_STAGE = {
    "retrieval.search": "rt.retrieval",
    "retrieval.weights": "rt.retrieval",
    "retrieval.mean": "rt.retrieval",
    "retrieval.blended": "rt.retrieval",
}
# Needs that a stream has no tensor for: it has no `seg0.retrieval.ids` and no `audio16k.raw`.
FILE_ONLY = (Need.EIGHT_NEIGHBORS, Need.OVER_TWO_SECONDS)


def in_stream(fault: Fault) -> Fault:
    """The same patch as a fault of the stream's stage."""
    stage = REALTIME_STAGE.get(fault.stage, f"rt.{fault.stage}")
    needs = tuple(Need.BLOCKS_VOICED if need is Need.VOICED else need for need in fault.needs if need not in FILE_ONLY)
    return replace(fault, name=f"live-{fault.name}", stage=stage, needs=needs, also=())


def faults(of_files: Iterable[Fault]) -> list[Fault]:
    """The faults of `SHARED`, taken from the catalogs of files, as faults of a stream."""
    known = {fault.name: fault for fault in of_files}
    return [in_stream(known[name]) for name in SHARED]
