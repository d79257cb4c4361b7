"""The function of `rvc` that computes each stage, so that one kind of fault is planted in every stage."""

from dataclasses import dataclass
from typing import Any

from parity.mutants.needs import Need
from rvc.audio import output, preparation, segments
from rvc.content import alignment, features
from rvc.f0 import postprocessing
from rvc.f0.methods import pm
from rvc.nn.synthesizer import Synthesizer
from rvc.pipeline import offline
from rvc.realtime.block_input import BlockInput
from rvc.realtime.block_output import BlockOutput
from rvc.realtime.converter import BlockConverter
from rvc.realtime.dsp.formant import FormantShift
from rvc.retrieval import search


@dataclass(frozen=True)
class Hook:
    """Where a stage is computed.

    Attributes:
        label: a short name of the stage, part of the faults' names.
        stage: the stage.
        holder, name: the function or method.
        needs: what a case must have for the function to run and its result to matter.
        also: stages that the function computes as well.
        remains: share of the result before that a buffer keeps which is not cleared; less where the limits are narrow.
    """

    label: str
    stage: str
    holder: Any
    name: str
    needs: tuple[Need, ...] = ()
    also: tuple[str, ...] = ()
    remains: float = 0.01


FINE = 1e-5  # share that remains, 20 to 50 times the limits of the preparation of the audio
INDEXED = (Need.INDEX, Need.EIGHT_NEIGHBORS)
OFFLINE = (
    Hook("guard", "audio16k", preparation, "guard_peak", (Need.AUDIBLE,), remains=FINE),
    Hook("highpass", "highpassed", preparation, "highpass", (Need.AUDIBLE,), remains=FINE),
    Hook("profile", "segment.cuts", segments, "loudness", (Need.SEVERAL_SEGMENTS,)),
    Hook("pad", "padded", segments, "pad", (Need.AUDIBLE,), remains=FINE),
    Hook("praat", "f0.raw", pm, "track", (Need.PM, Need.VOICED)),
    Hook("fill", "f0.filled", postprocessing, "fill_unvoiced", (Need.UNVOICED_FILLED,), ("f0.hz", "f0.coarse")),
    Hook("transpose", "f0.hz", postprocessing, "transpose", (Need.VOICED,), ("f0.coarse",), FINE),
    Hook("quantize", "f0.coarse", postprocessing, "quantize", (Need.VOICED,)),
    Hook("hubert", "hubert.features", features, "extract"),
    Hook("weights", "retrieval.weights", search, "weights", INDEXED, remains=1e-3),
    Hook("mean", "retrieval.mean", search, "mean", INDEXED, remains=1e-3),
    Hook("blend", "retrieval.blended", search, "blend", INDEXED),
    Hook("protect", "content.protected", alignment, "protect", (Need.PROTECTED,)),
    Hook("speaker", "spk.g", Synthesizer, "speaker", remains=FINE),
    Hook("encoder", "enc_p", Synthesizer, "encode"),
    Hook("prior", "z_p", Synthesizer, "prior"),
    Hook("flow", "flow", Synthesizer, "flow"),
    Hook("source", "nsf", Synthesizer, "source", (Need.VOICED,)),
    Hook("generator", "generator", Synthesizer, "generate"),
    # The stage before it, run alone, joins one segment, whose length that of several segments differs from.
    Hook("join", "concat", offline, "synthesize", (Need.AUDIBLE, Need.SEVERAL_SEGMENTS)),
    Hook("mix", "rmsmixed", output, "mix_loudness", (Need.LOUDNESS_MIX, Need.OVER_TWO_SECONDS, Need.AUDIBLE)),
    Hook("resample", "resampled", output, "resample", (Need.OUTPUT_RESAMPLED, Need.AUDIBLE)),
    Hook("integers", "final", output, "to_int16", (Need.AUDIBLE,)),
)
REALTIME = (
    Hook("ring", "rt.input16k", BlockInput, "push", (Need.BLOCK_AUDIBLE,)),
    Hook("content", "rt.content", BlockConverter, "content", remains=1e-4),
    Hook("formant", "rt.formant", FormantShift, "restore_duration", (Need.BLOCK_AUDIBLE,)),
    Hook("output", "rt.out", BlockOutput, "join", (Need.BLOCK_AUDIBLE,)),
)
