"""Reading safetensors and sound files, and writing WAV."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx.errors import OnnxVoiceError

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "U8": "u1", "BOOL": "?"}
MAX_HEADER = 100_000_000  # bytes, the limit of the format


def read_safetensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Name → array.  Raises OnnxVoiceError for a damaged file."""
    try:
        data = path.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        if length > min(MAX_HEADER, len(data) - 8):
            raise ValueError("its header is longer than the file")
        header = json.loads(data[8 : 8 + length])
        arrays = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            first, last = entry["data_offsets"]
            values = np.frombuffer(data[8 + length + first : 8 + length + last], DTYPES[entry["dtype"]])
            arrays[name] = values.reshape(entry["shape"])
        return arrays
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise OnnxVoiceError(f"{path} is no complete safetensors file ({error}); export the voice again") from None


def write_safetensors(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write arrays of the dtypes above."""
    names = {np.dtype(kind): name for name, kind in DTYPES.items()}
    header: dict[str, Any] = {}
    offset = 0
    for name, value in arrays.items():
        header[name] = {
            "dtype": names[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [offset, offset + value.nbytes],
        }
        offset += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in arrays.values():
            file.write(np.ascontiguousarray(value).tobytes())


def read_sound(path: Path) -> npt.NDArray[np.float32]:
    """A sound file as mono float32 (N,) at 16 kHz: channels averaged, other rates resampled by soxr.

    `rvc` decodes with ffmpeg's resampler as the originals do; at other rates than 16 kHz this differs from it slightly.

    Raises:
        OnnxVoiceError: the file cannot be read.
    """
    import soundfile
    import soxr

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise OnnxVoiceError(f"{path} cannot be read as sound ({error})") from None
    mono = samples.mean(axis=1, dtype=np.float32)
    return np.asarray(mono if rate == 16000 else soxr.resample(mono, rate, 16000, quality="HQ"), np.float32)


def write_sound(path: Path, samples: npt.NDArray[np.int16], rate: int) -> None:
    """Write int16 (samples,) as a WAV file under a temporary name, then rename it.

    Raises:
        OnnxVoiceError: the file cannot be written.
    """
    import soundfile

    part = path.with_name(f".{path.name}.part")
    try:
        soundfile.write(part, samples, rate, format="WAV", subtype="PCM_16")
        part.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        part.unlink(missing_ok=True)
        raise OnnxVoiceError(f"{path} cannot be written ({error})") from None
