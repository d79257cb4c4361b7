"""Convert recordings with a voice that `rvc export --format onnx` wrote: NumPy and ONNX Runtime, no PyTorch.

    voice = rvc_onnx.open_voice("voice_onnx")
    samples, rate = voice.convert(sound, transpose=3)        # sound: float32 (N,) at 16 kHz

The folder is described in docs/exported-voice.md; tensor names are those of docs/spec/00 §0.3. The stages are functions
of `rvc_onnx.signal`, `.f0`, `.retrieval` and `.conversion`.
"""

from rvc_onnx.conversion import Options, Voice, open_voice
from rvc_onnx.errors import OnnxVoiceError

__version__ = "0.1.0"
__all__ = ["OnnxVoiceError", "Options", "Voice", "open_voice"]
