"""The likeliest path through states in time, to the values that librosa.sequence.viterbi gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def best_path(chances: npt.NDArray[np.floating[Any]], moves: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Follow the likeliest states.

    chances : float (S, T), how likely each state is at each step
    moves   : float64 (S, S), moves[i, j] the chance to go from state i to j
    returns : int64 (T,); all states are as likely at the start, and of equal paths the one of lower states wins

    A chance of zero is taken as the smallest normal number of its dtype, so no move is quite impossible.
    """
    tiny = np.finfo(chances.dtype).tiny
    states, steps = chances.shape
    seen = np.log(chances.T + tiny)
    into = np.ascontiguousarray(np.log(moves + tiny).T)  # into[j, i]
    best = np.empty((steps, states))
    came = np.empty((steps, states), np.int64)
    best[0] = seen[0] + np.log(np.full(states, 1.0 / states) + tiny)
    for t in range(1, steps):
        reached = best[t - 1] + into
        came[t] = reached.argmax(axis=1)
        best[t] = seen[t] + reached[np.arange(states), came[t]]
    path = np.empty(steps, np.int64)
    path[-1] = best[-1].argmax()
    for t in range(steps - 2, -1, -1):
        path[t] = came[t + 1, path[t + 1]]
    return path
