"""Types of arrays and of collections of named arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # an array of any dtype; docstrings give dtype and shape
Curve = NDArray[np.float64]  # one number for each frame
Tensors = dict[str, Array]  # full name of a tensor → its value
NamedArrays = Mapping[str, Array]  # full name of a tensor → its value, read only; a golden is one
