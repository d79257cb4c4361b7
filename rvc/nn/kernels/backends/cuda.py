"""The backend cuda: torch's operations on an NVIDIA GPU, through cuDNN and cuBLAS, without TF32."""

from __future__ import annotations

import torch

from rvc.nn.kernels.backends.backend import Task
from rvc.nn.kernels.backends.plain import PlainBackend


class CudaBackend(PlainBackend):
    """torch's operations on the GPU, in float32, bfloat16 or float16."""

    name = "cuda"
    title = "an NVIDIA GPU, through cuDNN and cuBLAS"

    def computes(self, task: Task) -> bool:
        """Everything on a CUDA device but int8."""
        return task.device == "cuda" and super().computes(task)


def use_exact_float32() -> None:
    """Switch TF32 off, which rounds the operands of a float32 product to 10 bits and exceeds the judge's limits."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
