"""The synthesizer of the WebUI and its descendants: taps on its modules, and its stages alone.

A descendant has the modules `enc_p`, `flow` and `dec` and, of voices with F0, `dec.m_source`; `infer` is its method.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from parity.hooks.interception import replaced
from parity.hooks.noise import Replay
from parity.hooks.serving import Array, Arrays, Case, Tape, snapshot

Record = Callable[[str, Any], Any]
LATENTS, SPEAKER = 192, 256  # channels of the prior, and of the speaker's embedding (docs/spec/05)


class Stopped(Exception):
    """Raised by a stand-in where the rest of the program is not needed."""


@contextmanager
def synthesizer_taps(net: Any, record: Record, prefix: Callable[[], str]) -> Iterator[None]:
    """Record what encoder, flow and source make while the block runs; `prefix()` is the current tensor prefix."""

    def encoder(_module: Any, _arguments: Any, output: Any) -> None:
        record(prefix() + "enc_p.m", output[0])
        record(prefix() + "enc_p.logs", output[1])

    def flow(_module: Any, arguments: Any, named: Any, output: Any) -> None:
        record(prefix() + "z_p", arguments[0])
        record(prefix() + "spk.g", named["g"] if "g" in named else arguments[2])
        record(prefix() + "flow.z", output)

    def sine(_module: Any, _arguments: Any, output: Any) -> None:
        record(prefix() + "nsf.sine", output[0])

    def source(_module: Any, _arguments: Any, output: Any) -> None:
        value = snapshot(output[0] if isinstance(output, tuple) else output)
        record(prefix() + "nsf.source", value if value.shape[1] == 1 else value.transpose(0, 2, 1))

    handles = [net.enc_p.register_forward_hook(encoder), net.flow.register_forward_hook(flow, with_kwargs=True)]
    if hasattr(net.dec, "m_source"):
        handles += [
            net.dec.m_source.l_sin_gen.register_forward_hook(sine),
            net.dec.m_source.register_forward_hook(source),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class SynthesizerStages:
    """The stages of a synthesizer alone, each on given inputs. A subclass sets `net` and `case` before a call.

    A method `stage_NAME` takes the prefix of a segment and the stage's inputs by full name. It returns full name →
    tensor, with the shapes and dtypes of docs/spec/00 §0.3.
    """

    net: Any
    case: Case

    def infer(self, phone: Any, lengths: Any, pitch: Any, hz: Any, speaker: Any) -> Any:
        """`net.infer` with F0 or without."""
        if self.case["voice"]["f0"]:
            return self.net.infer(phone, lengths, pitch, hz, speaker)
        return self.net.infer(phone, lengths, speaker)

    def source_answer(self, source: Any) -> Any:
        """What `dec.m_source` returns for a source (1, samples, 1)."""
        return source, None, None

    def stage_spk_g(self, prefix: str, _inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `spk.g`."""
        zeros = torch.zeros(1, LATENTS, 16)
        return {prefix + "spk.g": self._until_flow(prefix, {}, zeros, zeros)["g"]}

    def stage_enc_p(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `enc_p`."""
        content = torch.from_numpy(inputs[prefix + "content.protected"])
        coarse = torch.from_numpy(inputs["f0.coarse"]) if "f0.coarse" in inputs else None
        mean, deviation, *_ = self.net.enc_p(content, coarse, torch.tensor([content.shape[1]]))
        return {prefix + "enc_p.m": mean, prefix + "enc_p.logs": deviation}

    def stage_z_p(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `z_p`."""
        mean, deviation = (torch.from_numpy(inputs[prefix + name]) for name in ("enc_p.m", "enc_p.logs"))
        return {prefix + "z_p": self._until_flow(prefix, inputs, mean, deviation)["z_p"]}

    def stage_flow(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `flow`."""
        z_p, g = torch.from_numpy(inputs[prefix + "z_p"]), torch.from_numpy(inputs[prefix + "spk.g"])
        return {prefix + "flow.z": self.net.flow(z_p, torch.ones(1, 1, z_p.shape[2]), g=g, reverse=True)}

    def stage_nsf(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `nsf`."""
        hz, tape = torch.from_numpy(inputs["f0.hz"]), Tape()
        handle = self.net.dec.conv_pre.register_forward_pre_hook(_stop)
        try:
            with (
                synthesizer_taps(self.net, tape, lambda: prefix),
                Replay(inputs, prefix).active(),
                contextlib.suppress(Stopped),
            ):
                self.net.dec(torch.zeros(1, LATENTS, hz.shape[1]), hz, g=torch.zeros(1, SPEAKER, 1))
        finally:
            handle.remove()
        return {prefix + name: tape[prefix + name] for name in ("nsf.sine", "nsf.source")}

    def stage_generator(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `generator`."""
        z, g = torch.from_numpy(inputs[prefix + "flow.z"]), torch.from_numpy(inputs[prefix + "spk.g"])
        if not self.case["voice"]["f0"]:
            waveform = self.net.dec(z, g=g)
        else:
            source = torch.from_numpy(inputs[prefix + "nsf.source"]).transpose(1, 2)
            with replaced(self.net.dec.m_source, forward=lambda *_, **__: self.source_answer(source)):
                waveform = self.net.dec(z, torch.ones(1, z.shape[2]), g=g)
        return {prefix + "waveform.segment.full": snapshot(waveform)[0, 0]}

    def _until_flow(self, prefix: str, inputs: Arrays, mean: Any, deviation: Any) -> dict[str, Array]:
        """What the flow is called with, where the encoder answers with a given prior."""
        recorded: dict[str, Array] = {}

        def stop(_module: Any, arguments: Any, named: Any) -> None:
            recorded.update(z_p=snapshot(arguments[0]), g=snapshot(named["g"] if "g" in named else arguments[2]))
            raise Stopped

        frames = mean.shape[2]
        prior = (mean, deviation, torch.ones(1, 1, frames))
        channels = 256 if self.case["voice"]["version"] == "v1" else 768
        handle = self.net.flow.register_forward_pre_hook(stop, with_kwargs=True)
        try:
            with (
                replaced(self.net.enc_p, forward=lambda *_, **__: prior),
                Replay(inputs, prefix).active(),
                contextlib.suppress(Stopped),
            ):
                self.infer(
                    torch.zeros(1, frames, channels),
                    torch.tensor([frames]),
                    torch.ones(1, frames, dtype=torch.long),
                    torch.ones(1, frames),
                    torch.tensor([self.case["options"]["speaker"]]),
                )
        finally:
            handle.remove()
        return recorded


def _stop(*_: Any) -> None:
    raise Stopped
