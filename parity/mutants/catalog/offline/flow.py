"""Faults of the flow."""

from collections.abc import Callable, Iterator

import torch

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Original, Patch, after, around, in_voice, namespace, put
from rvc.nn import flow
from rvc.nn.flow import Coupling, Flow
from rvc.nn.kernels.layout import from_frames, to_frames
from rvc.nn.synthesizer import Synthesizer

Tensor = torch.Tensor
EXCHANGED_GATES = namespace(torch, tanh=torch.sigmoid, sigmoid=torch.tanh)


def _run_couplings(order: Callable[[list[Coupling]], list[Coupling]], before: bool = True, flips: bool = True) -> Patch:
    """Run the couplings in another order, and reverse channels before each, after each, or never."""

    def run(original: Original, self: Flow, z_p: Tensor, g: Tensor) -> Tensor:
        x, g = to_frames(z_p), to_frames(g)
        for coupling in order(self.couplings):
            x = x.flip(1).contiguous() if flips and before else x.contiguous()
            x = coupling(x, g)
            x = x.flip(1).contiguous() if flips and not before else x
        return from_frames(x.contiguous())

    return around(Flow, "__call__", run)


def _first_condition_for_all(original: Original, self: Coupling, h: Tensor, g: Tensor) -> Tensor:
    """Give every layer the speaker's part that belongs to the first of three."""
    gated: Tensor = original(self, h, g[: 2 * self.hidden].repeat(3))
    return gated


def _add_instead_of_subtract(original: Original, self: Coupling, x: Tensor, g: Tensor) -> Tensor:
    before = x.clone()
    changed: Tensor = 2 * before - original(self, x, g)
    return changed


def _input_in_bfloat16(original: Original, self: Flow, z_p: Tensor, g: Tensor) -> Tensor:
    z: Tensor = original(self, z_p.to(torch.bfloat16).float(), g)
    return z


def _enlarge_middle_frame(original: Original, self: Flow, *args: Tensor) -> Tensor:
    """Enlarge one frame by 1.8e-4: within the limit of the mean error, beyond that of the worst frame."""
    z: Tensor = original(self, *args).clone()
    z[0, :, z.shape[2] // 2] *= 1.00018
    return z


def change_flow_input(
    z_p: Callable[[Tensor], Tensor] | None = None, g: Callable[[Tensor], Tensor] | None = None
) -> Patch:
    """Change the latent or the speaker's embedding."""

    def run(original: Original, self: Flow, latent: Tensor, speaker: Tensor) -> Tensor:
        z: Tensor = original(self, z_p(latent) if z_p else latent, g(speaker) if g else speaker)
        return z

    return around(Flow, "__call__", run)


def _last_biases_in_12_bits(voice: Synthesizer) -> Iterator[Change]:
    for coupling in voice._flow.couplings:
        yield coupling.post, "bias", reduced_precision.in_12_bits(coupling.post.bias)


FAULTS = [
    Fault(
        "flow-flip-after",
        "flow",
        "flip after the coupling, not before",
        _run_couplings(lambda c: c, before=False),
        causes=("flips after",),
    ),
    Fault(
        "flow-no-flip",
        "flow",
        "no flips",
        _run_couplings(lambda c: c, flips=False),
        causes=("missing flips",),
    ),
    Fault(
        "flow-forward-order",
        "flow",
        "couplings 0 to 6",
        _run_couplings(lambda c: c[::-1]),
        causes=("couplings in order",),
    ),
    Fault(
        "flow-three",
        "flow",
        "the last coupling is missing",
        _run_couplings(lambda c: c[:3]),
        causes=("missing coupling",),
    ),
    Fault(
        "flow-one-condition",
        "flow",
        "one layer's condition for all",
        around(Coupling, "gated", _first_condition_for_all),
    ),
    Fault("flow-gates", "flow", "tanh and sigmoid exchanged", put(flow, "torch", EXCHANGED_GATES)),
    Fault("flow-added", "flow", "added instead of subtracted", around(Coupling, "__call__", _add_instead_of_subtract)),
    Fault("flow-half", "flow", "its input in bfloat16", around(Flow, "__call__", _input_in_bfloat16)),
    Fault(
        "flow-subtle",
        "flow",
        "a coupling's step is a ten-thousandth too large",
        around(Coupling, "gated", lambda f, self, h, g: f(self, h, g) * 1.0001),
    ),
    Fault(
        "flow-click",
        "flow",
        "one frame is 1.8e-4 too large",
        around(Flow, "__call__", _enlarge_middle_frame),
        needs=(Need.OVER_TWO_SECONDS,),
    ),
    Fault(
        "flow-unconditioned",
        "flow",
        "no speaker",
        around(Flow, "__call__", lambda f, self, z_p, g: f(self, z_p, torch.zeros_like(g))),
        causes=("missing speaker",),
    ),
    Fault("flow-fp24", "flow", "its input in 24-bit floats", change_flow_input(reduced_precision.fp24)),
    Fault("flow-short-speaker", "flow", "the speaker in 12 bits", change_flow_input(g=reduced_precision.in_12_bits)),
    Fault("flow-short-bias", "flow", "its last biases in 12 bits", in_voice(_last_biases_in_12_bits)),
    Fault(
        "flow-half-gates", "flow", "the gates' sum in half precision", after(Coupling, "gated", reduced_precision.half)
    ),
    Fault(
        "flow-tanh-fine",
        "flow",
        "tanh by its first terms for small arguments",
        put(flow, "torch", namespace(torch, tanh=lambda x: torch.where(x.abs() < 0.3, x - x**3 / 3, torch.tanh(x)))),
    ),
]
