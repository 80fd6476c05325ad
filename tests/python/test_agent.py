"""The kernel agent: it learns, repeats itself to the bit, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_environments
import wpg
from wpg import CheckpointError, NonFiniteError, UsageError

small_environments.register()
QUICK: dict[str, Any] = {
    "warmup_steps": 60,
    "refit_interval": 60,
    "evaluation_interval": 0,
    "centers": 60,
    "planned_states": 120,
    "dynamics_centers": 60,
    "particles": 16,
    "sweeps": 60,
}


def trained(seed: int = 0, steps: int = 200, env: str = "tests/Slide-v0", **more: Any) -> wpg.WPG:
    return wpg.WPG(env, seed=seed, **{**QUICK, **more}).learn(steps)


def state_of(agent: wpg.WPG) -> dict[str, bytes]:
    meta, arrays = agent.snapshot()
    return {"meta": repr(meta).encode(), **{k: v.tobytes() for k, v in arrays.items()}}


@pytest.mark.end_to_end
def test_it_learns_to_slide_home() -> None:
    """Optimum: move by 1/2 a step. From |s| <= 2 that costs at most 1.5^2 + 1 + 0.25 = 3.5; a
    policy that does nothing pays 20 s^2, 27 on average."""
    outcome = trained(steps=240).evaluate(episodes=10)
    assert outcome.mean > -3.5
    assert max(outcome.lengths) == 20


@pytest.mark.end_to_end
def test_more_than_two_action_dimensions_use_particles() -> None:
    agent = trained(env="tests/Many3-v0", steps=240, planned_states=100, centers=200)
    assert agent.evaluate(episodes=20).mean > -0.3  # standing still pays 1 on average
    actions, _ = agent.predict([0.5, -0.5], mode="all")
    assert actions.shape == (16, 3)


@pytest.mark.end_to_end
def test_two_action_dimensions_and_dict_observations_run() -> None:
    assert trained(env="tests/Many2-v0", steps=200).evaluate(episodes=5).mean > -1.0
    assert trained(env="tests/SlideDict-v0", steps=130).ready


@pytest.mark.property
def test_same_seed_same_bits_on_any_thread_count() -> None:
    with wpg.num_threads(1):
        one = state_of(trained(steps=190))
    with wpg.num_threads(3):
        three = state_of(trained(steps=190))
    assert one == three
    assert state_of(trained(seed=1, steps=190)) != one


@pytest.mark.property
def test_evaluation_leaves_no_trace() -> None:
    # Evaluations change the config that is saved and what they say of the agent, nothing else.
    plain = state_of(trained(steps=190))
    watched = state_of(trained(steps=190, evaluation_interval=50, evaluation_episodes=2))
    for state in (plain, watched):
        del state["meta"], state["numbers"]
    assert plain == watched


@pytest.mark.property
def test_save_and_load_go_on_to_the_same_bits(tmp_path: Path) -> None:
    # Episodes are 20 steps long unless they end early: saving happens at an episode's end.
    whole = wpg.WPG("tests/Slide-v0", seed=4, **QUICK)
    saved: list[int] = []

    def at_episode(agent: wpg.WPG, event: str, record: dict[str, Any]) -> None:
        if event == "episode" and agent.env_steps >= 100 and not saved:
            agent.save(tmp_path / "agent.npz")
            saved.append(agent.env_steps)

    whole.learn(200, callback=at_episode)
    again = wpg.WPG.load(tmp_path / "agent.npz")
    assert again.env_steps == saved[0]
    again.learn(200 - saved[0])
    assert state_of(again) == state_of(whole)


@pytest.mark.property
def test_particles_of_stored_states_persist_and_are_saved(tmp_path: Path) -> None:
    whole = wpg.WPG("tests/Many3-v0", seed=2, **QUICK).learn(120)
    assert whole.clouds.shape == (120, 16, 3)
    start = whole.policy.start(1)[0]
    moved = [i for i, cloud in enumerate(whole.clouds) if not np.array_equal(cloud, start)]
    assert len(moved) > 10
    whole.save(tmp_path / "agent.npz")  # episodes are one step long: every step ends one
    again = wpg.WPG.load(tmp_path / "agent.npz").learn(80)
    assert state_of(again) == state_of(whole.learn(80))


def test_predict_modes_and_shapes() -> None:
    agent = trained()
    single, nothing = agent.predict([0.5])
    assert single.shape == (1,)
    assert nothing is None
    many, _ = agent.predict(np.array([[0.5], [-0.5]]))
    assert many.shape == (2, 1)
    np.testing.assert_array_equal(many[0], single)
    for mode in ("sample", "medoid"):
        assert agent.predict([0.5], mode=mode)[0].shape == (1,)
    assert agent.predict([0.5], mode="all")[0].shape == (16, 1)
    assert len({float(agent.predict([0.5], deterministic=False)[0][0]) for _ in range(20)}) > 3
    named = {float(agent.predict([0.5], False, step=3)[0][0]) for _ in range(5)}
    assert len(named) == 1
    assert agent.particles([0.5], 40).shape == (40, 1)
    q = agent.q_values([1.0], np.array([[-1.0], [1.0]], np.float32))
    assert q[0] > q[1]
    assert agent.typical_observations(3).shape == (3, 1)


def test_before_learning_there_is_a_policy_but_no_critic() -> None:
    agent = wpg.WPG("tests/Slide-v0")
    assert agent.predict([0.0])[0].tolist() == [0.0]
    with pytest.raises(UsageError, match="learn"):
        agent.q_values([0.0], np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"critic": "tabular"}, "critic"),
        ({"critic": 3}, "trained"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"temprature": 1.0}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": "hot"}, "auto"),
        ({"temperature": float("nan")}, "temperature"),
        ({"centers": 0}, "centers"),
        ({"centers": 1.5}, "centers"),
        ({"discount": 1.0}, "discount"),
        ({"particles": True}, "particles"),
    ],
)
def test_bad_settings_are_named(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        wpg.WPG("tests/Slide-v0", **keywords)


def test_bad_calls_are_named() -> None:
    agent = wpg.WPG("tests/Slide-v0")
    with pytest.raises(UsageError, match="total_timesteps"):
        agent.learn(-1)
    with pytest.raises(UsageError, match="total_timesteps"):
        agent.learn(1.5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="observation"):
        agent.predict([0.0, 1.0])
    with pytest.raises(UsageError, match="mode"):
        agent.predict([0.0], mode="worst")
    for n in (0, 1.5, "3", None, True):
        with pytest.raises(UsageError, match=f"n is {n!r}; it must be an int"):
            agent.particles([0.0], n)
        with pytest.raises(UsageError, match=f"episodes is {n!r}; it must be an int"):
            agent.evaluate(n)
    with pytest.raises(UsageError, match="seed is -1"):
        agent.evaluate(1, seed=-1)
    for actions, words in (
        ([[float("nan")]], r"actions\[0\] is \[nan\]; it must be finite"),
        ([[0.0], [1e300]], r"actions\[1\] is \[1e\+300\]; it must be finite in float32"),
        ([["0.5"]], "actions has dtype <U3"),
        ([[True]], "actions has dtype bool"),
        ([0.5], r"shape \(1,\); it must be numbers \(K, 1\)"),
    ):
        with pytest.raises(UsageError, match=words):
            agent.q_values([0.0], actions)


def test_what_is_of_one_observation_refuses_several() -> None:
    agent = trained()
    np.testing.assert_array_equal(agent.particles([0.5], 3), agent.particles([[0.5]], 3))
    with pytest.raises(UsageError, match="2 rows"):
        agent.particles([[0.5], [0.1]], 3)
    with pytest.raises(UsageError, match="2 rows"):
        agent.q_values([[0.5], [0.1]], np.zeros((1, 1)))


def test_an_unregistered_environment_says_at_once_what_to_do() -> None:
    env = small_environments.Slide()
    with pytest.raises(UsageError, match="evaluation_interval=0"):
        wpg.WPG(env).learn(10)
    assert wpg.WPG(env, evaluation_interval=0).learn(10).env_steps == 10


def test_nan_from_the_environment_is_an_error_with_its_place() -> None:
    with pytest.raises(NonFiniteError, match="step 6"):
        wpg.WPG("tests/Broken-v0", **QUICK).learn(50)


class TestBadFiles:
    def refuse(self, path: Path, words: str) -> None:
        with pytest.raises(CheckpointError, match=words) as caught:
            wpg.WPG.load(path)
        assert "\n" not in str(caught.value)

    def test_missing_empty_text_and_cut(self, tmp_path: Path) -> None:
        self.refuse(tmp_path / "none.npz", "no such file")
        (tmp_path / "empty.npz").write_bytes(b"")
        self.refuse(tmp_path / "empty.npz", "no saved agent")
        (tmp_path / "text.npz").write_text("hello")
        self.refuse(tmp_path / "text.npz", "no saved agent")
        trained(steps=100).save(tmp_path / "good.npz")
        content = (tmp_path / "good.npz").read_bytes()
        for cut in (10, len(content) // 2, len(content) - 10):
            (tmp_path / "cut.npz").write_bytes(content[:cut])
            self.refuse(tmp_path / "cut.npz", "damaged")

    def test_flipped_bits_are_noticed(self, tmp_path: Path) -> None:
        trained(steps=100).save(tmp_path / "good.npz")
        content = bytearray((tmp_path / "good.npz").read_bytes())
        content[len(content) // 3] ^= 0xFF
        (tmp_path / "flipped.npz").write_bytes(bytes(content))
        self.refuse(tmp_path / "flipped.npz", "damaged|cannot be used")

    def test_pickles_are_not_opened(self, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "trapped",))

        np.savez(tmp_path / "trap.npz", **{"meta.json": np.array([Trap()], dtype=object)})
        self.refuse(tmp_path / "trap.npz", "no saved agent")
        assert not (tmp_path / "trapped").exists()

    def test_a_module_in_the_environment_name_is_not_imported(self, tmp_path: Path) -> None:
        from wpg.checkpoint import read_checkpoint, write_checkpoint

        agent = trained(steps=100)
        agent.save(tmp_path / "good.npz")
        meta, arrays = read_checkpoint(tmp_path / "good.npz")
        meta["env"] = "antigravity:Thing-v0"
        write_checkpoint(tmp_path / "bad.npz", meta, arrays)
        self.refuse(tmp_path / "bad.npz", "antigravity")

    @pytest.mark.parametrize("change", ["rows", "counter", "setting", "version", "width"])
    def test_contradictions_are_noticed(self, tmp_path: Path, change: str) -> None:
        from wpg.checkpoint import read_checkpoint, write_checkpoint

        trained(steps=100).save(tmp_path / "good.npz")
        meta, arrays = read_checkpoint(tmp_path / "good.npz")
        if change == "rows":
            del arrays["replay.rewards"]
        elif change == "counter":
            arrays["episodes.counters"][0] = 3
        elif change == "setting":
            meta["config"]["centers"] = "many"
        elif change == "version":
            meta["version"] = 99
        else:
            arrays["replay.observations"] = np.zeros((100, 7), np.float32)
        write_checkpoint(tmp_path / "bad.npz", meta, arrays)
        with pytest.raises(UsageError):
            wpg.WPG.load(tmp_path / "bad.npz")


def test_a_checkpoint_keeps_the_names_of_the_kernels() -> None:
    agent = trained()
    meta, arrays = agent.critic.snapshot()
    assert meta["kernels"] == ["gaussian", "gaussian"]
    wanted = [head.q.value(*cloud_of(head.q)) for head in agent.critic.heads]
    for kernels in (["matern52", "imq"], ["gaussian", "gaussian"]):
        agent.critic.restore(meta | {"kernels": kernels}, arrays)
        assert [head.q.kernel for head in agent.critic.heads] == kernels
    with pytest.raises(KeyError):  # whole or not at all
        agent.critic.restore({key: meta[key] for key in meta if key != "kernels"}, arrays)
    for head, values in zip(agent.critic.heads, wanted, strict=True):
        assert np.array_equal(head.q.value(*cloud_of(head.q)), values)


def cloud_of(q: wpg.critics.KernelQ) -> tuple[Any, Any]:
    """The first centres as states, each with its own action as its one particle."""
    return q.center_states[:5].copy(), q.center_actions[:5, None].copy()
