"""Whole networks on a simulated GPU: no operation mixes devices, and a block that is recorded waits for nothing."""

import warnings

import numpy as np
import plain_networks as plain
import pytest
import torch
from simulated_gpu import SimulatedGpu
from tiny import CONFIGS, tiny_models, tiny_synthesizer, tiny_tensors

from rvc import profiles
from rvc.f0.methods import rmvpe
from rvc.nn.gpu.graph_replay import Replayed
from rvc.nn.hubert import Hubert
from rvc.nn.rmvpe import Rmvpe
from rvc.nn.source import running_sum
from rvc.nn.synthesizer import Synthesizer
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls
from rvc.realtime.converter import BlockConverter
from rvc.realtime.model_loading import tracker
from rvc.realtime.stream import Stream


@pytest.fixture
def gpu():
    # Tensors that are made in inference mode have no version, which torch would read from the simulated device.
    with torch.inference_mode(), SimulatedGpu() as simulated, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PyTorch was compiled without cuDNN")
        yield simulated


def on_gpu(tensors):
    return {name: tensor.to("cuda") for name, tensor in tensors.items()}


def synthesizer(precision="float32"):
    tensors = tiny_tensors(CONFIGS[40000], "v2", True, 0)
    return Synthesizer(CONFIGS[40000], "v2", True, tensors, "cuda", precision)


def stages(net, generation, frames=40):
    """Every stage with its inputs in main memory, as the judge runs single stages."""
    made = torch.Generator().manual_seed(3)
    g = net.speaker(1).cpu()
    coarse = torch.randint(1, 255, (1, frames), generator=made)
    m, logs = (x.cpu() for x in net.encode(torch.randn(1, frames, 768, generator=made), coarse))
    z = net.flow(net.prior(m, logs, torch.randn(m.shape, generator=made)).cpu(), g).cpu()
    noise = torch.randn(1, frames * net.upp, 1, generator=made)
    sine, source = (x.cpu() for x in net.source(torch.full((1, frames), 200.0), noise, generation))
    return [m, logs, z, sine, source, net.generate(z, g, source).cpu()]


@pytest.mark.parametrize(("precision", "tolerance", "generation"), [("float32", 1e-5, "A"), ("float16", 1e-2, "B")])
def test_every_stage_takes_inputs_in_main_memory(gpu, precision, tolerance, generation):
    expected = stages(tiny_synthesizer(), generation)
    for result, right in zip(stages(synthesizer(precision), generation), expected, strict=True):
        torch.testing.assert_close(result, right, rtol=tolerance, atol=tolerance)


def test_the_running_sum_of_a_gpu_has_the_bits_of_a_cpu(gpu):
    x = torch.rand(5000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(running_sum(x.to("cuda")).cpu(), torch.cumsum(x, 0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_content_features_of_v1_voices_are_float32_in_every_precision(gpu, dtype):
    weights, samples = plain.hubert_weights(), torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))
    features = Hubert(plain.SMALL, weights, "cuda", dtype)(samples, project=True).cpu()
    assert features.dtype == torch.float32
    expected = Hubert(plain.SMALL, weights)(samples, project=True)
    assert (features - expected).norm() / expected.norm() < (1e-5 if dtype == torch.float32 else 5e-2)


def test_f0_is_tracked_on_the_device_and_decoded_in_main_memory(gpu):
    samples = np.sin(np.arange(8000) * (2 * np.pi * 220 / 16000)) * 0.5
    weights = plain.rmvpe_weights()
    expected, network = rmvpe.track(samples, Rmvpe(weights)), Rmvpe(on_gpu(weights))
    np.testing.assert_allclose(rmvpe.track(samples, network), expected, rtol=1e-4)


class CapturedCalls:
    """A recorder that refuses what cannot be recorded as a CUDA graph."""

    def __init__(self, gpu):
        self.gpu, self.made = gpu, 0

    def __call__(self, run, device):
        assert device.type == "cuda"
        self.made += 1
        with self.gpu.captured():
            result = run()

        def replay():
            with self.gpu.captured():
                result.copy_(run())

        return result, replay


@pytest.mark.parametrize(
    ("precision", "profile", "formant"), [("float32", "webui-2026", 1.5), ("float16", "webui-classic", 0.0)]
)
def test_a_live_block_is_recorded_without_waiting(gpu, precision, profile, formant):
    sizes = BlockSizes.of(40000, block=0.1, crossfade=0.03, extra=0.21)
    sound = np.random.default_rng(0).normal(size=2 * sizes.block).astype(np.float32) * 0.2
    outputs = []
    for device in ("cpu", "cuda"):
        models = tiny_models(40000, profile=profile)
        if device == "cuda":
            models.voice.synthesizer = synthesizer(precision)
            models.hubert.matrix = models.hubert.matrix.to("cuda")
        stream = Stream(models, sizes, Controls(formant=formant))
        if device == "cuda":
            stream._converter = BlockConverter(sizes, CapturedCalls(gpu))
        blocks = [stream.block(sound[i * sizes.block : (i + 1) * sizes.block]) for i in range(2)]
        outputs.append(np.concatenate(blocks))
    error = np.abs(outputs[0] - outputs[1]).max() / np.abs(outputs[0]).max()
    assert error < (1e-4 if precision == "float32" else 5e-2)


def test_hubert_is_recorded_without_waiting(gpu):
    network = Hubert(plain.SMALL, plain.hubert_weights(), "cuda")
    replayed, samples = Replayed(CapturedCalls(gpu)), torch.randn(1, 2000)
    for scale in (1.0, 0.5):
        result = replayed(lambda x: network(x, project=False), "hubert", (samples * scale).to("cuda"))
    assert torch.equal(result.cpu(), network(samples * 0.5, project=False).cpu())


def test_rmvpe_is_recorded_once_for_each_length_and_its_f0_is_the_same(gpu):
    sound = 0.5 * np.sin(np.arange(16000) * (2 * np.pi * 220 / 16000)).astype(np.float32)
    network = Rmvpe(on_gpu(plain.rmvpe_weights()))

    class Weights:
        def network(self, method):
            return network

    recorder = CapturedCalls(gpu)
    tracks = [tracker(Weights(), profiles.named("webui-2026"), made) for made in (None, recorder)]
    for end in (16000, 12000, 14000):
        for block in (1600, 4800):
            direct, recorded = (track(sound[:end], block, "rmvpe", 0.0, None) for track in tracks)
            for expected, result in zip(direct, recorded, strict=True):
                np.testing.assert_array_equal(result, expected)
    assert recorder.made == 2


def test_the_simulated_gpu_refuses_what_a_gpu_refuses(gpu):
    x = torch.ones(3).to("cuda")
    with pytest.raises(RuntimeError, match="got tensors on cuda and on cpu"):
        x + torch.ones(3)
    with pytest.raises(RuntimeError):
        x.numpy()
    assert gpu.waits == []
    assert float(x.sum()) == 3.0 and len(gpu.waits) == 1
    with gpu.captured(), pytest.raises(RuntimeError, match="while a graph is recorded"):
        x.cpu()
    with gpu.captured(), pytest.raises(RuntimeError, match="while a graph is recorded"):
        torch.ones(3).to("cuda")
    with gpu.captured(), pytest.raises(RuntimeError, match="while a graph is recorded"):
        x[0].item()
