"""All backends, in the fixed order: a task is computed by the first that can, where nothing else has been chosen."""

from __future__ import annotations

from rvc.nn.kernels.backends.backend import Backend, Task
from rvc.nn.kernels.backends.cuda import CudaBackend
from rvc.nn.kernels.backends.filtering import FilteringBackend
from rvc.nn.kernels.backends.integer import IntegerBackend
from rvc.nn.kernels.backends.packed import PackedBackend
from rvc.nn.kernels.backends.plain import PlainBackend
from rvc.nn.kernels.backends.tiles import TileBackend
from rvc.nn.kernels.backends.widened import WidenedBackend

BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        CudaBackend(),
        IntegerBackend(),
        TileBackend(),
        FilteringBackend(2),
        FilteringBackend(1),
        PackedBackend(),
        WidenedBackend(),
        PlainBackend(),
    )
}


def candidates(task: Task) -> list[Backend]:
    """The backends that can compute a task here, in the fixed order."""
    return [backend for backend in BACKENDS.values() if backend.computes(task)]
