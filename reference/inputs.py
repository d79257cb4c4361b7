"""Generate the committed inputs: speech by espeak-ng, synthetic singing, and files that test decoding.

python -m reference.inputs OUT_DIR      writes every file of goldens/inputs to OUT_DIR and prints their sha256

The files are committed and no test generates them again, because the output depends on the version of espeak-ng.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from safetensors.numpy import save_file

from parity.goldens import random_stream
from reference.material import singing

Floats = NDArray[np.float64]
RATE = 16000
ROOM_NOISE = 10 ** (-60 / 20)  # amplitude of the noise floor, -60 dBFS; digital silence is an input of its own

EN = 'We were away all morning. <break time="400ms"/> Who are you now? <break time="300ms"/> Six ships sail over.'
DE = 'Warum singen die Vögel so früh am Morgen? <break time="200ms"/> Ach, sie zwitschern einfach gern.'
QUESTION = "Yes, why are you leaving?"


def main(arguments: list[str]) -> int:
    """Write every input to the folder named on the command line."""
    out = Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    speech(out)
    sung(out)
    decoding(out)
    excerpts(out)
    for path in sorted(out.iterdir()):
        print(f"{path.name:28} {path.stat().st_size:8} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return 0


def speech(out: Path) -> None:
    """Two languages, three voices, pauses; one file exceeds the peak guard of 0.95."""
    for name, key, text, voice, pitch, speed, peak in (
        ("speech_en_pauses", "en", EN, "en-gb+f2", 55, 165, 0.7),
        ("speech_de", "de", DE, "de+m3", 60, 170, 0.99),
        ("speech_short", "short", QUESTION, "en-us+f4", 60, 190, 0.5),
    ):
        write(out / f"{name}.flac", with_room_noise(speech_at_16k(text, voice, pitch, speed), key, peak))


def sung(out: Path) -> None:
    """A scale with vibrato and breaths, and one glide over three octaves, each with a file of its F0."""
    seconds = np.arange(int(3.0 * RATE)) / RATE
    notes = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    hz = 196 * 2 ** (notes[np.minimum((seconds / 0.36).astype(int), 7)] / 12) * singing.vibrato(seconds)
    spans = [(0.1, 1.06), (1.2, 2.14), (2.3, 2.9)]
    write_sung(out, "sung_scale", hz, spans, ["a", "e", "i", "o", "u"])
    seconds = np.arange(int(2.0 * RATE)) / RATE
    hz = 90 * 2 ** (3 * np.sin(np.pi * np.clip((seconds - 0.1) / 1.8, 0, 1)) ** 2)
    write_sung(out, "sung_glide", hz, [(0.1, 1.9)], ["u", "a", "i"])


def write_sung(out: Path, name: str, hz: Floats, spans: list[tuple[float, float]], vowels: list[str]) -> None:
    """Write voice inside the spans (seconds) and breath noise elsewhere, and the known pitch beside it."""
    voiced = singing.gate(spans, len(hz), RATE)
    breath = np.diff(random_stream.normal(f"inputs/{name}/breath", len(hz) + 1)) * 0.02
    sound = voiced * singing.sing(hz, RATE, vowels) + (1 - voiced) * breath
    write(out / f"{name}.flac", with_room_noise(sound, name, peak=0.6))
    save_file({"hz": singing.reference_pitch(hz, voiced, RATE)}, out / f"{name}.f0.safetensors")


def decoding(out: Path) -> None:
    """Files that test decoding: stereo, other rates, 24 bits, clipped, very short, silent."""
    rate = 44100
    seconds = np.arange(int(0.6 * rate)) / rate
    left = singing.sing(220 * singing.vibrato(seconds), rate, ["a", "o"])
    right = singing.sing(330 * singing.vibrato(seconds, 4.5), rate, ["i", "e"])
    soundfile.write(out / "stereo_44k.flac", quantize(np.stack([0.6 * left, 0.3 * right], 1), 16), rate)
    rate = 48000
    seconds = np.arange(int(0.6 * rate)) / rate
    tone = singing.sing(150 * singing.vibrato(seconds), rate, ["e", "a"])
    loud = np.clip(1.6 * tone, -1, 1 - 2**-23)
    soundfile.write(out / "clipped_48k_24bit.flac", quantize(loud, 24), rate, subtype="PCM_24")
    native, rate = synthesized_speech(QUESTION, "en-us", pitch=40, speed=200)
    soundfile.write(out / "speech_22k.flac", quantize(native, 16), rate)
    click = 0.5 * np.sin(2 * np.pi * 440 * np.arange(160) / RATE)
    soundfile.write(out / "ten_milliseconds.wav", quantize(click, 16), RATE)
    soundfile.write(out / "silence.flac", np.zeros(RATE, np.int16), RATE)


def excerpts(out: Path) -> None:
    """About half a second of two inputs, for cases over every voice kind, F0 method and profile, and a pitch curve."""
    for name, source, start, length in (
        ("speech_word", "speech_short", 3520, 7197),
        ("sung_turn", "sung_glide", 8800, 6400),
    ):
        sound, rate = soundfile.read(out / f"{source}.flac", dtype="int16")
        soundfile.write(out / f"{name}.flac", sound[start : start + length], rate)
    points = ["0.05,180", "0.1,220.5", "0.25,247", "0.3,0", "0.35,0", "0.36,196", "0.5,330"]
    (out / "curve.csv").write_text("\n".join(points) + "\n", encoding="utf-8")


def speech_at_16k(text: str, voice: str, pitch: int, speed: int) -> Floats:
    """A sentence by espeak-ng, resampled to 16 kHz: (N,)."""
    sound, rate = synthesized_speech(text, voice, pitch, speed)
    return np.asarray(soxr.resample(sound, rate, RATE, quality="VHQ"))


def synthesized_speech(text: str, voice: str, pitch: int, speed: int) -> tuple[Floats, int]:
    """A sentence by espeak-ng with its widest pitch range: samples (N,) and their rate in Hz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        ssml = f'<speak><prosody range="x-high">{text}</prosody></speak>'  # literal: SSML's element
        command = ["espeak-ng", "-m", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(path), ssml]
        subprocess.run(command, check=True)
        sound, rate = soundfile.read(path)
    return np.asarray(sound), rate


def with_room_noise(sound: Floats, key: str, peak: float) -> Floats:
    """Scale `sound` to `peak` and add a noise floor drawn from the fixed random stream under `key`."""
    noise = random_stream.normal(f"inputs/{key}/room", len(sound))
    return np.asarray(sound / np.abs(sound).max() * peak + ROOM_NOISE * noise)


def write(path: Path, sound: Floats) -> None:
    """Write samples at 16 kHz to a 16-bit file; values beyond full scale are clipped."""
    soundfile.write(path, quantize(np.clip(sound, -1, 1), 16), RATE)


def quantize(sound: Floats, bits: int) -> NDArray[np.int16] | NDArray[np.int32]:
    """Samples in ±1 as int16, or as int32 with 24 bits in the upper three bytes, as soundfile expects them."""
    integers = np.clip(np.rint(sound * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return np.asarray(integers.astype(np.int16) if bits == 16 else integers.astype(np.int32) << 8)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
