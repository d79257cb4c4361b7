"""Stand-ins that answer with given tensors, so that an original's own code runs on values that no input reaches.

The stages between two networks are written inline in the originals' `Pipeline`. They run unmodified here: what comes
before a stage is replaced by a stand-in that answers with the given tensor, and a synthesizer whose output is
not recorded is replaced by silence. Tensors are named as in docs/spec/00 §0.3:

    audio16k.raw                what `load_audio` returns
    highpassed                  what `scipy.signal.filtfilt` returns
    padded                      argument `x` of `Pipeline.get_f0`
    f0.raw                      what Praat returns; the case's F0 method must be pm
    seg*.hubert.features        what HuBERT returns
    seg*.waveform.segment.full  what `Pipeline.vc` returns
"""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from parity.hooks import stand_ins
from parity.hooks.interception import StandIn, replaced

Arrays = Mapping[str, NDArray[Any]]
QUIET_STREAM = "quiet voice"  # the `values` in cases.toml of a stream whose voice is attenuated
ANSWERED = ("audio16k.raw", "highpassed", "padded", "f0.raw", "hubert.features", "waveform.segment.full")


@contextmanager
def answered(original: Any, given: Arrays, silent: bool) -> Iterator[None]:
    """Answer with given tensors while the block runs.

    Args:
        original: an opened original with the attributes `modules`, `pipeline` and `models`.
        given: full name → array, for the local names of `ANSWERED`; other tensors are ignored.
        silent: whether the synthesizer is replaced by silence.
    """
    pipeline, modules = original.pipeline, original.modules
    with ExitStack() as stack:
        if "audio16k.raw" in given:
            stack.enter_context(replaced(modules, load_audio=lambda *_, **__: given["audio16k.raw"].copy()))
        if "highpassed" in given:
            signal = StandIn(pipeline.signal, filtfilt=lambda *_, **__: given["highpassed"].copy())
            stack.enter_context(replaced(pipeline, signal=signal))
        methods: dict[str, Any] = {}
        if "padded" in given:
            methods["get_f0"] = _with_argument(pipeline.Pipeline.get_f0, "x", given["padded"])
        if full := _in_order(given, "waveform.segment.full"):
            methods["vc"] = lambda *_, **__: full.pop(0).copy()
        stack.enter_context(replaced(pipeline.Pipeline, **methods))
        if "f0.raw" in given:
            stack.enter_context(replaced(pipeline, parselmouth=_praat(pipeline.parselmouth, given["f0.raw"])))
        if features := _in_order(given, "hubert.features"):
            _answer_hubert(stack, pipeline, [torch.from_numpy(value.copy()) for value in features])
        if silent:
            for synthesizer in _synthesizers(original.models):
                stack.enter_context(replaced(synthesizer, infer=_silence))
        yield


@contextmanager
def attenuated(original: Any, values: str) -> Iterator[None]:
    """Attenuate what the synthesizer returns by 100 dB while the block runs, if `values` is `QUIET_STREAM`."""
    with ExitStack() as stack:
        for synthesizer in _synthesizers(original.models) if values == QUIET_STREAM else ():
            stack.enter_context(replaced(synthesizer, infer=_attenuated(synthesizer.infer)))
        yield


def _attenuated(run: Any) -> Any:
    def infer(*arguments: Any, **named: Any) -> Any:
        waveform, *rest = run(*arguments, **named)
        return (waveform * 1e-5, *rest)

    return infer


def _in_order(given: Arrays, local: str) -> list[NDArray[Any]]:
    """The given tensors of one local name, by the number of their segment."""
    names = [name for name in given if name.startswith("seg") and name.partition(".")[2] == local]
    return [given[name] for name in sorted(names, key=lambda name: int(name.partition(".")[0].removeprefix("seg")))]


def _with_argument(run: Any, name: str, value: NDArray[Any]) -> Any:
    """The method `run` with one argument replaced."""
    parameters = inspect.signature(run)

    def call(*arguments: Any, **named: Any) -> Any:
        bound = parameters.bind(*arguments, **named)
        bound.arguments[name] = value.copy()
        return run(*bound.args, **bound.kwargs)

    return call


def _praat(module: Any, f0: NDArray[Any]) -> Any:
    """Praat, whose pitch track is `f0`."""
    sound = SimpleNamespace(to_pitch_ac=lambda **_: SimpleNamespace(selected_array={"frequency": f0.copy()}))
    return StandIn(module, Sound=lambda *_, **__: sound)


def _answer_hubert(stack: ExitStack, pipeline: Any, features: list[torch.Tensor]) -> None:
    """Answer with features (1, n, C) where the pipeline calls HuBERT."""
    if hasattr(pipeline, "extract_hubert_features"):
        stack.enter_context(replaced(pipeline, extract_hubert_features=lambda *_, **__: features.pop(0)))
        return

    def extract_features(self: Any, source: Any, padding_mask: Any = None, **_: Any) -> Any:
        answer = features.pop(0)
        self.tap(source, answer)
        return answer, padding_mask

    def final_proj(_self: Any, answer: Any) -> Any:
        return answer

    stack.enter_context(replaced(stand_ins.FairseqHubert, extract_features=extract_features, final_proj=final_proj))


def _synthesizers(models: Any) -> list[Any]:
    """The classes of the original's synthesizers."""
    classes = [value for value in vars(models).values() if isinstance(value, type)]
    return [kind for kind in classes if "infer" in vars(kind)]


def _silence(self: Any, phone: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor]:
    """Zeros (1, 1, samples) for content (1, frames, C)."""
    return (torch.zeros(1, 1, phone.shape[1] * int(np.prod([up.stride[0] for up in self.dec.ups]))),)
