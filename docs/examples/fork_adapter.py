"""A fork of the WebUI before the judge: the whole adapter.

    rvc-parity check --candidate "python docs/examples/fork_adapter.py CHECKOUT"

CHECKOUT holds the fork, unchanged. What a fork calls differently is a name in `Names` or one overridden method.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

from parity.hooks import stand_ins
from parity.hooks.content import FairseqContent
from parity.hooks.interception import replaced
from parity.hooks.pipeline import PipelineCandidate
from parity.hooks.serving import Array, Case, serve
from parity.hooks.window import set_window


class Fork(PipelineCandidate):
    """Driven through `VC.vc_single`, as its own web page calls it."""

    name, version = "my-fork", "1.0"

    def __init__(self, checkout: str) -> None:
        super().__init__()
        self.checkout = checkout

    def open(self, case: Case) -> None:
        """Import the program. Where it imports fairseq, transformers answers in its place."""
        sys.path.insert(0, self.checkout)
        stand_ins.fairseq(Path(case["files"]["hubert"]))
        self.modules = importlib.import_module("infer.vc.modules")
        self.module = importlib.import_module("infer.vc.pipeline")
        self.config = self.modules.Config()
        self.vc = self.modules.VC(self.config)
        self.content = FairseqContent(self.vc.hubert_model)

    def load(self, case: Case) -> None:
        """Load a voice; the window of a golden is shorter than the program's own."""
        set_window(self.config, case["options"]["window"])
        self.vc.get_vc(case["files"]["model"])
        self.pipe, self.net = self.vc.pipeline, self.vc.net_g

    def convert(self, audio: Array, case: Case) -> Any:
        """Convert one file, whose samples the judge gives: decoders differ, and would hide the rest."""
        options, index = case["options"], self.values()["file_index"]
        with replaced(self.modules, load_audio=lambda *_: audio):
            return self.vc.vc_single(
                options["speaker"],
                "input.wav",
                options["transpose"],
                options["f0_method"],
                index,
                options["index_rate"],
                options["protect"],
            )


if __name__ == "__main__":
    serve(Fork(sys.argv[1]))
