"""The salience of the F0 networks of `rvc`, by which frames are voiced or not and the strongest bin is chosen."""

import numpy as np

from parity.goldens.arrays import Array
from parity.judge.decisions.voicing import Salience
from parity.rvc_bridge.case_voice import CaseVoice
from rvc.f0 import registry


def salience_of(voice: CaseVoice, padded: Array) -> Salience | None:
    """The salience of a case's F0 network.

    Args:
        voice: the case, which gives the F0 method and loads its network.
        padded: float (samples,) at 16 kHz.
    Returns:
        None for a method without a network, or whose entry in the registry has no salience.
    """
    method = registry.METHODS.get(str(voice.case.options.get("f0_method")))
    network = method.network if method is not None else None
    if method is None or network is None or network.salience is None or method.threshold is None:
        return None
    samples = np.ascontiguousarray(padded, np.float32)
    values, cents = registry.resolve(network.salience)(samples, voice.f0_network(method.name))
    return Salience(values, registry.resolve(method.threshold), cents)
