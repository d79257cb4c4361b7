"""The stream is fixed forever: goldens and synthetic weights are drawn from it again on every machine."""

import hashlib

import numpy as np
import pytest

from parity.goldens import random_stream


def sha256(values):
    little = values.astype(values.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def test_words_are_pinned():
    assert random_stream.raw_numbers("parity", 3).tolist() == [
        16665638850991893653,
        1000893336454076982,
        15434291509763738810,
    ]
    assert (
        sha256(random_stream.raw_numbers("parity", 1000))
        == "a5c82e3179728e85587e10cb72f955530bcc8fe824e2e73fd4bd99e57e565289"
    )


def test_integers_are_pinned():
    assert random_stream.integers("parity", 4).tolist() == [13085, 14236, -114538, -17082]
    expected = "10ddc2462bb7db9a829fe7e5f0489d5267b8f2185ac80cadea4823f56b1b2ace"
    assert sha256(random_stream.integers("parity", 70_000)) == expected


def test_normals_are_pinned():
    expected = "a8ab8d339ca4a5954fab75ea2bb528dbeae902bc09868058cf98a497ea21cd55"
    assert sha256(random_stream.normal("parity", 70_000)) == expected


def test_keys_are_unicode_text():
    drawn = random_stream.normal("Zürich/seg0.noise.z", (1, 3))
    np.testing.assert_array_equal(drawn, np.array([[1.4761188, -1.1876303, -0.5382367]], np.float32))


def test_a_value_is_the_sum_of_eight_sixteen_bit_numbers():
    numbers = random_stream.raw_numbers("any", 2 * 100).astype("<u8").view("<u2").reshape(100, 8)
    assert (numbers.astype(np.int64).sum(axis=1) - random_stream.CENTER == random_stream.integers("any", 100)).all()


@pytest.mark.parametrize("count", [0, 1, 65_535, 65_536, 65_537])
def test_a_longer_draw_begins_with_the_shorter(count):
    assert (random_stream.integers("long", 70_000)[:count] == random_stream.integers("long", count)).all()


def test_normal_is_integers_scaled_and_rounded_once():
    scaled = (random_stream.integers("same", (3, 5)) * random_stream.SCALE).astype(np.float32)
    drawn = random_stream.normal("same", (3, 5))
    assert drawn.dtype == np.float32
    assert drawn.shape == (3, 5)
    np.testing.assert_array_equal(drawn, scaled)


def test_values_are_centered_and_of_unit_variance():
    drawn = random_stream.normal("moments", 400_000).astype(np.float64)
    assert abs(drawn.mean()) < 0.008  # five standard errors
    assert abs(drawn.var() - 1) < 0.012
    assert np.abs(drawn).max() < 4.9


def test_keys_make_independent_streams():
    one, other = random_stream.normal("one", 100_000), random_stream.normal("other", 100_000)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.016
