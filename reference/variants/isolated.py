"""Run each network stage of an original alone, on the inputs and the noise of a recording.

This measures an original's own spread: on another machine, with another number of threads, or in float64.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parity import stages
from parity.goldens import time_axes
from parity.goldens.trace_file import Trace
from parity.hooks.interception import StandIn, replaced
from reference.variants import reduced

Arrays = Mapping[str, NDArray[Any]]
FRAME = stages.FRAME
NETWORKS = ("hubert.features", "enc_p", "flow", "nsf", "generator")  # the stages that `run` computes


def run(
    net: Any,
    models: Any,
    hubert: Any,
    recorded: Arrays,
    dtype: torch.dtype = torch.float32,
    only: Collection[str] = NETWORKS,
) -> Trace:
    """Run network stages of every segment on the recorded inputs.

    Args:
        net: the original's synthesizer.
        models: the module that defines it.
        hubert: (source (1, L), version) → features (1, n, C).
        recorded: a golden of an offline conversion.
        dtype: precision of the computation; float64 gives the values without float32's rounding, float16 and bfloat16
            those of a GPU (`reduced.autocast`).
        only: the stages to run.
    Returns:
        the outputs by name, float32 (they are compared in the original's own type).
    """
    outputs = Trace()
    before = torch.get_default_dtype()
    stored = torch.float32 if dtype in reduced.FORMATS else dtype  # autocast narrows what its products read
    torch.set_default_dtype(stored)  # the sine generator allocates buffers of the default type
    net.to(stored)
    try:
        with torch.no_grad(), reduced.autocast(dtype):
            for prefix in stages.prefixes_of(recorded):
                _segment(net, models, hubert, recorded, prefix, stored, outputs, only)
    finally:
        torch.set_default_dtype(before)
        net.float()
    return outputs


def _segment(
    net: Any,
    models: Any,
    hubert: Any,
    recorded: Arrays,
    prefix: str,
    dtype: Any,
    outputs: Trace,
    only: Collection[str],
) -> None:
    device = next(net.parameters()).device

    def tensor(local: str) -> torch.Tensor:
        value = torch.from_numpy(np.array(recorded[prefix + local])).to(device)
        return value.to(dtype) if value.is_floating_point() else value

    def store(local: str, value: torch.Tensor) -> None:
        outputs(prefix + local, value.float())

    frames = _frames(recorded, prefix)  # 0 where only HuBERT is run
    if "hubert.features" in only:
        version = "v1" if net.enc_p.emb_phone.in_features == 256 else "v2"
        store("hubert.features", hubert(tensor("audio"), version))
    with_f0 = hasattr(net.dec, "m_source")
    start = _first_frame(recorded, prefix)
    if "enc_p" in only:
        bins = torch.from_numpy(np.array(recorded["f0.coarse"][:, start : start + frames])) if with_f0 else None
        coarse = None if bins is None else bins.to(device)
        m, logs, _ = net.enc_p(tensor("content.protected"), coarse, torch.tensor([frames], device=device))
        store("enc_p.m", m)
        store("enc_p.logs", logs)
    mask = torch.ones(1, 1, frames, dtype=dtype, device=device)
    if "flow" in only:
        store("flow.z", net.flow(tensor("z_p"), mask, g=tensor("spk.g"), reverse=True))
    if "generator" in only and not with_f0:
        store("waveform.segment.full", net.dec(tensor("flow.z") * mask, g=tensor("spk.g"))[0, 0])
    if not with_f0:
        return
    hz = torch.ones(1, frames, dtype=dtype, device=device)
    if "nsf" in only:
        hz = torch.from_numpy(np.array(recorded["f0.hz"][:, start : start + frames])).to(device, dtype)
        sine, source = _source(net, models, hz, tensor("noise.nsf"))
        store("nsf.sine", sine)
        store("nsf.source", source.transpose(1, 2))
    if "generator" in only:
        recorded_source = tensor("nsf.source").transpose(1, 2)
        with replaced(net.dec.m_source, forward=lambda *_: (recorded_source, None, None)):
            store("waveform.segment.full", net.dec(tensor("flow.z") * mask, hz, g=tensor("spk.g"))[0, 0])


def _frames(recorded: Arrays, prefix: str) -> int:
    """The number of 10 ms frames of a segment."""
    for name, axis in (("content.protected", 1), ("z_p", 2), ("flow.z", 2)):
        if prefix + name in recorded:
            return int(recorded[prefix + name].shape[axis])
    return int(recorded["f0.hz"].shape[1]) if "f0.hz" in recorded else 0


def _source(net: Any, models: Any, hz: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The sine and the source, both (1, samples, 1), with the recorded noise instead of a random draw."""
    sines: list[torch.Tensor] = []
    hook = net.dec.m_source.l_sin_gen.register_forward_hook(lambda _module, _inputs, output: sines.append(output[0]))
    torch_with_noise = StandIn(
        torch,
        randn_like=lambda like, **_: noise.to(like),
        rand=lambda *shape, **_: torch.zeros(*shape, device=hz.device),
    )
    try:
        with replaced(models, torch=torch_with_noise):
            source = net.dec.m_source(hz, net.dec.upp)[0]
    finally:
        hook.remove()
    return sines[0], source


def _first_frame(recorded: Arrays, prefix: str) -> int:
    return time_axes.first_frame(stages.index_of(prefix), recorded.get("segment.cuts"))


@contextmanager
def onednn(enabled: bool) -> Iterator[None]:
    """Compute convolutions with oneDNN (the default), or with torch's own kernels, while the block runs."""
    if enabled:  # already the default; `flags` would also set the other options of the backend
        yield
        return
    backend: Any = torch.backends.mkldnn
    with backend.flags(enabled=False):
        yield
