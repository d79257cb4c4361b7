"""Repetition and protection of content features."""

import numpy as np
import pytest

from rvc.content import alignment


def test_every_frame_is_repeated_once():
    doubled = alignment.upsample(np.array([[[1.0], [2.0]]], np.float32))
    assert doubled.tolist() == [[[1], [1], [2], [2]]]


def test_protect_keeps_voiced_frames_and_mixes_unvoiced_ones():
    blended, unblended = np.full((1, 4, 2), 10, np.float32), np.zeros((1, 4, 2), np.float32)
    hz = np.array([[100.0, 0.0, 0.5, 1.0]], np.float32)
    mixed = alignment.protect(blended, unblended, hz, 0.25)
    assert mixed[0, :, 0].tolist() == [10, 2.5, 2.5, 10]
    assert mixed.dtype == np.float32


@pytest.mark.parametrize("amount", [0.5, 0.9])
def test_a_protect_of_half_and_more_has_no_effect(amount):
    blended = np.ones((1, 2, 2), np.float32)
    assert alignment.protect(blended, blended * 0, np.zeros((1, 2), np.float32), amount) is blended


def test_protect_does_not_change_f0():
    hz = np.array([[0.0, 100.0]], np.float32)
    alignment.protect(np.ones((1, 2, 1), np.float32), np.ones((1, 2, 1), np.float32), hz, 0.1)
    assert hz.tolist() == [[0, 100]]
