"""An adapter for tests that computes three stages and a conversion, which is 1 % too large in its retrieval.

In the conversion of a stream the mean of the prior is 1 % too large.

python repeating_adapter.py GOLDENS                 as a program of the protocol
python repeating_adapter.py GOLDENS REQUESTS.JSON   as a device that answers requests in files
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

HELLO = {
    "protocol": "rvc-parity/1",
    "name": "repeating",
    "version": "1",
    "stages": ["content.upsampled", "trim", "rt.z_p"],
    "chain": True,
    "precision": "float32",
}


def repeated(tensors: dict[str, np.ndarray]) -> np.ndarray:
    return np.repeat(tensors["seg0.retrieval.blended"], 2, axis=1)


def prior(tensors: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    """A sample of the prior, docs/spec/05."""
    m, logs, noise = (tensors[f"{prefix}{name}"] for name in ("enc_p.m", "enc_p.logs", "noise.z"))
    return m + np.exp(logs) * noise * np.float32(0.66666)


def answer(request: dict[str, Any], goldens: Path) -> dict[str, Any]:
    """Run one request; writes its outputs."""
    if request["op"] == "time":
        return {"ok": True, "seconds": [1.0, 3.0, 2.0][: request["repeat"]]}
    inputs = read(Path(request["inputs"]))
    if request["op"] == "run":
        from parity.goldens import store

        case = store.open_case(goldens / request["case"]["name"])
        if case.facts.blocks:
            write(Path(request["outputs"]), converted_stream(case))
            return {"ok": True}
        made = {"seg0.retrieval.blended": case["seg0.retrieval.blended"] * np.float32(1.01)}
        made["seg0.content.upsampled"] = repeated(made)
    elif request["stage"] == "content.upsampled":
        made = {"seg0.content.upsampled": repeated(inputs)}
    elif request["stage"] == "rt.z_p":
        made = {f"{request['prefix']}z_p": prior(inputs, request["prefix"])}
    else:
        return {"ok": False, "error": "the length is not known"}
    write(Path(request["outputs"]), made)
    return {"ok": True}


def converted_stream(case: Any) -> dict[str, np.ndarray]:
    made = {}
    for block in range(case.facts.blocks):
        prefix = f"rt.{block}."
        made[f"{prefix}enc_p.m"] = case[f"{prefix}enc_p.m"] * np.float32(1.01)
        inputs = {f"{prefix}{name}": case[f"{prefix}{name}"] for name in ("enc_p.logs", "noise.z")}
        made[f"{prefix}enc_p.logs"] = inputs[f"{prefix}enc_p.logs"]
        made[f"{prefix}z_p"] = prior(inputs | made, prefix)
    return made


def read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".safetensors":
        return load_file(path)
    table = json.loads(path.read_text())
    return {
        name: np.fromfile(path.parent / entry["file"], entry["dtype"]).reshape(entry["shape"])
        for name, entry in table.items()
    }


def write(path: Path, tensors: dict[str, np.ndarray]) -> None:
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
        return
    table = {}
    for name, value in tensors.items():
        value.tofile(path.parent / f"{name}.out")
        table[name] = {"file": f"{name}.out", "dtype": value.dtype.name, "shape": list(value.shape)}
    path.write_text(json.dumps(table))


def device(goldens: Path, requests: Path) -> None:
    """Answer every request of a file that is not answered yet."""
    for request in json.loads(requests.read_text())["requests"]:
        paths = {name: str(requests.parent / request[name]) for name in ("inputs", "outputs")}
        if Path(paths["outputs"]).exists() or (
            request["op"] == "run_stage" and request["stage"] not in HELLO["stages"]
        ):
            continue
        fields = answer({**request, **paths}, goldens)
        if not fields["ok"]:
            Path(paths["outputs"]).with_name("answer.json").write_text(json.dumps(fields))


def program(goldens: Path) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "bye":
            break
        fields = {"ok": True, **HELLO} if request["op"] == "hello" else answer(request, goldens)
        print(json.dumps({"id": request["id"], **fields}), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))  # it runs as a program of its own
    if len(sys.argv) > 2:
        device(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        program(Path(sys.argv[1]))
