"""Our own `rvc` as the candidate: its stage functions one by one, and its pipeline as a whole.

Where a stage lives inside the pipeline (slicing, trimming, joining), the pipeline's own code is run around a stand-in
that plays back the golden, so that nothing is judged here that a user's conversion does not execute.
"""

import contextlib
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity import stages, voices
from parity.candidates.candidate import CandidateError, NotOffered, Tensors
from parity.errors import GoldenError
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.goldens.trace_file import Trace
from parity.judge.diagnosis.registry import Guess
from parity.rvc_bridge import realtime
from rvc.audio import output, preparation, segments
from rvc.audio.segments import Span, Window
from rvc.config import Config
from rvc.content import alignment, features
from rvc.errors import BadInput
from rvc.f0 import postprocessing, registry
from rvc.noise import Seeded, Tape
from rvc.pipeline import offline
from rvc.pipeline.timing import Stopwatch
from rvc.pipeline.voice_networks import VoiceNetworks, resolve_device
from rvc.retrieval import search as retrieval

Call = Callable[["RvcTorch", Case, str, Tensors], Tensors]


class SharedVoiceNetworks(VoiceNetworks):
    """Voices that share the networks which do not belong to a voice: HuBERT and the F0 networks are loaded once."""

    shared: dict[tuple[str, str], Any] = {}  # noqa: RUF012 (meant for all instances)

    def _get(self, name: str, load: Callable[[], Any]) -> Any:
        if name in ("synthesizer", "index"):
            return super()._get(name, load)
        roles = ("hubert",) if name == "hubert" else tuple(registry.weight_files())
        key = (name, str([self.device, *(self.paths.get(role) for role in roles)]))
        if key not in self.shared:
            self.shared[key] = load()
        return self.shared[key]


class RvcTorch:
    """`rvc` in this process, on synthetic voices or on files that the user names."""

    def __init__(self, files: Mapping[str, Path] | None = None, device: str = "cpu") -> None:
        """files : model, hubert, index, rmvpe, crepe, fcpe of a real voice; None makes the case's synthetic one.

        device : one that this machine lacks leaves every cell "not tested"
        """
        self.device = device
        self.absent = absent(device)
        self._files = dict(files) if files is not None else None
        self._voice: tuple[str, VoiceNetworks] | None = None
        self._live: realtime.Live | None = None

    @property
    def about(self) -> dict[str, object]:
        """name, version, runtime and environment."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            ours = version("rvc-parity")
        except PackageNotFoundError:
            ours = "uninstalled"
        return {
            "name": "rvc",
            "version": ours,
            "runtime": f"torch {torch.__version__}",
            "environment": {
                "device": self.device,
                "threads": torch.get_num_threads(),
                "machine": platform.machine(),
                "python": platform.python_version(),
                "numpy": np.__version__,
                "instructions": torch.backends.cpu.get_cpu_capability(),
            },
        }

    @property
    def chains(self) -> bool:
        """Our pipeline runs whole conversions, where its device is."""
        return self.absent is None

    def takes(self, case: Case) -> bool:
        """Every case: `rvc` has all profiles."""
        return True

    def offers(self, stage: stages.Stage) -> bool:
        """Every stage has an address here, but the gated ring, which no original shows."""
        return stage.name in STAGES or stage.name in realtime.STAGES

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """One stage on given inputs."""
        if self.absent is not None:
            raise NotOffered(self.absent)
        try:
            if stage.scope is stages.Scope.BLOCK:
                return realtime.run_stage(self.stream(case), stage.name, prefix, inputs)
            return STAGES[stage.name](self, case, prefix, {name: value.copy() for name, value in inputs.items()})
        except GoldenError:
            raise
        except Exception as error:
            raise CandidateError(f"{type(error).__name__}: {error}") from error

    def run(self, case: Case) -> Tensors:
        """The whole conversion of the golden's `audio16k.raw` or of its blocks, with its noise."""
        if case.facts.blocks:
            heard = Trace()
            try:
                return self.stream(case).run(heard)
            except GoldenError:
                raise
            except Exception as error:
                made = {name: value for name, value in heard.items() if not name.endswith(".in")}
                raise CandidateError(f"{type(error).__name__}: {error}", made) from error
        noise = {name: case[name] for name in case if stages.tensor(name).kind is stages.TensorKind.NOISE}
        trace = Trace()
        try:
            raw = case["audio16k.raw"].copy()
            offline.convert(raw, self.parts(case), self.config(case), noise=Tape(noise), tap=trace)
        except GoldenError:
            raise
        except Exception as error:
            raise CandidateError(f"{type(error).__name__}: {error}", _made(trace)) from error
        return _made(trace)

    def parts(self, case: Case) -> VoiceNetworks:
        """The voice of a case with the files it is heard with; the last one is kept."""
        files = self._files if self._files is not None else voice_files(case)
        key = str(sorted(files.items()))
        if self._voice is None or self._voice[0] != key:
            self._voice = None  # let the old voice go before the new one comes
            f0_weights: dict[str, Any] = {role: files.get(role) for role in registry.weight_files()}
            self._voice = (
                key,
                SharedVoiceNetworks(
                    files["model"],
                    files.get("hubert"),
                    files.get("index"),
                    device=self.device,
                    **f0_weights,
                ),
            )
        return self._voice[1]

    def stream(self, case: Case) -> realtime.Live:
        """The stream of a realtime case; the last one is kept."""
        if self._live is None or self._live.case is not case:
            self._live = realtime.Live(case, self.parts(case))
        return self._live

    def config(self, case: Case) -> Config:
        """The options of a case over its profile's defaults."""
        wishes = {name: value for name, value in case.options.items() if name not in ("window", "realtime")}
        wishes["window"] = Window(*case.options["window"]) if "window" in case.options else None
        if wishes.get("f0_file"):
            wishes["f0_file"] = Path(wishes["f0_file"])
        if "transpose" in wishes:
            wishes["transpose"] = int(wishes["transpose"])
        return Config.of(case.profile, **wishes)

    def guesses(self, case: Case, stage: str, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
        """What our networks make under known mistakes: an oracle for causes."""
        from parity.rvc_bridge import network_probes

        return network_probes.guesses(self, case, stage, prefix, name, given)

    def f0_network(self, case: Case, method: str) -> Any:
        """The network of a pitch method."""
        parts = self.parts(case)
        return parts._get("f0", parts._f0_weights).network(method)

    def synthesizer(self, case: Case) -> Any:
        """The voice's networks."""
        with self.parts(case).borrow_synthesizer() as synthesizer:
            return synthesizer


def absent(device: str) -> str | None:
    """Why nothing can be computed on a device here, in one sentence; None where it is there."""
    try:
        resolve_device(device)
    except BadInput as error:
        return str(error)
    return None


def _made(trace: Trace) -> Tensors:
    """A trace without what was given to the run."""
    return {name: value for name, value in trace.items() if not stages.is_known(name) or stages.stage_of(name)}


def voice_files(case: Case) -> dict[str, Path]:
    """The synthetic files of a case, made on this machine where the cache lacks them."""
    found = {"model": voices.make_voice(case.voice["kind"]), "hubert": voices.make_hubert()}
    if case.options.get("f0_method") == "rmvpe":
        found["rmvpe"] = voices.make_rmvpe()
    if index := case.voice.get("index"):
        name = Path(str(index)).stem.removeprefix("index-")
        found["index"] = voices.make_index(name if name in voices.INDEXES else case.voice["version"])
    return found


def _array(value: Any) -> Array:
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def _piece(case: Case, prefix: str, window: Window, given: Mapping[str, Array]) -> Span:
    length = case.entry("highpassed")["shape"][0]
    source = given if "segment.cuts" in given else case
    cuts = source["segment.cuts"] if "segment.cuts" in source else np.zeros(0, np.int64)
    return segments.spans(length, cuts, window)[stages.index_of(prefix)]


def _cuts(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    profile, cuts = segments.cut_points(given["highpassed"], self.config(case).window)
    return {"segment.cuts": cuts} | ({} if profile is None else {"quiet.profile": profile})


def _track(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    noise = {name: value for name, value in given.items() if name.startswith("noise.")}
    return {"f0.raw": _array(self.parts(case).track(given["padded"], self.config(case), Tape(noise)))}


def _finished(self: RvcTorch, case: Case, given: Tensors) -> tuple[Any, Any, Any]:
    track = given["f0.filled"] if "f0.filled" in given else given["f0.raw"]
    return postprocessing.finish(track, case.entry("padded")["shape"][0] // segments.FRAME, self.config(case))


class _Enough(Exception):
    """Raised by a tap once it has heard what was wanted."""


def _segment_audio(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    heard: Tensors = {}

    def tap(name: str, value: Any) -> Any:
        if name == "seg0.audio":
            heard[prefix + "audio"] = _array(value).copy()
            raise _Enough
        return value

    config = self.config(case)
    with contextlib.suppress(_Enough):
        pieces = [_piece(case, prefix, config.window, given)]
        offline.extract_content(given["padded"], pieces, None, self.parts(case), config, tap, Stopwatch())
    return heard


def _features(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    parts = self.parts(case)
    with parts.borrow_hubert() as hubert:
        found = features.extract(torch.from_numpy(given[prefix + "audio"]), hubert, parts.version)
    return {prefix + "hubert.features": _array(found)}


def _search(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    with self.parts(case).borrow_index(self.config(case)) as index:
        if index is None:
            raise CandidateError("this conversion has no index")
        distances, ids = index.search(given[prefix + "hubert.features"][0])
    return {prefix + "retrieval.distances": distances, prefix + "retrieval.ids": ids}


def _mean(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    with self.parts(case).borrow_index(self.config(case)) as index:
        if index is None:
            raise CandidateError("this conversion has no index")
        found = retrieval.mean(given[prefix + "retrieval.weights"], given[prefix + "retrieval.ids"], index)
    return {prefix + "retrieval.mean": found}


def _weights(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    found = retrieval.weights(given[prefix + "retrieval.distances"], self.config(case).exact_hits)
    return {prefix + "retrieval.weights": found}


def _blend(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    found = retrieval.blend(
        given[prefix + "hubert.features"], given[prefix + "retrieval.mean"], self.config(case).index_rate
    )
    return {prefix + "retrieval.blended": found}


def _upsample(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    blended = prefix + "retrieval.blended"
    source = given[blended if blended in given else prefix + "hubert.features"]
    return {prefix + "content.upsampled": alignment.upsample(source)}


def _protect(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    doubled, config = given[prefix + "content.upsampled"], self.config(case)
    hz = given.get("f0.hz")
    keep = hz is not None and config.protect < alignment.PROTECT_OFF
    said = offline.SegmentContent(doubled[:, ::2], given[prefix + "hubert.features"] if keep else None)
    track = None if hz is None else offline.Pitch(hz, np.ones(hz.shape, np.int64))
    trace = Trace()
    no_synthesizer: Any = None  # `content` does not use it
    segment = offline.Segment(prefix[:-1], no_synthesizer, config, Seeded(0), trace)
    segment.content(said, track, doubled.shape[1])
    return {name: value for name, value in trace.items() if name.endswith("content.protected")}


def _speaker(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    return {prefix + "spk.g": _array(self.synthesizer(case).speaker(self.config(case).speaker))}


def _encode(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    coarse = torch.from_numpy(given["f0.coarse"]) if "f0.coarse" in given else None
    m, logs = self.synthesizer(case).encode(torch.from_numpy(given[prefix + "content.protected"]), coarse)
    return {prefix + "enc_p.m": _array(m), prefix + "enc_p.logs": _array(logs)}


def _prior(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    m, logs, noise = (torch.from_numpy(given[prefix + name]) for name in ("enc_p.m", "enc_p.logs", "noise.z"))
    return {prefix + "z_p": _array(self.synthesizer(case).prior(m, logs, noise))}


def _flow(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    z_p, g = torch.from_numpy(given[prefix + "z_p"]), torch.from_numpy(given[prefix + "spk.g"])
    return {prefix + "flow.z": _array(self.synthesizer(case).flow(z_p, g))}


def _nsf(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    hz, trace = given["f0.hz"], Trace()
    segment = offline.Segment(prefix[:-1], self.synthesizer(case), self.config(case), Tape(given), trace)
    segment.source(offline.Pitch(hz, np.ones(hz.shape, np.int64)), hz.shape[1])
    return {name: value for name, value in trace.items() if ".nsf." in name and ".noise." not in name}


def _generate(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    name = prefix + "nsf.source"
    source = torch.from_numpy(given[name]) if name in given else None
    z, g = torch.from_numpy(given[prefix + "flow.z"]), torch.from_numpy(given[prefix + "spk.g"])
    return {prefix + "waveform.segment.full": _array(self.synthesizer(case).generate(z, g, source))}


class _Playback:
    """A synthesizer that says what it is told: the golden's own waveforms, one for each segment."""

    def __init__(self, waves: list[Array], upp: int) -> None:
        self.waves, self.upp = list(waves), upp

    def __getattr__(self, name: str) -> Callable[..., torch.Tensor]:
        return lambda *args: torch.zeros(1, 1, 1)

    def encode(self, *args: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)

    def source(self, *args: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)

    def generate(self, z: Any, g: Any, source: Any, first: int = 0, last: int | None = None) -> torch.Tensor:
        wave = torch.from_numpy(self.waves.pop(0).copy())
        return wave if last is None else wave[first * self.upp : last * self.upp]


class _PlaybackParts:
    def __init__(self, synthesizer: _Playback) -> None:
        self.synthesizer = synthesizer

    def borrow_synthesizer(self) -> Any:
        return contextlib.nullcontext(self.synthesizer)


def _spoken(self: RvcTorch, case: Case, waves: list[Array], pieces: list[Span]) -> tuple[Trace, Array]:
    """What the pipeline makes of segments whose waveforms are given."""
    trace = Trace()
    voice: Any = _PlaybackParts(_Playback(waves, self.parts(case).rate // 100))
    said = [offline.SegmentContent(np.zeros((1, piece.content_frames // 2, 1), np.float32), None) for piece in pieces]
    joined = offline.synthesize(said, pieces, None, voice, self.config(case), Seeded(0), trace, Stopwatch())
    return trace, joined


def _trim(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    piece = _piece(case, prefix, self.config(case).window, given)
    trace, _ = _spoken(self, case, [given[prefix + "waveform.segment.full"]], [piece])
    return {prefix + "waveform.segment": trace["seg0.waveform.segment"]}


def _concat(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    window = self.config(case).window
    silence = np.zeros(window.pad_frames * self.parts(case).rate // 100, np.float32)
    prefixes = [p for p in stages.prefixes_of(given) if stages.scope_of(p) is stages.Scope.SEGMENT]
    waves = [np.concatenate([silence, given[p + "waveform.segment"], silence]) for p in prefixes]
    _, joined = _spoken(self, case, waves, [_piece(case, p, window, given) for p in prefixes])
    return {"waveform.concat": joined}


def _mix(self: RvcTorch, case: Case, prefix: str, given: Tensors) -> Tensors:
    rate, mix = self.parts(case).rate, self.config(case).rms_mix_rate
    return {"waveform.rmsmixed": output.mix_loudness(given["waveform.concat"], given["highpassed"], rate, mix)}


def _last(given: Tensors) -> Array:
    return given[next(name for name in ("waveform.resampled", "waveform.rmsmixed", "waveform.concat") if name in given)]


STAGES: dict[str, Call] = {
    "audio16k": lambda self, case, prefix, given: {"audio16k": preparation.guard_peak(given["audio16k.raw"])},
    "highpassed": lambda self, case, prefix, given: {"highpassed": preparation.highpass(given["audio16k"])},
    "segment.cuts": _cuts,
    "padded": lambda self, case, prefix, given: {"padded": segments.pad(given["highpassed"], self.config(case).window)},
    "f0.raw": _track,
    "f0.filled": lambda self, case, prefix, given: {"f0.filled": postprocessing.fill_unvoiced(given["f0.raw"])},
    "f0.hz": lambda self, case, prefix, given: {"f0.hz": _finished(self, case, given)[1]},
    "f0.coarse": lambda self, case, prefix, given: {"f0.coarse": _finished(self, case, given)[2]},
    "seg.audio": _segment_audio,
    "hubert.features": _features,
    "retrieval.search": _search,
    "retrieval.weights": _weights,
    "retrieval.mean": _mean,
    "retrieval.blended": _blend,
    "content.upsampled": _upsample,
    "content.protected": _protect,
    "spk.g": _speaker,
    "enc_p": _encode,
    "z_p": _prior,
    "flow": _flow,
    "nsf": _nsf,
    "generator": _generate,
    "trim": _trim,
    "concat": _concat,
    "rmsmixed": _mix,
    "resampled": lambda self, case, prefix, given: {
        "waveform.resampled": output.resample(_last(given), self.parts(case).rate, self.config(case).resample_rate)
    },
    "final": lambda self, case, prefix, given: {"waveform.final": output.to_int16(_last(given))},
}
