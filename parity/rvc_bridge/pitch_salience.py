"""The salience of rvc's F0 networks: what voicing and the strongest bin are decided on."""

from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.decisions.voicing import Salience
from rvc.f0 import registry


def salience_of(program: Any, case: Case, padded: Array) -> Salience | None:
    """The salience of a case's F0 network.

    Args:
        program: `rvc` as a candidate; it loads the network.
        case: gives the F0 method.
        padded: float (L,) at 16 kHz.
    Returns:
        None for a method without a network, or whose entry in the registry has no salience.
    """
    method = registry.METHODS.get(str(case.options.get("f0_method")))
    network = method.network if method is not None else None
    if method is None or network is None or network.salience is None or method.threshold is None:
        return None
    samples = np.ascontiguousarray(padded, np.float32)
    values, cents = registry.resolve(network.salience)(samples, program.f0_network(case, method.name))
    return Salience(values, registry.resolve(method.threshold), cents)
