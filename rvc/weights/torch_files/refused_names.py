"""The names that no pickle may contain: the standard library's, except for containers, and functions that run code."""

from __future__ import annotations

import re
import sys

STANDARD_LIBRARY = sys.stdlib_module_names | {"__builtin__", "copy_reg"}  # two modules have other names in Python 2
CONTAINER_MODULES = {
    "argparse",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "pathlib",
    "typing",
    "uuid",
    "zoneinfo",
}
PLAIN_TYPES = {  # types of `builtins`; protocols up to 2 write some under their names in Python 2
    "Ellipsis",
    "NotImplemented",
    "basestring",
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "long",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "unicode",
    "xrange",
}
RUNNERS = re.compile(  # functions outside the standard library that load or run code when they are called
    r"torch\.(load|hub\..*|package\..*|jit\..*|serialization\.(?!_get_layout$).*|utils\..*|distributed\..*|multiprocessing\..*)"
    r"|numpy\.(load|loads|f2py\..*|testing\..*|distutils\..*)|(joblib|dill|cloudpickle|pandas)\..*load.*|pandas\.read_.*"
)


def is_executable(module: str, name: str) -> bool:
    """Whether a name is in Python's standard library and is not a container, or loads code in another library."""
    root = module.split(".")[0]
    if RUNNERS.fullmatch(f"{module}.{name}"):
        return True
    if root in ("builtins", "__builtin__"):
        return name not in PLAIN_TYPES
    harmless = root in CONTAINER_MODULES or f"{module}.{name}" in (
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "_codecs.encode",
        "types.SimpleNamespace",
        "logging.getLogger",
        "re._compile",
    )
    return root in STANDARD_LIBRARY and not harmless
