"""What a GPU computes, tested without one: no step waits for the device, and recorded blocks equal direct ones.

Tensors on the device "meta" have shapes and no numbers. Whatever reads a number of theirs, or copies them to main
memory, raises an error, so that a network which runs on them runs on a GPU without waiting for it.
"""

import gc
import weakref

import numpy as np
import plain_networks as plain
import pytest
import small_voice as sv
import torch

from rvc.content import features
from rvc.content.features import load_hubert
from rvc.errors import BadCheckpoint, BadInput
from rvc.f0 import mel
from rvc.nn import generator, rmvpe
from rvc.nn.gpu import device_gru
from rvc.nn.gpu.device_gru import DeviceGru
from rvc.nn.gpu.graph_replay import HELD, Replayed
from rvc.nn.hubert import Hubert
from rvc.nn.kernels.backends import cuda, selection
from rvc.nn.kernels.backends.backend import Operation, Task
from rvc.nn.kernels.backends.cuda import CudaBackend, DeviceGrouped, DeviceImage, use_exact_float32
from rvc.nn.kernels.backends.plain import PlainConvolution, PlainGrouped, PlainImage
from rvc.nn.kernels.conv import PRECISIONS, Weights
from rvc.nn.rmvpe import GruDirection, Rmvpe
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls
from rvc.realtime.converter import BlockConverter
from rvc.realtime.stream import Stream
from tests.unit.tiny import tiny_models

META = torch.device("meta")


def small_synthesizer(device, precision="float32"):
    config = sv.config("40k", "1")
    tensors = sv.weights(layout(read_config(config, "v2", 1)))
    return Synthesizer(config, "v2", 1, tensors, device, precision)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_synthesizer_never_waits_for_the_device(precision):
    net = small_synthesizer(META, precision)
    frames, g = 40, net.speaker(0)
    m, logs = net.encode(torch.zeros(1, frames, net.sizes.content), torch.ones(1, frames, dtype=torch.int64))
    z = net.flow(net.prior(m, logs, torch.zeros(m.shape)), g)
    for generation in ("A", "B"):
        _, source = net.source(torch.full((1, frames), 200.0), torch.zeros(1, frames * net.upp, 1), generation)
    samples = net.generate(z, g, source)
    assert (samples.device, samples.dtype, samples.shape) == (META, torch.float32, (frames * net.upp,))
    with pytest.raises(NotImplementedError):
        samples.cpu()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_hubert_never_waits_for_the_device(dtype):
    features = Hubert(plain.SMALL, plain.hubert_weights(), META, dtype)(torch.zeros(1, 9000), project=False)
    assert features.device == META


@pytest.mark.parametrize("precision", sorted(PRECISIONS))
def test_hubert_loads_in_every_precision_that_has_a_kernel(precision, monkeypatch):
    monkeypatch.setattr(features, "read_hubert", lambda _path: (plain.SMALL, plain.hubert_weights()))
    assert load_hubert("unread", META, precision)(torch.zeros(1, 9000)).device == META


def test_rmvpe_never_waits_for_the_device(monkeypatch):
    monkeypatch.setattr(rmvpe, "GRU_PIECE", 64)
    network = Rmvpe({name: tensor.to(META) for name, tensor in plain.rmvpe_weights().items()})
    pieces = list(network.salience(torch.zeros(150, 128, device=META)))
    assert [start for start, _ in pieces] == [0, 64, 128]
    assert sum(len(part) for _, part in pieces) == 150
    assert all(part.device == META for _, part in pieces)


def test_a_spectrogram_is_computed_on_the_device_of_its_samples():
    assert mel.log_mel(torch.zeros(5000, device=META), mel.filterbank(30.0, 8000.0, "htk")).device == META


def test_weights_are_checked_before_they_go_to_the_device():
    tensors = {"x": torch.ones(4), "y": torch.tensor([1.0, float("nan")])}
    assert Weights(tensors, META)["x"].device == META
    with pytest.raises(BadCheckpoint, match="tensor y holds NaN or infinity"):
        Weights(tensors, META)["y"]


def test_the_recurrence_in_one_call_equals_the_steps_and_can_be_divided(monkeypatch):
    weights = plain.rmvpe_weights()
    features = torch.randn(300, 384, generator=torch.Generator().manual_seed(0))
    layer = DeviceGru(weights)
    once = layer(features)
    steps = []
    for suffix, reverse in (("", False), ("_reverse", True)):
        parts = sorted(GruDirection(weights, suffix).run(features, reverse), key=lambda part: part[0])
        steps.append(torch.cat([states for _, states in parts]))
    torch.testing.assert_close(once, torch.cat(steps, 1), rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(device_gru, "STEPS", 128)
    torch.testing.assert_close(layer(features), once, rtol=1e-5, atol=1e-6)
    assert device_gru.STEPS < 65536


def test_a_signal_beyond_the_steps_that_cudnn_refuses_keeps_its_state():
    """65,536 steps are more than cuDNN accepts; a layer that adds up its frames shows each step and each state."""
    calls = []

    def layer(frames, state):
        assert len(frames) <= 65535, "cuDNN refuses more steps"
        calls.append(len(frames))
        states = frames.cumsum(0) + (0 if state is None else state)
        return states, states[-1:]

    frames = torch.ones(70_000, 2)
    assert torch.equal(device_gru.run(layer, frames), frames.cumsum(0))
    assert len(calls) > 1 and sum(calls) == 70_000


def test_float16_is_close_to_float32():
    """Where a GPU computes it, through the same operations of torch."""
    exact, half = small_synthesizer("cpu"), small_synthesizer("cpu", "float16")
    made = torch.Generator().manual_seed(1)
    z, source = torch.randn(1, exact.sizes.inter, 60, generator=made), torch.randn(1, 1, 60 * exact.upp, generator=made)
    result, expected = (net.generate(z, net.speaker(0), source) for net in (half, exact))
    assert result.dtype == torch.float32
    assert 1e-6 < (result - expected).norm() / expected.norm() < 5e-3


def test_float16_is_refused_on_the_cpu(tmp_path):
    with pytest.raises(BadInput) as refused:
        VoiceNetworks(tmp_path / "voice.pth", precision="float16")
    assert str(refused.value) == ("float16 computes on an NVIDIA GPU (--device cuda); choose bfloat16 on the CPU")


def test_the_cuda_backend_computes_everything_on_cuda_without_tf32():
    tasks = [Task(operation, 32, 32, 3, torch.float16, "cuda") for operation in Operation]
    assert {selection.choose(task).name for task in tasks} == {"cuda"}
    assert not CudaBackend().computes(Task(Operation.PRODUCT, 32, 32))
    with pytest.raises(BadInput, match="int8 needs a CPU build of torch with oneDNN"):
        selection.choose(Task(Operation.RESIDUAL, 32, 32, 3, torch.int8, "cuda"))
    use_exact_float32()
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32


class RecordedCalls:
    """A recorder that runs the function again into the same memory, as a CUDA graph does."""

    def __init__(self):
        self.made = self.replayed = 0

    def __call__(self, run, device):
        self.made += 1
        result = run()
        result = result.clone()

        def replay():
            self.replayed += 1
            result.copy_(run())

        return result, replay


def test_a_recorded_function_is_replayed_for_other_inputs_of_the_same_shapes():
    recorder = RecordedCalls()
    replayed = Replayed(recorder)
    results = [replayed(lambda x, *, by: x * by, "f", torch.full((3,), value), by=2) for value in (1.0, 5.0)]
    assert [float(result[0]) for result in results] == [2.0, 10.0]
    assert (recorder.made, recorder.replayed) == (1, 2)
    assert float(replayed(lambda x, *, by: x * by, "f", torch.ones(3), by=3)[0]) == 3.0
    assert float(replayed(lambda x, *, by: x * by, "f", torch.ones(4), by=2)[0]) == 2.0
    assert recorder.made == 3
    for length in range(5, 5 + 2 * HELD):
        replayed(lambda x: x, "g", torch.ones(length))
    assert len(replayed.recordings) == HELD


def test_a_recording_keeps_its_network_alive():
    class Network:
        weight = torch.ones(2)

    network, replayed = Network(), Replayed(RecordedCalls())
    replayed(lambda x, network=network: x * network.weight, id(network), torch.ones(2))
    alive = weakref.ref(network)
    del network
    gc.collect()
    assert alive() is not None


def test_recorded_blocks_equal_direct_ones():
    models, sizes = tiny_models(), BlockSizes.of(40000, block=0.1, crossfade=0.03, extra=0.41)
    sound = np.random.default_rng(0).normal(size=4 * sizes.block).astype(np.float32) * 0.2
    recorder, outputs = RecordedCalls(), []
    for recorded in (False, True):
        stream = Stream(models, sizes, Controls())
        if recorded:
            stream._converter = BlockConverter(sizes, recorder)
        for number in range(4):
            if number == 3:
                stream.change(formant=1.0)
            outputs.append(stream.block(sound[number * sizes.block : (number + 1) * sizes.block]))
    for direct, replayed in zip(outputs[:4], outputs[4:], strict=True):
        np.testing.assert_array_equal(direct, replayed)
    assert (recorder.made, recorder.replayed) == (3, 8)  # HuBERT, the synthesizer, and again for the other formant


@pytest.mark.parametrize("frames", [1, 70, 300])
def test_groups_as_products_equal_the_grouped_convolution(frames):
    made = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(96, 6, 1, 128, generator=made), torch.randn(96, generator=made)
    signal = torch.randn(frames, 96, generator=made)
    expected = PlainGrouped(weight, 16, torch.float32, torch.float32)(signal, bias)
    torch.testing.assert_close(DeviceGrouped(weight, 16, torch.float32)(signal, bias), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 4), (7, 5), (40, 64)])
@pytest.mark.parametrize("padding", [0, 1])
def test_a_small_image_as_a_product_equals_the_convolution(size, padding):
    made = torch.Generator().manual_seed(0)
    kernel = 2 * padding + 1
    weight, bias = torch.randn(8, 5, kernel, kernel, generator=made), torch.randn(8, generator=made)
    image = torch.randn(1, 5, *size, generator=made)
    expected, result = (
        kind(weight, (padding, padding), (1, 1))(image, bias, relu=True) for kind in (PlainImage, DeviceImage)
    )
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def test_recorded_steps_of_the_recurrence_equal_a_single_call(monkeypatch):
    monkeypatch.setattr(device_gru, "RECORDED_STEPS", 64)
    weights, recorder = plain.rmvpe_weights(), RecordedCalls()
    features = torch.randn(300, 384, generator=torch.Generator().manual_seed(0))
    recorded = DeviceGru(weights, recorder)(features)
    torch.testing.assert_close(recorded, DeviceGru(weights)(features), rtol=1e-5, atol=1e-6)
    assert (recorder.made, recorder.replayed) == (1, 5)


def test_a_signal_in_the_long_pieces_of_a_gpu_has_the_same_samples(monkeypatch):
    net = small_synthesizer("cpu")
    made = torch.Generator().manual_seed(1)
    z, source = torch.randn(1, net.sizes.inter, 250, generator=made), torch.randn(1, 1, 250 * net.upp, generator=made)
    expected = net.generate(z, net.speaker(0), source, 3, 240)
    monkeypatch.setattr(net.generator, "on_cpu", False)
    for piece in (1000, 70):
        monkeypatch.setattr(generator, "DEVICE_PIECE", piece)
        result = net.generate(z, net.speaker(0), source, 3, 240)
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("width", "dilation", "pad"), [(3, 1, 1), (11, 5, 0), (1, 1, 0)])
def test_a_long_signal_in_half_precision_as_a_product_equals_the_convolution(width, dilation, pad, monkeypatch):
    monkeypatch.setattr(cuda, "LONG_SIGNAL", 0)
    monkeypatch.setattr(cuda, "WINDOWS", 5000)
    made = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(16, 12, 1, width, generator=made), torch.randn(16, generator=made)
    whole = torch.randn(400, 12, generator=made)
    result = cuda.DeviceConvolution(weight, dilation, torch.bfloat16)(
        whole.bfloat16()[7:], bias.bfloat16(), pad, slope=0.1, slope_before=0.2
    )
    expected = PlainConvolution(weight, dilation, torch.float32)(whole[7:], bias, pad, slope=0.1, slope_before=0.2)
    assert result.shape == expected.shape
    assert (result.float() - expected).norm() / expected.norm() < 1e-2


@pytest.mark.parametrize(("out", "count", "pixels"), [(512, 4608, 4), (64, 576, 256), (3, 144, 9)])
def test_a_divided_product_is_the_product(out, count, pixels):
    made = torch.Generator().manual_seed(0)
    weight, columns = torch.randn(out, count, generator=made), torch.randn(count, pixels, generator=made)
    torch.testing.assert_close(cuda.divided_product(weight, columns), weight @ columns, rtol=1e-4, atol=1e-3)
