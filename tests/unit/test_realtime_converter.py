"""The frames that the stages of a block read: retrieval, the flow's context, and the slices that are synthesized."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch

from rvc.nn.synthesizer import resize_frames, resize_source
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls
from rvc.realtime.stream import Stream
from rvc.retrieval.search import Index
from rvc.trace import Recorder
from tests.unit.tiny import tiny_models

SIZES = BlockSizes.of(40000, block=0.1, crossfade=0.03, extra=0.41)  # skip_head 41, odd


def traced(models, controls, blocks=2, sizes=SIZES):
    trace = Recorder()
    stream = Stream(models, sizes, controls, tap=trace)
    sound = np.random.default_rng(0).normal(size=blocks * sizes.block).astype(np.float32) * 0.2
    for number in range(blocks):
        stream.block(sound[number * sizes.block : (number + 1) * sizes.block])
    return trace


def index_of(vectors, lists):
    """An inverted-file index with one list probed, as the trainer leaves it."""
    index = faiss.index_factory(vectors.shape[1], f"IVF{lists},Flat")
    index.train(vectors)
    index.add(vectors)
    return Index(index)


@pytest.fixture(scope="module")
def plain():
    return tiny_models()


def test_content_is_each_frame_twice_and_the_last_one_more_often(plain):
    trace = traced(plain, Controls())
    features, content = trace["rt.1.hubert.features"][0], trace["rt.1.content"][0]
    frames = np.minimum(np.arange(len(content)) // 2, len(features) - 1)
    assert len(content) == SIZES.window16 // 160
    np.testing.assert_array_equal(content, features[frames])


def test_retrieval_begins_at_half_the_head_rounded_down():
    vectors = np.random.default_rng(1).normal(size=(64, 768)).astype(np.float32)
    trace = traced(tiny_models(index=index_of(vectors, 1)), Controls(index_rate=0.4))
    features, content = trace["rt.1.hubert.features"][0], trace["rt.1.content"][0, ::2]
    first, rows = SIZES.skip_head // 2, np.concatenate([features, features[-1:]])
    assert first == 20
    np.testing.assert_array_equal(content[:first], features[:first])
    for row, blended in zip(rows[first:], content[first:], strict=False):
        apart = ((vectors - row) ** 2).sum(axis=1).astype(np.float64)
        nearest = np.argsort(apart)[:8]
        weight = 1 / apart[nearest] ** 2
        mean = (vectors[nearest] * (weight / weight.sum())[:, None]).sum(axis=0)
        np.testing.assert_allclose(blended, 0.4 * mean + 0.6 * row, atol=2e-5)
    assert trace["rt.1.retrieval.ids"].shape == (len(rows) - first, 8)
    assert trace["rt.1.retrieval.blended"].shape == (1, len(rows) - first, 768)


def test_one_missing_neighbor_leaves_the_block_unchanged():
    vectors = np.random.default_rng(1).normal(size=(5, 768)).astype(np.float32)
    trace = traced(tiny_models(index=index_of(vectors, 1)), Controls(index_rate=0.4))
    assert (trace["rt.1.retrieval.ids"] < 0).any()
    blended, own = trace["rt.1.retrieval.blended"], trace["rt.1.hubert.features"]
    assert np.array_equal(blended[0, :-1], own[0, own.shape[1] + 1 - blended.shape[1] :])
    assert "rt.1.retrieval.mean" not in trace
    features, content = trace["rt.1.hubert.features"][0], trace["rt.1.content"][0, ::2]
    np.testing.assert_array_equal(content[: len(features)], features[: len(content)])


def test_the_index_rate_may_rise_between_two_blocks():
    vectors = np.random.default_rng(1).normal(size=(64, 768)).astype(np.float32)
    trace = Recorder()
    stream = Stream(tiny_models(index=index_of(vectors, 1)), SIZES, tap=trace)
    for rate in (0.0, 0.5, 0.0):
        stream.change(index_rate=rate)
        stream.block(np.full(SIZES.block, 0.1, np.float32))
    assert [f"rt.{n}.retrieval.ids" in trace for n in range(3)] == [False, True, False]


@pytest.mark.parametrize("formant", [0.0, 1.5, -2.0])
@pytest.mark.parametrize("extra", [0.41, 0.1])
def test_the_flow_with_24_frames_of_context_equals_the_flow_of_all_frames(plain, formant, extra):
    """Networks that run on all frames with the same draws give the same result in the synthesized frames."""
    sizes = BlockSizes.of(40000, block=0.1, crossfade=0.03, extra=extra)
    arrays = traced(plain, Controls(formant=formant), sizes=sizes)
    trace = {name: torch.from_numpy(value) for name, value in arrays.items()}
    net, head, length = plain.voice.synthesizer, sizes.skip_head, sizes.return_length
    g = net.speaker(0)
    m, logs = net.encode(trace["rt.1.content"], trace["rt.1.f0.coarse"])
    torch.testing.assert_close(m[:, :, max(head - 24, 0) :], trace["rt.1.enc_p.m"])
    noise = torch.randn(m.shape)
    noise[:, :, max(head - 24, 0) :] = trace["rt.1.noise.z"]
    z = net.flow(net.prior(m, logs, noise), g)[:, :, head : head + length]
    torch.testing.assert_close(z, trace["rt.1.flow.z"][:, :, min(head, 24) :][:, :, :length])
    made = int(np.ceil(length * 2 ** (formant / 12)))
    _, source = net.source(trace["rt.1.f0.hz"][:, head : head + length], trace["rt.1.noise.nsf"])
    torch.testing.assert_close(source, trace["rt.1.nsf.source"])
    raw = net.generate(resize_frames(z, made), g, resize_source(source, made * 400))
    torch.testing.assert_close(raw[None], trace["rt.1.waveform.raw"], rtol=1e-4, atol=1e-6)
