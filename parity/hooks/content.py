"""HuBERT in its three forms: taps on it, and stand-ins that answer with given features.

Descendants of the WebUI call fairseq's methods, a function of their own, or a transformers model. Each form is one
class; a program's adapter names the one that it has.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch

from parity.hooks.interception import replaced

Tap = Callable[[Any, Any], None]  # (audio (1, L), features (1, n, C))


class Content(Protocol):
    """HuBERT as a program has it."""

    def tapped(self, tap: Tap) -> AbstractContextManager[None]:
        """Call `tap` with audio and features of each extraction while the block runs."""
        ...

    def answering(self, features: torch.Tensor, tap: Tap) -> AbstractContextManager[Any]:
        """A model to hand to the pipeline, which answers with given features while the block runs; `tap` is called."""
        ...


def _loaded(model: Any) -> Any:
    """The model.

    Raises:
        ValueError: it is None, because the program loads HuBERT at its first conversion.
    """
    if model is None:
        raise ValueError(
            "the model is None: load HuBERT in `open` with the program's own function, and pass what it gave"
        )
    return model


class FairseqContent:
    """A model with fairseq's methods `extract_features` and `final_proj`."""

    def __init__(self, model: Any) -> None:
        self.model = _loaded(model)

    @contextmanager
    def tapped(self, tap: Tap) -> Iterator[None]:
        """As `Content.tapped`."""
        extract, project = self.model.extract_features, self.model.final_proj
        source: list[Any] = [None]

        def features(*arguments: Any, **named: Any) -> Any:
            answer = extract(*arguments, **named)
            source[0] = named["source"] if "source" in named else arguments[0]
            tap(source[0], answer[0])
            return answer

        def projected(value: Any) -> Any:
            answer = project(value)
            tap(source[0], answer)
            return answer

        with replaced(self.model, extract_features=features, final_proj=projected):
            yield

    @contextmanager
    def answering(self, features: torch.Tensor, tap: Tap) -> Iterator[Any]:
        """As `Content.answering`."""
        yield _GivenFairseq(features, tap)


class _GivenFairseq:
    def __init__(self, features: torch.Tensor, tap: Tap) -> None:
        self.features, self.tap = features, tap

    def extract_features(self, *arguments: Any, **named: Any) -> Any:
        self.tap(named["source"] if "source" in named else arguments[0], self.features)
        return self.features, None

    def final_proj(self, value: Any) -> Any:
        return value


class FunctionContent:
    """A function (model, audio, …) → features in the namespace of the pipeline's module."""

    def __init__(self, module: Any, name: str, model: Any) -> None:
        self.module, self.name, self.model = module, name, model

    @contextmanager
    def tapped(self, tap: Tap) -> Iterator[None]:
        """As `Content.tapped`."""
        run = getattr(self.module, self.name)

        def call(model: Any, source: Any, *arguments: Any, **named: Any) -> Any:
            features = run(model, source, *arguments, **named)
            tap(source, features)
            return features

        with replaced(self.module, **{self.name: call}):
            yield

    @contextmanager
    def answering(self, features: torch.Tensor, tap: Tap) -> Iterator[Any]:
        """As `Content.answering`."""

        def call(_model: Any, source: Any, *_: Any, **__: Any) -> Any:
            tap(source, features)
            return features

        with replaced(self.module, **{self.name: call}):
            yield self.model


class ModuleContent:
    """A transformers HuBERT, called as a module; `final_proj` is a module in it that gets (n, 768)."""

    def __init__(self, model: Any) -> None:
        self.model = _loaded(model)

    @contextmanager
    def tapped(self, tap: Tap) -> Iterator[None]:
        """As `Content.tapped`."""
        source: list[Any] = [None]

        def encoded(_module: Any, arguments: Any, output: Any) -> None:
            source[0] = arguments[0]
            tap(arguments[0], output["last_hidden_state"])

        def projected(_module: Any, _arguments: Any, output: Any) -> None:
            tap(source[0], output if output.dim() == 3 else output[None])

        handles = [self.model.register_forward_hook(encoded), self.model.final_proj.register_forward_hook(projected)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def answering(self, features: torch.Tensor, tap: Tap) -> Iterator[Any]:
        """As `Content.answering`."""
        yield _GivenModule(features, tap)


class _GivenModule:
    def __init__(self, features: torch.Tensor, tap: Tap) -> None:
        self.features, self.tap = features, tap

    def __call__(self, source: Any, *_: Any, **__: Any) -> Any:
        self.tap(source, self.features)
        return {"last_hidden_state": self.features}

    def final_proj(self, value: Any) -> Any:
        return self.features[0] if value.dim() == 2 else self.features
