"""`rvc` of this project as the candidate: single stages, and whole conversions of files and of streams."""

import functools
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity import stages
from parity.candidates.candidate import CandidateError, NotOffered, Tensors
from parity.errors import GoldenError
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.goldens.trace_file import Trace
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis.registry import Guess
from parity.rvc_bridge import f0_decoders, f0_salience, network_probes, offline_stages, realtime_stages, voice_files
from parity.rvc_bridge.case_voice import CaseVoice
from parity.rvc_bridge.prediction_source import PredictionSource
from parity.rvc_bridge.realtime_stages import RealtimeCase
from rvc.errors import BadInput
from rvc.f0 import registry
from rvc.nn.kernels.backends import selection
from rvc.nn.kernels.conv import ON_GPU_ONLY
from rvc.noise import Seeded, Tape
from rvc.pipeline import offline
from rvc.pipeline.voice_networks import VoiceNetworks, resolve_device


class SharedVoiceNetworks(VoiceNetworks):
    """The networks of a voice; HuBERT and the F0 networks, which belong to no voice, are loaded and checked once."""

    shared: dict[tuple[str, str], Any] = {}  # noqa: RUF012 (one for all instances)
    checked: dict[str, set[Path]] = {}  # noqa: RUF012 (version → files, one for all instances)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As `VoiceNetworks`."""
        super().__init__(*arguments, **named)
        self._checked = self.checked.setdefault(self.version, set())

    def _get(self, name: str, load: Callable[[], Any]) -> Any:
        if name in ("synthesizer", "index"):
            return super()._get(name, load)
        roles = ("hubert",) if name == "hubert" else tuple(registry.weight_files())
        key = (name, str([self.device, self.precision, *(self.paths.get(role) for role in roles)]))
        if key not in self.shared:
            self.shared[key] = load()
        return self.shared[key]


class RvcTorch(PredictionSource):
    """`rvc` in this process, on the synthetic voices of cases or on the files of a real voice."""

    def __init__(
        self, files: Mapping[str, Path] | None = None, device: str = "cpu", precision: str = "float32"
    ) -> None:
        """Load nothing yet.

        Args:
            files: role (model, hubert, index, those of F0 methods such as rmvpe) → path of a real voice; None makes
                the synthetic voice of each case.
            device: "cpu", "cuda" or "mps"; every cell is not tested where this machine lacks the device.
            precision: "float32", "bfloat16" or "int8", of the networks.
        """
        selection.pin_unless_named(selection.FIXED)  # no verdict depends on the load of the machine
        self.device, self.precision = device, precision
        self.absent = absent_device(device)
        self._files = dict(files) if files is not None else None
        self._networks: tuple[str, VoiceNetworks] | None = None
        self._stream: RealtimeCase | None = None

    @property
    def about(self) -> dict[str, object]:
        """name, version, runtime, environment and what it declares: the precision of its networks."""
        try:
            installed = version("rvc-parity")
        except PackageNotFoundError:
            installed = "uninstalled"
        return {
            "name": "rvc",
            "version": installed,
            "runtime": f"torch {torch.__version__}",
            "declares": {"precision": self.precision},
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
        """Whether this machine has the device."""
        return self.absent is None

    def takes(self, case: Case) -> bool:
        """Always True: `rvc` has all profiles."""
        return True

    def offers(self, stage: stages.Stage) -> bool:
        """Every stage but the gated ring of a stream (`rt.input_wav`), of which no golden has a tensor."""
        return self.absent is None and (stage.name in offline_stages.STAGES or stage.name in realtime_stages.STAGES)

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """As `Candidate.run_stage`."""
        if self.absent is not None:
            raise NotOffered(self.absent)
        try:
            if stage.scope is stages.Scope.BLOCK:
                return realtime_stages.run_stage(self.stream(case), stage.name, prefix, inputs)
            copies = {name: value.copy() for name, value in inputs.items()}
            return offline_stages.STAGES[stage.name](self.voice(case), prefix, copies)
        except GoldenError:
            raise
        except Exception as error:
            raise CandidateError(f"{type(error).__name__}: {error}") from error

    def run(self, case: Case) -> Tensors:
        """As `Candidate.run`."""
        trace = Trace()
        made = _made_by_stream if case.facts.blocks else _made_by_conversion
        try:
            if case.facts.blocks:
                return self.stream(case).run(trace)
            noise = {name: case[name] for name in case if stages.tensor(name).kind is stages.TensorKind.NOISE}
            voice = self.voice(case)
            offline.convert(case["audio16k.raw"].copy(), voice.networks, voice.config, noise=Tape(noise), tap=trace)
        except GoldenError:
            raise
        except Exception as error:
            raise CandidateError(f"{type(error).__name__}: {error}", made(trace)) from error
        return made(trace)

    def record(self, case: Case, seed: int) -> Tensors:
        """Convert a file with drawn noise.

        Args:
            case: a case with `audio16k.raw`.
            seed: the seed of the noise.
        Returns:
            full name → array: every tensor of the stage table, the audio and the draws included.
        Raises:
            CandidateError: the conversion failed.
        """
        trace, voice = Trace(), self.voice(case)
        try:
            audio = case["audio16k.raw"].copy()
            offline.convert(audio, voice.networks, voice.config, noise=Seeded(seed), tap=trace)
        except Exception as error:
            raise CandidateError(f"rvc cannot convert {case.name}: {type(error).__name__}: {error}") from error
        return {name: value for name, value in trace.items() if stages.is_known(name)}

    def run_final(self, case: Case) -> Tensors:
        """As `Candidate.run_final`: no tap is installed, as for a user."""
        if case.facts.blocks:
            return self.run(case)
        noise = {name: case[name] for name in case if stages.tensor(name).kind is stages.TensorKind.NOISE}
        voice = self.voice(case)
        try:
            final, _ = offline.convert(case["audio16k.raw"].copy(), voice.networks, voice.config, noise=Tape(noise))
        except GoldenError:
            raise
        except Exception as error:
            raise CandidateError(f"{type(error).__name__}: {error}") from error
        return {"waveform.final": final}

    def restart(self) -> bool:
        """Always False: it runs in this process."""
        return False

    def networks(self, case: Case) -> VoiceNetworks:
        """The networks of a case's voice; those of the last case are kept."""
        files = self._files if self._files is not None else voice_files.synthetic(case)
        key = str(sorted(files.items()))
        if self._networks is None or self._networks[0] != key:
            self._networks = None  # frees the last voice before the next one is loaded
            # The keywords vary with the registry, so that mypy cannot match them with the other parameters.
            f0_weights: dict[str, Any] = {role: files.get(role) for role in registry.weight_files()}
            networks = SharedVoiceNetworks(
                files["model"],
                files.get("hubert"),
                files.get("index"),
                device=self.device,
                precision=self.precision,
                **f0_weights,
            )
            self._networks = (key, networks)
        return self._networks[1]

    def voice(self, case: Case) -> CaseVoice:
        """A case with its networks and its configuration."""
        return CaseVoice(case, self.networks(case))

    def stream(self, case: Case) -> RealtimeCase:
        """The stream of a realtime case; the last one is kept."""
        if self._stream is None or self._stream.case is not case:
            self._stream = RealtimeCase(case, self.networks(case))
        return self._stream

    @functools.cached_property
    def _on_cpu(self) -> "RvcTorch":
        """This candidate on the processor, where what `rvc` computes under a known mistake is predicted."""
        return self if self.device == "cpu" else RvcTorch(self._files, precision=self._precision_on_cpu)

    @property
    def _precision_on_cpu(self) -> str:
        return "float32" if self.precision in ON_GPU_ONLY else self.precision

    def guesses(self, case: Case, stage: str, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
        """As `PredictionSource.guesses`."""
        return network_probes.guesses(self._on_cpu.voice(case), stage, prefix, name, inputs)

    def f0_decoder_guesses(self, case: Case, padded: Array) -> Iterator[Guess]:
        """As `PredictionSource.f0_decoder_guesses`."""
        return f0_decoders.guesses(self._on_cpu.voice(case), padded)

    def f0_salience(self, case: Case, padded: Array) -> Salience | None:
        """As `PredictionSource.f0_salience`."""
        return f0_salience.salience_of(self.voice(case), padded)


def absent_device(device: str) -> str | None:
    """Why nothing can be computed on a device here, in one sentence; None where this machine has it."""
    try:
        resolve_device(device)
    except BadInput as error:
        return str(error)
    return None


def _made_by_conversion(trace: Trace) -> Tensors:
    """A trace without the inputs of the run."""
    return {name: value for name, value in trace.items() if not stages.is_known(name) or stages.stage_of(name)}


def _made_by_stream(trace: Trace) -> Tensors:
    """A trace without the input blocks."""
    return {name: value for name, value in trace.items() if not name.endswith(".in")}
