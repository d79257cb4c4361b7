"""The networks of one block: 16 kHz window → content features → F0 → retrieval → synthesizer → waveform."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from rvc.content import features
from rvc.nn.gpu.graph_replay import Recorder, Replayed, cuda_graph
from rvc.nn.synthesizer import heads, resize_frames, resize_source
from rvc.realtime.block_context import BlockContext
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.dsp.formant import FormantShift
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.f0_cache import F0Cache
from rvc.retrieval import search as retrieval
from rvc.retrieval.search import Index
from rvc.trace import no_tap

Pitch = tuple[torch.Tensor, torch.Tensor]  # F0 bins int64 (1, p) and Hz float32 (1, p)


class BlockConverter:
    """Converts the window of one block; the F0 cache is its only state."""

    def __init__(self, sizes: BlockSizes, recorder: Recorder | None = None) -> None:
        """Nothing is computed yet.

        Args:
            sizes: lengths of the block and its window.
            recorder: records the networks' kernels, which later blocks replay; by default CUDA graphs on a GPU and
                nothing elsewhere.
        """
        self.sizes = sizes
        self.cache = F0Cache()
        self._replayed = Replayed(recorder or cuda_graph)
        self._records_everywhere = recorder is not None
        self._stream: torch.cuda.Stream | None = None  # HuBERT's kernels, beside those of the F0 network

    def reset(self) -> None:
        """Clear the F0 cache, as in a new object."""
        self.cache.reset()

    @torch.inference_mode()
    def convert(self, at16k: Samples, context: BlockContext) -> torch.Tensor:
        """Convert one block.

        Args:
            at16k: float32 (window16,), not modified.
            context: the block's models, settings, noise and tap.
        Returns:
            `waveform.model`, float32 (return_length · rate // 100,) at the voice's rate.
        """
        voice = context.models.voice
        formant = FormantShift.of(context.controls.formant, self.sizes.return_length, voice.rate)
        frames = len(at16k) // 160  # of 10 ms
        pitch: Pitch | None = None
        with self.own_stream(context):
            extracted = self.extract(torch.from_numpy(at16k)[None], context)
        if voice.f0 and self.replays(context):  # while HuBERT runs: neither network fills a GPU in a short block
            pitch = self.f0(at16k, frames, formant, context)
        with self.own_stream(context):
            extracted = extracted.cpu()
        context.tap("hubert.features", extracted)
        content = self.content(extracted, context)[:, :frames]
        context.tap("content", content)
        if voice.f0 and pitch is None:
            pitch = self.f0(at16k, frames, formant, context)
        if context.models.synthesize is None:
            raw = self.synthesize(content, pitch, formant, context)
        else:
            raw = context.models.synthesize(content, pitch, formant, self.sizes.skip_head, context)
        context.tap("waveform.raw", raw[None])
        waveform = formant.restore_duration(raw)
        context.tap("waveform.model", waveform)
        return waveform

    def replays(self, context: BlockContext) -> bool:
        """Whether the networks' kernels are recorded and replayed: on a GPU, where no tap reads tensors in between."""
        if context.models.synthesize is not None or context.tap is not no_tap:  # an exported voice runs no kernels here
            return False
        return self._records_everywhere or context.models.voice.synthesizer.device.type == "cuda"

    def own_stream(self, context: BlockContext) -> AbstractContextManager[Any]:
        """A CUDA stream for HuBERT's kernels, where kernels are replayed on a GPU."""
        device = context.models.voice.synthesizer.device if context.models.synthesize is None else None
        if device is None or device.type != "cuda" or self._records_everywhere or not self.replays(context):
            return nullcontext()
        if self._stream is None:
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        return torch.cuda.stream(self._stream)

    def extract(self, window: torch.Tensor, context: BlockContext) -> torch.Tensor:
        """Content features of the window: float32 (1, window16) → (1, n, C)."""
        hubert, version = context.models.hubert, context.models.voice.version
        if not self.replays(context):
            return features.extract(window, hubert, version)

        def run(samples: torch.Tensor) -> torch.Tensor:
            return features.extract(samples, hubert, version)

        return self._replayed(run, id(hubert), window.to(context.models.voice.synthesizer.device))

    def content(self, extracted: torch.Tensor, context: BlockContext) -> torch.Tensor:
        """Append the last frame once more, blend the frames after the context with the index, double every frame.

        Args:
            extracted: float32 (1, n, C), one frame per 20 ms.
            context: the block's models, settings and tap.
        Returns:
            float32 (1, 2 · (n + 1), C), one frame per 10 ms.
        """
        extended = torch.cat([extracted, extracted[:, -1:]], dim=1)
        if context.models.index is not None and context.controls.index_rate != 0:
            after_context = extended[0, self.sizes.skip_head // 2 :]  # a view; skip_head counts frames of 10 ms
            blended = blend_neighbors(after_context.numpy(), context.models.index, context)
            after_context.copy_(torch.from_numpy(blended))
        return extended.repeat_interleave(2, dim=1)

    def f0(self, at16k: Samples, frames: int, formant: FormantShift, context: BlockContext) -> Pitch:
        """Track the newest part of the window and append it to the cache.

        Args:
            at16k: float32 (window16,).
            frames: p, the number of frames of 10 ms in the window.
            formant: the formant shift; F0 is tracked lower by its semitones and then scaled by its factor.
            context: the block's models, settings, noise and tap.
        Returns:
            F0 bins int64 (1, p) and Hz float32 (1, p), the newest `frames` of the cache.
        """
        controls, block = context.controls, self.sizes.block16
        semitones = controls.transpose - controls.formant
        tracked = context.models.track(at16k, block, controls.f0_method, semitones, context.draw)
        self.cache.push(*tracked, block // 160)
        coarse = torch.from_numpy(self.cache.coarse[None, -frames:])
        hz = torch.from_numpy(formant.scale_f0(self.cache.hz[None, -frames:]))
        context.tap("f0.coarse", coarse)
        context.tap("f0.hz", hz)
        return coarse, hz

    def synthesize(
        self, content: torch.Tensor, pitch: Pitch | None, formant: FormantShift, context: BlockContext
    ) -> torch.Tensor:
        """Synthesize the frames after the context.

        Args:
            content: float32 (1, p, C).
            pitch: F0 bins and Hz of the window, None for a voice without F0.
            formant: the shift, which sets how many frames are synthesized.
            context: the block's models, settings, noise and tap.
        Returns:
            float32 (formant.synthesized · upp,) at the voice's rate.
        """
        # The first flow_head frames are cut before the flow; the next dec_head only give the flow its left context.
        flow_head, dec_head = heads(self.sizes.skip_head)
        net, tap = context.models.voice.synthesizer, context.tap
        if self.replays(context):
            return self.replay_synthesis(content, pitch, formant, context)
        g = net.speaker(context.controls.speaker)
        tap("spk.g", g)
        m, logs = net.encode(content, pitch[0] if pitch else None, flow_head)
        tap("enc_p.m", m)
        tap("enc_p.logs", logs)
        z_p = net.prior(m, logs, torch.from_numpy(context.draw("noise.z", tuple(m.shape))))
        tap("z_p", z_p)
        z = net.flow(z_p, g)
        tap("flow.z", z)
        z = resize_frames(z[:, :, dec_head : dec_head + formant.frames], formant.synthesized)
        return net.generate(z, g, self.source(pitch[1], formant, context) if pitch else None).cpu()

    def replay_synthesis(
        self, content: torch.Tensor, pitch: Pitch | None, formant: FormantShift, context: BlockContext
    ) -> torch.Tensor:
        """The result of `synthesize`, from a replayed CUDA graph; every input is copied to the device first.

        Args:
            content, pitch, formant, context: as in `synthesize`.
        """
        flow_head, dec_head = heads(self.sizes.skip_head)
        net, head = context.models.voice.synthesizer, self.sizes.skip_head
        generation = context.models.profile.generation
        inputs = [content]
        inputs.append(torch.from_numpy(context.draw("noise.z", (1, net.sizes.inter, content.shape[1] - flow_head))))
        if pitch is not None:
            coarse, hz = pitch
            drawn = context.draw("noise.nsf", (1, formant.frames * net.upp, 1))
            inputs += [coarse, hz[:, head : head + formant.frames], torch.from_numpy(drawn)]

        def run(
            content: torch.Tensor,
            noise: torch.Tensor,
            *voiced: torch.Tensor,
            speaker: int,
            frames: int,
            synthesized: int,
        ) -> torch.Tensor:
            g = net.speaker(speaker)
            m, logs = net.encoder(content, voiced[0] if voiced else None, flow_head)
            z = net.flow(net.prior(m, logs, noise), g)
            z = resize_frames(z[:, :, dec_head : dec_head + frames], synthesized)
            if not voiced:
                return net.generate(z, g, None)
            _, source = net.source(voiced[1], voiced[2], generation)
            return net.generate(z, g, resize_source(source, synthesized * net.upp))

        constants = {"speaker": context.controls.speaker, "frames": formant.frames, "synthesized": formant.synthesized}
        on_device = [x.to(net.device) for x in inputs]
        return self._replayed(run, id(net), *on_device, **constants).cpu()

    def source(self, hz: torch.Tensor, formant: FormantShift, context: BlockContext) -> torch.Tensor:
        """The NSF source of the synthesized frames.

        Args:
            hz: float32 (1, p), the F0 of the window.
            formant: the shift, which sets the number of frames.
            context: the block's models, noise and tap.
        Returns:
            float32 (1, 1, formant.synthesized · upp).
        """
        net, head = context.models.voice.synthesizer, self.sizes.skip_head
        noise = torch.from_numpy(context.draw("noise.nsf", (1, formant.frames * net.upp, 1)))
        synthesized = hz[:, head : head + formant.frames]
        sine, source = net.source(synthesized, noise, context.models.profile.generation)
        context.tap("nsf.sine", sine)
        context.tap("nsf.source", source)
        return resize_source(source, formant.synthesized * net.upp)


def blend_neighbors(content: Samples, index: Index, context: BlockContext) -> Samples:
    """Blend content features with the index vectors nearest to them.

    Args:
        content: float32 (n, C), one frame per 20 ms.
        index: the voice's retrieval index.
        context: the block's models, settings and tap.
    Returns:
        float32 (n, C): the blend, or `content` itself when any of its frames has fewer neighbors than the search
        requests, as in the original.
    """
    distances, ids = index.search(content)
    context.tap("retrieval.distances", distances)
    context.tap("retrieval.ids", ids)
    if (ids < 0).any():
        context.tap("retrieval.blended", content[None])
        return content
    weights = retrieval.weights(distances, context.models.exact_hits)
    context.tap("retrieval.weights", weights)
    mean = retrieval.mean(weights, ids, index)
    context.tap("retrieval.mean", mean)
    blended = retrieval.blend(content, mean, context.controls.index_rate)
    context.tap("retrieval.blended", blended)
    return blended.reshape(content.shape)
