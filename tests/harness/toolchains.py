"""Compilers that tests call."""

import functools
import shutil
import subprocess


@functools.cache
def starts(tool: str) -> bool:
    """Whether a tool starts. rustup's `cargo` is on the PATH also where it has no toolchain to call."""
    return shutil.which(tool) is not None and subprocess.run([tool, "--version"], capture_output=True).returncode == 0
