"""The committed inputs, made: speech by espeak-ng of our own sentences, our own singing, and odd files to decode.

python -m reference.inputs OUT_DIR      writes them all beside README's table; goldens/inputs was made like this

The files are committed, and no test makes them again: another espeak-ng speaks a little differently.
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
FLOOR = 10 ** (-60 / 20)  # a quiet room: digital silence is a case of its own

EN = 'We were away all morning. <break time="400ms"/> Who are you now? <break time="300ms"/> Six ships sail over.'
DE = 'Warum singen die Vögel so früh am Morgen? <break time="200ms"/> Ach, sie zwitschern einfach gern.'
SHORT = "Yes, why are you leaving?"


def main(arguments: list[str]) -> int:
    """Write every input to the folder named on the command line."""
    out = Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    speech(out)
    sung(out)
    odd(out)
    pieces(out)
    for path in sorted(out.iterdir()):
        print(f"{path.name:28} {path.stat().st_size:8} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return 0


def speech(out: Path) -> None:
    """Two languages, three voices, pauses; one of them louder than the peak guard allows."""
    write(out / "speech_en_pauses.flac", room(say(EN, "en-gb+f2", pitch=55, speed=165), "en", peak=0.7))
    write(out / "speech_de.flac", room(say(DE, "de+m3", pitch=60, speed=170), "de", peak=0.99))
    write(out / "speech_short.flac", room(say(SHORT, "en-us+f4", pitch=60, speed=190), "short", peak=0.5))


def sung(out: Path) -> None:
    """A scale with vibrato and breaths, and one glide over three octaves; their F0 beside them."""
    seconds = np.arange(int(3.0 * RATE)) / RATE
    notes = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    hz = 196 * 2 ** (notes[np.minimum((seconds / 0.36).astype(int), 7)] / 12) * singing.vibrato(seconds)
    spans = [(0.1, 1.06), (1.2, 2.14), (2.3, 2.9)]
    finish(out, "sung_scale", hz, spans, ["a", "e", "i", "o", "u"])
    seconds = np.arange(int(2.0 * RATE)) / RATE
    hz = 90 * 2 ** (3 * np.sin(np.pi * np.clip((seconds - 0.1) / 1.8, 0, 1)) ** 2)
    finish(out, "sung_glide", hz, [(0.1, 1.9)], ["u", "a", "i"])


def finish(out: Path, name: str, hz: Floats, spans: list[tuple[float, float]], vowels: list[str]) -> None:
    """Voice where the spans say, breath noise elsewhere; sound and known pitch written under one name."""
    voiced = singing.gate(spans, len(hz), RATE)
    breath = np.diff(random_stream.normal(f"inputs/{name}/breath", len(hz) + 1)) * 0.02
    sound = voiced * singing.sing(hz, RATE, vowels) + (1 - voiced) * breath
    write(out / f"{name}.flac", room(sound, name, peak=0.6))
    save_file({"hz": singing.known(hz, voiced, RATE)}, out / f"{name}.f0.safetensors")


def odd(out: Path) -> None:
    """Files that test decoding: stereo, other rates, 24 bits, clipped, very short, silent."""
    rate = 44100
    seconds = np.arange(int(0.6 * rate)) / rate
    left = singing.sing(220 * singing.vibrato(seconds), rate, ["a", "o"])
    right = singing.sing(330 * singing.vibrato(seconds, 4.5), rate, ["i", "e"])
    soundfile.write(out / "stereo_44k.flac", quantised(np.stack([0.6 * left, 0.3 * right], 1), 16), rate)
    rate = 48000
    seconds = np.arange(int(0.6 * rate)) / rate
    tone = singing.sing(150 * singing.vibrato(seconds), rate, ["e", "a"])
    loud = np.clip(1.6 * tone, -1, 1 - 2**-23)
    soundfile.write(out / "clipped_48k_24bit.flac", quantised(loud, 24), rate, subtype="PCM_24")
    native, rate = spoken(SHORT, "en-us", pitch=40, speed=200)
    soundfile.write(out / "speech_22k.flac", quantised(native, 16), rate)
    click = 0.5 * np.sin(2 * np.pi * 440 * np.arange(160) / RATE)
    soundfile.write(out / "ten_milliseconds.wav", quantised(click, 16), RATE)
    soundfile.write(out / "silence.flac", np.zeros(RATE, np.int16), RATE)


def pieces(out: Path) -> None:
    """Half a second of two of them, for cases that differ in kind, method and profile; a pitch curve to lay over."""
    for name, source, start, length in (
        ("speech_word", "speech_short", 3520, 7197),
        ("sung_turn", "sung_glide", 8800, 6400),
    ):
        sound, rate = soundfile.read(out / f"{source}.flac", dtype="int16")
        soundfile.write(out / f"{name}.flac", sound[start : start + length], rate)
    points = ["0.05,180", "0.1,220.5", "0.25,247", "0.3,0", "0.35,0", "0.36,196", "0.5,330"]
    (out / "curve.csv").write_text("\n".join(points) + "\n", encoding="utf-8")


def say(text: str, voice: str, pitch: int, speed: int) -> Floats:
    """A sentence at 16 kHz: (N,)."""
    sound, rate = spoken(text, voice, pitch, speed)
    return np.asarray(soxr.resample(sound, rate, RATE, quality="VHQ"))


def spoken(text: str, voice: str, pitch: int, speed: int) -> tuple[Floats, int]:
    """A sentence as espeak-ng makes it, with the widest melody it knows, and its rate."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        lively = f'<speak><prosody range="x-high">{text}</prosody></speak>'
        command = ["espeak-ng", "-m", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(path), lively]
        subprocess.run(command, check=True)
        sound, rate = soundfile.read(path)
    return np.asarray(sound), rate


def room(sound: Floats, key: str, peak: float) -> Floats:
    """`sound` at the given peak with the noise of a quiet room under it."""
    return np.asarray(
        sound / np.abs(sound).max() * peak + FLOOR * random_stream.normal(f"inputs/{key}/room", len(sound))
    )


def write(path: Path, sound: Floats) -> None:
    """Samples at 16 kHz to a 16-bit file."""
    soundfile.write(path, quantised(np.clip(sound, -1, 1), 16), RATE)


def quantised(sound: Floats, bits: int) -> NDArray[np.int16] | NDArray[np.int32]:
    """Samples in +-1 to integers of `bits`, as soundfile wants them (24 bits lie in the upper three bytes)."""
    whole = np.clip(np.rint(sound * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return np.asarray(whole.astype(np.int16) if bits == 16 else whole.astype(np.int32) << 8)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
