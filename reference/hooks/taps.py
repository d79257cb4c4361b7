"""Taps on the offline originals: for each stage, the place in the original's code where its value is recorded.

The three offline originals are versions of one pipeline, so one table holds for all of them:

    audio16k.raw           what `load_audio` returns to `VC.vc_single`
    audio16k               argument `audio` of `Pipeline.pipeline`
    highpassed, padded     locals `audio`, `audio_pad` of `Pipeline.pipeline` when it first calls `vc`
    quiet.profile          local `audio_sum`; segment.cuts: local `opt_ts`; both only when the input is cut
    f0.raw                 local `f0` of `get_f0`, before interpolation (webui-2026) or transposition (others)
    f0.filled              the same after interpolation, before transposition (webui-2026 only)
    f0.hz, f0.coarse       locals `pitchf`, `pitch` of `Pipeline.pipeline`
    noise.crepe            what `scipy.stats.triang.rvs` returned while the pipeline ran
    seg*.audio             HuBERT's input; seg*.hubert.features: its output
    seg*.retrieval.*       locals `score`, `ix`, `weight`, `npy` of `vc` when it calls the synthesizer
    seg*.retrieval.blended, seg*.content.upsampled    input and output of the first `F.interpolate` of `vc`
    seg*.content.protected argument `phone` of `net_g.infer`
    seg*.enc_p.*, seg*.spk.g, seg*.z_p, seg*.flow.z, seg*.nsf.*    forward hooks on `net_g`
    seg*.waveform.segment.full    what `vc` returns; seg*.waveform.segment: the argument of `np.concatenate`
    waveform.*             what `np.concatenate`, `change_rms`, `librosa.resample` and `Pipeline.pipeline` return
"""

import hashlib
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import scipy.stats
import torch

from parity.goldens.trace_file import Trace
from parity.hooks.interception import StandIn, locals_of, replaced, tapped
from parity.hooks.synthesizer import synthesizer_taps
from reference.hooks.replayed_noise import Dither, Draws


class OfflineTaps:
    """Records one offline conversion.

    Args:
        vc: the original's VC object with a voice loaded.
        modules: the module that defines VC.
        pipeline: the module that defines Pipeline.
        models: the module that defines the synthesizer.
        seed: the key of the noise in the fixed random stream.
    """

    def __init__(self, vc: Any, *, modules: ModuleType, pipeline: ModuleType, models: ModuleType, seed: str) -> None:
        self.vc, self.modules, self.pipeline, self.models = vc, modules, pipeline, models
        self.record = Trace()
        self.draws = Draws(self.record, seed)
        self.segment = -1
        self.upsampling = False  # between a call of `vc` and its first F.interpolate

    @property
    def prefix(self) -> str:
        """The prefix of the current segment's tensors: `seg0.` for the first."""
        return f"seg{self.segment}."

    @contextmanager
    def installed(self) -> Iterator[Trace]:
        """Install the taps while the block runs, and remove them afterwards, also after an error."""
        original, pipeline = self.vc.pipeline, self.pipeline
        dither = Dither(scipy.stats.triang.rvs)
        with ExitStack() as stack:
            for owner, names in (
                (self.modules, {"load_audio": tapped(self.modules.load_audio, partial(self.record, "audio16k.raw"))}),
                (original, {"pipeline": self.tap_pipeline(original.pipeline), "vc": self.tap_segment(original.vc)}),
                (pipeline, self.pipeline_names()),
                (self.models, {"torch": StandIn(torch, randn_like=self.draws.randn_like, rand=self.draws.rand)}),
                (self.vc.net_g, {"infer": self.tap_synthesizer(self.vc.net_g.infer)}),
                (scipy.stats.triang, {"rvs": dither}),
            ):
                stack.enter_context(replaced(owner, **names))
            stack.enter_context(synthesizer_taps(self.vc.net_g, self.record, lambda: self.prefix))
            np.random.seed(seed_number(self.draws.seed))  # noqa: NPY002 (torchcrepe draws from the global generator)
            yield self.record
        if (cents := dither.cents()) is not None:
            self.record("noise.crepe", cents)

    def pipeline_names(self) -> dict[str, Any]:
        """Stand-ins for names in the namespace of the pipeline's module."""
        original = self.pipeline
        return {
            "np": StandIn(original.np, concatenate=self.concatenate, interp=self.interp),
            "F": StandIn(original.F, interpolate=self.interpolate),
            "librosa": StandIn(
                original.librosa, resample=tapped(original.librosa.resample, partial(self.record, "waveform.resampled"))
            ),
            "change_rms": tapped(original.change_rms, partial(self.record, "waveform.rmsmixed")),
            "pow": self.power,
        }

    def tap_pipeline(self, run: Any) -> Any:
        """`Pipeline.pipeline`: records its argument `audio` and its result."""
        parameters = inspect.signature(run)

        def call(*arguments: Any, **named: Any) -> Any:
            self.record("audio16k", parameters.bind(*arguments, **named).arguments["audio"])
            result = run(*arguments, **named)
            self.record("waveform.final", result)
            return result

        return call

    def tap_segment(self, run: Any) -> Any:
        """`Pipeline.vc`: records its result, and before the first segment the stages that belong to the file."""

        def call(*arguments: Any, **named: Any) -> Any:
            self.segment += 1
            if self.segment == 0:
                self.record_file_stages(locals_of("pipeline"))
            self.draws.begin(self.prefix)
            self.upsampling = True
            result = run(*arguments, **named)
            self.record(self.prefix + "waveform.segment.full", result)
            return result

        return call

    def record_file_stages(self, variables: dict[str, Any]) -> None:
        """Record the file's stages from the local variables of `pipeline` when it calls its first segment."""
        self.record("highpassed", variables["audio"])
        self.record("padded", variables["audio_pad"])
        if "audio_sum" in variables:
            self.record("quiet.profile", variables["audio_sum"])
        if variables["opt_ts"]:
            self.record("segment.cuts", torch.tensor([int(cut) for cut in variables["opt_ts"]]))
        if variables["pitch"] is not None:
            self.record("f0.hz", variables["pitchf"])
            self.record("f0.coarse", variables["pitch"])

    def interp(self, *arguments: Any, **named: Any) -> Any:
        """`np.interp` in `get_f0`: fills unvoiced frames where a local `uv` exists, else reads a curve file."""
        variables = locals_of("get_f0")
        if "uv" in variables:
            self.record("f0.raw", variables["f0"])
        return self.pipeline.np._original.interp(*arguments, **named)

    def power(self, *arguments: Any) -> Any:
        """`pow(2, key / 12)` in `get_f0`: the curve is complete and not yet transposed."""
        variables = locals_of("get_f0")
        if "f0" in variables:
            self.record("f0.filled" if "f0.raw" in self.record else "f0.raw", variables["f0"])
        return pow(*arguments)

    def interpolate(self, *arguments: Any, **named: Any) -> Any:
        """`F.interpolate`: the first call in a segment doubles the frames of the blended features."""
        result = self.pipeline.F._original.interpolate(*arguments, **named)
        if self.upsampling and "feats" in locals_of("vc"):
            self.upsampling = False
            if "score" in locals_of("vc"):
                self.record(self.prefix + "retrieval.blended", arguments[0].permute(0, 2, 1))
            self.record(self.prefix + "content.upsampled", result.permute(0, 2, 1))
        return result

    def concatenate(self, pieces: Any, *arguments: Any, **named: Any) -> Any:
        """`np.concatenate` of the trimmed segments."""
        for number, piece in enumerate(pieces):
            self.record(f"seg{number}.waveform.segment", piece)
        result = self.pipeline.np._original.concatenate(pieces, *arguments, **named)
        self.record("waveform.concat", result)
        return result

    def tap_synthesizer(self, run: Any) -> Any:
        """`net_g.infer`: records its content argument, and retrieval's results from the local variables of `vc`."""

        def call(phone: Any, *arguments: Any, **named: Any) -> Any:
            variables = locals_of("vc")
            if "score" in variables:
                names = (("distances", "score"), ("ids", "ix"), ("weights", "weight"), ("mean", "npy"))
                for name, local in names:
                    self.record(f"{self.prefix}retrieval.{name}", variables[local])
            self.record(self.prefix + "content.protected", phone)
            return run(phone, *arguments, **named)

        return call

    def hubert(self, source: Any, features: Any) -> None:
        """Record HuBERT's input (1, L) and the features that the pipeline continues with (1, n, C)."""
        self.record(self.prefix + "audio", source)
        self.record(self.prefix + "hubert.features", features)


def seed_number(text: str) -> int:
    """32 bits of the SHA-256 of a text, the seed of numpy's global generator, which CREPE's dither is drawn from."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
