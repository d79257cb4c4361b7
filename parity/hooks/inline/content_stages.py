"""The stages of content features and retrieval: one segment runs, and given answers replace what a stage reads."""

from typing import Any

import numpy as np

from parity.hooks.inline.given_answers import GivenNeighbors, answers_mean
from parity.hooks.inline.one_segment import OneSegment
from parity.hooks.serving import Array, Arrays, Tape


class ContentStages(OneSegment):
    """The stages from `hubert.features` to `content.protected`."""

    def stage_hubert_features(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `hubert.features`."""
        return _only(self._middle(prefix, inputs[prefix + "audio"][0]), prefix, "hubert.features")

    def stage_retrieval_search(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.search`."""
        tape = self._middle(prefix, None, inputs[prefix + "hubert.features"], self.index, self.vectors)
        return _only(tape, prefix, "retrieval.distances", "retrieval.ids")

    def stage_retrieval_weights(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.weights`."""
        distances = inputs[prefix + "retrieval.distances"]
        index = GivenNeighbors(distances, np.zeros(distances.shape, np.int64))
        return _only(
            self._middle(prefix, None, self._no_features(len(distances)), index, self.vectors),
            prefix,
            "retrieval.weights",
        )

    def stage_retrieval_mean(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.mean`, of distances that give the weights."""
        weights, ids = inputs[prefix + "retrieval.weights"], inputs[prefix + "retrieval.ids"]
        with np.errstate(divide="ignore"):
            distances = (1 / np.sqrt(weights)).astype(np.float32)
        index = GivenNeighbors(distances, ids)
        return _only(
            self._middle(prefix, None, self._no_features(len(weights)), index, self.vectors), prefix, "retrieval.mean"
        )

    def stage_retrieval_blended(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.blended`."""
        mean = inputs[prefix + "retrieval.mean"]
        tape = self._middle(prefix, None, inputs[prefix + "hubert.features"], answers_mean(mean), mean)
        return _only(tape, prefix, "retrieval.blended")

    def stage_content_upsampled(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `content.upsampled`."""
        features = inputs.get(prefix + "retrieval.blended", inputs.get(prefix + "hubert.features"))
        return _only(self._middle(prefix, None, features), prefix, "content.upsampled")

    def stage_content_protected(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `content.protected`."""
        blended = np.ascontiguousarray(inputs[prefix + "content.upsampled"][0, ::2])
        features = inputs[prefix + "hubert.features"]
        tape = self._middle(prefix, None, features, answers_mean(blended), blended, rate=1, hz=inputs.get("f0.hz"))
        return _only(tape, prefix, "content.protected")

    def _no_features(self, frames: int) -> Array:
        return np.zeros((1, frames, self.vectors.shape[1]), np.float32)


def _only(tape: Tape, prefix: str, *names: str) -> dict[str, Any]:
    return {prefix + name: tape[prefix + name] for name in names}
