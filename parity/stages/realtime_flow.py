"""The stages of one block of a realtime stream and its inputs, in flow order; docs/spec/07 describes each tensor."""

from parity.stages.axes import CONTENT_10_MS, CONTENT_20_MS, DEVICE, LATENT, NEIGHBORS, PITCH
from parity.stages.stage import F32, I64, Earlier, Fact, Stage, Tensor, TensorKind, Weights
from parity.stages.stage_table import register, register_input
from parity.stages.tensor_name import Scope

register(
    Stage(
        "rt.input_wav",
        Scope.BLOCK,
        "the gated block in the ring buffer at the device's rate",
        (
            Tensor("rms_in", F32, ("frame10",), "1", optional=True),
            Tensor("input_wav", F32, DEVICE, "1", optional=True),
        ),
        ("in", Earlier("in", all_blocks=True)),
    )
)
register(
    Stage(
        "rt.input16k",
        Scope.BLOCK,
        "the ring buffer at 16 kHz",
        (Tensor("input16k", F32, ("sample16k",), "1"),),
        (("input_wav", "in"), Earlier("in", all_blocks=True)),
    )
)
register(
    Stage(
        "rt.hubert.features",
        Scope.BLOCK,
        "the content encoder over the ring buffer",
        (Tensor("hubert.features", F32, CONTENT_20_MS, "1"),),
        ("input16k",),
        weights=(Weights.HUBERT,),
    )
)
register(
    Stage(
        "rt.retrieval",
        Scope.BLOCK,
        "neighbors of the frames from skip_head // 2 on",
        (
            Tensor("retrieval.distances", F32, NEIGHBORS, "squared L2", needs=(Fact.INDEX,)),
            Tensor("retrieval.ids", I64, NEIGHBORS, "row", TensorKind.DECISION, needs=(Fact.INDEX,)),
            Tensor("retrieval.weights", F32, NEIGHBORS, "1", needs=(Fact.INDEX,)),
            Tensor("retrieval.mean", F32, ("frame20", "channel"), "1", needs=(Fact.INDEX,)),
            Tensor("retrieval.blended", F32, CONTENT_20_MS, "1", needs=(Fact.INDEX,)),
        ),
        ("hubert.features",),
        weights=(Weights.INDEX,),
    )
)
register(
    Stage(
        "rt.content",
        Scope.BLOCK,
        "each frame repeated once, cut to the block; frames before skip_head // 2 are those of the content encoder",
        (Tensor("content", F32, CONTENT_10_MS, "1"),),
        ("hubert.features", "retrieval.blended"),
    )
)
register(
    Stage(
        "rt.f0",
        Scope.BLOCK,
        "F0 with its caches of 1024 frames",
        (
            Tensor("f0.hz", F32, PITCH, "Hz", TensorKind.HZ, needs=(Fact.F0,)),
            Tensor("f0.coarse", I64, PITCH, "bin", TensorKind.DECISION, needs=(Fact.F0,)),
        ),
        ("input16k", Earlier("input16k", all_blocks=True)),
        weights=(Weights.F0,),
    )
)
register(
    Stage(
        "rt.spk.g",
        Scope.BLOCK,
        "the speaker's embedding",
        (Tensor("spk.g", F32, ("batch", "channel", "one"), "1", optional=True),),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "rt.enc_p",
        Scope.BLOCK,
        "the text encoder after the flow_head cut",
        (
            Tensor("enc_p.m", F32, LATENT, "1"),
            Tensor("enc_p.logs", F32, LATENT, "1"),
        ),
        ("content", "f0.coarse"),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "rt.z_p",
        Scope.BLOCK,
        "the prior sample",
        (Tensor("z_p", F32, LATENT, "1"),),
        ("enc_p.m", "enc_p.logs", "noise.z"),
    )
)
register(
    Stage(
        "rt.flow",
        Scope.BLOCK,
        "four inverse coupling layers",
        (Tensor("flow.z", F32, LATENT, "1"),),
        ("z_p", "spk.g"),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "rt.nsf",
        Scope.BLOCK,
        "the sine at F0 with its noise, its linear layer and tanh",
        (
            Tensor("nsf.sine", F32, ("batch", "sample", "one"), "1", needs=(Fact.F0,)),
            Tensor("nsf.source", F32, ("batch", "one", "sample"), "1", needs=(Fact.F0,)),
        ),
        ("f0.hz", "noise.nsf"),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "rt.generator",
        Scope.BLOCK,
        "the generator for the frames of the output",
        (Tensor("waveform.raw", F32, ("batch", "sample"), "1", TensorKind.WAVE),),
        ("flow.z", "nsf.source", "spk.g"),
        weights=(Weights.VOICE,),
    )
)
register(
    Stage(
        "rt.formant",
        Scope.BLOCK,
        "the formant resampling",
        (Tensor("waveform.model", F32, ("sample",), "1", TensorKind.WAVE),),
        ("waveform.raw",),
    )
)
register(
    Stage(
        "rt.infer_wav",
        Scope.BLOCK,
        "resampling to the device, noise gate and loudness mix",
        (
            Tensor("rms_out", F32, ("frame10",), "1", optional=True),
            Tensor("infer_wav", F32, DEVICE, "1", TensorKind.WAVE, optional=True),
        ),
        (
            "waveform.model",
            Earlier("waveform.model", all_blocks=True),
            ("input_wav", "in"),
            Earlier("in", all_blocks=True),
        ),
    )
)
register(
    Stage(
        "rt.sola",
        Scope.BLOCK,
        "the crossfade offset: where two blocks correlate most",
        (
            Tensor("sola.cor", F32, ("lag",), "1"),
            Tensor("sola.offset", I64, ("one",), "sample", TensorKind.DECISION),
        ),
        (("infer_wav", "waveform.model"), Earlier("sola_buffer")),
    )
)
register(
    Stage(
        "rt.out",
        Scope.BLOCK,
        "the crossfade",
        (
            Tensor("sola_buffer", F32, DEVICE, "1", TensorKind.WAVE),
            Tensor("out", F32, DEVICE, "1", TensorKind.WAVE),
        ),
        (("infer_wav", "waveform.model"), "sola.offset", Earlier("sola_buffer")),
    )
)

register_input(Scope.BLOCK, Tensor("in", F32, DEVICE, "1", TensorKind.INPUT))
register_input(Scope.BLOCK, Tensor("noise.z", F32, LATENT, "1", TensorKind.NOISE))
register_input(Scope.BLOCK, Tensor("noise.phase", F32, ("batch", "harmonic"), "1", TensorKind.NOISE, optional=True))
register_input(
    Scope.BLOCK, Tensor("noise.nsf", F32, ("batch", "sample", "one"), "1", TensorKind.NOISE, needs=(Fact.F0,))
)
