"""Speakers, realtime's resizing, and refusals of the whole synthesizer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import small_voice as sv
import torch

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.synthesizer import Synthesizer, heads, resize_frames, resize_source
from rvc.nn.synthesizer_config import layout, read_config
from rvc.weights.policy import RESIDENT, STREAMED


def build(f0=1):
    cfg = sv.config()
    tensors = sv.weights(layout(read_config(cfg, "v2", f0)))
    return tensors, Synthesizer(cfg, "v2", f0, tensors)


def test_a_speaker_is_a_row_of_the_embedding():
    tensors, net = build()
    assert net.speaker(2).shape == (1, 6, 1)
    assert torch.equal(net.speaker(2)[0, :, 0], tensors["emb_g.weight"][2])
    for sid in (3, -1):
        with pytest.raises(BadInput, match=f"speaker {sid} was requested, but this voice has speakers 0 to 2"):
            net.speaker(sid)


def test_heads_leave_the_flow_its_context():
    assert heads(250) == (226, 24)
    assert heads(24) == (0, 24)
    assert heads(5) == (0, 5)


def test_resizing_is_linear_without_aligned_corners():
    z = torch.randn(1, 4, 20, generator=torch.Generator().manual_seed(0))
    assert resize_frames(z, 20) is z
    position = (torch.arange(23) + 0.5) * 20 / 23 - 0.5
    position = position.clamp(min=0)
    low = position.long().clamp(max=18)
    part = position - low
    expected = z[:, :, low] * (1 - part) + z[:, :, low + 1] * part
    expected[:, :, position > 19] = z[:, :, -1:]
    torch.testing.assert_close(resize_frames(z, 23), expected, rtol=1e-4, atol=1e-5)
    assert resize_source(z[:, :1], 18).shape == (1, 1, 18)


def test_realtime_arguments_end_to_end():
    """head, len, len2 as docs/spec/05 §5.9 gives them, against the plain formulas."""
    cfg = sv.config()
    tensors, net = build()
    made = torch.Generator().manual_seed(5)
    head, length, longer, frames = 30, 20, 23, 60
    content = torch.randn(1, frames, 768, generator=made)
    coarse = torch.randint(0, 256, (1, frames), generator=made)
    hz = 200 + 10 * torch.randn(1, frames, generator=made)
    flow_head, dec_head = heads(head)
    noise, nsf = torch.randn(1, 8, frames - flow_head, generator=made), torch.randn(1, length * 400, 1, generator=made)
    g = net.speaker(0)

    m, logs = net.encode(content, coarse, flow_head)
    z = net.flow(net.prior(m, logs, noise), g)[:, :, dec_head : dec_head + length]
    _, source = net.source(hz[:, head : head + length], nsf)
    ours = net.generate(resize_frames(z, longer), g, resize_source(source, longer * 400))

    m, logs = (x[:, :, flow_head:] for x in sv.encode(tensors, cfg, content, coarse))
    z = sv.flow(tensors, cfg, m + logs.exp() * noise * 0.66666, g)[:, :, dec_head : dec_head + length]
    z = torch.nn.functional.interpolate(z, size=longer, mode="linear", align_corners=False)
    source = torch.nn.functional.interpolate(source, size=longer * 400, mode="linear", align_corners=False)
    assert sv.gap(ours, sv.generate(tensors, cfg, z, g, source)) < 1e-5


def test_several_threads_get_the_bits_of_one():
    _, net = build()
    made = torch.Generator().manual_seed(5)
    zs = [torch.randn(1, 8, 60 + i, generator=made) for i in range(4)]
    sources = [torch.randn(1, 1, z.shape[2] * 400, generator=made) for z in zs]
    alone = [net.generate(z, net.speaker(0), s) for z, s in zip(zs, sources, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda pair: net.generate(pair[0], net.speaker(0), pair[1]), zip(zs, sources, strict=True))
        )
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_the_number_of_torchs_threads_changes_no_bit():
    _, net = build()
    made = torch.Generator().manual_seed(6)
    z, source = torch.randn(1, 8, 61, generator=made), torch.randn(1, 1, 61 * 400, generator=made)
    before, waveforms = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            waveforms.append(net.generate(z, net.speaker(0), source))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(waveforms[0], waveforms[1]) and torch.equal(waveforms[0], waveforms[2])


def test_a_missing_tensor_is_named():
    cfg = sv.config()
    tensors = sv.weights(layout(read_config(cfg, "v2", 1)))
    del tensors["dec.conv_post.weight"]
    with pytest.raises(BadCheckpoint, match=r"lacks the tensor dec\.conv_post\.weight"):
        Synthesizer(cfg, "v2", 1, tensors)


def test_a_source_that_does_not_fit_is_refused():
    _, net = build()
    z, g = torch.zeros(1, 8, 10), net.speaker(0)
    with pytest.raises(BadInput, match="there is no source"):
        net.generate(z, g, None)
    with pytest.raises(BadInput, match=r"the source has shape \(1, 1, 4400\), expected \(1, 1, 4000\) for 10 frames"):
        net.generate(z, g, torch.zeros(1, 1, 4400))
    with pytest.raises(BadInput, match="frames 4 to 11 were requested, but the segment has 10"):
        net.generate(z, g, torch.zeros(1, 1, 4000), 4, 11)


def test_bfloat16_rounds_encoder_and_flow_far_below_their_signal_and_int8_leaves_them():
    tensors, exact = build()
    draw = torch.Generator().manual_seed(0)
    content, coarse = torch.randn(1, 40, exact.sizes.content, generator=draw), torch.arange(40)[None]
    noise, g = torch.randn(1, exact.sizes.inter, 30, generator=draw), exact.speaker(0)

    def latents(net):
        m, logs = net.encode(content, coarse, 10)
        return m, net.flow(net.prior(m, logs, noise), g)

    rounded = latents(Synthesizer(sv.config(), "v2", 1, tensors).to_precision("bfloat16"))
    other = latents(Synthesizer(sv.config(), "v2", 1, tensors).to_precision("int8"))
    for truth, near, same in zip(latents(exact), rounded, other, strict=True):
        assert near.dtype == torch.float32
        assert 1e-6 < sv.gap(near, truth) < 10 ** (-40 / 20)
        assert torch.equal(same, truth)


def waveform(net):
    """What a synthesizer makes of some frames."""
    made = torch.Generator().manual_seed(0)
    g, pitch = net.speaker(1), torch.randint(0, 256, (1, 120), generator=made)
    m, _ = net.encode(torch.randn(1, 120, 768, generator=made), pitch)
    source = torch.randn(1, 1, 120 * net.upp, generator=made)
    return net.generate(net.flow(m, g), g, source)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_a_streamed_or_converted_synthesizer_has_the_same_bits_as_a_resident_one(precision):
    tensors, changed = build()
    cfg = sv.config()
    resident, streamed = (
        Synthesizer(cfg, "v2", 1, tensors, precision=precision, policy=policy) for policy in (RESIDENT, STREAMED)
    )
    converted = Synthesizer(cfg, "v2", 1, tensors, policy=STREAMED)
    converted.generator  # noqa: B018 - built in float32 first
    expected = waveform(changed.to_precision(precision))
    for net in (resident, streamed, converted.to_precision(precision)):
        assert torch.equal(waveform(net), expected)
    assert torch.equal(waveform(streamed), expected)  # a second run, from the same tensors
