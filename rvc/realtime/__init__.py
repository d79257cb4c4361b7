"""Realtime conversion, block by block, as the WebUIs' live window does it (docs/spec/07-realtime.md).

networks = VoiceNetworks("voice.pth", "hubert_base", rmvpe="rmvpe.pt")
stream = Stream(load_models(networks, "webui-2026", Controls()), BlockSizes.of(48000))
out = stream.block(samples)  # float32 (B,) in, float32 (B,) out, B = stream.sizes.block
stream.change(transpose=3, formant=-0.5)  # from the next block on
"""

from rvc.realtime.block_context import Models
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.block_times import measure
from rvc.realtime.controls import Controls, Crossfade
from rvc.realtime.model_loading import load_models
from rvc.realtime.stream import Stream

__all__ = ["BlockSizes", "Controls", "Crossfade", "Models", "Stream", "load_models", "measure"]
