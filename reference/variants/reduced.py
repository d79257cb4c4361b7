"""An original in reduced precision on the CPU: autocast, with the arithmetic of its GPUs.

The networks that the originals run in half precision on GPUs are HuBERT, RMVPE and the synthesizer. Each runs within
`torch.autocast`, and what it hands on is widened to float32. A product of two tensors of the format sums in float32
and is rounded once, as tensor cores do; the CPU's own kernels for these formats are sixty times slower.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode

from parity import stages
from parity.goldens.store import Case
from parity.goldens.trace_file import Trace
from parity.hooks.interception import replaced
from reference.originals.base import Original

Array = NDArray[Any]
FORMATS = (torch.float16, torch.bfloat16)
_PRIOR_SCALE = 0.66666  # docs/spec/05 §5.2
_PRODUCTS = ("aten::convolution", "aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::linear")
_ATTENTION = "aten::_scaled_dot_product"


class ProductsInFloat32(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Computes the products of tensors of a reduced format in float32 and rounds each result once."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Widen the arguments of a product, compute it, and round what it returns."""
        kwargs = kwargs or {}
        name = func._schema.name
        if name not in _PRODUCTS and not name.startswith(_ATTENTION):
            return func(*args, **kwargs)
        narrow = next((value.dtype for value in _tensors(args) if value.dtype in FORMATS), None)
        if narrow is None:
            return func(*args, **kwargs)
        return _converted(func(*_converted(args, torch.float32), **_converted(kwargs, torch.float32)), narrow)


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _converted(value: Any, dtype: torch.dtype) -> Any:
    """The floating tensors within a value in another type; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _converted(each, dtype) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_converted(each, dtype) for each in value)
    return value


@contextmanager
def autocast(dtype: torch.dtype) -> Iterator[None]:
    """Compute in a reduced format while the block runs; any other type leaves the computation as it is."""
    if dtype not in FORMATS:
        yield
        return
    products: Any = ProductsInFloat32  # torch declares no types for it
    with torch.autocast("cpu", dtype=dtype), products():
        yield


@contextmanager
def networks(original: Original, dtype: torch.dtype) -> Iterator[None]:
    """Run HuBERT, RMVPE and the synthesizer of an original in a reduced format while the block runs.

    Args:
        original: the original, opened.
        dtype: float16 or bfloat16; any other type changes nothing.
    """
    with ExitStack() as stack:
        if dtype in FORMATS:
            for owner, name in _methods(original):
                stack.enter_context(replaced(owner, **{name: _reduced(vars(owner)[name], dtype)}))
            hubert = importlib.import_module("transformers").HubertModel
            stack.enter_context(replaced(hubert, forward=_reduced_hubert(hubert.forward, dtype)))
        yield


def _methods(original: Original) -> list[tuple[Any, str]]:
    """(class, method) of each call that enters a network, but HuBERT's."""
    models: Any = vars(original)["models"]  # every driver keeps the module of its synthesizers
    synthesizers = [each for each in vars(models).values() if isinstance(each, type) and "infer" in vars(each)]
    rmvpe = importlib.import_module(original.rmvpe_module).RMVPE
    return [*((each, "infer") for each in synthesizers), (rmvpe, "mel2hidden")]


def _reduced(run: Callable[..., Any], dtype: torch.dtype) -> Callable[..., Any]:
    """A call in a reduced format, whose tensors are widened to float32 on return."""

    def call(*arguments: Any, **named: Any) -> Any:
        with autocast(dtype):
            result = run(*arguments, **named)
        return _converted(result, torch.float32)

    return call


def _reduced_hubert(run: Callable[..., Any], dtype: torch.dtype) -> Callable[..., Any]:
    """HuBERT's forward in a reduced format, and the projection of v1 that is applied to what it returns."""

    def forward(self: Any, *arguments: Any, **named: Any) -> Any:
        project = getattr(self, "final_proj", None)
        if project is not None and "forward" not in vars(project):
            project.forward = _reduced(project.forward, dtype)
        with autocast(dtype):
            result = run(self, *arguments, **named)
        for name, value in result.items():
            result[name] = _converted(value, torch.float32)
        return result

    return forward


def small_stages(golden: Case, dtype: torch.dtype) -> Trace:
    """The arithmetic between the networks in a reduced format, on a recording's own inputs, float32 arrays.

    The originals hold the content from HuBERT to the synthesizer and the latents in the format of their networks.

    Args:
        golden: an offline golden of a conversion.
        dtype: float16 or bfloat16.
    """
    made = Trace()
    for prefix in stages.prefixes_of(golden):

        def narrow(name: str, prefix: str = prefix) -> torch.Tensor:
            return torch.from_numpy(np.array(golden[prefix + name])).to(dtype)

        def store(name: str, value: torch.Tensor, prefix: str = prefix) -> None:
            made(prefix + name, value.float())

        features = narrow("hubert.features")
        content = features
        if prefix + "retrieval.mean" in golden:
            rate = float(golden.options["index_rate"])
            store("retrieval.mean", narrow("retrieval.mean"))
            store("retrieval.blended", narrow("retrieval.mean")[None] * rate + (1 - rate) * features)
            content = narrow("retrieval.blended")
        frames = golden[prefix + "content.upsampled"].shape[1]
        store("content.upsampled", content.repeat_interleave(2, 1)[:, :frames])
        store("content.protected", narrow("content.protected"))
        store("spk.g", narrow("spk.g"))
        store("z_p", narrow("enc_p.m") + torch.exp(narrow("enc_p.logs")) * narrow("noise.z") * _PRIOR_SCALE)
    return made


def widened(trace: Trace) -> Trace:
    """A trace whose float16 arrays are float32; their values stay."""
    return Trace(
        {name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in trace.items()}
    )
