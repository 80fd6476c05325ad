"""The replay keeps what came, in order."""

from __future__ import annotations

import numpy as np
import pytest

from wpg.replay import Replay


def test_rows_survive_growth_and_views_stay_valid() -> None:
    replay = Replay(2, 1)
    for i in range(1500):
        replay.add(
            np.full(2, i, np.float32),
            np.zeros(1, np.float32),
            float(i),
            np.full(2, i + 1, np.float32),
            i % 7 == 0,
        )
        if i == 99:
            early = replay.arrays()
    assert len(replay) == 1500
    np.testing.assert_array_equal(replay.rewards, np.arange(1500.0))
    np.testing.assert_array_equal(replay.observations[:, 1], np.arange(1500))
    np.testing.assert_array_equal(replay.terminated, np.arange(1500) % 7 == 0)
    np.testing.assert_array_equal(early["rewards"], np.arange(100.0))
    with pytest.raises(AttributeError):
        replay.nothing  # noqa: B018


def test_from_arrays_is_a_copy() -> None:
    replay = Replay(1, 1)
    replay.add(np.ones(1, np.float32), np.ones(1, np.float32), 2.0, np.ones(1, np.float32), True)
    again = Replay.from_arrays(replay.arrays())
    again.add(np.zeros(1, np.float32), np.zeros(1, np.float32), 0.0, np.zeros(1, np.float32), False)
    assert (len(replay), len(again)) == (1, 2)
    assert again.rewards.tolist() == [2.0, 0.0]
