"""What a network stage would have made under known mistakes, computed by our own networks with one thing changed.

They answer for the causes that no small formula predicts: the layer of the content encoder, the mel front of a pitch
network, the reach of an index, another speaker, the other sine generator. Slow ones come last.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from parity.candidates.candidate import Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.diagnosis.registry import Guess
from rvc.f0 import mel, salience
from rvc.f0.methods import pm, rmvpe
from rvc.nn import encoder, generator, hubert, residual_blocks
from rvc.nn.hubert import Hubert
from rvc.nn.kernels.conv import from_rows, to_rows
from rvc.nn.kernels.dense import Dense

Probe = Callable[[Any, Case, str, str, Tensors], Iterator[Guess]]


def guesses(program: Any, case: Case, stage: str, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    """Predictions for one tensor; none where the stage has no probe. `program` is an RvcTorch without any fault."""
    probe = PROBES.get(stage)
    if probe is not None:
        yield from probe(program, case, prefix, name, {key: value.copy() for key, value in given.items()})


def _array(value: torch.Tensor) -> Array:
    return np.asarray(value.numpy())


def _hubert(program: Any, case: Case, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    parts = program.parts(case)
    audio = torch.from_numpy(given[prefix + "audio"])
    v1 = parts.version == "v1"
    right = 9 if v1 else 12
    with parts.borrow_hubert() as network:
        yield from _layers(network, audio, right, v1)
        normal = (audio - audio.mean()) / torch.sqrt(audio.var(unbiased=False) + 1e-7)
        yield Guess(
            "normalised input",
            "the audio is brought to zero mean and unit variance first",
            _array(network(normal, layer=right, project=v1)),
            "D3",
        )
        yield from _constants(lambda: _array(network(audio, layer=right, project=v1)), network)


def _constants(heard: Callable[[], Array], network: Hubert) -> Iterator[Guess]:
    right = heard()
    with ExitStack() as stack:
        for layer in network.layers:
            norms: tuple[Any, Any] = (layer.attention_norm, layer.final_norm)
            for norm in norms:
                stack.enter_context(_with(norm, eps=10 * norm.eps))
        yield Guess("epsilon", "the norms' epsilon is not 1e-5", heard(), None, base=right)
    attend = hubert.attend
    with _with(hubert, attend=lambda q, *rest: attend(1.001 * q, *rest)):
        yield Guess("another attention scale", "attention is not scaled by 1/8", heard(), None, base=right)
    forward = Dense.forward

    def bent(self: Dense, rows: torch.Tensor, gelu: bool = False) -> torch.Tensor:
        return F.gelu(forward(self, rows), approximate="tanh") if gelu else forward(self, rows)

    with _with(Dense, forward=bent):
        yield Guess("another GELU", "GELU is the tanh form, not the exact one", heard(), None, base=right)


@torch.no_grad()
def _layers(network: Hubert, audio: torch.Tensor, right: int, v1: bool) -> Iterator[Guess]:
    rows = network.embed(network.front(audio[0]))
    for number, layer in enumerate(network.layers, 1):
        rows = layer(rows)
        seen = network.final(rows) if v1 and network.final is not None else rows
        if number != right:
            sentence = f"these are the features of layer {number}, not {right}"
            yield Guess("wrong layer", sentence, _array(seen[None]), "D3")
        if v1:
            yield Guess(
                "missing projection",
                f"these are 256 channels of layer {number}, without final_proj",
                _array(rows[None, :, :256]),
                "D3",
            )


def _pitch(program: Any, case: Case, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    if case.options.get("f0_method") == "pm":
        yield from _praat(given["padded"])
    if case.options.get("f0_method") == "rmvpe":
        yield from _mels(program.f0_network(case, "rmvpe"), given["padded"])


def _praat(padded: Array) -> Iterator[Guess]:
    frames = len(padded) // 160
    for floor in (65.0, 75.0):
        found = pm.praat(padded, floor).selected_array["frequency"]
        left = max(0, (frames - len(found) + 1) // 2)
        made = np.pad(found, (left, max(0, frames - len(found) - left)))
        yield Guess("another pitch floor", f"Praat's floor is {floor:g} Hz, not 50", made, "D9")


def _mels(network: Any, padded: Array) -> Iterator[Guess]:
    audio = torch.from_numpy(np.ascontiguousarray(padded, np.float32))
    framed = F.pad(audio[None], (512, 512), mode="reflect")[0]
    bank = mel.filterbank(30.0, 8000.0, "htk")
    right = mel.log_mel(framed, bank)
    short = -len(right) % 32

    def strength(spectrum: torch.Tensor) -> Array:
        found = np.zeros((len(spectrum), 360), np.float32)
        for start, stretch in network.salience(spectrum):
            found[start : start + len(stretch)] = _array(stretch)
        return found

    def track(spectrum: torch.Tensor, frames: int | None = None) -> Array:
        return salience.decode(strength(spectrum)[:frames], rmvpe.THRESHOLD)

    heard = strength(right)

    for threshold in (0.3, 0.1, 0.05, 0.02, 0.01, 0.003):
        yield Guess(
            "voicing threshold",
            f"the salience threshold is {threshold:g}, not 0.03",
            salience.decode(heard, threshold),
            "D4",
        )
    if short:
        tail = right[-short - 1 : -1].flip(0)
        yield Guess(
            "mel padding",
            "mel frames are padded to a multiple of 32 by reflection, not by 0",
            track(torch.cat([right, tail]), len(right)),
            "D4",
        )
        quiet = torch.full((short, right.shape[1]), float(np.log(1e-5)))
        yield Guess(
            "mel padding",
            "mel frames are padded to a multiple of 32 by silence, not by 0",
            track(torch.cat([right, quiet]), len(right)),
            "D4",
        )
    label = "mel or window variant"
    for sentence, other in (
        ("the mel scale is Slaney's, not HTK's", mel.filterbank(30.0, 8000.0, "slaney")),
        ("mel bands begin at 0 Hz, not 30", mel.filterbank(0.0, 8000.0, "htk")),
        ("mel triangles have height 1, not equal area", bank / bank.amax(1, keepdim=True)),
    ):
        yield Guess(label, sentence, track(mel.log_mel(framed, other)), "D4")
    yield Guess(label, "the mel logarithm is to the base 10", track(right / float(np.log(10))), "D4")
    for floor in (1e-3, 1e-8):
        loud = torch.log(torch.clamp(_magnitudes(framed, bank), min=floor))
        yield Guess(label, f"mel magnitudes are clamped at {floor:g}, not 1e-5", track(loud), "D4")
    window = torch.hann_window(1024, periodic=False)
    yield Guess(
        label,
        "the Hann window is symmetric, not periodic",
        track(torch.log(torch.clamp(_magnitudes(framed, bank, window), min=1e-5))),
        "D4",
    )
    zeros = F.pad(audio, (512, 512))
    yield Guess(label, "the audio's ends are padded by zeros, not by reflection", track(mel.log_mel(zeros, bank)), "D4")


def _magnitudes(framed: torch.Tensor, bank: torch.Tensor, window: torch.Tensor | None = None) -> torch.Tensor:
    window = torch.hann_window(1024) if window is None else window
    spectrum = torch.stft(framed, 1024, 160, 1024, window, center=False, return_complex=True)
    return (bank @ spectrum.abs()).T


def _search(program: Any, case: Case, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    with program.parts(case).borrow_index(program.config(case)) as index:
        if index is None:
            return
        before = index.faiss.nprobe
        for lists, word in ((index.faiss.nlist, "every list is"), (9, "nine lists are")):
            try:
                index.faiss.nprobe = lists
                distances, ids = index.search(given[prefix + "hubert.features"][0])
            finally:
                index.faiss.nprobe = before
            yield Guess(
                "exact search",
                f"{word} searched, not the nearest one alone",
                distances if name.endswith("distances") else ids,
                "D12",
            )


@contextmanager
def _with(holder: Any, **changes: Any) -> Iterator[None]:
    """Attributes replaced while the block runs."""
    before = {name: getattr(holder, name) for name in changes}
    try:
        for name, value in changes.items():
            setattr(holder, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(holder, name, value)


def _but(module: Any, **other: Any) -> SimpleNamespace:
    """A stand-in for a module with some functions replaced."""
    return SimpleNamespace(**{**{name: getattr(module, name) for name in dir(module)}, **other})


def _encoder(program: Any, case: Case, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    coarse = torch.from_numpy(given["f0.coarse"]) if "f0.coarse" in given else None
    text, place = torch.from_numpy(given[prefix + "content.protected"]), int(name.endswith(".logs"))

    def heard() -> Array:
        return _array(program.synthesizer(case).encode(text, coarse)[place])

    right, root = heard(), math.sqrt
    widths = {
        "another scale of the embedding": program.synthesizer(case).encoder.hidden,
        "another attention scale": program.synthesizer(case).encoder.blocks[0].attention.width,
    }
    with _with(encoder, EPS=10 * encoder.EPS):
        yield Guess("epsilon", "the norms' epsilon is not 1e-5", heard(), None, base=right)
    for label, width in widths.items():
        with _with(encoder, sqrt=lambda x, width=width: root(x) * (1.001 if x == width else 1)):
            yield Guess(label, f"the factor sqrt({width}) is not right", heard(), None, base=right)
        with _with(encoder, sqrt=lambda x, width=width: 1.0 if x == width else root(x)):
            yield Guess(label, f"the factor sqrt({width}) is missing", heard())
    for slope in (0.01, 0.2):
        with _with(encoder, F=_but(F, leaky_relu_=lambda x, _, slope=slope: F.leaky_relu_(x, slope))):
            yield Guess("another slope", f"the slope of LeakyReLU is {slope:g}, not 0.1", heard())
    with _with(encoder, F=_but(F, leaky_relu_=lambda x, slope: F.leaky_relu_(x, slope + 1e-3))):
        yield Guess("another slope", "the slope of LeakyReLU is not 0.1", heard(), None, base=right)
    with _with(encoder, F=_but(F, relu_=F.gelu)):
        yield Guess("another activation", "GELU stands where ReLU belongs", heard())
    if coarse is not None:
        for label, other in (
            ("another pitch row", (coarse + 1).clamp(max=255)),
            ("another pitch row", (coarse - 1).clamp(min=0)),
            ("missing pitch", torch.ones_like(coarse)),
        ):
            made = _array(program.synthesizer(case).encode(text, other)[place])
            yield Guess(label, "the pitch table is read at another row", made, "D5")


def _flow(program: Any, case: Case, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    net = program.synthesizer(case)
    couplings = net._flow.couplings
    z_p, voice = (torch.from_numpy(given[prefix + part]) for part in ("z_p", "spk.g"))

    def heard(order: list[Any], before: bool = True, after: bool = False) -> Array:
        x, g = to_rows(z_p), to_rows(voice)
        for coupling in order:
            x = coupling((x.flip(1) if before else x).contiguous(), g)
            x = x.flip(1).contiguous() if after else x
        return _array(from_rows(x.contiguous()))

    with torch.inference_mode():
        yield Guess(
            "flips after", "channels are reversed after each coupling, not before", heard(couplings, False, True)
        )
        yield Guess("missing flips", "channels are not reversed between couplings", heard(couplings, False))
        yield Guess("couplings in order", "couplings run first to last, not last to first", heard(couplings[::-1]))
        yield Guess("missing coupling", "the last coupling is left out", heard(couplings[:-1]))
        yield Guess("missing coupling", "the first coupling is left out", heard(couplings[1:]))
        yield Guess(
            "missing speaker",
            "the couplings do not hear the speaker",
            _array(net.flow(z_p, torch.zeros_like(voice))),
            "D22",
        )


def _generator(program: Any, case: Case, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    excitation = given.get(prefix + "nsf.source")
    tensors = [torch.from_numpy(given[prefix + part]) for part in ("flow.z", "spk.g")]
    tensors += [] if excitation is None else [torch.from_numpy(excitation)]

    def heard() -> Array:
        return _array(program.synthesizer(case).generate(*tensors, *([None] if excitation is None else [])))

    right = heard()
    with _with(generator, LAST_SLOPE=generator.LAST_SLOPE + 1e-3):
        yield Guess("another last slope", "the slope of the last LeakyReLU is not 0.01", heard(), None, base=right)
    with _with(generator, SLOPE=residual_blocks.SLOPE + 1e-3):
        yield Guess("another slope", "the slope of LeakyReLU is not 0.1", heard(), None, base=right)
    for place, label, sentence in (
        (1, "missing speaker", "the generator does not hear the speaker"),
        (2, "missing source", "the generator does not hear the source"),
    ):
        if place < len(tensors):
            tensors[place], kept = torch.zeros_like(tensors[place]), tensors[place]
            yield Guess(label, sentence, heard(), "D22" if place == 1 else "D16")
            tensors[place] = kept


def _speaker(program: Any, case: Case, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    synthesizer, right = program.synthesizer(case), program.config(case).speaker
    for number in range(synthesizer.embedding.shape[0]):
        if number != right:
            yield Guess(
                "another speaker", f"this is speaker {number}, not {right}", _array(synthesizer.speaker(number)), "D22"
            )


def _source(program: Any, case: Case, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
    other = "A" if case.profile == "webui-classic" else "B"
    sine, bent = program.synthesizer(case).source(
        torch.from_numpy(given["f0.hz"]), torch.from_numpy(given[prefix + "noise.nsf"]), other
    )
    yield Guess(
        "the other generation",
        f"the sine is made as generation {other} makes it",
        _array(sine if name.endswith("sine") else bent),
        "D16",
    )


PROBES: dict[str, Probe] = {
    "hubert.features": _hubert,
    "f0.raw": _pitch,
    "retrieval.search": _search,
    "spk.g": _speaker,
    "nsf": _source,
    "enc_p": _encoder,
    "flow": _flow,
    "generator": _generator,
}
