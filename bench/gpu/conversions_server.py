"""A server that converts one file again and again with `rvc` on a device, for `bench.gpu.measurements`.

python -m bench.gpu.conversions_server IN --model voice.pth --hubert DIR --rmvpe FILE --index FILE [--device cuda]

It prints one JSON line when the voice is loaded. For each line N on stdin it converts N times and prints {"each":
[{"total": seconds, ...}], "device_mib": peak}.
"""

import argparse
import sys
from pathlib import Path

import torch

from bench.sections.realtime_server import device_mib, send
from rvc.api import LoadedVoice
from rvc.pipeline.voice_networks import VoiceNetworks


def main() -> int:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.conversions_server", description=__doc__)
    parser.add_argument("input", type=Path)
    for name in ("--model", "--hubert", "--rmvpe", "--index"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--index-rate", type=float, default=0.75)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    networks = VoiceNetworks(
        options.model,
        options.hubert,
        options.index,
        device=options.device,
        precision=options.precision,
        rmvpe=options.rmvpe,
    )
    voice = LoadedVoice(networks, "webui-2026")
    send({"loaded": True})
    for line in sys.stdin:
        each = [
            voice.convert(
                options.input, f0_method="rmvpe", index_rate=options.index_rate, protect=0.33, rms_mix_rate=1.0
            ).seconds
            for _ in range(int(line))
        ]
        send({"each": each, "device_mib": device_mib(options.device)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
