"""An adapter for tests: it returns the tensors of a golden, with the fault that its first argument names."""

import json
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parents[2]))  # it runs as a program of its own

from parity import stages
from parity.goldens import store

FAULT, FOLDER = sys.argv[1], sys.argv[2]
HELLO = {"protocol": "rvc-parity/1", "name": "fake", "version": "1", "stages": ["flow"], "chain": False}


def damaged(name: str, value: np.ndarray) -> np.ndarray:
    if FAULT == "wrong-dtype":
        return value.astype(np.float64)
    if FAULT == "wrong-shape":
        return value[..., :-1].copy()
    if FAULT == "byte-order":
        return value.byteswap()
    if FAULT == "not-finite":
        return np.where(np.arange(value.shape[-1]) == 3, np.float32(np.nan), value)
    if FAULT == "changes":
        return value + np.float32(time.time_ns() % 1000 * 1e-5)
    if FAULT == "other-sums":  # as on a GPU: other bits at each call, far within the limit
        return value * np.float32(1 + time.time_ns() % 7 * 2e-7)
    return value


# Faults of an adapter of whole conversions → the tensors that it writes.
BEFORE_F0 = ("audio16k", "highpassed", "padded")
CONVERSIONS = {
    "partial-refused": BEFORE_F0,
    "partial-crash": BEFORE_F0,
    "partial-short": BEFORE_F0,
    "final-only": ("waveform.final",),
}


def convert(request: dict, case: store.Case) -> dict:
    path = Path(request["outputs"])
    save_file({name: np.ascontiguousarray(case[name]) for name in CONVERSIONS[FAULT]}, path)
    if FAULT == "partial-refused":
        raise ValueError("out of memory")
    if FAULT == "partial-short":
        path.write_bytes(path.read_bytes()[:1000])
    if FAULT != "final-only":
        sys.exit(3)
    return {}


def answer(request: dict, case: store.Case) -> dict:
    if request["op"] == "hello":
        if FAULT == "hang-hello":
            time.sleep(60)
        changes = {
            "wrong-protocol": {"protocol": "rvc-parity/0"},
            "unknown-stage": {"stages": ["flwo"]},
            "unknown-profile": {"profiles": ["webui-2027"]},
            "nothing-offered": {"stages": []},
            "missing-field": {"name": None},
            "misspelled": {"chian": True},
            "other-profile": {"profiles": ["webui-classic"]},
        }.get(FAULT, {})
        if FAULT in CONVERSIONS:
            changes = {"stages": [], "chain": True}
        return {key: value for key, value in (HELLO | changes).items() if value is not None}
    if FAULT in CONVERSIONS:
        return convert(request, case)
    if FAULT == "crash":
        sys.exit("segmentation fault, or so")
    if FAULT == "hang":
        time.sleep(60)
    if FAULT == "refused" or (request["stage"] != "flow" and FAULT != "undeclared-stage"):
        raise ValueError("no memory left for this")
    stage = next(row for row in stages.offline() if row.name == request["stage"])
    names = [request["prefix"] + row.name for row in stage.makes if request["prefix"] + row.name in case]
    made = {name: damaged(name, case[name].copy()) for name in names}
    if FAULT not in ("ignores-inputs", "changes"):
        from safetensors.numpy import load_file

        given = load_file(request["inputs"])
        if "seg0.z_p" in given and not np.array_equal(given["seg0.z_p"], case["seg0.z_p"]):
            made = {name: value * np.float32(2) for name, value in made.items()}
    if FAULT == "missing-output":
        return {}
    if FAULT == "lost-tensor":
        made = {"seg0.other": np.zeros(3, np.float32)}
    if FAULT == "strange-output":
        made["seg0.z_p"] = np.zeros(3, np.float32)
    save_file({name: np.ascontiguousarray(value) for name, value in made.items()}, request["outputs"])
    if FAULT == "short-write":
        whole = Path(request["outputs"]).read_bytes()
        Path(request["outputs"]).write_bytes(whole[: len(whole) // 2])
    return {}


def main() -> None:
    case = store.open_case(FOLDER)
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "bye":
            break
        try:
            fields = {"ok": True, **answer(request, case)}
        except ValueError as error:
            fields = {"ok": False, "error": str(error)}
        number = request["id"] + (FAULT == "wrong-id")
        print("model loaded" if FAULT == "not-json" else json.dumps({"id": number, **fields}), flush=True)


main()
