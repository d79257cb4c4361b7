"""The stages of a file's conversion and its inputs, in flow order; docs/spec/00-overview.md describes each tensor."""

from parity.stages.axes import CONTENT_10_MS, CONTENT_20_MS, LATENT, NEIGHBORS, PITCH
from parity.stages.stage import F32, F64, HZ, I16, I64, Fact, Stage, Tensor, TensorKind, Weights
from parity.stages.stage_table import register, register_input
from parity.stages.tensor_name import Scope

register(
    Stage(
        "audio16k",
        Scope.FILE,
        "the peak guard of 0.95",
        (Tensor("audio16k", F32, ("sample16k",), "1"),),
        ("audio16k.raw",),
    )
)
register(
    Stage(
        "highpassed",
        Scope.FILE,
        "the zero-phase high-pass of 48 Hz",
        (Tensor("highpassed", F64, ("sample16k",), "1"),),
        ("audio16k",),
    )
)
register(
    Stage(
        "segment.cuts",
        Scope.FILE,
        "the quietest positions near the center of each window of a long file",
        (
            Tensor("quiet.profile", F64, ("sample16k",), "1", needs=(Fact.SEVERAL_SEGMENTS,)),
            Tensor("segment.cuts", I64, ("cut",), "sample", TensorKind.DECISION, needs=(Fact.SEVERAL_SEGMENTS,)),
        ),
        ("highpassed",),
    )
)
register(
    Stage(
        "padded",
        Scope.FILE,
        "reflection at both ends",
        (Tensor("padded", F64, ("sample16k",), "1", padded=True),),
        ("highpassed",),
    )
)
register(
    Stage(
        "f0.raw",
        Scope.FILE,
        "the pitch method",
        (Tensor("f0.raw", HZ, ("frame10",), "Hz", TensorKind.HZ, needs=(Fact.F0,), padded=True),),
        ("padded", "noise.crepe"),
        weights=(Weights.F0,),
    )
)
register(
    Stage(
        "f0.filled",
        Scope.FILE,
        "unvoiced frames filled from the voiced frames around them",
        (
            Tensor(
                "f0.filled",
                HZ,
                ("frame10",),
                "Hz",
                TensorKind.HZ,
                needs=(
                    Fact.F0,
                    Fact.FILL,
                ),
                padded=True,
            ),
        ),
        ("f0.raw",),
    )
)
register(
    Stage(
        "f0.hz",
        Scope.FILE,
        "transposition",
        (Tensor("f0.hz", F32, PITCH, "Hz", TensorKind.HZ, needs=(Fact.F0,), padded=True),),
        (("f0.filled", "f0.raw"),),
    )
)
register(
    Stage(
        "f0.coarse",
        Scope.FILE,
        "F0 bins: the mel scale in 255 steps",
        (Tensor("f0.coarse", I64, PITCH, "bin", TensorKind.DECISION, needs=(Fact.F0,), padded=True),),
        (("f0.filled", "f0.raw"),),
    )
)
register(
    Stage(
        "seg.audio",
        Scope.SEGMENT,
        "one segment cut from the padded file",
        (Tensor("audio", F32, ("batch", "sample16k"), "1", padded=True),),
        ("padded", "segment.cuts"),
    )
)
register(
    Stage(
        "hubert.features",
        Scope.SEGMENT,
        "the content encoder",
        (
            Tensor("hubert.conv", F32, ("batch", "channel", "frame20"), "1", optional=True, padded=True),
            Tensor("hubert.hidden0", F32, CONTENT_20_MS, "1", optional=True, padded=True),
            Tensor("hubert.features", F32, CONTENT_20_MS, "1", padded=True),
        ),
        ("audio",),
        weights=(Weights.HUBERT,),
    )
)
register(
    Stage(
        "retrieval.search",
        Scope.SEGMENT,
        "the eight nearest vectors of the index",
        (
            Tensor("retrieval.distances", F32, NEIGHBORS, "squared L2", needs=(Fact.INDEX,), padded=True),
            Tensor("retrieval.ids", I64, NEIGHBORS, "row", TensorKind.DECISION, needs=(Fact.INDEX,), padded=True),
        ),
        ("hubert.features",),
        weights=(Weights.INDEX,),
    )
)
register(
    Stage(
        "retrieval.weights",
        Scope.SEGMENT,
        "inverse-square weights",
        (Tensor("retrieval.weights", F32, NEIGHBORS, "1", needs=(Fact.INDEX,), padded=True),),
        ("retrieval.distances",),
    )
)
register(
    Stage(
        "retrieval.mean",
        Scope.SEGMENT,
        "the weighted mean of the neighbors",
        (Tensor("retrieval.mean", F32, ("frame20", "channel"), "1", needs=(Fact.INDEX,), padded=True),),
        ("retrieval.weights", "retrieval.ids"),
        weights=(Weights.INDEX,),
    )
)
register(
    Stage(
        "retrieval.blended",
        Scope.SEGMENT,
        "content features mixed with that mean by the index rate",
        (Tensor("retrieval.blended", F32, CONTENT_20_MS, "1", needs=(Fact.INDEX,), padded=True),),
        ("hubert.features", "retrieval.mean"),
    )
)
register(
    Stage(
        "content.upsampled",
        Scope.SEGMENT,
        "each content frame repeated once",
        (Tensor("content.upsampled", F32, CONTENT_10_MS, "1", padded=True),),
        (("retrieval.blended", "hubert.features"),),
    )
)
register(
    Stage(
        "content.protected",
        Scope.SEGMENT,
        "unvoiced frames mixed back with the content of the input",
        (Tensor("content.protected", F32, CONTENT_10_MS, "1", padded=True),),
        ("content.upsampled", "hubert.features", "f0.hz"),
    )
)
register(
    Stage(
        "spk.g",
        Scope.SEGMENT,
        "the speaker's embedding",
        (Tensor("spk.g", F32, ("batch", "channel", "one"), "1"),),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "enc_p",
        Scope.SEGMENT,
        "the text encoder",
        (
            Tensor("enc_p.m", F32, LATENT, "1", padded=True),
            Tensor("enc_p.logs", F32, LATENT, "1", padded=True),
        ),
        ("content.protected", "f0.coarse"),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "z_p",
        Scope.SEGMENT,
        "the prior sample",
        (Tensor("z_p", F32, LATENT, "1", padded=True),),
        ("enc_p.m", "enc_p.logs", "noise.z"),
    )
)
register(
    Stage(
        "flow",
        Scope.SEGMENT,
        "four inverse coupling layers",
        (Tensor("flow.z", F32, LATENT, "1", padded=True),),
        ("z_p", "spk.g"),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "nsf",
        Scope.SEGMENT,
        "the sine at F0 with its noise, its linear layer and tanh",
        (
            Tensor("nsf.sine", F32, ("batch", "sample", "one"), "1", needs=(Fact.F0,), padded=True),
            Tensor("nsf.source", F32, ("batch", "one", "sample"), "1", needs=(Fact.F0,), padded=True),
        ),
        ("f0.hz", "noise.nsf"),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "generator",
        Scope.SEGMENT,
        "the NSF-HiFiGAN generator",
        (Tensor("waveform.segment.full", F32, ("sample",), "1", TensorKind.WAVE, padded=True),),
        ("flow.z", "nsf.source", "spk.g"),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "trim",
        Scope.SEGMENT,
        "the padding removed at both ends",
        (Tensor("waveform.segment", F32, ("sample",), "1", TensorKind.WAVE),),
        ("waveform.segment.full",),
    )
)
register(
    Stage(
        "concat",
        Scope.FILE,
        "the segments joined",
        (Tensor("waveform.concat", F32, ("sample",), "1", TensorKind.WAVE),),
        ("waveform.segment",),
    )
)
register(
    Stage(
        "rmsmixed",
        Scope.FILE,
        "the loudness envelope mixed",
        (Tensor("waveform.rmsmixed", F32, ("sample",), "1", TensorKind.WAVE, needs=(Fact.MIX,)),),
        ("waveform.concat", "highpassed"),
    )
)
register(
    Stage(
        "resampled",
        Scope.FILE,
        "resampling to the requested rate",
        (Tensor("waveform.resampled", F32, ("sample.out",), "1", TensorKind.WAVE, needs=(Fact.RESAMPLE,)),),
        (("waveform.rmsmixed", "waveform.concat"),),
    )
)
register(
    Stage(
        "final",
        Scope.FILE,
        "the peak guard of 0.99 and 16-bit integers",
        (Tensor("waveform.final", I16, ("sample.out",), "int16 step", TensorKind.PCM),),
        (("waveform.resampled", "waveform.rmsmixed", "waveform.concat"),),
    )
)

register_input(Scope.FILE, Tensor("audio16k.raw", F32, ("sample16k",), "1", TensorKind.INPUT))
register_input(
    Scope.FILE, Tensor("noise.crepe", HZ, ("frame10",), "cent", TensorKind.NOISE, needs=(Fact.CREPE,), padded=True)
)
register_input(Scope.SEGMENT, Tensor("noise.z", F32, LATENT, "1", TensorKind.NOISE, padded=True))
register_input(Scope.SEGMENT, Tensor("noise.phase", F32, ("batch", "harmonic"), "1", TensorKind.NOISE, optional=True))
register_input(
    Scope.SEGMENT,
    Tensor("noise.nsf", F32, ("batch", "sample", "one"), "1", TensorKind.NOISE, needs=(Fact.F0,), padded=True),
)
