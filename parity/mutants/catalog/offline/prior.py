"""Faults of sampling the prior."""

from collections.abc import Callable

import torch

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.patches import Patch, around, put
from rvc.nn import synthesizer as network
from rvc.nn.synthesizer import Synthesizer

Tensor = torch.Tensor


def _prior_by(formula: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Patch:
    """Compute z_p by `formula(m, logs, noise)`."""
    return around(Synthesizer, "prior", lambda original, self, m, logs, noise: formula(m, logs, noise))


FAULTS = [
    Fault(
        "prior-1.5",
        "z_p",
        "no 0.66666, as in the ONNX export",
        put(network, "TEMPERATURE", 1.0),
        causes=("missing 0.66666",),
    ),
    Fault(
        "prior-two-thirds", "z_p", "2/3 instead of 0.66666", put(network, "TEMPERATURE", 2 / 3), causes=("two thirds",)
    ),
    Fault(
        "prior-0.667", "z_p", "rounded to 0.667", put(network, "TEMPERATURE", 0.667), causes=("another noise scale",)
    ),
    Fault("prior-twice", "z_p", "scaled twice", put(network, "TEMPERATURE", 0.66666**2), causes=("0.66666 twice",)),
    Fault("prior-no-noise", "z_p", "no noise", put(network, "TEMPERATURE", 0.0), causes=("missing noise",)),
    Fault(
        "prior-no-exp",
        "z_p",
        "logs without exp",
        _prior_by(lambda m, logs, noise: m + logs * noise * 0.66666),
        causes=("missing exponential",),
    ),
    Fault(
        "prior-variance",
        "z_p",
        "exp(logs / 2)",
        _prior_by(lambda m, logs, noise: m + (logs / 2).exp() * noise * 0.66666),
        causes=("variance for deviation",),
    ),
    Fault(
        "prior-noise-late",
        "z_p",
        "the noise comes one frame late",
        _prior_by(lambda m, logs, noise: m + logs.exp() * noise.roll(1, 2) * 0.66666),
    ),
    Fault("prior-0.6667", "z_p", "0.6667", put(network, "TEMPERATURE", 0.6667), causes=("another noise scale",)),
    Fault("prior-0.66667", "z_p", "0.66667", put(network, "TEMPERATURE", 0.66667), causes=("another noise scale",)),
    Fault(
        "prior-fp24",
        "z_p",
        "24-bit floats, cut off",
        around(
            Synthesizer, "prior", lambda f, self, m, logs, noise: reduced_precision.fp24_cut(f(self, m, logs, noise))
        ),
        causes=("fewer bits",),
    ),
    Fault(
        "prior-half-scale",
        "z_p",
        "0.66666 in half precision",
        put(network, "TEMPERATURE", 0.66650390625),
        causes=("another noise scale",),
    ),
    Fault(
        "prior-half-noise",
        "z_p",
        "the noise in half precision",
        around(Synthesizer, "prior", lambda f, self, m, logs, noise: f(self, m, logs, reduced_precision.half(noise))),
    ),
    Fault(
        "prior-half-m",
        "z_p",
        "m in half precision",
        around(Synthesizer, "prior", lambda f, self, m, logs, noise: f(self, reduced_precision.half(m), logs, noise)),
    ),
    Fault(
        "prior-clamped",
        "z_p",
        "logs is clamped at 0",
        around(Synthesizer, "prior", lambda f, self, m, logs, noise: f(self, m, logs.clamp(max=0.0), noise)),
    ),
]
