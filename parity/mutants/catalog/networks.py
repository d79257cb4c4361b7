"""Faults of the content encoder, the text encoder and the flow."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.nn import functional as F

from parity.goldens.store import Case
from parity.mutants.fault import Fault, Lay, after, around, namespace, put, replaced
from parity.rvc_bridge.offline import RvcTorch
from rvc.content import features
from rvc.nn import encoder, flow, hubert
from rvc.nn.encoder import Attention, Block, Encoder
from rvc.nn.flow import Coupling, Flow
from rvc.nn.kernels.conv import from_rows, to_rows
from rvc.nn.kernels.dense import Dense
from rvc.nn.synthesizer import Synthesizer


def in_voice(change: Callable[[Any], Iterator[tuple[Any, str, Any]]]) -> Lay:
    """A fault in the loaded voice: `change` gives (holder, attribute, value) for everything to replace."""

    @contextmanager
    def lay(program: RvcTorch, case: Case) -> Iterator[None]:
        with ExitStack() as stack:
            for holder, name, value in list(change(program.synthesizer(case))):
                stack.enter_context(replaced(holder, name, value))
            yield

    return lay


def in_hubert(change: Callable[[Any], Iterator[tuple[Any, str, Any]]]) -> Lay:
    """A fault in the loaded HuBERT."""

    @contextmanager
    def lay(program: RvcTorch, case: Case) -> Iterator[None]:
        with program.parts(case).borrow_hubert() as network, ExitStack() as stack:
            for holder, name, value in list(change(network)):
                stack.enter_context(replaced(holder, name, value))
            yield

    return lay


def in_pitch(method: str, change: Callable[[Any], Iterator[tuple[Any, str, Any]]]) -> Lay:
    """A fault in the loaded network of a pitch method."""

    @contextmanager
    def lay(program: RvcTorch, case: Case) -> Iterator[None]:
        with ExitStack() as stack:
            for holder, name, value in list(change(program.f0_network(case, method))):
                stack.enter_context(replaced(holder, name, value))
            yield

    return lay


def _layer(number: int, project: bool | None = None) -> Any:
    def forward(original: Any, self: Any, samples: Any, layer: Any = None, project_: bool = False, **named: Any) -> Any:
        wanted = named.get("project", project_) if project is None else project
        return original(self, samples, layer=number, project=wanted)

    return forward


def _normalised(original: Any, audio: Any, *rest: Any) -> Any:
    return original((audio - audio.mean()) / torch.sqrt(audio.var(unbiased=False) + 1e-5), *rest)


def _first_dropped(original: Any, self: Any, rows: Any) -> Any:
    rows = self.projection(self.norm(rows))
    return self.final_norm(rows + self.place(rows)[1:])


def _tanh_gelu(original: Any, self: Any, rows: Any, gelu: bool = False) -> Any:
    return F.gelu(original(self, rows), approximate="tanh") if gelu else original(self, rows)


def _unscaled(original: Any, q: Any, *rest: Any) -> Any:
    return original(q * 1.01, *rest)


def _eps(network: Any, value: float) -> Iterator[tuple[Any, str, Any]]:
    for layer in network.layers:
        yield layer.attention_norm, "eps", value
        yield layer.final_norm, "eps", value


def _swapped_norms(voice: Any) -> Iterator[tuple[Any, str, Any]]:
    for block in voice.encoder.blocks:
        yield block, "norm_1", block.norm_1[::-1]
        yield block, "norm_2", block.norm_2[::-1]


def _attentions(name: str, change: Callable[[Any], Any]) -> Callable[[Any], Iterator[tuple[Any, str, Any]]]:
    def all_of(voice: Any) -> Iterator[tuple[Any, str, Any]]:
        for block in voice.encoder.blocks:
            yield block.attention, name, change(getattr(block.attention, name))

    return all_of


def _interleaved(original: Any, self: Any, x: Any, *rest: Any) -> Any:
    count, width = x.shape[0], self.heads * self.width
    moved = self.qkv(x).view(count, 3, self.width, self.heads).transpose(2, 3).reshape(count, 3 * width)
    return original(_Given(self, moved), x, *rest)


class _Given:
    """An attention whose queries, keys and values are given."""

    def __init__(self, attention: Any, qkv: Any) -> None:
        self._attention, self.qkv = attention, _Product(qkv, attention.qkv.dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attention, name)


class _Product:
    """A layer whose product is known already."""

    def __init__(self, made: Any, dtype: Any) -> None:
        self.made, self.dtype = made, dtype

    def __call__(self, x: Any) -> Any:
        return self.made


def _exchanged(original: Any, self: Any, *given: Any, **named: Any) -> Any:
    m, logs = original(self, *given, **named)
    return logs, m


def _pitch_next(original: Any, self: Any, content: Any, coarse: Any, keep: int = 0) -> Any:
    return original(self, content, None if coarse is None else (coarse + 1).clamp(max=255), keep)


def _no_pitch(original: Any, self: Any, content: Any, coarse: Any, keep: int = 0) -> Any:
    return original(self, content, None if coarse is None else torch.ones_like(coarse), keep)


def _flow(order: Callable[[list[Any]], list[Any]], before: bool = True, flips: bool = True) -> Any:
    def run(original: Any, self: Any, z_p: Any, g: Any) -> Any:
        x, g = to_rows(z_p), to_rows(g)
        for coupling in order(self.couplings):
            x = x.flip(1).contiguous() if flips and before else x.contiguous()
            x = coupling(x, g)
            x = x.flip(1).contiguous() if flips and not before else x
        return from_rows(x.contiguous())

    return run


def _one_condition(original: Any, self: Any, h: Any, g: Any) -> Any:
    return original(self, h, g[: 2 * self.hidden].repeat(3))


EXCHANGED = namespace(torch, tanh=torch.sigmoid, sigmoid=torch.tanh)


def _added(original: Any, self: Any, x: Any, g: Any) -> Any:
    before = x.clone()
    return 2 * before - original(self, x, g)


def _half_flow(original: Any, self: Any, z_p: Any, g: Any) -> Any:
    return original(self, z_p.to(torch.bfloat16).float(), g)


def _click(original: Any, self: Any, *given: Any) -> Any:
    """One frame a little off: too little for the mean, enough for the worst frame."""
    z = original(self, *given).clone()
    z[0, :, z.shape[2] // 2] *= 1.00018
    return z


SPEAKER = "another speaker"
LAYER = ("wrong layer",)
FAULTS = [
    Fault(
        "hubert-layer-11",
        "hubert.features",
        "one layer early",
        around(hubert.Hubert, "forward", _layer(11)),
        ("v2",),
        LAYER,
    ),
    Fault(
        "hubert-layer-9",
        "hubert.features",
        "the layer of v1 for v2",
        around(hubert.Hubert, "forward", _layer(9)),
        ("v2",),
        LAYER,
    ),
    Fault(
        "hubert-v1-layer-12",
        "hubert.features",
        "v1 from layer 12",
        around(hubert.Hubert, "forward", _layer(12)),
        ("v1",),
        LAYER,
    ),
    Fault(
        "hubert-v1-unprojected",
        "hubert.features",
        "256 of 768 channels, no projection",
        around(features, "extract", lambda f, audio, network, version: network(audio, layer=9)[..., :256].contiguous()),
        ("v1",),
        ("missing projection",),
    ),
    Fault(
        "hubert-normalised",
        "hubert.features",
        "the audio is normalised first",
        around(features, "extract", _normalised),
        (),
        ("normalised input",),
    ),
    Fault(
        "hubert-gelu-tanh",
        "hubert.features",
        "the tanh form of GELU",
        around(Dense, "forward", _tanh_gelu),
        (),
        ("another GELU",),
    ),
    Fault(
        "hubert-eps",
        "hubert.features",
        "layer norm with 1e-3",
        in_hubert(lambda network: _eps(network, 1e-3)),
        (),
        ("epsilon",),
    ),
    Fault(
        "hubert-position-early",
        "hubert.features",
        "the first positional frame is dropped, not the last",
        around(hubert.Embedding, "forward", _first_dropped),
    ),
    Fault(
        "hubert-attention-scale",
        "hubert.features",
        "attention one per cent too sharp",
        around(hubert, "attend", _unscaled),
        (),
        ("another attention scale",),
    ),
    Fault(
        "hubert-late",
        "hubert.features",
        "one frame late",
        after(features, "extract", lambda x: torch.roll(x, 1, 1)),
        (),
        ("shift by 1 frame",),
    ),
    Fault(
        "hubert-half",
        "hubert.features",
        "the features are kept in half precision",
        after(features, "extract", lambda x: x.half().float()),
        (),
        ("half precision",),
    ),
    Fault(
        "hubert-short",
        "hubert.features",
        "the last frame is trimmed",
        after(features, "extract", lambda x: x[:, :-1].contiguous()),
        (),
        ("another length",),
    ),
    Fault(
        "speaker-0",
        "spk.g",
        "always the first speaker",
        around(Synthesizer, "speaker", lambda f, self, sid=0: f(self, 0)),
        ("speaker",),
        (SPEAKER,),
    ),
    Fault(
        "speaker-next",
        "spk.g",
        "speakers count from 1",
        around(Synthesizer, "speaker", lambda f, self, sid=0: f(self, sid + 1)),
        ("no speaker",),
        (SPEAKER,),
    ),
    Fault(
        "enc-unscaled",
        "enc_p",
        "no factor of sqrt(192)",
        put(encoder, "sqrt", lambda x: 1.0 if x == 192 else x**0.5),
        (),
        ("another scale of the embedding",),
    ),
    Fault(
        "enc-slope",
        "enc_p",
        "LeakyReLU 0.01",
        put(encoder, "F", namespace(F, leaky_relu_=lambda x, slope: F.leaky_relu_(x, 0.01))),
        (),
        ("another slope",),
    ),
    Fault("enc-eps", "enc_p", "layer norm with 1e-4", put(encoder, "EPS", 1e-4), (), ("epsilon",)),
    Fault("enc-eps-subtle", "enc_p", "layer norm with 2e-5", put(encoder, "EPS", 2e-5), (), ("epsilon",)),
    Fault("enc-gamma-beta", "enc_p", "gamma and beta exchanged", in_voice(_swapped_norms)),
    Fault(
        "enc-gelu", "enc_p", "GELU for ReLU", put(encoder, "F", namespace(F, relu_=F.gelu)), (), ("another activation",)
    ),
    Fault("enc-rel-reversed", "enc_p", "emb_rel_k is reversed", in_voice(_attentions("near_k", lambda x: x.flip(0)))),
    Fault("enc-rel-missing", "enc_p", "no relative values", in_voice(_attentions("near_v", torch.zeros_like))),
    Fault(
        "enc-rel-shifted",
        "enc_p",
        "relative positions are one off",
        in_voice(_attentions("near_k", lambda x: x.roll(1, 0))),
    ),
    Fault(
        "enc-rel-scaled",
        "enc_p",
        "the relative term uses the unscaled query",
        in_voice(_attentions("near_k", lambda x: x * 96**0.5)),
    ),
    Fault(
        "enc-rel-last",
        "enc_p",
        "the window is 9 to the right",
        in_voice(_attentions("near_v", lambda x: torch.cat([x[:-1], torch.zeros_like(x[:1])]))),
    ),
    Fault("enc-heads", "enc_p", "heads are interleaved", around(Attention, "__call__", _interleaved)),
    Fault(
        "enc-pre-norm",
        "enc_p",
        "the residual is taken twice",
        around(Block, "__call__", lambda f, self, x, first=0: f(self, x, first) + 1e-3 * x[first:]),
    ),
    Fault(
        "enc-exchanged",
        "enc_p",
        "m and logs exchanged",
        around(Encoder, "__call__", _exchanged),
        (),
        ("m and logs exchanged",),
    ),
    Fault(
        "enc-pitch-next",
        "enc_p",
        "pitch rows count from 1",
        around(Encoder, "__call__", _pitch_next),
        ("voiced",),
        ("another pitch row",),
    ),
    Fault(
        "enc-no-pitch",
        "enc_p",
        "coarse pitch has no effect",
        around(Encoder, "__call__", _no_pitch),
        ("voiced",),
        ("missing pitch",),
    ),
    Fault(
        "enc-late",
        "enc_p",
        "one frame late",
        around(Encoder, "__call__", lambda f, self, *a: tuple(x.roll(1, 2) for x in f(self, *a))),
        (),
        ("shift by 1 frame",),
    ),
    Fault(
        "flow-flip-after",
        "flow",
        "flip after the coupling, not before",
        around(Flow, "__call__", _flow(lambda c: c, before=False)),
        (),
        ("flips after",),
    ),
    Fault(
        "flow-no-flip",
        "flow",
        "no flips",
        around(Flow, "__call__", _flow(lambda c: c, flips=False)),
        (),
        ("missing flips",),
    ),
    Fault(
        "flow-forward-order",
        "flow",
        "couplings 0 to 6",
        around(Flow, "__call__", _flow(lambda c: c[::-1])),
        (),
        ("couplings in order",),
    ),
    Fault(
        "flow-three",
        "flow",
        "the last coupling is missing",
        around(Flow, "__call__", _flow(lambda c: c[:3])),
        (),
        ("missing coupling",),
    ),
    Fault("flow-one-condition", "flow", "one layer's condition for all", around(Coupling, "gated", _one_condition)),
    Fault("flow-gates", "flow", "tanh and sigmoid exchanged", put(flow, "torch", EXCHANGED)),
    Fault("flow-added", "flow", "added instead of subtracted", around(Coupling, "__call__", _added)),
    Fault("flow-half", "flow", "its input in bfloat16", around(Flow, "__call__", _half_flow)),
    Fault(
        "flow-subtle",
        "flow",
        "a coupling's step is a ten-thousandth too large",
        around(Coupling, "gated", lambda f, self, h, g: f(self, h, g) * 1.0001),
    ),
    Fault("flow-click", "flow", "one frame is a little off", around(Flow, "__call__", _click), ("two seconds",)),
    Fault(
        "flow-unconditioned",
        "flow",
        "no speaker",
        around(Flow, "__call__", lambda f, self, z_p, g: f(self, z_p, torch.zeros_like(g))),
        (),
        ("missing speaker",),
    ),
]
