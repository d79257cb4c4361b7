"""Convert with an exported voice in NumPy and ONNX Runtime alone; as a program, a candidate of the judge.

    rvc-parity check --candidate "python docs/examples/exported_voice.py FOLDER_OF_EXPORTED_VOICES"

It converts recordings of one segment with RMVPE's graph, or voices without F0; everything else it declines.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import onnxruntime

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I16": "<i2"}


class Lacks(Exception):
    """Something that this example does not convert."""


def read(path):
    """A safetensors file as name → array."""
    data = Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header, arrays = json.loads(data[8 : 8 + size]), {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = (8 + size + offset for offset in entry["data_offsets"])
            arrays[name] = np.frombuffer(data[first:last], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def write(path, arrays):
    """Arrays as a safetensors file."""
    codes, header, at = {np.dtype(code): name for name, code in DTYPES.items()}, {}, 0
    for name, value in arrays.items():
        header[name] = {"dtype": codes[value.dtype], "shape": value.shape, "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    data = b"".join(np.ascontiguousarray(value).tobytes() for value in arrays.values())
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def highpass(x, constants):
    """The zero-phase filter of docs/spec/06 §6.4, one second-order section after the other."""
    edge = constants["edge"]
    y = np.concatenate([2 * x[:1] - x[edge:0:-1], x, 2 * x[-1:] - x[-2 : -edge - 2 : -1]]).astype(np.float64)
    for _ in range(2):
        for b0, b1, b2, _, a1, a2 in constants["sections"]:
            gain = (b0 + b1 + b2) / (1 + a1 + a2)
            s, t, out = (gain - b0) * y[0], (b2 - a2 * gain) * y[0], np.empty(len(y))
            for i, value in enumerate(y.tolist()):
                out[i] = result = b0 * value + s
                s, t = b1 * value - a1 * result + t, b2 * value - a2 * result
            y = out
        y = y[::-1]
    return y[edge:-edge].copy()


def coarse(hz, bins):
    """F0 bins 1 … 255, evenly spaced in mel (docs/spec/03 §3.10)."""
    mel = 1127 * np.log(1 + hz / 700)
    low, high = (1127 * np.log(1 + bins[name] / 700) for name in ("lowest_hz", "highest_hz"))
    scaled = np.where(mel > 0, (mel - low) * (bins["count"] - 1) / (high - low) + 1, mel)
    return np.rint(np.clip(scaled, 1, bins["count"])).astype(np.int64)


class Voice:
    """An exported folder."""

    def __init__(self, folder):
        self.folder, self.facts, self.sessions = folder, json.loads((folder / "voice.json").read_text()), {}

    def run(self, file, **inputs):
        """The outputs of a graph by name."""
        session = self.sessions.setdefault(file, None) or onnxruntime.InferenceSession(str(self.folder / file))
        self.sessions[file] = session
        names = [port.name for port in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    def convert(self, raw, noise, options, fills):
        """16 kHz samples to every tensor of docs/spec/00 §0.3 that this example makes, waveform.final among them."""
        facts, constants, made = self.facts, self.facts["constants"], {}
        if len(raw) + 160 > 16000 * options["window"][3] or options["index_rate"] or options["rms_mix_rate"] != 1:
            raise Lacks("several segments, retrieval and the loudness mix")
        peak = np.abs(raw).max() / np.float32(constants["input_peak"])
        made["audio16k"] = x = (raw / peak).astype(np.float32) if peak > 1 else raw
        made["highpassed"] = high = highpass(x, constants["highpass"])
        made["segment.cuts"], pad = np.zeros(0, np.int64), round(options["window"][0] * 16000)
        made["padded"] = padded = np.pad(high, pad, mode="reflect")
        made["seg0.audio"] = audio = padded.astype(np.float32)[None]
        made["seg0.hubert.features"] = content = self.run("content.onnx", audio=audio)["content"]
        made["seg0.content.upsampled"] = np.repeat(content, 2, axis=1)
        frames = min(2 * content.shape[1], len(padded) // 160)
        inputs = {"content": made["seg0.content.upsampled"][:, :frames], "noise_z": noise["seg0.noise.z"]}
        made["seg0.content.protected"] = inputs["content"]
        if facts["f0"]:
            made["f0.raw"] = track = self.run(facts["f0_methods"]["rmvpe"], audio=audio)["f0"]
            if fills and track.any():
                voiced = np.flatnonzero(track)
                made["f0.filled"] = track = np.interp(np.arange(len(track)), voiced, track[voiced])
            track = (track * 2.0 ** (options["transpose"] / 12))[: len(padded) // 160]
            made["f0.hz"] = track.astype(np.float32)[None]
            made["f0.coarse"] = coarse(track, constants["f0_bins"])[None]
            inputs |= {"hz": made["f0.hz"][:, :frames], "coarse": made["f0.coarse"][:, :frames]}
            inputs["noise_source"] = noise["seg0.noise.nsf"]
        outputs = self.run("synthesizer.onnx", speaker=np.array([options["speaker"]]), **inputs)
        full = outputs.pop("waveform")[0]
        made |= {f"seg0.{name}": value for name, value in outputs.items()} | {"seg0.waveform.segment.full": full}
        trim = pad // 160 * facts["hop"]
        made["seg0.waveform.segment"] = made["waveform.concat"] = wave = full[trim : len(full) - trim]
        peak = np.abs(wave).max() / np.float32(constants["output_peak"])
        return made | {"waveform.final": (wave * (np.float32(32768) / max(peak, np.float32(1)))).astype(np.int16)}


def answer(request, folders):
    """The answer to one message of docs/verifying-a-port.md."""
    if request["op"] == "hello":
        about = {"protocol": "rvc-parity/1", "name": "example", "version": "1", "stages": [], "chain": True}
        return about | {"dtypes": ["float32", "float64", "int64"], "noise": True}
    case, options = request["case"], request["case"]["options"]
    names = {"rmvpe"} if case["voice"]["f0"] else set()
    fits = lambda facts: facts["source"]["file"] == case["voice"]["kind"] + ".pth" and names <= set(facts["f0_methods"])  # noqa: E731
    match = [path for path in folders if fits(json.loads(path.read_text()))]
    resamples = options.get("resample_rate", 0) not in (0, case["voice"]["rate"])
    if not match or resamples or "realtime" in options or (names and options["f0_method"] != "rmvpe"):
        raise Lacks(f"{case['voice']['kind']} with these options")
    inputs, fills = read(request["inputs"]), case["profile"] == "webui-2026"
    write(request["outputs"], Voice(match[0].parent).convert(inputs["audio16k.raw"], inputs, options, fills))
    return {}


def main():
    """Answer until stdin ends or bye."""
    folders = sorted(Path(sys.argv[1]).glob("*/voice.json"))
    for request in map(json.loads, sys.stdin):
        if request["op"] == "bye":
            break
        try:
            fields = {"ok": True} | answer(request, folders)
        except Lacks as error:
            fields = {"ok": False, "lacks": str(error)}
        print(json.dumps({"id": request["id"]} | fields), flush=True)


if __name__ == "__main__":
    main()
