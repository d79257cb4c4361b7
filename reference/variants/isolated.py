"""Each stage of an original alone: given a recording's own inputs and noise, what does its module make of them here?

Used to measure how far an original is from itself, on another machine, with other threads, or in float64.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parity import stages
from parity.goldens.trace_file import Trace
from reference.hooks.interception import StandIn, replaced

Arrays = Mapping[str, NDArray[Any]]
FRAME = stages.FRAME


def run(net: Any, models: Any, hubert: Any, recorded: Arrays, dtype: torch.dtype = torch.float32) -> Trace:
    """Every network stage of every segment of `recorded`, its inputs taken from `recorded`.

    net      : the original's synthesizer; models: the module that defines it
    hubert   : (source (1, L), version) → features (1, n, C)
    recorded : a golden of an offline conversion; dtype: float64 gives the truth that float32 rounds
    """
    made = Trace()
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # the sine generator makes buffers of the default type
    net.to(dtype)
    try:
        with torch.no_grad():
            for prefix in stages.prefixes_of(recorded):
                _segment(net, models, hubert, recorded, prefix, dtype, made)
    finally:
        torch.set_default_dtype(before)
        net.float()
    return made


def _segment(net: Any, models: Any, hubert: Any, recorded: Arrays, prefix: str, dtype: Any, made: Trace) -> None:
    def given(local: str) -> torch.Tensor:
        value = torch.from_numpy(np.array(recorded[prefix + local]))
        return value.to(dtype) if value.is_floating_point() else value

    def keep(local: str, value: torch.Tensor) -> None:
        made(prefix + local, value.float())  # the truth, too, is compared in the original's own type

    content = given("content.protected")
    frames = content.shape[1]
    keep("hubert.features", hubert(given("audio"), "v1" if content.shape[2] == 256 else "v2"))
    voiced = "f0.hz" in recorded
    start = _first_frame(recorded, prefix)
    coarse = torch.from_numpy(np.array(recorded["f0.coarse"][:, start : start + frames])) if voiced else None
    m, logs, mask = net.enc_p(content, coarse, torch.tensor([frames]))
    keep("enc_p.m", m)
    keep("enc_p.logs", logs)
    g = given("spk.g")
    keep("flow.z", net.flow(given("z_p"), mask, g=g, reverse=True))
    if not voiced:
        keep("waveform.segment.full", net.dec(given("flow.z") * mask, g=g)[0, 0])
        return
    hz = torch.from_numpy(np.array(recorded["f0.hz"][:, start : start + frames])).to(dtype)
    sine, source = _source(net, models, hz, given("noise.nsf"))
    keep("nsf.sine", sine)
    keep("nsf.source", source.transpose(1, 2))
    recorded_source = given("nsf.source").transpose(1, 2)
    with replaced(net.dec.m_source, forward=lambda *_: (recorded_source, None, None)):
        keep("waveform.segment.full", net.dec(given("flow.z") * mask, hz, g=g)[0, 0])


def _source(net: Any, models: Any, hz: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The sine (1, samples, 1) and the source (1, samples, 1) with the recorded noise in place of a draw."""
    heard: list[torch.Tensor] = []
    hook = net.dec.m_source.l_sin_gen.register_forward_hook(lambda _module, _given, output: heard.append(output[0]))
    drawing = StandIn(torch, randn_like=lambda like, **_: noise.to(like), rand=lambda *shape, **_: torch.zeros(*shape))
    try:
        with replaced(models, torch=drawing):
            source = net.dec.m_source(hz, net.dec.upp)[0]
    finally:
        hook.remove()
    return heard[0], source


def _first_frame(recorded: Arrays, prefix: str) -> int:
    number = int(prefix.removeprefix("seg").rstrip("."))
    return int(recorded["segment.cuts"][number - 1]) // FRAME if number else 0


@contextmanager
def onednn(enabled: bool) -> Iterator[None]:
    """oneDNN's convolutions, or torch's own."""
    if enabled:  # as it is; setting it would also touch switches of other devices
        yield
        return
    backend: Any = torch.backends.mkldnn
    with backend.flags(enabled=False):
        yield
