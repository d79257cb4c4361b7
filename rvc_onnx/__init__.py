"""Convert recordings with a voice that `rvc export --format onnx` wrote: NumPy and ONNX Runtime, no PyTorch.

    voice = rvc_onnx.open_voice("voice_onnx")
    samples, rate = voice.convert(sound, transpose=3)        # sound: float32 (N,) at 16 kHz
    stream = voice.stream(rvc_onnx.BlockSizes.of(48000))     # then stream.block(samples), block by block

The folder is described in docs/exported-voice.md; tensor names are those of docs/spec/00 §0.3. The stages are functions
of `rvc_onnx.signal`, `.block_signal`, `.f0` and `.retrieval`, and methods of `Conversion` and `Stream`.
"""

from rvc_onnx.conversion import Options
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.stream import BlockSizes, Controls, Stream
from rvc_onnx.voice import Voice, open_voice

__version__ = "0.1.0"
__all__ = ["BlockSizes", "Controls", "OnnxVoiceError", "Options", "Stream", "Voice", "open_voice"]
