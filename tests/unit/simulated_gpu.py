"""A GPU that is simulated on the processor: tensors that claim the device "cuda" and hold their numbers in main memory.

It refuses what a GPU refuses: operations on tensors of two devices, and numpy's view of a tensor on the device. It
lists what a GPU is waited for: copies to main memory and numbers that Python reads. Inside `captured` these raise an
error, as they do while CUDA records a graph, and so does a copy from main memory.
"""

from contextlib import contextmanager
from functools import cache

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda", 0)
aten = torch.ops.aten
# Operations that read a number of their argument.
READS = {aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default, aten.masked_select.default}
MATH = 0  # of the kinds of attention, the one that consists of other operations


class OnDevice(torch.Tensor):
    """A tensor on the simulated GPU; `held` is its value in main memory.

    torch itself takes it for one on the device "meta", since a build for processors has no guards for "cuda".
    """

    device = CUDA
    is_cuda = True

    @staticmethod
    def __new__(cls, held):
        facts = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, held.shape, device="meta", **facts)
        made.held = held
        return made

    def __repr__(self):
        return f"OnDevice({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, function, types, arguments=(), named=None):
        raise RuntimeError(f"{function} was called on the simulated GPU outside of it")


class Moves(TorchFunctionMode):
    """Calls the copy between devices without torch's guard of the device, which this build lacks."""

    def __torch_function__(self, function, types, arguments=(), named=None):
        named = dict(named or {})
        if function is torch.Tensor.__getitem__ and isinstance(arguments[0], OnDevice):
            tensor, index = arguments  # torch would make a tensor of a list on the device "meta"
            parts = index if isinstance(index, tuple) else (index,)
            lists = tuple(OnDevice(torch.tensor(part)) if isinstance(part, list) else part for part in parts)
            return function(tensor, lists)
        if function is not torch.Tensor.to:
            return function(*arguments, **named)
        tensor, *others = arguments
        copy = named.pop("copy", False)
        for other in others:
            if isinstance(other, torch.Tensor):
                named |= {"dtype": other.dtype, "device": other.device}
            else:
                named["dtype" if isinstance(other, torch.dtype) else "device"] = other
        device, dtype = torch.device(named.get("device", tensor.device)), named.get("dtype", tensor.dtype)
        if not copy and device.type == torch.device(tensor.device).type and dtype == tensor.dtype:
            return tensor
        return aten._to_copy(tensor, dtype=dtype, device=device)


class SimulatedGpu(TorchDispatchMode):
    """As long as it is active, the device "cuda" is there.

    Attributes:
        waits: the operations that a GPU would have to be waited for.
    """

    def __init__(self):
        super().__init__()
        self.waits = []
        self.is_capturing = False
        self.moves = []
        self.before = []  # what is replaced in `torch.cuda`, for each entry

    @classmethod
    def _should_skip_dynamo(cls):
        """Leave torch's compiler out, whose import takes seconds."""
        return True

    def __enter__(self):
        # A build for processors refuses the device here.
        self.before.append((torch.cuda._lazy_init, torch.cuda.is_available))
        torch.cuda._lazy_init, torch.cuda.is_available = lambda: None, lambda: True
        self.moves.append(Moves())
        self.moves[-1].__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        done = super().__exit__(*error)
        self.moves.pop().__exit__(*error)
        torch.cuda._lazy_init, torch.cuda.is_available = self.before.pop()
        return done

    @contextmanager
    def captured(self):
        self.is_capturing = True
        try:
            yield
        finally:
            self.is_capturing = False

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        named = dict(named or {})
        tensors = [each for each in tree_flatten((arguments, named))[0] if isinstance(each, torch.Tensor)]
        here = [isinstance(each, OnDevice) for each in tensors if each.dim() or isinstance(each, OnDevice)]
        device = named.get("device", arguments[1] if function is aten.to.device else None)
        if not any(here) and (device is None or torch.device(device).type == "cpu"):
            return function(*arguments, **named)
        is_copy = function.overloadpacket in (aten._to_copy, aten.to, aten.copy_)
        if not is_copy and consists_of_others(function):
            with torch._C.DisableTorchFunction(), self:
                return function.decompose(*arguments, **named)
        if function is aten._fused_sdp_choice.default:
            return MATH
        if device is not None and torch.device(device).type == "meta" and not any(here):
            made = function(*arguments, **named)
            if made.dim():
                return made
            device = named["device"] = CUDA  # torch makes a tensor of the number that is assigned to a range
        if function is aten.to.device:
            arguments = (arguments[0], torch.device("cpu"), *arguments[2:])
        on_device = isinstance(arguments[0], OnDevice) if is_copy else any(here)
        on_device = on_device if device is None else torch.device(device).type != "cpu"  # "meta" as in `OnDevice`
        if is_copy:
            if crosses := {on_device, *here} == {True, False}:
                self.cross(function, to_host=not on_device)
        elif function is aten.index.Tensor and here[0] and not all(here):
            self.cross(function, to_host=False)  # indices in main memory are copied to the device
        elif any(here) and not all(here):
            raise RuntimeError(f"{function} got tensors on cuda and on cpu")
        if function in READS and any(here):
            self.wait(function)
        if named.get("device") is not None:
            named["device"] = torch.device("cpu")
        held_arguments, held_named = tree_map(inside, (arguments, named))
        result = function(*held_arguments, **held_named)
        if is_copy and crosses and function is not aten.copy_.default:
            result = result.clone()
        if function in READS or not on_device:
            return result
        known = {id(each.held): each for each in tensors if isinstance(each, OnDevice)}
        return tree_map(lambda each: known[id(each)] if id(each) in known else outside(each), result)

    def cross(self, function, to_host):
        if self.is_capturing:
            raise RuntimeError(f"{function} copies between the devices while a graph is recorded")
        if to_host:
            self.wait(function)

    def wait(self, function):
        if self.is_capturing:
            raise RuntimeError(f"{function} waits for the device while a graph is recorded")
        self.waits.append(str(function))


@cache
def consists_of_others(function):
    return torch._C._dispatch_has_kernel_for_dispatch_key(function.name(), "CompositeImplicitAutograd")


def inside(value):
    return value.held if isinstance(value, OnDevice) else value


def outside(value):
    return OnDevice(value) if isinstance(value, torch.Tensor) else value
