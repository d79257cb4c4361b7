"""The salience of our own pitch networks: what voicing and the strongest bin are decided on."""

from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.decisions.voicing import Salience
from rvc.f0 import salience
from rvc.f0.methods import crepe, fcpe, rmvpe


def salience_of(program: Any, case: Case, padded: Array) -> Salience | None:
    """The salience of a case's pitch network on `padded` (L,), None where its pitch comes from no network."""
    method = str(case.options.get("f0_method"))
    if method not in METHODS:
        return None
    return METHODS[method](program.f0_network(case, method), np.ascontiguousarray(padded, np.float32))


def _rmvpe(network: Any, padded: Array) -> Salience:
    spectrum = rmvpe.mel(padded)
    found = np.zeros((len(spectrum), salience.BINS), np.float32)
    for start, stretch in network.salience(spectrum.to(network.device)):
        found[start : start + len(stretch)] = stretch.cpu().numpy()
    return Salience(found, rmvpe.THRESHOLD, salience.CENTS)


def _fcpe(network: Any, padded: Array) -> Salience:
    found = network.salience(fcpe.mel(torch.from_numpy(padded)).to(network.device)).cpu().numpy()
    return Salience(found, fcpe.THRESHOLD, network.cents.cpu().numpy().astype(np.float64))


def _crepe(network: Any, padded: Array) -> Salience:
    periodicities = []
    for windows in crepe.batches(torch.from_numpy(padded)):
        found = network.salience(windows.to(network.device)).cpu()
        periodicities.append(found.gather(1, crepe.search(found)[:, None])[:, 0])
    return Salience(crepe.median_of_three(torch.cat(periodicities)).numpy()[:, None], crepe.SILENCE, None)


METHODS = {"rmvpe": _rmvpe, "fcpe": _fcpe, "crepe": _crepe, "crepe-tiny": _crepe}
