"""RMVPE, the network that hears pitch: log-mel (frames, 128) → salience (frames, 360) over 20-cent bins.

A U-Net of 3×3 convolutions and a bidirectional GRU. The U-Net runs in pieces of time, each layer keeping the few rows
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
from rvc.nn.hubert_tensor_names import listed
from rvc.nn.kernels import workers
from rvc.nn.kernels.conv2d import Doubling, Filter
from rvc.nn.streaming.windows import Pairs, Queue, Window, slices
from rvc.weights.mapped_file import Tensors
from rvc.weights.memory import forget_code, give_back
from rvc.weights.policy import RESIDENT, WeightPolicy

Step = Callable[..., Tensor]  # image (1, C, f, w) → image

SHALLOW = 2  # levels that run in slices of a piece: they have the most rows and the smallest filters
SLICE = 512  # frames
PIECE = 4096  # frames per piece, a multiple of 32; at least 1600, or the deepest layers would have nothing to say
GRU_PIECE = 1024  # frames whose gates are held at once
TOGETHER = 256  # frames from which on waking a second thread pays
LEVELS = 5
BLOCKS = 4
EPS = 1e-5


class Rmvpe:
    """The network; sizes follow from the tensors, so a slimmer one works too."""

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
        self.input_scale, self.input_shift = norm_line(weights, f"{encoder}.bn")
        held = [RESIDENT if i < SHALLOW else policy for i in range(LEVELS)]  # how each level's layers are held
        self.down = [level(weights, f"{encoder}.layers.{i}.conv", held[i]) for i in range(LEVELS)]
        self.middle = [level(weights, f"unet.intermediate.layers.{j}.conv", policy) for j in range(4)]
        self.up = [Up(weights, f"unet.decoder.layers.{i}", held[LEVELS - 1 - i]) for i in range(LEVELS)]
        self.head = Filter(weights["cnn.weight"].float(), weights["cnn.bias"].to(torch.float32, copy=True), (1, 1))
        self.gru = {suffix: Recurrent(weights, suffix) for suffix in ("", "_reverse")}
        self.bins_weight, self.bins_bias = (
            weights[f"fc.1.{part}"].to(torch.float32, copy=True) for part in ("weight", "bias")
        )
        give_back()

    @torch.inference_mode()
    def salience(self, mel: Tensor) -> Iterator[tuple[int, Tensor]]:
        """How strongly each pitch sounds in each frame, a stretch at a time, from the sound's middle to its ends.

        mel     : float32 (F, 128), natural log
        yields  : the stretch's first frame, and float32 (f, 360), each 0…1
        """
        frames = len(mel)
        # the original pads with 0 in the log domain, which is loud, and the GRU hears it
        mel = F.pad(mel, (0, 0, 0, -frames % 32))
        features = self.features(mel)
        del mel
        for start, both in self.heard(features):
            found = torch.sigmoid(F.linear(both, self.bins_weight, self.bins_bias))
            yield start, found[: max(frames - start, 0)]

    def heard(self, features: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Both directions of the GRU over (F, 384): a stretch's first row and (f, 512), when both have been there.

        They go at once where that pays. What one has heard waits for the other: half of all at most, in the middle.
        """
        ways = [self.gru[""].run(features), self.gru["_reverse"].run(features, reverse=True)]
        waiting: list[dict[int, Tensor]] = [{}, {}]

        def hear(way: int) -> None:
            waiting[way].update([next(ways[way])])

        for _ in range(0, len(features), GRU_PIECE):
            if len(features) < TOGETHER or features.device.type != "cpu":
                hear(0)
                hear(1)
            else:
                workers.work([partial(hear, 0), partial(hear, 1)])
            for start in sorted(waiting[0].keys() & waiting[1].keys()):
                yield start, torch.cat([each.pop(start) for each in waiting], 1)

    def features(self, rows: Tensor) -> Tensor:
        """The U-Net: (F, 128), F a multiple of 32, → (F, 384), its three channels one after the other."""
        stream = UNetStream(self)
        features = torch.empty(len(rows), 3 * rows.shape[1], device=rows.device)
        done = 0
        for piece, last in slices(rows[None, None], PIECE, True):
            for image in stream(piece, last):
                features[done : done + image.shape[2]] = image[0].permute(1, 0, 2).flatten(1)
                done += image.shape[2]
        stream.trim()
        return features


class UNetStream:
    """One pass of a sound through the U-Net, piece by piece; the shallow levels, wide in frames, slice by slice."""

    def __init__(self, network: Rmvpe) -> None:
        self.network = network
        self.down = [windows(level, whole=i < SHALLOW) for i, level in enumerate(network.down)]
        self.pairs = [Pairs() for _ in network.down]
        self.skips = [Queue() for _ in network.down]
        self.middle = [windows(layer) for layer in network.middle]
        self.rise = [Window(up.rise, 1, scale=2) for up in network.up]
        self.up = [windows(up.blocks, whole=i >= LEVELS - SHALLOW) for i, up in enumerate(network.up)]
        self.head = Window(network.head, 1)

    def __call__(self, image: Tensor, last: bool) -> list[Tensor]:
        """(1, 1, f, 128) → slices (1, 3, g, 128), all in all g rows, which lags behind f until the last piece."""
        image = image * self.network.input_scale + self.network.input_shift
        shallow, deep = range(SHALLOW), range(SHALLOW, LEVELS)
        image = torch.cat([self.descend(part, shallow, end) for part, end in slices(image, SLICE, last)], 2)
        self.trim()
        image = self.descend(image, deep, last)
        for layer in self.middle:
            image = through(layer, image, last)
        image = self.ascend(image, range(LEVELS - SHALLOW), last)
        self.trim()
        parts = slices(image, SLICE >> SHALLOW, last)
        return [self.head(self.ascend(part, range(LEVELS - SHALLOW, LEVELS), end), end) for part, end in parts]

    def trim(self) -> None:
        """Return the memory that streamed layers, which are of many sizes, have left unused."""
        if self.network.policy.is_streamed:
            give_back()
            forget_code()

    def descend(self, image: Tensor, levels: range, last: bool) -> Tensor:
        """Encoder levels, each of which halves both axes and leaves its output for the decoder."""
        for i in levels:
            image = through(self.down[i], image, last)
            self.skips[i].put(image)
            image = F.avg_pool2d(self.pairs[i](image), 2)
        return image

    def ascend(self, image: Tensor, levels: range, last: bool) -> Tensor:
        """Decoder levels, each of which doubles both axes and joins what the encoder left."""
        for i in levels:
            image = self.rise[i](image, last)
            skip = self.skips[LEVELS - 1 - i].take(image.shape[2])
            image = through(self.up[i], torch.cat((image, skip), 1), last)
        return image


class Block:
    """Two 3×3 convolutions, each normalised and cut at zero, around which the input is added."""

    reach = 2

    def __init__(self, weights: Mapping[str, Tensor], name: str, policy: WeightPolicy = RESIDENT) -> None:
        builds = [partial(folded, weights, f"{name}.conv.{i}", f"{name}.conv.{i + 1}") for i in (0, 3)]
        self.first: Step = policy.hold(builds[0])
        self.second: Step = policy.hold(builds[1])
        self.shortcut: Filter | None = None
        if f"{name}.shortcut.weight" in weights:
            weight, bias = weights[f"{name}.shortcut.weight"], weights[f"{name}.shortcut.bias"]
            self.shortcut = Filter(weight.float(), bias.to(torch.float32, copy=True))

    def __call__(self, image: Tensor) -> Tensor:
        """(1, c_in, f, w) → (1, c_out, f, w)."""
        inner = self.second(self.first(image, relu=True), relu=True)
        return inner.add_(image if self.shortcut is None else self.shortcut(image))


class Up:
    """One decoder level: a transposed convolution that doubles both axes, then blocks over it and the skip."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, policy: WeightPolicy = RESIDENT) -> None:
        self.rise: Step = policy.hold(partial(risen, weights, f"{name}.conv1"))
        self.blocks = level(weights, f"{name}.conv2", policy)


class Recurrent:
    """One direction of a gated recurrent unit.

    Step by step in operations small enough for one thread: torch's own unit takes MKL's tanh, and a product of all 768
    gates takes MKL's threads, which at every one of thousands of steps wait for each other, on a busy machine for long.
    """

    def __init__(self, weights: Mapping[str, Tensor], suffix: str) -> None:
        """weights : `fc.0.gru.*`, gates in the order reset, update, new;  suffix : "" or "_reverse"."""
        into, again, into_bias, again_bias = (
            weights[f"fc.0.gru.{name}_l0{suffix}"].to(torch.float32, copy=True)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        self.hidden = again.shape[1]
        soft, new = slice(2 * self.hidden), slice(2 * self.hidden, None)
        self.into_soft = into[soft], into_bias[soft] + again_bias[soft]
        self.into_new = 2 * into[new], 2 * into_bias[new]  # doubled, since tanh(x) = 2·sigmoid(2x) − 1
        self.again_soft, self.again_new, self.new_bias = again[soft], 2 * again[new], 2 * again_bias[new]

    def run(self, rows: Tensor, reverse: bool = False) -> Iterator[tuple[int, Tensor]]:
        """Rows (F, into), first to last or last to first, a stretch at a time: yields its first row and (f, hidden)."""
        state = rows.new_zeros(self.hidden)
        starts = range(0, len(rows), GRU_PIECE)
        for start in reversed(starts) if reverse else starts:
            piece = rows[start : start + GRU_PIECE]
            heard = self.stretch(piece.flip(0) if reverse else piece, state)
            state = heard[-1]
            yield start, heard.flip(0) if reverse else heard

    def stretch(self, rows: Tensor, state: Tensor) -> Tensor:
        """Rows (f, into) from a state (hidden,) on: (f, hidden), every state."""
        soft, new = F.linear(rows, *self.into_soft), F.linear(rows, *self.into_new)
        walk = without_lock(steps) if rows.device.type == "cpu" else steps
        return walk(soft, new, self.again_soft, self.again_new, self.new_bias, state)


def steps(soft: Tensor, new: Tensor, again_soft: Tensor, again_new: Tensor, new_bias: Tensor, state: Tensor) -> Tensor:
    """The recurrence, from what its gates hear of the rows: soft (f, 2·hidden) and new (f, hidden), overwritten."""
    hidden = len(state)
    heard, before = torch.empty_like(new), torch.empty_like(state)
    for i in range(len(new)):
        gates, fresh = soft[i], new[i]
        gates.addmv_(again_soft, state).sigmoid_()
        torch.addmv(new_bias, again_new, state, out=before)
        fresh.addcmul_(gates[:hidden], before).sigmoid_().mul_(2).sub_(1)
        state = torch.lerp(fresh, state, gates[hidden:], out=heard[i])
    return heard


@cache
def without_lock(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function as TorchScript, whose loops do not hold Python's lock: two threads run it at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch 2.13; compiling instead takes a C++ compiler
        made: Callable[..., Tensor] = torch.jit.script(function)
    return made


def level(weights: Mapping[str, Tensor], name: str, policy: WeightPolicy = RESIDENT) -> list[Step]:
    """The four blocks of a level."""
    return [policy.hold(partial(Block, weights, f"{name}.{b}", policy)) for b in range(BLOCKS)]


def windows(blocks: list[Step], whole: bool = False) -> list[Window]:
    """Blocks to be run in pieces: each by itself, or all as one where copying would cost more than computing twice."""
    if whole:
        return [Window(partial(chain, blocks), Block.reach * len(blocks))]
    return [Window(block, Block.reach) for block in blocks]


def chain(blocks: list[Step], image: Tensor) -> Tensor:
    """One block after the other."""
    for block in blocks:
        image = block(image)
    return image


def through(parts: list[Window], image: Tensor, last: bool) -> Tensor:
    """One window after the other."""
    for part in parts:
        image = part(image, last)
    return image


def norm_line(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """A batch norm at rest is a line: its slope and shift for each channel, float32."""
    scale = weights[f"{name}.weight"].double() / torch.sqrt(weights[f"{name}.running_var"].double() + EPS)
    shift = weights[f"{name}.bias"].double() - weights[f"{name}.running_mean"].double() * scale
    return scale.float(), shift.float()


def risen(weights: Mapping[str, Tensor], name: str) -> Doubling:
    """A transposed convolution and the batch norm behind it as one."""
    scale, shift = norm_line(weights, f"{name}.1")
    return Doubling((weights[f"{name}.0.weight"] * scale.view(1, -1, 1, 1)).float(), shift)


def folded(weights: Mapping[str, Tensor], conv_name: str, norm_name: str) -> Filter:
    """A 3×3 convolution without bias and the batch norm behind it as one convolution."""
    scale, shift = norm_line(weights, norm_name)
    plain = weights[f"{conv_name}.weight"]
    weight = plain.to(torch.float32, copy=True).mul_(scale.view(-1, 1, 1, 1))
    made = Filter(weight, shift, (1, 1))
    if isinstance(weights, Tensors):
        weights.forget()
    return made


def expected_shapes(base: int = 16, into: int = 384, hidden: int = 256) -> dict[str, tuple[int, ...]]:
    """Every tensor of rmvpe.pt (741), by name; the original's sizes unless told otherwise."""
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
        shapes |= {f"fc.0.gru.bias_{way}_l0{suffix}": (3 * hidden,) for way in ("ih", "hh")}
    return shapes | {"fc.1.weight": (360, 2 * hidden), "fc.1.bias": (360,)}


def check(weights: Mapping[str, Tensor]) -> None:
    """Refuse anything but a complete RMVPE, listing what is missing, unexpected or of another shape.

    raises  : BadCheckpoint
    """
    base, hidden = 16, 256
    if "cnn.weight" in weights and weights["cnn.weight"].ndim == 4:
        base = weights["cnn.weight"].shape[1]
    if "fc.0.gru.weight_hh_l0" in weights and weights["fc.0.gru.weight_hh_l0"].ndim == 2:
        hidden = weights["fc.0.gru.weight_hh_l0"].shape[1]
    shapes = expected_shapes(base, hidden=hidden)
    missing = [name for name in shapes if name not in weights]
    if missing:
        raise BadCheckpoint(
            f"the RMVPE file lacks {len(missing)} of {len(shapes)} tensors: {listed(missing)}; is it rmvpe.pt?"
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
    odd = [n for n in shapes if not weights[n].is_floating_point() and not n.endswith("num_batches_tracked")]
    if odd:
        raise BadCheckpoint(f"the RMVPE file has tensors that are not floating-point numbers: {listed(odd)}")
