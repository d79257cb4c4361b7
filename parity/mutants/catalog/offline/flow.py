"""Faults of the flow."""

from collections.abc import Callable
from typing import Any

import torch

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Changes, after, around, in_voice, namespace, put
from rvc.nn import flow
from rvc.nn.flow import Coupling, Flow
from rvc.nn.kernels.conv import from_rows, to_rows


def _run_couplings(order: Callable[[list[Any]], list[Any]], before: bool = True, flips: bool = True) -> Any:
    def run(original: Any, self: Any, z_p: Any, g: Any) -> Any:
        x, g = to_rows(z_p), to_rows(g)
        for coupling in order(self.couplings):
            x = x.flip(1).contiguous() if flips and before else x.contiguous()
            x = coupling(x, g)
            x = x.flip(1).contiguous() if flips and not before else x
        return from_rows(x.contiguous())

    return run


def _first_condition_for_all(original: Any, self: Any, h: Any, g: Any) -> Any:
    return original(self, h, g[: 2 * self.hidden].repeat(3))


EXCHANGED = namespace(torch, tanh=torch.sigmoid, sigmoid=torch.tanh)


def _add_instead_of_subtract(original: Any, self: Any, x: Any, g: Any) -> Any:
    before = x.clone()
    return 2 * before - original(self, x, g)


def _input_in_bfloat16(original: Any, self: Any, z_p: Any, g: Any) -> Any:
    return original(self, z_p.to(torch.bfloat16).float(), g)


def _enlarge_middle_frame(original: Any, self: Any, *given: Any) -> Any:
    """One frame a little off: too little for the mean, enough for the worst frame."""
    z = original(self, *given).clone()
    z[0, :, z.shape[2] // 2] *= 1.00018
    return z


def _change_flow_input(z: Any = None, g: Any = None) -> Any:
    return around(Flow, "__call__", lambda f, self, z_p, voice: f(self, z(z_p) if z else z_p, g(voice) if g else voice))


def _last_biases_in_12_bits(voice: Any) -> Changes:
    for coupling in voice._flow.couplings:
        yield coupling.post, "bias", reduced_precision.in_12_bits(coupling.post.bias)


_EXCHANGED_GATES = namespace(torch, tanh=torch.sigmoid, sigmoid=torch.tanh)

FAULTS = [
    Fault(
        "flow-flip-after",
        "flow",
        "flip after the coupling, not before",
        around(Flow, "__call__", _run_couplings(lambda c: c, before=False)),
        causes=("flips after",),
    ),
    Fault(
        "flow-no-flip",
        "flow",
        "no flips",
        around(Flow, "__call__", _run_couplings(lambda c: c, flips=False)),
        causes=("missing flips",),
    ),
    Fault(
        "flow-forward-order",
        "flow",
        "couplings 0 to 6",
        around(Flow, "__call__", _run_couplings(lambda c: c[::-1])),
        causes=("couplings in order",),
    ),
    Fault(
        "flow-three",
        "flow",
        "the last coupling is missing",
        around(Flow, "__call__", _run_couplings(lambda c: c[:3])),
        causes=("missing coupling",),
    ),
    Fault(
        "flow-one-condition",
        "flow",
        "one layer's condition for all",
        around(Coupling, "gated", _first_condition_for_all),
    ),
    Fault("flow-gates", "flow", "tanh and sigmoid exchanged", put(flow, "torch", _EXCHANGED_GATES)),
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
    Fault("flow-fp24", "flow", "its input in 24-bit floats", _change_flow_input(reduced_precision.fp24)),
    Fault("flow-short-speaker", "flow", "the speaker in 12 bits", _change_flow_input(g=reduced_precision.in_12_bits)),
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
