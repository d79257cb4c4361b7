"""The Viterbi algorithm, with the results of librosa.sequence.viterbi."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def best_path(
    probabilities: npt.NDArray[np.floating[Any]], transitions: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """The most probable sequence of states; all states are equally probable at the start.

    A probability of zero is replaced by the smallest normal number of its dtype, so no transition is impossible.

    Args:
        probabilities: float (S, T), of each state at each step.
        transitions: float64 (S, S); transitions[i, j] is the probability of moving from state i to state j.
    Returns:
        int64 (T,); of equally probable sequences, the one with the lower states.
    """
    tiny = np.finfo(probabilities.dtype).tiny
    states, steps = probabilities.shape
    observed = np.log(probabilities.T + tiny)
    incoming = np.ascontiguousarray(np.log(transitions + tiny).T)  # incoming[j, i]: from state i to state j
    best = np.empty((steps, states))
    previous = np.empty((steps, states), np.int64)
    best[0] = observed[0] + np.log(np.full(states, 1.0 / states) + tiny)
    for t in range(1, steps):
        reached = best[t - 1] + incoming
        previous[t] = reached.argmax(axis=1)
        best[t] = observed[t] + reached[np.arange(states), previous[t]]
    path = np.empty(steps, np.int64)
    path[-1] = best[-1].argmax()
    for t in range(steps - 2, -1, -1):
        path[t] = previous[t + 1, path[t + 1]]
    return path
