"""The registry of causes that docs/divergences.md numbers: cause → number, by the stage in which the mistake is made.

A cause that is not listed has no number; a new numbered cause is one more name here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Divergence:
    """One numbered divergence and the causes that name it.

    Attributes:
        number: Its heading in docs/divergences.md.
        stages: The stages whose causes these are, without `rt.`; () for all.
        causes: The names of the causes.
    """

    number: str
    stages: tuple[str, ...]
    causes: tuple[str, ...]


REGISTRY = (
    Divergence(
        "D1",
        ("f0.filled", "f0.hz", "f0.coarse"),
        (
            "unvoiced frames kept at 0",
            "held pitch",
            "ends not filled",
            "filled in logarithm",
            "filled one frame early",
            "filled by the ONNX helper's loop",
        ),
    ),
    Divergence(
        "D2",
        ("content.protected",),
        (
            "missing protect",
            "exchanged protect",
            "protect on voiced frames",
            "protect everywhere",
            "full protect",
            "another protect",
            "protect one frame off",
            "protect as multiplication",
            "protect decided at 20 ms",
            "protect on at 0.5",
        ),
    ),
    Divergence(
        "D3",
        ("hubert.features", "seg.audio"),
        ("wrong layer", "missing projection", "normalised input"),
    ),
    Divergence(
        "D4",
        ("f0.raw",),
        ("octave", "octave errors", "mel padding", "voicing threshold", "mel or window variant", "no output_padding"),
    ),
    Divergence(
        "D5",
        ("f0.coarse", "f0.hz", "enc_p"),
        (
            "clipped pitch",
            "truncated bins",
            "another rounding",
            "bins of whole hertz",
            "hertz as mel bounds",
            "another ceiling",
            "another floor",
            "another mel scale",
            "bins from 0",
            "255 steps",
            "256 bins",
            "linear scale",
            "another pitch row",
            "missing pitch",
        ),
    ),
    Divergence(
        "D6",
        ("f0.hz", "f0.coarse"),
        ("missing transposition", "transposed twice", "transposed the other way", "whole octaves only"),
    ),
    Divergence("D7", ("f0.raw",), ("median filter",)),
    Divergence("D8", ("f0.raw", "f0.hz"), ("missing dither", "whole hertz", "rounded pitch")),
    Divergence("D9", ("f0.raw",), ("another pitch floor",)),
    Divergence("D10", ("f0.raw",), ("another decoder", "another threshold of FCPE")),
    Divergence(
        "D11",
        ("retrieval.search", "retrieval.weights", "retrieval.blended", "retrieval"),
        (
            "root of distances",
            "halved distances",
            "reversed neighbours",
            "ids from 1",
            "nearest only",
            "1/d instead of 1/d²",
            "root before weighting",
            "cubed",
            "equal weights",
            "fewer neighbours",
            "not normalised",
            "softmax",
            "normalised over frames",
            "epsilon",
            "epsilon of the sum",
            "sum",
        ),
    ),
    Divergence("D12", ("retrieval.search", "retrieval"), ("exact search",)),
    Divergence(
        "D13",
        ("segment.cuts",),
        (
            "sum without magnitude",
            "energy",
            "profile one sample late",
            "mean",
            "last minimum",
            "cuts at the centres",
            "loudest place",
            "search before only",
            "cuts from the window's start",
            "cuts one sample off",
        ),
    ),
    Divergence("D14", ("trim", "concat"), ("trimmed elsewhere", "segments out of order")),
    Divergence("D15", ("audio16k",), ("missing peak guard", "another guard", "always normalised")),
    Divergence("D15", ("resampled",), ("linear resampling", "another resampling quality")),
    Divergence(
        "D16",
        ("nsf", "generator"),
        (
            "phase one sample early",
            "phase one sample late",
            "linear pitch",
            "missing noise",
            "missing noise on voiced frames",
            "unvoiced noise three times as loud",
            "voiced noise everywhere",
            "exchanged noise",
            "sine on unvoiced frames",
            "octave",
            "cosine",
            "another amplitude",
            "another noise level",
            "missing linear layer",
            "bare sine",
            "missing bias",
            "another linear layer",
            "the other generation",
            "missing source",
        ),
    ),
    Divergence("D16", ("nsf",), ("missing tanh",)),
    Divergence(
        "D17",
        ("z_p",),
        (
            "missing 0.66666",
            "two thirds",
            "0.66666 twice",
            "missing exponential",
            "variance for deviation",
            "scaled mean",
            "unit noise",
            "another noise scale",
        ),
    ),
    Divergence("D18", ("z_p",), ("missing noise",)),
    Divergence(
        "D19",
        ("highpassed", "seg.audio", "rmsmixed"),
        (
            "missing high-pass",
            "one-way filter",
            "float64 extension",
            "no extension",
            "another extension",
            "another high-pass",
        ),
    ),
    Divergence(
        "D20",
        ("final",),
        (
            "rounded integers",
            "floored integers",
            "scale 32767",
            "scale 32767.5",
            "missing guard",
            "wrapped",
            "always normalised",
            "another guard",
        ),
    ),
    Divergence(
        "D21",
        ("rmsmixed",),
        (
            "missing loudness mix",
            "exchanged mix rate",
            "full envelope",
            "corners aligned",
            "half-second windows",
            "reflected ends",
            "another floor",
            "another mix rate",
            "epsilon",
        ),
    ),
    Divergence("D22", ("spk.g", "flow", "generator"), ("another speaker", "missing speaker")),
    Divergence("D23", ("f0",), ("missing formant shift", "formant shift the other way", "unscaled pitch")),
    Divergence("D24", ("resampled", "final"), ("missing resampling",)),
    Divergence("D25", ("content.upsampled",), ("linear upsampling", "tiled", "zeros between", "half a frame early")),
    Divergence("D26", (), ("half precision", "fewer bits", "single precision")),
    Divergence("D27", (), ("transposed axis", "m and logs exchanged")),
    Divergence(
        "D28",
        ("retrieval.blended", "retrieval"),
        ("exchanged index rate", "missing retrieval", "index only", "another index rate"),
    ),
)


def number_of(stage: str, cause: str) -> str | None:
    """The number of a cause in docs/divergences.md.

    Args:
        stage: The stage in which the mistake is made, with or without `rt.`.
        cause: The name of the cause.
    Returns:
        Such as "D13"; None where the register has no such divergence.
    """
    local = stage.removeprefix("rt.")
    for row in REGISTRY:
        if cause in row.causes and (not row.stages or local in row.stages):
            return row.number
    return None
