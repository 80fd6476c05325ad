"""The replay keeps what came, in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wpg.replay import Replay, _free_in_group


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


def filled(rows: int, capacity: int, episode: int) -> Replay:
    """Rewards 0, 1, 2, ... in truncated episodes of so many steps; observations count them."""
    replay = Replay(1, 1, capacity)
    for i in range(rows):
        replay.add(
            np.full(1, i, np.float32),
            np.zeros(1, np.float32),
            float(i),
            np.full(1, i + 1, np.float32),
            False,
            i % episode == episode - 1,
        )
    return replay


@pytest.mark.twin
@pytest.mark.parametrize("rows", [7, 30, 45])
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_several_steps_stop_where_the_episode_or_the_record_ends(rows: int, steps: int) -> None:
    replay = filled(rows, 30, 4)
    batch = replay.sample(500, np.random.default_rng(0), steps=steps, discount=0.5)
    first, last = batch["observations"][:, 0].astype(int), rows - 1
    assert first.min() >= rows - len(replay)
    for b, start in enumerate(first):
        end = min(start + steps - 1, start // 4 * 4 + 3, last)
        rewards = sum(0.5**i * (start + i) for i in range(end - start + 1))
        assert batch["rewards"][b] == pytest.approx(rewards, rel=1e-12)
        assert batch["next_observations"][b, 0] == end + 1
        assert batch["discounts"][b] == 0.5 ** (end - start + 1)
    assert set(first) == set(range(rows - len(replay), rows))


@pytest.mark.parametrize("rows", [5, 30, 41])
def test_an_episode_that_was_left_ends_there_for_later_rows(rows: int) -> None:
    replay = filled(rows, 30, 100)
    early = replay.arrays()["following"]
    assert (early == -1).sum() == 1
    newest = int(np.flatnonzero(early == -1)[0])
    replay.end_episode()
    replay.add(np.ones(1, np.float32), np.ones(1, np.float32), 1e6, np.ones(1, np.float32), False)
    batch = replay.sample(300, np.random.default_rng(0), steps=3)
    old = batch["observations"][:, 0] != 1
    assert old.any()
    assert (batch["rewards"][old] < 1e6).all()
    assert early[newest] == -1  # what was given stays as it is
    assert replay.following[newest] == -1 or rows == 30  # (its row may be overwritten by now)
    again = Replay(1, 1)
    again.end_episode()  # nothing to end
    assert len(again) == 0


def test_rows_of_other_shapes_are_refused() -> None:
    arrays = filled(5, 30, 4).arrays()
    for name, other in (("rewards", np.zeros((5, 2))), ("next_observations", np.zeros((5, 2)))):
        with pytest.raises(ValueError, match=f"its {name} have shape"):
            Replay.from_arrays({**arrays, name: other}, 30)


def test_the_oldest_rows_are_overwritten_and_views_are_left_alone() -> None:
    replay = filled(30, 30, 4)
    assert replay.overwrites
    views = replay.arrays()
    before = views["rewards"].copy()
    for _ in range(5):
        replay.add(
            np.ones(1, np.float32), np.ones(1, np.float32), -1.0, np.ones(1, np.float32), True
        )
    np.testing.assert_array_equal(views["rewards"], before)
    np.testing.assert_array_equal(replay.rewards, [-1.0] * 5 + list(range(5, 30)))
    again = Replay.from_arrays(replay.arrays(), 30)
    again.add(np.ones(1, np.float32), np.ones(1, np.float32), -2.0, np.ones(1, np.float32), True)
    assert again.rewards[5] == -2.0
    with pytest.raises(ValueError, match="do not fit a capacity"):
        Replay.from_arrays(replay.arrays(), 31)


@pytest.mark.parametrize(
    ("folder", "names", "cache"),
    [
        ("", ("memory.max", "memory.current"), "inactive_file 30"),
        ("memory", ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_inactive_file 30"),
    ],
)
def test_a_container_has_what_its_limit_leaves(
    folder: str, names: tuple[str, str], cache: str, tmp_path: Path
) -> None:
    assert _free_in_group(tmp_path) is None
    place = tmp_path / folder
    place.mkdir(exist_ok=True)
    limit, used = (place / name for name in names)
    limit.write_text("1000\n")
    used.write_text("600\n")
    (place / "memory.stat").write_text(f"anon 5\n{cache}\n")
    assert _free_in_group(tmp_path) == 1000 - 600 + 30
    used.write_text("2000\n")  # over the limit for a moment
    assert _free_in_group(tmp_path) == 0
    limit.write_text("max\n")
    assert _free_in_group(tmp_path) is None
