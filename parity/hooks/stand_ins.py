"""Stand-ins for packages that a program imports and that cannot be installed; install them before it is imported."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch


def torchaudio_extension() -> None:
    """Stand in for torchaudio's compiled part, which PyPI's wheel builds for another version of torch; nothing uses it.

    Must run before torchaudio is imported, and so before transformers is.
    """
    module = ModuleType("torchaudio._extension")
    module.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        _check_cuda_version=lambda: None,
        _load_lib=lambda _name: False,
        fail_if_no_align=lambda function: function,
    )
    sys.modules["torchaudio._extension"] = module


class FairseqHubert(torch.nn.Module):
    """A transformers HuBERT with the two methods of fairseq's that the originals call: extract_features, final_proj."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.model = load_hubert(folder)
        self.tap: Callable[[Any, Any], None] | None = None
        self.last_source: Any = None

    def extract_features(self, source: Any, padding_mask: Any = None, output_layer: int = 12, **_: Any) -> Any:
        """(features (1, n, 768) after `output_layer` layers, padding mask), as fairseq's HubertModel returns them."""
        states = self.model(source, output_hidden_states=True).hidden_states
        self.last_source = source
        if output_layer == 12 and self.tap is not None:
            self.tap(source, states[12])
        return states[output_layer], padding_mask

    def features(self, source: Any, version: str) -> Any:
        """The features that the pipelines use, (1, n, 256 or 768), computed in the precision of `source`, (1, L)."""
        self.model.to(source.dtype)
        states = self.model(source, output_hidden_states=True).hidden_states
        features = self.model.final_proj(states[9]) if version == "v1" else states[12]
        self.model.float()
        return features

    def final_proj(self, features: Any) -> Any:
        """(1, n, 768) to (1, n, 256), the content features of a v1 voice."""
        projected = self.model.final_proj(features)
        if self.tap is not None:
            self.tap(self.last_source, projected)
        return projected


def load_hubert(folder: Path) -> Any:
    """transformers' HubertModel with HuBERT's final projection beside it, from a local folder, in eval mode."""
    transformers: Any = importlib.import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    base = transformers.HubertModel

    def build(self: Any, config: Any) -> None:
        base.__init__(self, config)
        self.final_proj = torch.nn.Linear(config.hidden_size, config.classifier_proj_size)

    projected: Any = type("HubertWithProjection", (base,), {"__init__": build})
    return projected.from_pretrained(str(folder), local_files_only=True).float().eval()


def fairseq(folder: Path) -> None:
    """Install a module `fairseq` whose `load_model_ensemble_and_task` returns a FairseqHubert of `folder`."""
    package, utils = ModuleType("fairseq"), ModuleType("fairseq.checkpoint_utils")
    data, dictionary = ModuleType("fairseq.data"), ModuleType("fairseq.data.dictionary")

    def load_model_ensemble_and_task(_paths: Any, suffix: str = "") -> Any:
        return [FairseqHubert(folder)], None, None

    utils.__dict__["load_model_ensemble_and_task"] = load_model_ensemble_and_task
    dictionary.__dict__["Dictionary"] = type("Dictionary", (), {})
    data.__dict__["dictionary"] = dictionary
    package.__dict__.update(checkpoint_utils=utils, data=data)
    for module in (package, utils, data, dictionary):
        sys.modules[module.__name__] = module
