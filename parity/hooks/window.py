"""The segmentation window of a pipeline, in fractions of a second."""

from collections.abc import Sequence
from typing import Any


class Seconds(float):
    """Seconds whose product with a rate is a whole number of samples.

    Pipelines compute `16000 * x_pad` and slice with it; their own constants are whole seconds. A golden with a
    small window needs fractions of a second, so the product is rounded here and nothing else changes.
    """

    def __mul__(self, rate: Any) -> Any:
        return round(float(self) * rate)

    __rmul__ = __mul__


def set_window(config: Any, window: Sequence[float]) -> None:
    """Set `x_pad`, `x_query`, `x_center` and `x_max` of a configuration object.

    Args:
        config: the object that the pipeline reads them from.
        window: seconds in that order, as the option `window` of a case has them.
    """
    for name, seconds in zip(("x_pad", "x_query", "x_center", "x_max"), window, strict=True):
        setattr(config, name, Seconds(seconds))
