"""New folders beside the place that they will have, so that a folder appears whole by one rename."""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

_MACHINE = hashlib.sha256(platform.node().encode(errors="replace")).hexdigest()[:6]
FORM = re.compile(r"\.(?P<place>.+)-(?P<machine>[0-9a-f]{6})-(?P<process>[0-9]+)-[^-]+")  # of the names of new folders


def fresh_folder(place: Path) -> Path:
    """A new folder beside `place`; those that killed processes of this machine have left there for it are removed.

    Raises:
        OSError: no folder can be made there.
    """
    for name in os.listdir(place.parent):
        match = FORM.fullmatch(name)
        if match and match["place"] == place.name and match["machine"] == _MACHINE and not _runs(int(match["process"])):
            shutil.rmtree(place.parent / name, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f".{place.name}-{_MACHINE}-{os.getpid()}-", dir=place.parent))


def _runs(process: int) -> bool:
    """Whether a process of this machine exists; True where the system does not state it."""
    if os.name == "nt":
        return True
    with contextlib.suppress(PermissionError):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True
