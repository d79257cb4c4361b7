"""A realtime loop as a candidate: what an adapter returns as its loop, and the taps of a whole stream."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

import torch
import torch.nn.functional as F

from parity.hooks.content import Content
from parity.hooks.interception import locals_of, replaced
from parity.hooks.serving import Array, Case, snapshot
from parity.hooks.synthesizer import Record, synthesizer_taps

# Options of a conversion that a stream has as well.
OPTIONS = ("transpose", "index_rate", "rms_mix_rate", "f0_method")
# Settings of a stream, with the value that it has where a case names none.
DEFAULTS: dict[str, Any] = {
    "formant": 0.0,
    "input_gate_db": -60,
    "input_denoise": False,
    "output_denoise": False,
    "phase_vocoder": False,
}
_NOT_SETTINGS = ("rate", "start", "blocks", "changes")


class Loop(Protocol):
    """A program's realtime loop after it has started.

    Attributes:
        net: the synthesizer.
        content: HuBERT, as the loop calls it.
        converts, callback: names of the functions that convert the ring and a block; their local variables are read.
        conversion: owner and name of the method that converts the ring at 16 kHz.
        f0: owner and name of the method that estimates F0, and an answer of eight unvoiced frames.
        ring: the input at 16 kHz, float32 (samples,).
        tail: the end of the block before, float32 (samples,); it is written to.
    """

    converts: str
    callback: str

    @property
    def net(self) -> Any: ...
    @property
    def content(self) -> Content: ...
    @property
    def conversion(self) -> tuple[Any, str]: ...
    @property
    def f0(self) -> tuple[Any, str, Any]: ...
    @property
    def ring(self) -> Any: ...
    @property
    def tail(self) -> Any: ...

    def change(self, settings: Mapping[str, Any]) -> None:
        """Set settings between two blocks."""
        ...

    def block(self, samples: Array) -> Array:
        """Convert one block at the device's rate."""
        ...

    def convert(self, ring: Any) -> Any:
        """What `conversion` makes of a ring."""
        ...

    def silence(self) -> Any:
        """Silence as long as what `conversion` returns."""
        ...

    def using(self, model: Any) -> AbstractContextManager[None]:
        """Take another HuBERT while the block runs, one that `content.answering` yields."""
        ...

    def leave_as_converted(self, resampled: bool) -> None:
        """Join what `conversion` returns without loudness mix, noise reduction and, if `resampled`, resampling."""
        ...


def settings_of(case: Case) -> dict[str, Any]:
    """All settings of a stream before its first block, with `device_rate` in Hz (0: the voice's rate).

    None is left out, because a program may keep its settings from one stream to the next.
    """
    options, table = case["options"], case["options"]["realtime"]
    settings = DEFAULTS | {name: value for name, value in table.items() if name not in _NOT_SETTINGS}
    return settings | {name: options[name] for name in OPTIONS} | {"device_rate": table.get("rate") or 0}


def changes_before(case: Case, block: int) -> dict[str, float]:
    """The settings that change before a block: `changes` of a case is "BLOCK:NAME=VALUE …"."""
    changed = {}
    for change in str(case["options"]["realtime"].get("changes") or "").split():
        at, setting = change.split(":")
        name, value = setting.split("=")
        if int(at) == block:
            changed[name] = float(value)
    return changed


class BlockTaps:
    """Records the tensors of a stream, block by block."""

    def __init__(self, loop: Loop, record: Record) -> None:
        self.loop, self.record = loop, record
        self.number = 0
        self.doubling = False  # between the begin of a block and its first interpolation

    @property
    def prefix(self) -> str:
        """The prefix of the current block's tensors: `rt.0.` for the first."""
        return f"rt.{self.number}."

    def block(self, number: int, samples: Array) -> None:
        """Convert block `number`, float32 (block,) at the device's rate, and record its output and the SOLA buffer."""
        self.number, self.doubling = number, True
        out = self.loop.block(samples)
        self.record(self.prefix + "sola_buffer", self.loop.tail)
        self.record(self.prefix + "out", out)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Install the taps while the block runs."""
        loop, (owner, convert) = self.loop, self.loop.conversion
        with ExitStack() as stack:
            for where, names in (
                (owner, {convert: self._conversion(getattr(owner, convert))}),
                (loop.net, {"infer": self._synthesizer(loop.net.infer)}),
                (F, {"interpolate": self.interpolate(F.interpolate)}),
                (torch, {"argmax": self.argmax(torch.argmax)}),
            ):
                stack.enter_context(replaced(where, **names))
            stack.enter_context(loop.content.tapped(self.features))
            stack.enter_context(synthesizer_taps(loop.net, self.record, lambda: self.prefix))
            yield

    def features(self, _source: Any, features: Any) -> None:
        """Record the features, without the copy of the last frame that the loop appends."""
        self.record(self.prefix + "hubert.features", features)

    def _conversion(self, run: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.record(self.prefix + "input16k", self.loop.ring)
            result = run(*arguments, **named)
            self.record(self.prefix + "waveform.model", result)
            return result

        return call

    def interpolate(self, run: Any) -> Any:
        """The first interpolation of a conversion doubles the frames; retrieval has finished before it."""

        def call(features: Any, *arguments: Any, **named: Any) -> Any:
            variables = locals_of(self.loop.converts)
            if self.doubling and "feats" in variables:
                self.doubling = False
                self._retrieval(variables, features)
            return run(features, *arguments, **named)

        return call

    def _retrieval(self, variables: Mapping[str, Any], features: Any) -> None:
        if "score" not in variables:
            return
        mixed = (("weights", "weight"), ("mean", "npy")) if "weight" in variables else ()
        for name, local in (("distances", "score"), ("ids", "ix"), *mixed):
            self.record(f"{self.prefix}retrieval.{name}", variables[local])
        frames = snapshot(features).transpose(0, 2, 1)[:, int(variables["skip_head"]) // 2 :]
        self.record(self.prefix + "retrieval.blended", frames)

    def _synthesizer(self, run: Any) -> Any:
        def call(phone: Any, lengths: Any, *arguments: Any, **named: Any) -> Any:
            self.inputs(phone, arguments)
            result = run(phone, lengths, *arguments, **named)
            self.record(self.prefix + "waveform.raw", result[0][:, 0])
            return result

        return call

    def inputs(self, phone: Any, arguments: Any) -> None:
        """Record what a synthesizer gets: content and, of a voice with F0, the curves."""
        self.record(self.prefix + "content", phone)
        if has_f0(self.loop.net):
            self.record(self.prefix + "f0.coarse", arguments[0])
            self.record(self.prefix + "f0.hz", arguments[1])

    def argmax(self, run: Any) -> Any:
        """The loop's `torch.argmax`: records SOLA's normalized correlation and the offset that it selects."""

        def call(correlation: Any, *arguments: Any, **named: Any) -> Any:
            offset = run(correlation, *arguments, **named)
            variables = locals_of(self.loop.callback)
            if "infer_wav" in variables:
                self.record(self.prefix + "infer_wav", variables["infer_wav"])
                self.record(self.prefix + "sola.cor", correlation)
                self.record(self.prefix + "sola.offset", offset.reshape(1))
            return offset

        return call


def has_f0(net: Any) -> bool:
    """Whether a synthesizer takes F0."""
    return hasattr(net.dec, "m_source")
