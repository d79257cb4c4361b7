"""An adapter that computes content.upsampled with numpy, and misbehaves as its first argument names."""

import json
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

FAULT = sys.argv[1]
HELLO = {
    "protocol": "rvc-parity/1",
    "name": "misbehaving",
    "version": "1",
    "stages": ["content.upsampled"],
    "chain": False,
}
stored: dict[str, dict[str, np.ndarray]] = {}
lengths: set[tuple[int, ...]] = set()
calls = 0


def upsample(request: dict) -> dict[str, np.ndarray]:
    """Each content frame twice; the fault changes the answer."""
    global calls
    calls += 1
    prefix, inputs = request["prefix"], load_file(request["inputs"])
    source = inputs.get(f"{prefix}retrieval.blended", inputs[f"{prefix}hubert.features"])
    made = {f"{prefix}content.upsampled": np.repeat(source, 2, axis=1)}
    first = source.shape not in lengths
    lengths.add(source.shape)
    if (FAULT == "after-10" and calls > 10) or (FAULT == "first-of-each-length" and first):
        return {name: np.zeros_like(value) for name, value in made.items()}
    return stored.setdefault(request["case"]["name"], made) if FAULT == "cache-by-case" else made


for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "bye":
        break
    fields = HELLO if request["op"] == "hello" else {}
    if request["op"] == "run_stage":
        save_file(upsample(request), request["outputs"])
    print(json.dumps({"id": request["id"], "ok": True, **fields}), flush=True)
