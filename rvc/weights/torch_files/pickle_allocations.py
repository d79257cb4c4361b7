"""Refuse a pickle for which Python's unpickler would allocate more memory than the file justifies.

The memo of a pickle numbers the objects that it refers to again. Python's unpickler allocates a table of twice the
largest number, so that a pickle of ten bytes with the number 2^32 makes it allocate 64 GiB. It also allocates the
length that a text or a bytes object states before it reads it, up to 4 GiB (or any number of bytes) of a short file.
"""

from __future__ import annotations

import io
import mmap
import pickle
import pickletools
from typing import BinaryIO

from rvc.errors import BadCheckpoint

# Numbers up to this are harmless (1 MiB of memory); above it a number must not exceed the count of operations before
# it, since a pickler numbers an object by the objects before it.
HARMLESS = 1 << 16
_UNKNOWN = -100  # not among the negative lengths of pickletools, which are -1 to -5
_LENGTHS = [_UNKNOWN] * 256  # bytes of the argument by operation; negative: it is a line, or begins with its length
for _operation in pickletools.opcodes:
    _LENGTHS[ord(_operation.code)] = _operation.arg.n if _operation.arg is not None else 0
_LINE = pickletools.UP_TO_NEWLINE
_PREFIX = {  # bytes of the length before an argument
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_STOP, _PUT, _LONG_BINPUT, _FRAME = (code[0] for code in (pickle.STOP, pickle.PUT, pickle.LONG_BINPUT, pickle.FRAME))
_TWO_LINES = (pickle.GLOBAL[0], pickle.INST[0])


def refuse_large_allocations(file: BinaryIO) -> None:
    """Check the pickle that begins at the position of an open file, which stays there.

    Raises:
        BadCheckpoint: the pickle numbers an object far above the number of its operations, or states more bytes of an
            object than the file has.
    """
    if isinstance(file, io.BytesIO):
        _check(file.getvalue(), file.tell())  # literal: Python's file position
        return
    begin = file.tell()  # literal: Python's file position
    end = file.seek(0, io.SEEK_END)
    file.seek(begin)
    if begin < end:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check(content, begin)


def _check(data: bytes | mmap.mmap, place: int) -> None:
    """Read the operations in order; one that is unknown or cut off ends the check, and the unpickler refuses it."""
    end, operations = len(data), 0
    while place < end:
        code = data[place]
        place += 1
        length = _LENGTHS[code]
        if length >= 0:
            if code == _STOP:
                return
            if code == _LONG_BINPUT:
                _refuse_above(int.from_bytes(data[place : place + 4], "little"), operations)
            place += length
            if code == _FRAME:  # the unpickler reads the frame at once
                _refuse_cut(int.from_bytes(data[place - length : place], "little"), end - place)
        elif length == _LINE:
            line = data.find(b"\n", place)
            if line < 0:
                return
            if code == _PUT:
                try:
                    _refuse_above(int(data[place:line]), operations)
                except ValueError:  # no number, which the unpickler refuses
                    return
            if code in _TWO_LINES:
                line = data.find(b"\n", line + 1)
            place = line + 1 if line >= 0 else end
        elif length in _PREFIX:
            prefix = _PREFIX[length]
            stated = int.from_bytes(data[place : place + prefix], "little")
            _refuse_cut(stated, end - place - prefix)
            place += prefix + stated
        else:
            return
        operations += 1


def _refuse_above(number: int, operations: int) -> None:
    if number > max(HARMLESS, operations):
        raise BadCheckpoint(
            f"the file's pickle numbers an object {number} after {operations} operations; it is damaged or hostile"
        )


def _refuse_cut(stated: int, left: int) -> None:
    if stated > max(left, 0):
        raise BadCheckpoint(f"the file's pickle ends {max(left, 0)} bytes into an object of {stated}; it is cut off")
