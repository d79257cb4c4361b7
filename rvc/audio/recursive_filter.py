"""scipy's compiled recursive filter, without importing scipy.signal.

That import takes longer than filtering one minute of audio. The compiled module is private to scipy; where it is not in
its usual place, scipy.signal.lfilter is used.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Filter = Callable[[Values, Values, Values, Values], tuple[Values, Values]]


@functools.cache
def linear_filter() -> Filter:
    """The function (b, a, x, state) → (y, state), all float64 and one-dimensional, of scipy.signal.lfilter."""
    kernel = _compiled()
    if kernel is not None:
        return lambda b, a, x, state: kernel(b, a, x, -1, state)
    from scipy.signal import lfilter

    return lambda b, a, x, state: lfilter(b, a, x, zi=state)


def _compiled() -> Any:
    """scipy's compiled function, or None where this version has it elsewhere or it fails on a small example."""
    spec = importlib.util.find_spec("scipy")
    if spec is None or spec.origin is None:
        return None
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = Path(spec.origin).parent / "signal" / f"_sigtools{suffix}"
        if not path.is_file():
            continue
        module_spec = importlib.util.spec_from_file_location("_sigtools", path)
        if module_spec is None or module_spec.loader is None:
            return None
        try:
            module = importlib.util.module_from_spec(module_spec)
            module_spec.loader.exec_module(module)
            kernel = module._linear_filter
            one = np.ones(2)
            y, state = kernel(one, np.array([1.0, 0.5]), np.array([1.0, 2.0]), -1, np.array([3.0]))
        except (ImportError, AttributeError, TypeError, ValueError):
            return None
        return kernel if y.tolist() == [4.0, 1.0] and state.tolist() == [1.5] else None
    return None
