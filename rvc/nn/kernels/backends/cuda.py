"""The backend cuda: torch's operations on an NVIDIA GPU, through cuDNN and cuBLAS, without TF32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.backends.backend import Convolution, GroupedConvolution, ImageConvolution, Task
from rvc.nn.kernels.backends.plain import PlainBackend, PlainConvolution

UNFOLDED_FRAMES = 256  # frames of HuBERT whose windows are copied at a time: 50 MB in float16
WINDOWS = 1 << 27  # numbers of a convolution's windows that are copied at a time: 256 MB in float16
LONG_SIGNAL = 4096  # frames from which on a convolution in half precision is computed as a matrix product
PIXELS_AS_PRODUCT = 8192  # up to so many pixels an image convolution is computed as a matrix product
# Such a product is divided into sums of at least LEAST_SUMMANDS, until about TILES parts of 64 × 64 results can be
# computed at a time; an H100 has 132 processors.
LEAST_SUMMANDS, TILE, TILES = 128, 64, 264


class DeviceConvolution(PlainConvolution):
    """torch.conv2d; in half precision a matrix product over the windows of a long signal.

    For some widths and dilations of a long signal cuDNN chooses kernels without matrix units: one took 25 ms for 10 s
    of audio on an H200.
    """

    def convolved(self, x: Tensor, bias: Tensor | None, pad: int) -> Tensor:
        """See `PlainConvolution.convolved`."""
        out, channels, _, width = self.weight.shape
        count = len(x) + 2 * pad - (width - 1) * self.dilation
        if self.signal_dtype == torch.float32 or count < LONG_SIGNAL:
            return super().convolved(x, bias, pad)
        x = F.pad(x, (0, 0, pad, pad)) if pad else x.contiguous()
        weight = self.weight[:, :, 0].transpose(1, 2).reshape(out, width * channels)
        y = x.new_empty(count, out)
        size = WINDOWS // (width * channels)
        for start in range(0, count, size):
            stop = min(start + size, count)
            strides = (channels, self.dilation * channels, 1)
            windows = x.as_strided((stop - start, width, channels), strides, x.storage_offset() + start * channels)
            y[start:stop] = F.linear(windows.reshape(stop - start, -1), weight, bias)
        return y


class DeviceGrouped(GroupedConvolution):
    """One matrix product per group over windows of frames, all groups in one call, and GELU.

    cuDNN computes HuBERT's 16 groups of 48 channels and 128 taps one by one, each on a few of the GPU's processors.
    """

    def __init__(self, weight: Tensor, groups: int, dtype: torch.dtype) -> None:
        """Pack a weight, float32 (out, in, 1, k), for products in `dtype`."""
        out, into, _, self.width = weight.shape
        self.groups, self.dtype = groups, dtype
        by_group = weight[:, :, 0].reshape(groups, out // groups, into, self.width)
        self.weight = by_group.permute(0, 3, 2, 1).reshape(groups, self.width * into, out // groups).to(dtype)

    def __call__(self, frames: Tensor, bias: Tensor) -> Tensor:
        """See `GroupedConvolution.__call__`."""
        pad, into = self.width // 2, frames.shape[1] // self.groups
        padded = F.pad(frames.to(self.dtype), (0, 0, pad, pad))
        signal = padded.view(len(padded), self.groups, into).transpose(0, 1).contiguous()
        count = len(padded) - self.width + 1
        result = frames.new_empty(self.groups, count, self.weight.shape[2])
        for start in range(0, count, UNFOLDED_FRAMES):
            stop = min(start + UNFOLDED_FRAMES, count)
            part = signal[:, start : stop + self.width - 1]
            shape, strides = (self.groups, stop - start, self.width * into), (part.stride(0), into, 1)
            windows = part.as_strided(shape, strides, part.storage_offset()).contiguous()
            result[:, start:stop] = torch.bmm(windows, self.weight)
        return F.gelu(result.transpose(0, 1).flatten(1) + bias)


class DeviceImage(ImageConvolution):
    """torch.conv2d, and for small images a matrix product over their windows, divided by the channels that are summed.

    cuDNN divides a convolution by its pixels. The deep levels of an F0 network have a few pixels and 512 channels, so
    that most of the GPU would wait.
    """

    def __init__(self, weight: Tensor, padding: tuple[int, int], stride: tuple[int, int]) -> None:
        """Pack a weight, float32 (out, in, height, width)."""
        self.weight = weight.contiguous()
        self.padding, self.stride = padding, stride

    def __call__(self, image: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
        """See `ImageConvolution.__call__`; the layout of the result is channels first, which cuDNN has in float32."""
        out, _, height, width = self.weight.shape
        sizes = (height, width)
        shape = [
            (n + 2 * pad - size) // step + 1
            for n, pad, size, step in zip(image.shape[2:], self.padding, sizes, self.stride, strict=True)
        ]
        if shape[0] * shape[1] > PIXELS_AS_PRODUCT:
            result = F.conv2d(image.contiguous(), self.weight, bias, self.stride, self.padding)
        else:
            windows = F.unfold(image, sizes, padding=self.padding, stride=self.stride)[0]
            result = divided_product(self.weight.flatten(1), windows).add_(bias[:, None]).view(1, out, *shape)
        return result.relu_() if relu else result


def divided_product(weight: Tensor, columns: Tensor) -> Tensor:
    """A matrix product, computed as several with fewer summands where the result is small.

    Args:
        weight: float32 (out, n).
        columns: float32 (n, pixels).
    Returns:
        float32 (out, pixels).
    """
    (out, count), pixels = weight.shape, columns.shape[1]
    tiles, parts = -(-out // TILE) * -(-pixels // TILE), 1
    while 2 * parts * tiles <= TILES and count % (2 * parts) == 0 and count // (2 * parts) >= LEAST_SUMMANDS:
        parts *= 2
    if parts == 1:
        return weight @ columns
    by_part = weight.view(out, parts, -1).transpose(0, 1)
    return torch.bmm(by_part, columns.view(parts, -1, pixels)).sum(0)


class CudaBackend(PlainBackend):
    """torch's operations on the GPU, in float32, bfloat16 or float16."""

    name = "cuda"
    title = "an NVIDIA GPU, through cuDNN and cuBLAS"

    def computes(self, task: Task) -> bool:
        """Everything on a CUDA device but int8."""
        return task.device == "cuda" and super().computes(task)

    def convolution(self, task: Task, weight: Tensor, dilation: int) -> Convolution:
        """See `Backend.convolution`."""
        return DeviceConvolution(weight, dilation, task.dtype)

    def grouped(self, task: Task, weight: Tensor, groups: int) -> GroupedConvolution:
        """See `Backend.grouped`."""
        return DeviceGrouped(weight, groups, task.dtype)

    def image(self, task: Task, weight: Tensor, padding: tuple[int, int], stride: tuple[int, int]) -> ImageConvolution:
        """See `Backend.image`."""
        return DeviceImage(weight, padding, stride)


def use_exact_float32() -> None:
    """Switch TF32 off, which rounds the operands of a float32 product to 10 bits and exceeds the judge's limits."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
