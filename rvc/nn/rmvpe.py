"""RMVPE, an F0 network: log-mel (frames, 128) → salience (frames, 360) over bins of 20 cents (docs/spec/03).

A U-Net of 3×3 convolutions and a bidirectional GRU. The U-Net runs in pieces of time; each layer holds the few frames
that its next piece needs, so memory does not grow with the length. Batch norms are folded into the convolutions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.gpu.device_gru import DeviceGru
from rvc.nn.gpu.graph_replay import cuda_graph
from rvc.nn.hubert_tensor_names import listed
from rvc.nn.kernels import workers
from rvc.nn.kernels.conv2d import Conv2d, DoublingConv2d
from rvc.nn.streaming.piecewise import EvenFrames, FrameQueue, PiecewiseFunction, pieces
from rvc.scratch import Frames, ScratchArrays, StoredArray, frame_store
from rvc.weights.mapped_file import MappedTensors
from rvc.weights.memory import release_library_code, trim_heap
from rvc.weights.policy import RESIDENT, WeightPolicy

Step = Callable[..., Tensor]  # image (1, C, f, w) → image

SHALLOW_LEVELS = 2  # levels that run in slices of a piece, because they have the most frames and the smallest kernels
SLICE = 512  # frames of 10 ms per slice
PIECE = 4096  # frames per piece, a multiple of 32; with fewer than 1600 the deepest layers would complete no frame
COUNTER = "num_batches_tracked"  # a counter of training, which no computation reads
GRU_PIECE = 1024  # frames whose gates are held at a time
PARALLEL_FRAMES = 256  # frames from which on two threads run the two directions faster than one
LEVELS = 5  # levels of the U-Net
BLOCKS = 4  # residual blocks per level
EPS = 1e-5  # epsilon of the batch norms
NUMBERS_PER_FOLD = 1 << 18  # numbers of a weight that a batch norm is folded into at a time, to stay in the cache


class Rmvpe:
    """The network. Its sizes follow from the tensors, so a smaller one runs too."""

    def __init__(self, weights: Mapping[str, Tensor], policy: WeightPolicy = RESIDENT) -> None:
        """Build the network.

        Args:
            weights: the 741 tensors of rmvpe.pt; a streamed network reads them at each run.
            policy: a streamed network packs the layers of the deep levels for each run, one after the other in the
                same memory: they are 350 of the 361 MB, and one run covers PIECE frames.
        Raises:
            BadCheckpoint: see `check`.
        """
        check(weights)
        self.policy = policy
        self.device = weights["cnn.weight"].device
        encoder = "unet.encoder"
        self.input_scale, self.input_shift = norm_affine(weights, f"{encoder}.bn")
        held = [RESIDENT if i < SHALLOW_LEVELS else policy for i in range(LEVELS)]  # how each level's layers are held
        self.down = [level(weights, f"{encoder}.layers.{i}.conv", held[i]) for i in range(LEVELS)]
        self.middle = [level(weights, f"unet.intermediate.layers.{j}.conv", policy) for j in range(4)]
        self.up = [Up(weights, f"unet.decoder.layers.{i}", held[LEVELS - 1 - i]) for i in range(LEVELS)]
        self.head = Conv2d(weights["cnn.weight"].float(), weights["cnn.bias"].to(torch.float32, copy=True), (1, 1))
        on_cpu = self.device.type == "cpu"
        self.gru = {suffix: GruDirection(weights, suffix) for suffix in ("", "_reverse")} if on_cpu else {}
        self.device_gru = None if on_cpu else DeviceGru(weights, cuda_graph if self.device.type == "cuda" else None)
        # On a GPU each slice costs launches, and there is no cache for it to stay in.
        self.slice = SLICE if on_cpu else PIECE
        self.bins_weight, self.bins_bias = (
            weights[f"fc.1.{part}"].to(torch.float32, copy=True) for part in ("weight", "bias")
        )
        trim_heap()

    @torch.inference_mode()
    def salience(self, mel: Frames) -> Iterator[tuple[int, Tensor]]:
        """The salience of each F0 bin in each frame, piece by piece, from the middle of the signal to its ends.

        Args:
            mel: float32 (F, 128), natural logarithm.
        Yields:
            The first frame of a piece, and its salience, float32 (f, 360) in 0 … 1.
        """
        frames = len(mel)
        features = self.features(mel)
        del mel
        for start, states in self.gru_states(features):
            salience = torch.sigmoid(F.linear(states, self.bins_weight, self.bins_bias))
            yield start, salience[: max(frames - start, 0)]

    def gru_states(self, features: Frames) -> Iterator[tuple[int, Tensor]]:
        """Run both directions of the GRU, at the same time where that is faster.

        The states of one direction wait for those of the other: half of all states at most, in the middle.

        Args:
            features: float32 (F, 384).
        Yields:
            The first frame of a piece, and the states of both directions, float32 (f, 512).
        """
        if self.device_gru is not None:
            whole = self.device_gru(torch.as_tensor(features))
            yield from ((start, whole[start : start + GRU_PIECE]) for start in range(0, len(whole), GRU_PIECE))
            return
        directions = [self.gru[""].run(features), self.gru["_reverse"].run(features, reverse=True)]
        waiting: list[dict[int, StoredArray]] = [{}, {}]
        scratch = ScratchArrays()

        def advance(direction: int) -> None:
            start, states = next(directions[direction])
            waiting[direction][start] = scratch.put(states.numpy())

        for _ in range(0, len(features), GRU_PIECE):
            if len(features) < PARALLEL_FRAMES:
                advance(0)
                advance(1)
            else:
                workers.run_tasks([partial(advance, 0), partial(advance, 1)])
            for start in sorted(waiting[0].keys() & waiting[1].keys()):
                states = [torch.from_numpy(each.pop(start).load()) for each in waiting]
                yield start, torch.cat(states, 1)

    def features(self, mel: Frames) -> Frames:
        """The U-Net: float32 (F, 128) → (⌈F / 32⌉·32, 384), its three channels concatenated."""
        stream = UNetStream(self)
        total = len(mel) + -len(mel) % 32
        features = frame_store(total, 3 * mel[:1].shape[1], mel.device)
        written = 0
        for start in range(0, total, PIECE):
            stop = min(start + PIECE, total)
            piece = mel[start:stop]
            # The original pads with 0 in the log domain, which is loud and changes the GRU's states.
            piece = F.pad(piece, (0, 0, 0, stop - start - len(piece)))
            for image in stream(piece[None, None], stop == total):
                features[written : written + image.shape[2]] = image[0].permute(1, 0, 2).flatten(1)
                written += image.shape[2]
        stream.trim()
        return features


class UNetStream:
    """One pass of a signal through the U-Net, piece by piece, and through the shallow levels slice by slice."""

    def __init__(self, network: Rmvpe) -> None:
        self.network = network
        self.down = [piecewise(level, as_one=i < SHALLOW_LEVELS) for i, level in enumerate(network.down)]
        self.pairs = [EvenFrames() for _ in network.down]
        self.skips = [FrameQueue() for _ in network.down]
        self.middle = [piecewise(layer) for layer in network.middle]
        self.rise = [PiecewiseFunction(up.rise, 1, scale=2) for up in network.up]
        self.up = [piecewise(up.blocks, as_one=i >= LEVELS - SHALLOW_LEVELS) for i, up in enumerate(network.up)]
        self.head = PiecewiseFunction(network.head, 1)

    def __call__(self, image: Tensor, last: bool) -> list[Tensor]:
        """(1, 1, f, 128) → slices (1, 3, g, 128); the sum of g lags behind the sum of f until the last piece."""
        image = image * self.network.input_scale + self.network.input_shift
        shallow, deep = range(SHALLOW_LEVELS), range(SHALLOW_LEVELS, LEVELS)
        image = torch.cat(
            [self.descend(part, shallow, end) for part, end in pieces(image, self.network.slice, last)], 2
        )
        self.trim()
        image = self.descend(image, deep, last)
        for layer in self.middle:
            image = run_piecewise(layer, image, last)
        image = self.ascend(image, range(LEVELS - SHALLOW_LEVELS), last)
        self.trim()
        parts = pieces(image, self.network.slice >> SHALLOW_LEVELS, last)
        return [self.head(self.ascend(part, range(LEVELS - SHALLOW_LEVELS, LEVELS), end), end) for part, end in parts]

    def trim(self) -> None:
        """Return the memory that streamed layers, which are of many sizes, have left unused."""
        if self.network.policy.is_streamed:
            trim_heap()
            release_library_code()

    def descend(self, image: Tensor, levels: range, last: bool) -> Tensor:
        """Run encoder levels, each of which halves frames and bands and queues its output for the decoder.

        Args:
            image: float32 (1, C, frames, bands), the next piece.
            levels: the numbers of the levels, 0 for the first.
            last: whether the piece is the last one.
        Returns:
            The image after k levels, with frames / 2^k and bands / 2^k; frames that need later input are held back.
        """
        for i in levels:
            image = run_piecewise(self.down[i], image, last)
            self.skips[i].put(image)
            image = F.avg_pool2d(self.pairs[i](image), 2)
        return image

    def ascend(self, image: Tensor, levels: range, last: bool) -> Tensor:
        """Run decoder levels, each of which doubles frames and bands and concatenates the encoder's output.

        Args:
            image, last: as in `descend`.
            levels: the numbers of the levels, 0 for the deepest.
        """
        for i in levels:
            image = self.rise[i](image, last)
            skip = self.skips[LEVELS - 1 - i].take(image.shape[2])
            image = run_piecewise(self.up[i], torch.cat((image, skip), 1), last)
        return image


class Block:
    """A residual block: two 3×3 convolutions, each with batch norm and ReLU, added to the input."""

    reach = 2

    def __init__(self, weights: Mapping[str, Tensor], name: str, policy: WeightPolicy = RESIDENT) -> None:
        builds = [partial(fold_conv, weights, f"{name}.conv.{i}", f"{name}.conv.{i + 1}") for i in (0, 3)]
        self.first: Step = policy.hold(builds[0])
        self.second: Step = policy.hold(builds[1])
        self.shortcut: Conv2d | None = None
        if f"{name}.shortcut.weight" in weights:
            weight, bias = weights[f"{name}.shortcut.weight"], weights[f"{name}.shortcut.bias"]
            self.shortcut = Conv2d(weight.float(), bias.to(torch.float32, copy=True))

    def __call__(self, image: Tensor) -> Tensor:
        """(1, c_in, f, w) → (1, c_out, f, w)."""
        inner = self.second(self.first(image, relu=True), relu=True)
        return inner.add_(image if self.shortcut is None else self.shortcut(image))


class Up:
    """One decoder level: a transposed convolution that doubles both axes, then blocks over it and the skip."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, policy: WeightPolicy = RESIDENT) -> None:
        self.rise: Step = policy.hold(partial(fold_transposed_conv, weights, f"{name}.conv1"))
        self.blocks = level(weights, f"{name}.conv2", policy)


class GruDirection:
    """One direction of a gated recurrent unit.

    Each step uses operations small enough for one thread. torch's own GRU uses MKL's tanh, and a product of all 768
    gates uses MKL's threads, which wait for each other at every step; on a busy machine that takes long.
    """

    def __init__(self, weights: Mapping[str, Tensor], suffix: str) -> None:
        """Read `fc.0.gru.*`, whose gates are in the order reset, update, new; suffix: "" or "_reverse"."""
        input_weight, state_weight, input_bias, state_bias = (
            weights[f"fc.0.gru.{name}_l0{suffix}"].to(torch.float32, copy=True)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        self.hidden = state_weight.shape[1]
        sigmoid, new = slice(2 * self.hidden), slice(2 * self.hidden, None)
        self.input_sigmoid = input_weight[sigmoid], input_bias[sigmoid] + state_bias[sigmoid]
        self.input_new = 2 * input_weight[new], 2 * input_bias[new]  # doubled, since tanh(x) = 2·sigmoid(2x) − 1
        self.state_sigmoid, self.state_new, self.new_bias = (
            state_weight[sigmoid],
            2 * state_weight[new],
            2 * state_bias[new],
        )

    def run(self, frames: Frames, reverse: bool = False) -> Iterator[tuple[int, Tensor]]:
        """Run frames (F, in), forwards or in reverse; yields each piece's first frame and states (f, hidden)."""
        state = torch.zeros(self.hidden)
        starts = range(0, len(frames), GRU_PIECE)
        for start in reversed(starts) if reverse else starts:
            piece = frames[start : start + GRU_PIECE]
            states = self.run_piece(piece.flip(0) if reverse else piece, state)
            state = states[-1]
            yield start, states.flip(0) if reverse else states

    def run_piece(self, frames: Tensor, state: Tensor) -> Tensor:
        """Run frames (f, in) from a state (hidden,) on; returns every state, (f, hidden)."""
        sigmoid_inputs, new_inputs = F.linear(frames, *self.input_sigmoid), F.linear(frames, *self.input_new)
        return compiled(gru_steps)(sigmoid_inputs, new_inputs, self.state_sigmoid, self.state_new, self.new_bias, state)


def gru_steps(
    sigmoid_inputs: Tensor,
    new_inputs: Tensor,
    sigmoid_weight: Tensor,
    new_weight: Tensor,
    new_bias: Tensor,
    state: Tensor,
) -> Tensor:
    """The recurrence.

    Args:
        sigmoid_inputs: float32 (f, 2·hidden), the products of the frames for the reset and update gates; overwritten.
        new_inputs: float32 (f, hidden), those for the new gate, doubled; overwritten.
        sigmoid_weight: float32 (2·hidden, hidden), of the state.
        new_weight, new_bias: float32 (hidden, hidden) and (hidden,), of the state, doubled.
        state: float32 (hidden,), before the first frame.
    Returns:
        float32 (f, hidden), every state.
    """
    hidden = len(state)
    states, from_state = torch.empty_like(new_inputs), torch.empty_like(state)
    for i in range(len(new_inputs)):
        gates, new = sigmoid_inputs[i], new_inputs[i]
        gates.addmv_(sigmoid_weight, state).sigmoid_()
        torch.addmv(new_bias, new_weight, state, out=from_state)
        new.addcmul_(gates[:hidden], from_state).sigmoid_().mul_(2).sub_(1)
        state = torch.lerp(new, state, gates[hidden:], out=states[i])
    return states


@cache
def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function as TorchScript, which does not hold Python's lock, so that two threads run it at the same time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch 2.13; torch.compile needs a C++ compiler
        script: Callable[..., Tensor] = torch.jit.script(function)
    return script


def level(weights: Mapping[str, Tensor], name: str, policy: WeightPolicy = RESIDENT) -> list[Step]:
    """The four residual blocks of a level; `name` is the beginning of their tensors' names in `weights`."""
    return [policy.hold(partial(Block, weights, f"{name}.{b}", policy)) for b in range(BLOCKS)]


def piecewise(blocks: list[Step], as_one: bool = False) -> list[PiecewiseFunction]:
    """Blocks as piecewise functions: one each, or all as one where holding frames costs more than recomputing them."""
    if as_one:
        return [PiecewiseFunction(partial(chain, blocks), Block.reach * len(blocks))]
    return [PiecewiseFunction(block, Block.reach) for block in blocks]


def chain(blocks: list[Step], image: Tensor) -> Tensor:
    """Run one block after the other on an image, float32 (1, C, frames, bands)."""
    for block in blocks:
        image = block(image)
    return image


def run_piecewise(parts: list[PiecewiseFunction], image: Tensor, last: bool) -> Tensor:
    """Run one piecewise function after the other on a piece, float32 (1, C, frames, bands); `last` as in `descend`."""
    for part in parts:
        image = part(image, last)
    return image


def norm_affine(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """A batch norm in inference is affine: its scale and shift per channel, float32 (c,) each."""
    scale = weights[f"{name}.weight"].double() / torch.sqrt(weights[f"{name}.running_var"].double() + EPS)
    shift = weights[f"{name}.bias"].double() - weights[f"{name}.running_mean"].double() * scale
    return scale.float(), shift.float()


def fold_transposed_conv(weights: Mapping[str, Tensor], name: str) -> DoublingConv2d:
    """A transposed convolution with the following batch norm folded in."""
    scale, shift = norm_affine(weights, f"{name}.1")
    return DoublingConv2d((weights[f"{name}.0.weight"] * scale.view(1, -1, 1, 1)).float(), shift)


def fold_conv(weights: Mapping[str, Tensor], conv_name: str, norm_name: str) -> Conv2d:
    """A 3×3 convolution without bias, with the following batch norm folded in."""
    scale, shift = norm_affine(weights, norm_name)
    plain = weights[f"{conv_name}.weight"]
    # In the layout of the images, which every backend packs from, and in parts, so that no second copy is held.
    weight = torch.empty(plain.shape, memory_format=torch.channels_last, device=plain.device)
    filters = max(NUMBERS_PER_FOLD // plain[0].numel(), 1)
    parts = zip(*(torch.split(each, filters) for each in (plain, scale.view(-1, 1, 1, 1), weight)), strict=True)
    for part, factors, out in parts:
        torch.mul(part.float(), factors, out=out)
    conv = Conv2d(weight, shift, (1, 1))
    if isinstance(weights, MappedTensors):
        weights.release_pages()
    return conv


def expected_shapes(base: int = 16, into: int = 384, hidden: int = 256) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of rmvpe.pt (741), by default of the original's sizes."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, c: int) -> None:
        shapes.update({f"{name}.{part}": (c,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    def blocks(name: str, into: int, out: int) -> None:
        for b in range(BLOCKS):
            c = into if b == 0 else out
            shapes[f"{name}.{b}.conv.0.weight"] = (out, c, 3, 3)
            norm(f"{name}.{b}.conv.1", out)
            shapes[f"{name}.{b}.conv.3.weight"] = (out, out, 3, 3)
            norm(f"{name}.{b}.conv.4", out)
            if c != out:
                shapes[f"{name}.{b}.shortcut.weight"] = (out, c, 1, 1)
                shapes[f"{name}.{b}.shortcut.bias"] = (out,)

    norm("unet.encoder.bn", 1)
    widths = [base << i for i in range(LEVELS)]
    for i, width in enumerate(widths):
        blocks(f"unet.encoder.layers.{i}.conv", 1 if i == 0 else widths[i - 1], width)
    top = 2 * widths[-1]
    for j in range(4):
        blocks(f"unet.intermediate.layers.{j}.conv", widths[-1] if j == 0 else top, top)
    for i, width in enumerate(reversed(widths)):
        shapes[f"unet.decoder.layers.{i}.conv1.0.weight"] = (2 * width, width, 3, 3)
        norm(f"unet.decoder.layers.{i}.conv1.1", width)
        blocks(f"unet.decoder.layers.{i}.conv2", 2 * width, width)
    shapes |= {"cnn.weight": (3, base, 3, 3), "cnn.bias": (3,)}
    for suffix in ("", "_reverse"):
        shapes |= {f"fc.0.gru.weight_ih_l0{suffix}": (3 * hidden, into)}
        shapes |= {f"fc.0.gru.weight_hh_l0{suffix}": (3 * hidden, hidden)}
        shapes |= {f"fc.0.gru.bias_{direction}_l0{suffix}": (3 * hidden,) for direction in ("ih", "hh")}
    return shapes | {"fc.1.weight": (360, 2 * hidden), "fc.1.bias": (360,)}


def check(weights: Mapping[str, Tensor]) -> None:
    """Check that tensors are those of a complete RMVPE.

    Raises:
        BadCheckpoint: tensors are missing, unexpected or of another shape; the message lists them.
    """
    base, hidden = 16, 256
    if "cnn.weight" in weights and weights["cnn.weight"].ndim == 4:
        base = weights["cnn.weight"].shape[1]
    if "fc.0.gru.weight_hh_l0" in weights and weights["fc.0.gru.weight_hh_l0"].ndim == 2:
        hidden = weights["fc.0.gru.weight_hh_l0"].shape[1]
    # The counters that training writes are not read, so that their shapes and presence do not matter.
    complete = expected_shapes(base, hidden=hidden)
    shapes = {name: shape for name, shape in complete.items() if not name.endswith(COUNTER)}
    weights = {name: tensor for name, tensor in weights.items() if not name.endswith(COUNTER)}
    missing = [name for name in shapes if name not in weights]
    if missing:
        raise BadCheckpoint(
            f"the RMVPE file lacks {len(missing)} of {len(complete)} tensors: {listed(missing)}; is it rmvpe.pt?"
        )
    more = [name for name in weights if name not in shapes]
    if more:
        raise BadCheckpoint(f"the RMVPE file has {len(more)} unexpected tensors: {listed(more)}; is it rmvpe.pt?")
    wrong = [
        f"{name} {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in shapes.items()
        if tuple(weights[name].shape) != shape
    ]
    if wrong:
        raise BadCheckpoint(f"the RMVPE file has {len(wrong)} tensors of another shape: {listed(wrong)}")
    odd = [name for name in shapes if not weights[name].is_floating_point()]
    if odd:
        raise BadCheckpoint(f"the RMVPE file has tensors that are not floating-point numbers: {listed(odd)}")
