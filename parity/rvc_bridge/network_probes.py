"""What a stage of a network would make under known mistakes, computed by the networks of `rvc` with one change.

These are the causes that no formula on the stage's tensors predicts: the layer of the content encoder, the mel front
end of an F0 network, the lists of an index that are searched, another speaker, the other generation of the sine. The
predictions of a stage that take longest come last.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from parity.candidates.candidate import Tensors
from parity.goldens.arrays import Array
from parity.judge.diagnosis.registry import Guess
from parity.rvc_bridge.case_voice import CaseVoice
from rvc.f0 import mel, salience
from rvc.f0.methods import harvest, pm, rmvpe
from rvc.nn import encoder, generator, hubert, residual_blocks
from rvc.nn.hubert import Embedding, Hubert
from rvc.nn.kernels.dense import Dense, attend
from rvc.nn.kernels.layout import from_frames, to_frames
from rvc.nn.rmvpe import Rmvpe, UNetStream

_UNET_CALL = UNetStream.__call__

Probe = Callable[[CaseVoice, str, str, Tensors], Iterator[Guess]]  # case, prefix, tensor, inputs


def guesses(voice: CaseVoice, stage: str, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    """Predictions for one tensor; none where the stage has no probe. No fault may be active in `rvc`.

    Args:
        voice: the case.
        stage: name of the stage.
        prefix: where it runs, such as "seg0.".
        name: full name of the tensor.
        inputs: full name → array, the inputs of the stage.
    """
    probe = PROBES.get(stage)
    if probe is not None:
        yield from probe(voice, prefix, name, {key: value.copy() for key, value in inputs.items()})


def _array(value: torch.Tensor) -> Array:
    return np.asarray(value.numpy())


def _hubert(voice: CaseVoice, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    # A segment of a file has `audio`, a block of a stream `input16k`.
    samples = inputs[prefix + ("audio" if prefix + "audio" in inputs else "input16k")]
    audio = torch.from_numpy(samples.reshape(1, -1))
    v1 = voice.networks.version == "v1"
    right = 9 if v1 else 12
    with voice.borrow_hubert() as network:
        yield from _layers(network, audio, right, v1)
        features = _array(network(audio, layer=right, project=v1))
        with _replaced(Embedding, place=lambda self, frames: torch.zeros_like(frames)):
            without = _array(network(audio, layer=right, project=v1))
        yield Guess("missing positional convolution", "the positional convolution adds nothing", without)
        with _replaced(Embedding, forward=_place_early):
            early = _array(network(audio, layer=right, project=v1))
        yield Guess(
            "positional convolution one frame off",
            "of the positional convolution's frames the first is left out, not the last",
            early,
        )
        yield Guess(
            "another positional convolution",
            "the positional convolution has other weights: were the names of its weight norm found in the file?",
            without,
            general=True,
            base=features,
            with_rest=True,
        )
        normal = (audio - audio.mean()) / torch.sqrt(audio.var(unbiased=False) + 1e-7)
        yield Guess(
            "normalised input",
            "the audio is brought to zero mean and unit variance first",
            _array(network(normal, layer=right, project=v1)),
        )
        yield from _constants(lambda: _array(network(audio, layer=right, project=v1)), network, features)


def _place_early(self: Embedding, frames: torch.Tensor) -> torch.Tensor:
    frames = self.projection(self.norm(frames))
    hidden: torch.Tensor = self.final_norm(frames + self.place(frames)[1 : len(frames) + 1])
    return hidden


def _constants(extract: Callable[[], Array], network: Hubert, right: Array) -> Iterator[Guess]:
    """Constants of HuBERT; `extract` computes its features with what is patched at that moment, `right` without."""
    with ExitStack() as stack:
        for layer in network.layers:
            norms: tuple[Any, Any] = (layer.attention_norm, layer.final_norm)
            for norm in norms:
                stack.enter_context(_replaced(norm, eps=10 * norm.eps))
        yield Guess("epsilon", "the norms' epsilon is not 1e-5", extract(), base=right)
    with _replaced(hubert, attend=lambda q, *rest: attend(1.001 * q, *rest)):
        yield Guess("another attention scale", "attention is not scaled by 1/8", extract(), base=right)
    for sentence, factor in (
        ("attention is not scaled", 8.0),
        ("attention is scaled by 1/√768, the width of all heads, not by 1/8", math.sqrt(64 / 768)),
    ):
        with _replaced(hubert, attend=lambda q, *rest, factor=factor: attend(factor * q, *rest)):
            yield Guess("another attention scale", sentence, extract())
    forward = Dense.forward

    def with_tanh(self: Dense, x: torch.Tensor, gelu: bool = False) -> torch.Tensor:
        return F.gelu(forward(self, x), approximate="tanh") if gelu else forward(self, x)

    with _replaced(Dense, forward=with_tanh):
        yield Guess("another GELU", "GELU is the tanh form, not the exact one", extract(), base=right)

    def with_relu(self: Dense, x: torch.Tensor, gelu: bool = False) -> torch.Tensor:
        return F.relu(forward(self, x)) if gelu else forward(self, x)

    with _replaced(Dense, forward=with_relu):
        yield Guess("another activation", "ReLU is used instead of GELU", extract())
    with _replaced(hubert, attend=_attend_to_the_past):
        yield Guess("causal attention", "attention reads earlier frames only", extract())


def _attend_to_the_past(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *rest: Any) -> torch.Tensor:
    """Causal attention of (frames, heads, width)."""
    query, key, value = (x.transpose(0, 1)[None] for x in (q, k, v))
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)[0].transpose(0, 1).contiguous()


@torch.no_grad()
def _layers(network: Hubert, audio: torch.Tensor, right: int, v1: bool) -> Iterator[Guess]:
    hidden = network.embed(network.front(audio[0]))
    for number, layer in enumerate(network.layers, 1):
        hidden = layer(hidden)
        features = network.final(hidden) if v1 and network.final is not None else hidden
        if number != right:
            sentence = f"these are the features of layer {number}, not {right}"
            yield Guess("wrong layer", sentence, _array(features[None]))
        if v1:
            yield Guess(
                "missing projection",
                f"these are 256 channels of layer {number}, without final_proj",
                _array(hidden[None, :, :256]),
            )


def _f0(voice: CaseVoice, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    if voice.case.options.get("f0_method") == "pm":
        yield from _praat(inputs["padded"])
    if voice.case.options.get("f0_method") == "rmvpe":
        yield from _mels(voice.f0_network("rmvpe"), inputs["padded"])
    if voice.case.options.get("f0_method") == "harvest":
        unrefined = harvest.track_block(inputs["padded"])
        yield Guess("no StoneMask", "harvest's track is not refined by StoneMask", unrefined)
        raw = harvest.track(inputs["padded"], 0)
        yield Guess("missing median", "no median of three frames is laid over harvest's track", raw)


def _praat(padded: Array) -> Iterator[Guess]:
    frames = len(padded) // 160
    for floor in (65.0, 75.0):
        track = pm.praat(padded, floor).selected_array["frequency"]
        left = max(0, (frames - len(track) + 1) // 2)
        made = np.pad(track, (left, max(0, frames - len(track) - left)))
        yield Guess("another pitch floor", f"Praat's floor is {floor:g} Hz, not 50", made)


def _mels(network: Rmvpe, padded: Array) -> Iterator[Guess]:
    audio = torch.from_numpy(np.ascontiguousarray(padded, np.float32))
    framed = F.pad(audio[None], (512, 512), mode="reflect")[0]
    bank = mel.filterbank(30.0, 8000.0, "htk")
    right = mel.log_mel(framed, bank)
    short = -len(right) % 32

    def salience_of(spectrum: torch.Tensor) -> Array:
        values = np.zeros((len(spectrum), salience.BINS), np.float32)
        for start, stretch in network.salience(spectrum):
            values[start : start + len(stretch)] = _array(stretch)
        return values

    def track(spectrum: torch.Tensor, frames: int | None = None) -> Array:
        return salience.decode(salience_of(spectrum)[:frames], rmvpe.THRESHOLD)

    exact = salience_of(right)
    strongest = 10 * 2 ** (salience.CENTS[exact.argmax(axis=1)] / 1200)
    yield Guess(
        "strongest bin only",
        "F0 is that of the strongest bin, without an average of its neighbors",
        np.where(exact.max(axis=1) > rmvpe.THRESHOLD, strongest, 0.0),
    )
    for threshold in (0.3, 0.1, 0.05, 0.02, 0.01, 0.003):
        yield Guess(
            "voicing threshold",
            f"the salience threshold is {threshold:g}, not 0.03",
            salience.decode(exact, threshold),
        )
    if short:
        tail = right[-short - 1 : -1].flip(0)
        yield Guess(
            "mel padding",
            "mel frames are padded to a multiple of 32 by reflection, not by 0",
            track(torch.cat([right, tail]), len(right)),
        )
        silence = torch.full((short, right.shape[1]), float(np.log(1e-5)))
        yield Guess(
            "mel padding",
            "mel frames are padded to a multiple of 32 by silence, not by 0",
            track(torch.cat([right, silence]), len(right)),
        )
    with _replaced(UNetStream, __call__=_without_output_padding):
        yield Guess(
            "no output_padding",
            "the transposed convolutions have no output_padding: their last row and column are 0",
            track(right),
        )
    label = "mel or window variant"
    for sentence, other in (
        ("the mel scale is Slaney's, not HTK's", mel.filterbank(30.0, 8000.0, "slaney")),
        ("mel bands begin at 0 Hz, not 30", mel.filterbank(0.0, 8000.0, "htk")),
        ("mel triangles have height 1, not equal area", bank / bank.amax(1, keepdim=True)),
    ):
        yield Guess(label, sentence, track(mel.log_mel(framed, other)))
    yield Guess(label, "the mel logarithm is to the base 10", track(right / float(np.log(10))))
    power = torch.log(torch.clamp(_magnitudes(framed, bank, power=2.0), min=1e-10))
    yield Guess(label, "mel bands are of the squared magnitude", track(power))
    yield Guess(label, "mel bands are of the squared magnitude, and the logarithm is halved", track(power / 2))
    for floor in (1e-3, 1e-8):
        clamped = torch.log(torch.clamp(_magnitudes(framed, bank), min=floor))
        yield Guess(label, f"mel magnitudes are clamped at {floor:g}, not 1e-5", track(clamped))
    window = torch.hann_window(1024, periodic=False)
    yield Guess(
        label,
        "the Hann window is symmetric, not periodic",
        track(torch.log(torch.clamp(_magnitudes(framed, bank, window), min=1e-5))),
    )
    zeros = F.pad(audio, (512, 512))
    yield Guess(label, "the audio's ends are padded by zeros, not by reflection", track(mel.log_mel(zeros, bank)))


def _without_output_padding(self: UNetStream, image: torch.Tensor, last: bool) -> list[torch.Tensor]:
    """One pass in which every transposed convolution leaves its last row (time) and column (frequency) at 0."""
    rises: Any = [partial(_rise_to_0, rise) for rise in self.rise]
    with _replaced(self, rise=rises):
        return _UNET_CALL(self, image, last)


def _rise_to_0(rise: Callable[[torch.Tensor, bool], torch.Tensor], image: torch.Tensor, last: bool) -> torch.Tensor:
    risen = rise(image, last).clone()
    risen[..., -1] = 0
    if last:
        risen[:, :, -1] = 0
    return risen


def _magnitudes(
    framed: torch.Tensor, bank: torch.Tensor, window: torch.Tensor | None = None, power: float = 1.0
) -> torch.Tensor:
    window = torch.hann_window(1024) if window is None else window
    spectrum = torch.stft(framed, 1024, 160, 1024, window, center=False, return_complex=True)
    return (bank @ spectrum.abs() ** power).T


def _search(voice: CaseVoice, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    with voice.borrow_index() as index:
        if index is None:
            return
        before = index.faiss.nprobe
        for lists, word in ((index.faiss.nlist, "every list is"), (9, "nine lists are")):
            try:
                index.faiss.nprobe = lists
                distances, ids = index.search(inputs[prefix + "hubert.features"][0])
            finally:
                index.faiss.nprobe = before
            yield Guess(
                "exact search",
                f"{word} searched, not the nearest one alone",
                distances if name.endswith("distances") else ids,
            )


@contextmanager
def _replaced(holder: Any, **changes: Any) -> Iterator[None]:
    """Attributes replaced while the block runs."""
    before = {name: getattr(holder, name) for name in changes}
    try:
        for name, value in changes.items():
            setattr(holder, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(holder, name, value)


def _module_with(module: Any, **other: Any) -> SimpleNamespace:
    """A stand-in for a module with some functions replaced."""
    return SimpleNamespace(**{**{name: getattr(module, name) for name in dir(module)}, **other})


def _encoder(voice: CaseVoice, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    bins = inputs.get("f0.coarse", inputs.get(prefix + "f0.coarse"))
    coarse = torch.from_numpy(bins) if bins is not None else None
    features = prefix + ("content.protected" if prefix + "content.protected" in inputs else "content")
    content, place = torch.from_numpy(inputs[features]), int(name.endswith(".logs"))
    head = content.shape[1] - voice.case[name].shape[2]  # frames of context that a stream leaves out

    def encoded(coarse: torch.Tensor | None = coarse) -> Array:
        return _array(voice.synthesizer.encode(content, coarse, head)[place])

    right, root = encoded(), math.sqrt
    widths = {
        "another scale of the embedding": voice.synthesizer.encoder.hidden,
        "another attention scale": voice.synthesizer.encoder.blocks[0].attention.width,
    }
    with _replaced(encoder, EPS=10 * encoder.EPS):
        yield Guess("epsilon", "the norms' epsilon is not 1e-5", encoded(), base=right)
    for label, width in widths.items():
        with _replaced(encoder, sqrt=lambda x, width=width: root(x) * (1.001 if x == width else 1)):
            yield Guess(label, f"the factor sqrt({width}) is not right", encoded(), base=right)
        with _replaced(encoder, sqrt=lambda x, width=width: 1.0 if x == width else root(x)):
            yield Guess(label, f"the factor sqrt({width}) is missing", encoded())
    for slope in (0.01, 0.2):
        with _replaced(encoder, F=_module_with(F, leaky_relu_=lambda x, _, slope=slope: F.leaky_relu_(x, slope))):
            yield Guess("another slope", f"the slope of LeakyReLU is {slope:g}, not 0.1", encoded())
    with _replaced(encoder, F=_module_with(F, leaky_relu_=lambda x, slope: F.leaky_relu_(x, slope + 1e-3))):
        yield Guess("another slope", "the slope of LeakyReLU is not 0.1", encoded(), base=right)
    with _replaced(encoder, F=_module_with(F, relu_=F.gelu)):
        yield Guess("another activation", "GELU is used instead of ReLU", encoded())
    if coarse is not None:
        for label, other in (
            ("another pitch row", (coarse + 1).clamp(max=255)),
            ("another pitch row", (coarse - 1).clamp(min=0)),
            ("missing pitch", torch.ones_like(coarse)),
        ):
            yield Guess(label, "the pitch table is read at another row", encoded(other))


def _flow(voice: CaseVoice, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    net = voice.synthesizer
    couplings = net._flow.couplings
    z_p, g = (torch.from_numpy(inputs[prefix + local]) for local in ("z_p", "spk.g"))

    def flowed(order: list[Any], before: bool = True, after: bool = False) -> Array:
        x, condition = to_frames(z_p), to_frames(g)
        for coupling in order:
            x = coupling((x.flip(1) if before else x).contiguous(), condition)
            x = x.flip(1).contiguous() if after else x
        return _array(from_frames(x.contiguous()))

    with torch.inference_mode():
        yield Guess(
            "flips after", "channels are reversed after each coupling, not before", flowed(couplings, False, True)
        )
        yield Guess("missing flips", "channels are not reversed between couplings", flowed(couplings, False))
        yield Guess("couplings in order", "couplings run first to last, not last to first", flowed(couplings[::-1]))
        yield Guess("missing coupling", "the last coupling is left out", flowed(couplings[:-1]))
        yield Guess("missing coupling", "the first coupling is left out", flowed(couplings[1:]))
        yield Guess(
            "missing speaker",
            "the couplings do not use the speaker's embedding",
            _array(net.flow(z_p, torch.zeros_like(g))),
        )


def _generator(voice: CaseVoice, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    z, g = (torch.from_numpy(inputs[prefix + local]) for local in ("flow.z", "spk.g"))
    source = torch.from_numpy(inputs[prefix + "nsf.source"]) if prefix + "nsf.source" in inputs else None

    def generated(g: torch.Tensor = g, source: torch.Tensor | None = source) -> Array:
        return _array(voice.synthesizer.generate(z, g, source))

    right = generated()
    with _replaced(generator, LAST_SLOPE=generator.LAST_SLOPE + 1e-3):
        yield Guess("another last slope", "the slope of the last LeakyReLU is not 0.01", generated(), base=right)
    for slope in (0.01, 0.2):
        with _replaced(generator, SLOPE=slope):
            yield Guess("another slope", f"the slope of LeakyReLU is {slope:g}, not 0.1", generated())
    with _replaced(generator, LAST_SLOPE=residual_blocks.SLOPE):
        yield Guess("another last slope", "the slope of the last LeakyReLU is 0.1, not 0.01", generated())
    with _replaced(generator, SLOPE=residual_blocks.SLOPE + 1e-3):
        yield Guess("another slope", "the slope of LeakyReLU is not 0.1", generated(), base=right)
    count, stage_call = float(len(voice.synthesizer.generator.stages[0].blocks)), generator.Stage.__call__
    with _replaced(generator.Stage, __call__=lambda self, *args: stage_call(self, *args) * count):
        yield Guess("blocks not averaged", "the residual blocks of a stage are added, not averaged", generated())
    without = generated(g=torch.zeros_like(g))
    yield Guess("missing speaker", "the generator does not use the speaker's embedding", without)
    if source is not None:
        without = generated(source=torch.zeros_like(source))
        yield Guess("missing source", "the generator does not use the source", without)


def _speaker(voice: CaseVoice, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    synthesizer, right = voice.synthesizer, voice.config.speaker
    for number in range(synthesizer.embedding.shape[0]):
        if number != right:
            yield Guess(
                "another speaker", f"this is speaker {number}, not {right}", _array(synthesizer.speaker(number))
            )


def _source(voice: CaseVoice, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
    other = "A" if voice.case.profile == "webui-classic" else "B"
    sine, source = voice.synthesizer.source(
        torch.from_numpy(inputs["f0.hz"]), torch.from_numpy(inputs[prefix + "noise.nsf"]), other
    )
    yield Guess(
        "the other generation",
        f"the sine is made as generation {other} makes it",
        _array(sine if name.endswith("sine") else source),
    )


PROBES: dict[str, Probe] = {
    "hubert.features": _hubert,
    "f0.raw": _f0,
    "retrieval.search": _search,
    "spk.g": _speaker,
    "nsf": _source,
    "enc_p": _encoder,
    "flow": _flow,
    "generator": _generator,
    "rt.hubert.features": _hubert,
    "rt.spk.g": _speaker,
    "rt.enc_p": _encoder,
    "rt.flow": _flow,
}
