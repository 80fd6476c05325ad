"""Pink noise: standard normal at every time, correlated as its octaves say."""

from __future__ import annotations

import numpy as np
import pytest

from wpg.pink_noise import PinkNoise


@pytest.mark.property
def test_it_is_a_function_of_time_alone() -> None:
    forwards = PinkNoise((2, 3), seed=5, stream="behaviour")
    path = np.stack([forwards.at(t) for t in range(300)])
    jumping = PinkNoise((2, 3), seed=5, stream="behaviour")
    for t in (299, 4, 128, 0, 257):
        np.testing.assert_array_equal(jumping.at(t), path[t])
    alone = PinkNoise((1, 3), seed=5, stream="behaviour")
    np.testing.assert_array_equal(alone.at(257)[0], path[257, 0])
    assert not np.array_equal(path[257, 1], path[257, 0])
    assert not np.array_equal(PinkNoise((2, 3), seed=6, stream="behaviour").at(7), path[7])


@pytest.mark.statistics
def test_moments_and_correlation_are_those_of_the_octaves() -> None:
    """2000 independent coordinates: means and covariances are off by more than 5 standard errors
    (0.12, 0.16) once in 10^6 runs each, and there are ten of them; an octave that is left out
    changes a correlation by 1/8."""
    octaves = 8
    noise = PinkNoise((2, 1000), seed=11, stream="behaviour", octaves=octaves)
    path = np.stack([noise.at(t) for t in range(0, 70)]).astype(np.float64)
    for t in (0, 37):
        assert abs(path[t].mean()) < 0.12
        assert path[t].var() == pytest.approx(1.0, abs=0.16)
    for first, second in ((0, 1), (1, 2), (0, 37), (32, 47), (63, 64)):
        shared = sum(first >> k == second >> k for k in range(octaves))
        assert (path[first] * path[second]).mean() == pytest.approx(shared / octaves, abs=0.16)


def test_one_octave_is_white_and_bad_counts_are_named() -> None:
    white = PinkNoise((1, 500), seed=1, stream="behaviour", octaves=1)
    # The correlation of 500 independent pairs has standard error 0.045.
    assert abs(np.corrcoef(white.at(0)[0], white.at(1)[0])[0, 1]) < 0.23
    for octaves in (0, 17):
        with pytest.raises(ValueError, match="octaves"):
            PinkNoise((1, 1), seed=1, stream="behaviour", octaves=octaves)
