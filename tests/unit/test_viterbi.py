"""The path search against every possible path, and against librosa's search."""

import itertools

import librosa
import numpy as np
import pytest

from rvc.f0.methods.crepe import transitions
from rvc.f0.viterbi import best_path


def test_no_path_is_more_probable():
    rng = np.random.default_rng(0)
    probabilities, steps = rng.random((4, 5)), rng.random((4, 4))
    steps /= steps.sum(axis=1, keepdims=True)

    def probability(path):
        stay = np.prod([probabilities[state, t] for t, state in enumerate(path)])
        return stay * np.prod([steps[a, b] for a, b in itertools.pairwise(path)])

    best = max(itertools.product(range(4), repeat=5), key=probability)
    assert tuple(best_path(probabilities, steps)) == best


def test_of_equal_paths_the_lower_states_win():
    assert best_path(np.full((3, 4), 1 / 3), np.full((3, 3), 1 / 3)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_librosa_returns_the_same_path(spread, seed):
    logits = np.random.default_rng(seed).normal(0, spread, (360, 60)).astype(np.float32)
    logits[:39], logits[308:] = -np.inf, -np.inf
    probabilities = np.exp(logits - logits.max(axis=0))
    probabilities /= probabilities.sum(axis=0)
    assert np.array_equal(
        best_path(probabilities, transitions()), librosa.sequence.viterbi(probabilities, transitions())
    )
