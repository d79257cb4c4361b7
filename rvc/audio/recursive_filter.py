"""scipy's compiled recursive filter without the rest of scipy.signal, whose import costs more than filtering a minute.

The compiled module is private to scipy: where it is not found as expected, the public function does the same work.
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
    """A function of (b, a, x, state), all float64, that gives (y, state): scipy.signal.lfilter along one axis."""
    kernel = _compiled()
    if kernel is not None:
        return lambda b, a, x, state: kernel(b, a, x, -1, state)
    from scipy.signal import lfilter

    return lambda b, a, x, state: lfilter(b, a, x, zi=state)


def _compiled() -> Any:
    """scipy's kernel, or None where this version keeps it elsewhere or it fails a first trial."""
    spec = importlib.util.find_spec("scipy")
    if spec is None or spec.origin is None:
        return None
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = Path(spec.origin).parent / "signal" / f"_sigtools{suffix}"
        if not path.is_file():
            continue
        found = importlib.util.spec_from_file_location("_sigtools", path)
        if found is None or found.loader is None:
            return None
        try:
            module = importlib.util.module_from_spec(found)
            found.loader.exec_module(module)
            kernel = module._linear_filter
            one = np.ones(2)
            y, state = kernel(one, np.array([1.0, 0.5]), np.array([1.0, 2.0]), -1, np.array([3.0]))
        except (ImportError, AttributeError, TypeError, ValueError):
            return None
        return kernel if y.tolist() == [4.0, 1.0] and state.tolist() == [1.5] else None
    return None
