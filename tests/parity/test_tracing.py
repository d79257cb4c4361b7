"""With the synthetic voices, the output of every stage depends on its input, so that no fault goes unnoticed.

The thresholds were chosen when the voices were designed (parity/voices), and are measured on the committed speech.
"""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from recorded_stages import Replay, relative_change
from safetensors.numpy import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from parity import voices
from parity.goldens.trace_file import Trace
from parity.judge import limits
from rvc.audio.segments import Window
from rvc.config import Config
from rvc.noise import Seeded
from rvc.pipeline import offline
from rvc.pipeline.voice_networks import VoiceNetworks

INPUTS = Path(__file__).parents[2] / "goldens" / "inputs"
WINDOW = Window(pad=0.2)
pytestmark = pytest.mark.slow


def sound(name):
    return soundfile.read(INPUTS / f"{name}.flac", dtype="float32")[0]


def networks_of(kind):
    return VoiceNetworks(
        voices.make_voice(kind),
        voices.make_hubert(),
        voices.make_index(kind[:2]),
        rmvpe=voices.make_rmvpe(),
    )


def converted(networks, name, f0_method="rmvpe"):
    """The trace of a conversion in which every stage changes its input, and its options."""
    trace = Trace()
    config = Config.of("rvc-python", f0_method=f0_method, index_rate=0.5, protect=0.33, window=WINDOW)
    offline.convert(sound(name), networks, config, noise=Seeded(0), tap=trace)
    return trace, config


@pytest.fixture(scope="module")
def networks():
    return networks_of("v2-40k-f0")


# ---- a conversion of speech ----


@pytest.fixture(scope="module", params=["speech_en_pauses", "speech_de"])
def speech(request, networks):
    networks.load(Config.of("rvc-python", f0_method="rmvpe"))  # so that loading is not counted
    with Saturation() as saturation:
        trace, _ = converted(networks, request.param)
    return {name.removeprefix("seg0."): value for name, value in trace.items()}, saturation


def time_share(values, axis):
    """The share of change over time in a tensor's deviation: the deviation over time divided by the total deviation."""
    return float(np.sqrt(values.var(axis=axis).mean()) / values.std())


@pytest.mark.parametrize(("name", "axis"), [("hubert.features", 1), ("enc_p.m", 2), ("flow.z", 2)])
def test_values_change_over_time(speech, name, axis):
    assert time_share(speech[0][name], axis) >= 0.3


def test_rmvpe_follows_the_melody(speech):
    hz = speech[0]["f0.raw"][: len(speech[0]["padded"]) // 160]
    voiced = hz > 0
    assert 0.3 <= voiced.mean() <= 0.9
    assert len(np.unique(np.rint(1200 * np.log2(hz[voiced] / 10) / 20))) >= 20  # the network's own bins of 20 cents
    steps = np.abs(np.diff(1200 * np.log2(np.where(voiced, hz, 1.0))))[voiced[1:] & voiced[:-1]]
    assert np.median(steps) < 100


def test_less_than_one_percent_of_activations_is_saturated(speech):
    _, saturation = speech
    assert len(saturation.counts) >= 6  # the flow's gates, the GRU's, the salience, the source, the waveform
    for layer, (saturated, total) in saturation.counts.items():
        assert saturated < 0.01 * total, layer


def test_the_waveform_is_as_loud_as_speech(speech):
    wave = speech[0]["waveform.concat"]
    assert 0.05 <= wave.std() <= 0.2
    assert np.abs(wave).max() < 0.95
    assert abs(wave.mean()) < 0.1 * wave.std()  # the offset is small against the signal


@pytest.mark.parametrize("kind", [kind for kind in voices.KINDS if kind != "v2-40k-f0"])
def test_every_kind_is_as_loud_as_speech(kind):
    wave = converted(networks_of(kind), "speech_word", "pm")[0]["waveform.concat"]
    assert 0.05 <= wave.std() <= 0.2
    assert np.abs(wave).max() < 0.95
    assert abs(wave.mean()) < 0.3 * wave.std()


@pytest.mark.parametrize(
    ("name", "near"),
    [("sung_scale", 50), ("sung_glide", 100)],  # cents; the glide moves by up to 63 in a frame
)
def test_rmvpe_tracks_known_singing(networks, name, near):
    config = Config.of("rvc-python", f0_method="rmvpe")
    known = load_file(INPUTS / f"{name}.f0.safetensors")["hz"]
    hz = networks.track(sound(name).astype(np.float64), config, Seeded(0))[: len(known)]
    both = (hz > 0) & (known > 0)
    cents = np.abs(1200 * np.log2(hz[both] / known[both]))
    assert np.median(cents) < 15
    assert np.mean(cents < near) > 0.95
    assert np.mean(hz[known > 0] > 0) > 0.75


# ---- every stage depends on its inputs ----

FRAMES = {  # tensor: its time axis, and its elements in one frame
    "padded": (0, 160),
    "audio": (1, 160),
    "f0.raw": (0, 1),
    "hubert.features": (1, 1),
    "retrieval.distances": (0, 1),
    "retrieval.weights": (0, 1),
    "retrieval.mean": (0, 1),
    "retrieval.blended": (1, 1),
    "content.upsampled": (1, 1),
    "content.protected": (1, 1),
    "hz": (1, 1),
    "coarse": (1, 1),
    "enc_p.m": (2, 1),
    "enc_p.logs": (2, 1),
    "noise.z": (2, 1),
    "z_p": (2, 1),
    "flow.z": (2, 1),
    "noise.nsf": (1, 400),
    "nsf.source": (2, 400),
}
LOCAL = {"hz": "f0.hz", "coarse": "f0.coarse"}  # names in the stage table
WAVEFORM = "waveform.segment.full"


@pytest.fixture(scope="module")
def replay(networks):
    trace, config = converted(networks, "speech_word")
    return Replay(networks, config, trace)


def time_mean(values, axis, frame):
    return np.broadcast_to(values.mean(axis=axis, keepdims=True, dtype=np.float64), values.shape)


def one_frame_late(values, axis, frame):
    first, rest = np.split(values, [frame], axis)
    return np.concatenate([first, first, np.split(rest, [rest.shape[axis] - frame], axis)[0]], axis)


def limit(name, mode):
    local = LOCAL.get(name, name)
    full = local if local.startswith("f0.") else f"seg0.{local}"
    return limits.load().find(full, mode, "relative_rms", network=False).limit


@pytest.mark.parametrize("change", [time_mean, one_frame_late])
@pytest.mark.parametrize("name", FRAMES)
def test_every_stage_depends_on_every_input(replay, name, change):
    changed = change(replay.values[name], *FRAMES[name])
    if replay.values[name].dtype.kind == "i":
        changed = np.rint(changed)
    values = replay.with_(name, np.ascontiguousarray(changed))
    for step in replay.steps:
        if name in step.reads:
            for made in step.makes:
                difference = relative_change(values[made], replay.values[made])
                if replay.values[made].dtype.kind == "f":
                    assert difference >= 1000 * limit(made, "isolated"), made
                else:
                    assert difference > 0, made  # ids and F0 bins must be equal, so any difference counts
    assert relative_change(values[WAVEFORM], replay.values[WAVEFORM]) >= 100 * limit(WAVEFORM, "chained")


def test_another_speaker_changes_the_waveform(replay):
    other = replay.synthesizer.speaker(1).numpy()
    values = replay.with_("spk.g", other)
    assert relative_change(values["flow.z"], replay.values["flow.z"]) >= 1000 * limit("flow.z", "isolated")
    assert relative_change(values[WAVEFORM], replay.values[WAVEFORM]) >= 100 * limit(WAVEFORM, "chained")


def test_replaying_unchanged_values_changes_nothing(replay):
    for name in ("padded", "audio", "spk.g", "noise.z", "noise.nsf"):
        again = replay.with_(name, replay.values[name])
        for made in (made for step in replay.steps for made in step.makes):
            assert relative_change(again[made], replay.values[made]) < 1e-5, (name, made)


class Saturation(TorchDispatchMode):
    """Counts the saturated values of every tanh and sigmoid: those within a thousandth of its range from an end.

    There the output hardly depends on the input. Layers of the same function and shape, and the steps of a recurrence,
    are counted together.
    """

    def __init__(self):
        super().__init__()
        self.counts = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        kind = function.name().removeprefix("aten::").rstrip("_")
        if kind in ("tanh", "sigmoid"):
            distance = 1 - made.abs() if kind == "tanh" else 2 * made.minimum(1 - made)
            saturated, total = self.counts.get((kind, tuple(made.shape)), (0, 0))
            self.counts[kind, tuple(made.shape)] = saturated + int((distance < 0.002).sum()), total + made.numel()
        return made
