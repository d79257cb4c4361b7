"""The stages of one block of a stream alone: the program's own loop runs, and stand-ins answer what comes before.

An adapter returns its program's loop, started, from `start_loop`. For a stage with a state (rings, caches of F0, the
tail that the next block is joined to) the loop starts anew and gets the state that the given earlier blocks leave.
"""

import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from parity.hooks.interception import replaced
from parity.hooks.noise import Replay
from parity.hooks.serving import Array, Arrays, Case, Lacks, Tape, snapshot
from parity.hooks.streams.realtime import BlockTaps, Loop, changes_before, has_f0
from parity.hooks.synthesizer import LATENTS, Stopped, synthesizer_taps

_AROUND = "rt.input16k rt.formant rt.infer_wav rt.sola rt.out"
_OF_CONTENT = "rt.hubert.features rt.retrieval rt.content rt.f0"
_OF_VOICE = "rt.spk.g rt.enc_p rt.z_p rt.flow rt.nsf rt.generator"
STAGES = (*_AROUND.split(), *_OF_CONTENT.split(), *_OF_VOICE.split())
_ARGUMENTS = ("content", "f0.coarse", "f0.hz")  # the synthesizer's arguments, by local name
_WITH_EARLIER_BLOCKS = ("rt.f0", "rt.input16k", "rt.infer_wav")  # these run the earlier blocks, with their changes


class RealtimeStages:
    """The stages of one block alone, for `parity.hooks.pipeline.PipelineCandidate`, by the attributes that it sets.

    A method `rt_NAME` takes the started loop, the prefix of a block and the stage's inputs by full name. It returns
    full name → tensor, with the shapes and dtypes of docs/spec/00 §0.4.
    """

    name: str
    case: Case
    source_answer: Callable[[Any], Any]

    def start_loop(self, case: Case) -> Loop:
        """The program's loop, started with `settings_of(case)`. Raises Lacks where the program has none."""
        raise Lacks(f"{self.name} is driven without its realtime loop")

    def run_stream(self, case: Case, inputs: Arrays, tape: Tape) -> None:
        """Convert the blocks `rt.{n}.in` with the recorded noise; arguments as for `Adapter.run`."""
        loop = self.start_loop(case)
        taps, replay = BlockTaps(loop, tape), Replay(inputs)
        with taps.installed(), replay.active():
            for number in range(case["options"]["realtime"]["blocks"]):
                loop.change(changes_before(case, number))
                replay.prefix = f"rt.{number}."
                taps.block(number, inputs[f"rt.{number}.in"])

    def run_block_stage(self, stage: str, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """What one stage, such as "rt.f0", makes of given inputs."""
        loop, number = self.start_loop(self.case), int(prefix.split(".")[1])
        method = getattr(self, stage.replace(".", "_"))
        if stage not in _WITH_EARLIER_BLOCKS:
            for block in range(number + 1):
                loop.change(changes_before(self.case, block))
        made: dict[str, Any] = method(loop, prefix, inputs)
        return made

    # ---- one conversion of the ring

    def rt_hubert_features(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.hubert.features`."""
        tape = self._converted(loop, prefix, None, _stop, inputs[prefix + "input16k"])
        return _only(tape, prefix, "hubert.features")

    def rt_retrieval(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.retrieval`."""
        tape = self._converted(loop, prefix, inputs[prefix + "hubert.features"], _stop)
        return {name: value for name, value in tape.items() if ".retrieval." in name}

    def rt_content(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.content`: of features that hold the retrieved frames already."""
        features, blended = inputs[prefix + "hubert.features"].copy(), inputs.get(prefix + "retrieval.blended")
        if blended is not None:  # without the last frame, a copy that the loop appends itself
            features[:, features.shape[1] + 1 - blended.shape[1] :] = blended[:, :-1]
        loop.change({"index_rate": 0.0})
        return _only(self._converted(loop, prefix, features, _stop), prefix, "content")

    def rt_f0(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.f0`, with the caches that the rings of the earlier blocks leave."""
        tape = Tape()
        for block in range(int(prefix.split(".")[1]) + 1):
            loop.change(changes_before(self.case, block))
            ring = inputs[f"rt.{block}.input16k"]
            tape = self._converted(loop, prefix, self._silent_features(ring.size), _stop, ring, given_f0=False)
        return _only(tape, prefix, "f0.hz", "f0.coarse")

    def rt_formant(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.formant`."""
        raw = torch.from_numpy(inputs[prefix + "waveform.raw"])[:, None]
        tape = self._converted(loop, prefix, self._silent_features(loop.ring.numel()), lambda *_: (raw, None, None))
        return _only(tape, prefix, "waveform.model")

    def _silent_features(self, samples: int) -> Array:
        channels = 256 if self.case["voice"]["version"] == "v1" else 768
        return np.zeros((1, (samples - 80) // 320, channels), np.float32)

    def _converted(
        self,
        loop: Loop,
        prefix: str,
        features: Array | None,
        infer: Callable[..., Any],
        ring: Array | None = None,
        given_f0: bool = True,
    ) -> Tape:
        """One conversion with given features (1, n, C) and a stand-in for the synthesizer's `infer`.

        Args:
            loop: the loop.
            prefix: the prefix of the block's tensors, such as "rt.0.".
            features: float32 (1, n, C), used in place of HuBERT's output; None runs HuBERT.
            infer: called with the arguments that the loop passes to the synthesizer; may raise Stopped.
            ring: float32 (samples,) at 16 kHz, set as the loop's ring; None keeps the loop's own.
            given_f0: whether F0 estimation is replaced by a curve in which every frame is unvoiced.
        """
        tape = Tape()
        taps = BlockTaps(loop, tape)
        taps.number, taps.doubling = int(prefix.split(".")[1]), True
        owner, name, unvoiced = loop.f0

        def synthesizer(phone: Any, lengths: Any, *arguments: Any) -> Any:
            taps.inputs(phone, arguments)
            return infer(phone, lengths, *arguments)

        with ExitStack() as stack:
            if features is None:
                stack.enter_context(loop.content.tapped(taps.features))
            else:
                answering = loop.content.answering(torch.from_numpy(features.copy()), lambda *_: None)
                stack.enter_context(loop.using(stack.enter_context(answering)))
            stack.enter_context(replaced(F, interpolate=taps.interpolate(F.interpolate)))
            stack.enter_context(replaced(loop.net, infer=synthesizer))
            if given_f0:
                stack.enter_context(replaced(owner, **{name: lambda *_, **__: unvoiced}))
            stack.enter_context(contextlib.suppress(Stopped))
            given = loop.ring if ring is None else torch.from_numpy(ring.reshape(-1).copy())
            tape(prefix + "waveform.model", loop.convert(given))
        return tape

    # ---- the synthesizer, called as the loop calls it

    def rt_spk_g(self, loop: Loop, prefix: str, _inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.spk.g`."""
        return {prefix + "spk.g": self._loop_until_flow(loop, prefix, {})["g"]}

    def rt_z_p(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.z_p`."""
        return {prefix + "z_p": self._loop_until_flow(loop, prefix, inputs)["z_p"]}

    def rt_enc_p(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.enc_p`."""
        recorded: dict[str, Any] = {}

        def stop(_module: Any, _arguments: Any, output: Any) -> None:
            recorded.update({prefix + "enc_p.m": snapshot(output[0]), prefix + "enc_p.logs": snapshot(output[1])})
            raise Stopped

        handle = loop.net.enc_p.register_forward_hook(stop)
        try:
            self._synthesized(loop, prefix, inputs)
        finally:
            handle.remove()
        return recorded

    def rt_flow(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.flow`."""
        z_p, g = torch.from_numpy(inputs[prefix + "z_p"]), torch.from_numpy(inputs[prefix + "spk.g"])
        return {prefix + "flow.z": loop.net.flow(z_p, torch.ones(1, 1, z_p.shape[2]), g=g, reverse=True)}

    def rt_nsf(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.nsf`."""
        tape = Tape()
        handle = loop.net.dec.conv_pre.register_forward_pre_hook(_stop)
        try:
            with synthesizer_taps(loop.net, tape, lambda: prefix), Replay(inputs, prefix).active():
                self._synthesized(loop, prefix, inputs)
        finally:
            handle.remove()
        return _only(tape, prefix, "nsf.sine", "nsf.source")

    def rt_generator(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.generator`."""
        z, g = torch.from_numpy(inputs[prefix + "flow.z"]), torch.from_numpy(inputs[prefix + "spk.g"])
        with ExitStack() as stack:
            stack.enter_context(replaced(loop.net.flow, forward=lambda *_, **__: z))
            stack.enter_context(replaced(loop.net.emb_g, forward=lambda *_: g[:, :, 0]))
            if has_f0(loop.net):
                answer = self.source_answer(torch.from_numpy(inputs[prefix + "nsf.source"]).transpose(1, 2))
                stack.enter_context(replaced(loop.net.dec.m_source, forward=lambda *_, **__: answer))
            waveform = self._synthesized(loop, prefix, {})
        return {prefix + "waveform.raw": waveform[:, 0]}

    def _loop_until_flow(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Array]:
        """What the flow is called with, where the encoder answers with the given prior, or with zeros."""
        recorded: dict[str, Array] = {}

        def stop(_module: Any, arguments: Any, named: Any) -> None:
            recorded.update(z_p=snapshot(arguments[0]), g=snapshot(named["g"] if "g" in named else arguments[2]))
            raise Stopped

        zeros = np.zeros((1, LATENTS, 16), np.float32)
        mean, deviation = (
            torch.from_numpy(inputs.get(prefix + name, zeros).copy()) for name in ("enc_p.m", "enc_p.logs")
        )
        prior = (mean, deviation, torch.ones(1, 1, mean.shape[2]))
        handle = loop.net.flow.register_forward_pre_hook(stop, with_kwargs=True)
        try:
            with replaced(loop.net.enc_p, forward=lambda *_, **__: prior), Replay(inputs, prefix).active():
                self._synthesized(loop, prefix, {})
        finally:
            handle.remove()
        return recorded

    def _synthesized(self, loop: Loop, prefix: str, inputs: Arrays) -> Any:
        """The waveform of the synthesizer, (1, 1, samples), called by the loop but with given content, coarse and hz.

        Returns:
            None where a hook raised Stopped.
        """
        infer, made = loop.net.infer, [None]

        def call(phone: Any, lengths: Any, *arguments: Any) -> Any:
            given = {name: torch.from_numpy(inputs[prefix + name]) for name in _ARGUMENTS if prefix + name in inputs}
            chosen = list(arguments)
            if has_f0(loop.net):
                chosen[:2] = [given.get(name, value) for name, value in zip(_ARGUMENTS[1:], arguments[:2], strict=True)]
            made[0] = infer(given.get("content", phone), lengths, *chosen)[0]
            raise Stopped

        self._converted(loop, prefix, self._silent_features(loop.ring.numel()), call)
        return made[0]

    # ---- around the conversion

    def rt_input16k(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.input16k`."""
        return _only(self._through(loop, prefix, inputs, {}, until_conversion=True), prefix, "input16k")

    def rt_infer_wav(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.infer_wav`."""
        return _only(self._through(loop, prefix, inputs, inputs), prefix, "infer_wav")

    def rt_sola(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.sola`."""
        return _only(self._joined(loop, prefix, inputs), prefix, "sola.cor", "sola.offset")

    def rt_out(self, loop: Loop, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rt.out`."""
        offset = torch.tensor(int(inputs[prefix + "sola.offset"][0]))
        with replaced(torch, argmax=lambda *_, **__: offset):
            return _only(self._joined(loop, prefix, inputs), prefix, "sola_buffer", "out")

    def _joined(self, loop: Loop, prefix: str, inputs: Arrays) -> Tape:
        """One block that gives `infer_wav` after the tail of the block before."""
        number, resampled = int(prefix.split(".")[1]), prefix + "infer_wav" in inputs
        loop.leave_as_converted(resampled)
        before = inputs.get(f"rt.{number - 1}.sola_buffer")
        if before is not None:
            loop.tail[:] = torch.from_numpy(before)
        waveform = inputs[prefix + ("infer_wav" if resampled else "waveform.model")]
        tape, (owner, name) = Tape(), loop.conversion
        taps = BlockTaps(loop, tape)
        with (
            replaced(owner, **{name: lambda *_, **__: torch.from_numpy(waveform.copy())}),
            replaced(torch, argmax=taps.argmax(torch.argmax)),
        ):
            taps.block(number, self._no_block())
        return tape

    def _no_block(self) -> Array:
        table, rate = self.case["options"]["realtime"], self.case["voice"]["rate"]
        hop = int(table.get("rate") or rate) // 100
        return np.zeros(round(table["block_time"] * 100) * hop, np.float32)

    def _through(
        self, loop: Loop, prefix: str, inputs: Arrays, waveforms: Arrays, until_conversion: bool = False
    ) -> Tape:
        """The blocks up to one with given waveforms in place of their conversions, silence where none is given."""
        tape, last, (owner, name) = Tape(), int(prefix.split(".")[1]), loop.conversion
        taps = BlockTaps(loop, tape)

        def convert(*_: Any, **__: Any) -> Any:
            if until_conversion and taps.number == last:
                tape(prefix + "input16k", loop.ring)
                raise Stopped
            given = waveforms.get(taps.prefix + "waveform.model")
            return loop.silence() if given is None else torch.from_numpy(given.copy())

        with (
            replaced(owner, **{name: convert}),
            replaced(torch, argmax=taps.argmax(torch.argmax)),
            contextlib.suppress(Stopped),
        ):
            for block in range(last + 1):
                loop.change(changes_before(self.case, block))
                taps.block(block, inputs[f"rt.{block}.in"])
        return tape


def _stop(*_: Any) -> Any:
    raise Stopped


def _only(tape: Tape, prefix: str, *names: str) -> dict[str, Any]:
    return {prefix + name: tape[prefix + name] for name in names}
