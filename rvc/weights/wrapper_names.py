"""Names of tensors without the parts that wrappers of modules put into them, whatever program saved the file."""

from __future__ import annotations

import re
from collections.abc import Iterable

WRAPPERS = re.compile(  # DataParallel, torch.compile, DeepSpeed, FSDP and activation checkpoints, at any level
    r"(?:(?<=\.)|^)(?:module|_orig_mod|_forward_module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)
VOICE_MARK = "enc_p.emb_phone.weight"  # a tensor of every voice, whose name shows the names of the objects around it


def unwrapped(name: str) -> str:
    """A name without the parts of wrappers: `module.dec._orig_mod.cond.bias` is `dec.cond.bias`."""
    return WRAPPERS.sub("", name)


def voice_prefixes(names: Iterable[str]) -> list[str]:
    """The names of the objects that hold a voice, such as `net_g.`, in ascending order; "" for the top of the file.

    Args:
        names: unwrapped names of tensors.
    """
    marked = (name.removesuffix(VOICE_MARK) for name in names if name.endswith(VOICE_MARK))
    return sorted({prefix for prefix in marked if not prefix or prefix.endswith(".")})
