"""Evaluation in every mode, and many runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_environments
from wpg import comparison, runs
from wpg.agents import make_agent
from wpg.checkpoint import CHECKPOINT
from wpg.cli import main
from wpg.comparison import Comparison, EvaluatedRun, SavedRun
from wpg.errors import UsageError
from wpg.evaluation import Evaluation
from wpg.intervals import interquartile_mean, probability_of_improvement

small_environments.register()

SMALL: dict[str, dict[str, Any]] = {
    "wpg kernel": {"warmup_steps": 40, "centers": 20, "dynamics_centers": 20, "planned_states": 20},
    "wpg neural": {"warmup_steps": 30, "batch_size": 8, "width": 8, "depth": 1},
    "sac neural": {"warmup_steps": 30, "batch_size": 8, "width": 8, "depth": 1},
}
KINDS = list(SMALL)


def small(kind: str, env: str = "tests/Slide-v0", seed: int = 0, **more: Any) -> Any:
    agent, critic = kind.split()
    settings = {**SMALL[kind], "evaluation_interval": 0, **more}
    return make_agent(env, agent=agent, critic=critic, seed=seed, **settings)


def saved(folder: Path, name: str, *arguments: Any, **keywords: Any) -> Path:
    """The file of an agent that has learned nothing."""
    agent = small(*arguments, **keywords)
    agent.save(folder / name)
    agent.close()
    return folder / name


def trained(
    folder: Path, kind: str, seed: int, total_steps: int = 60, env: str = "tests/Slide-v0"
) -> Path:
    agent, critic = kind.split()
    settings = {**SMALL[kind], "evaluation_interval": 0}
    how = {"agent": agent, "critic": critic, "settings": settings, "quiet": True}
    runs.train(env, seed=seed, total_steps=total_steps, folder=folder, **how)
    return folder


# Agent.evaluate


@pytest.mark.parametrize("kind", KINDS)
def test_every_mode_repeats_itself_and_leaves_no_trace(kind: str) -> None:
    agent, other = small(kind), small(kind)
    agent.learn(60)
    other.learn(60)
    found = {}
    for mode in agent.evaluation_modes():
        first = agent.evaluate(3, seed=1, mode=mode)
        assert len(first.returns) == 3
        found[mode] = agent.evaluate(3, seed=1, mode=mode)
        assert found[mode] == first
        # More episodes beside them change nothing in the first ones.
        assert agent.evaluate(5, seed=1, mode=mode).returns[:3] == first.returns
    assert "all" not in found
    assert found["best"] != found["sample"]
    for _ in range(2):
        mine, theirs = (one.predict([0.3], deterministic=False)[0] for one in (agent, other))
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.twin
@pytest.mark.parametrize("kind", ["wpg kernel", "wpg neural"])
def test_episodes_are_those_that_anybody_can_repeat(kind: str) -> None:
    """One episode alone, with predict's own `step`."""
    agent = small(kind)
    agent.learn(60)
    for mode in agent.evaluation_modes():
        for seed in (0, 3, 10_000):
            env = agent.evaluation_envs(2)[1]
            observation, total, step, over = env.reset(10_000 * seed), 0.0, 0, False
            while not over:
                name = (10_000 * seed + step) % 2**26
                action, _ = agent.predict(observation, mode=mode, step=name)
                observation, reward, terminated, truncated = env.step(action)
                total, step, over = total + reward, step + 1, terminated or truncated
            assert agent.evaluate(1, seed=seed, mode=mode) == Evaluation((total,), (step,))
    assert agent.evaluate(2) == agent.evaluate(2, 0, "best")


def test_modes_that_are_none_are_refused() -> None:
    for kind, words in (("wpg kernel", "'best', 'sample' or 'medoid'"), ("sac neural", "'gibbs'")):
        agent = small(kind)
        for mode in ("all", "mean") + (("gibbs",) if kind == "wpg kernel" else ()):
            with pytest.raises(UsageError, match=f"mode is '{mode}'; it must be .*{words}"):
                agent.evaluate(1, mode=mode)


# Which runs belong together


def test_labels_say_what_distinguishes(tmp_path: Path) -> None:
    def labels(*files: Path) -> list[str]:
        return [run.label for run in comparison.read_runs(files)]

    a = saved(tmp_path, "a", "wpg neural", seed=0)
    b = saved(tmp_path, "b", "wpg neural", seed=1)
    c = saved(tmp_path, "c", "sac neural", seed=0)
    fast = saved(tmp_path, "fast", "wpg neural", learning_rate=0.01, layer_norm=False)
    elsewhere = saved(tmp_path, "elsewhere", "wpg neural", "tests/Clock-v0", width=9)
    assert labels(a, b) == ["wpg neural"] * 2
    assert labels(a, b, c) == ["wpg neural", "wpg neural", "sac neural"]
    # Settings of another environment are no reason for a longer label ...
    assert labels(a, elsewhere, c) == ["wpg neural", "wpg neural", "sac neural"]
    # ... but where one is needed, it stands everywhere, so that equal labels mean the same.
    assert labels(fast, c, elsewhere, a) == [
        "wpg neural learning_rate=0.01 layer_norm=false",
        "sac neural",
        "wpg neural learning_rate=0.001 layer_norm=true",
        "wpg neural learning_rate=0.001 layer_norm=true",
    ]


def evaluated(
    env: str, label: str, seed: int, returns: list[float], steps: int = 100, **more: Any
) -> EvaluatedRun:
    agent, critic, *_ = label.split()
    path = Path(f"{label}-{env}-{seed}")
    settings = {"learning_rate": 0.001, "width": 256, **more}
    run = SavedRun(path, env, agent, critic, seed, settings, 100, label)
    return EvaluatedRun(run, steps, Evaluation(tuple(returns), (1,) * len(returns)))


@pytest.mark.closed_form
def test_the_numbers_of_a_comparison() -> None:
    scores = {
        ("A", "wpg neural"): {3: 1.0, 1: 9.0, 2: 2.0, 0: 4.0},
        ("A", "sac neural"): {0: 1.0, 1: 0.0, 7: 0.5},
        ("A", "wpg kernel"): {0: 5.0},
        ("B", "wpg neural"): {0: -10.0, 1: 30.0},
        ("B", "sac neural"): {0: 20.0, 1: 30.0},
    }
    found = Comparison(
        [
            evaluated(env, label, seed, [score - 1, score + 1])
            for (env, label), of in scores.items()
            for seed, score in of.items()
        ],
        "best",
        2,
        0,
    )
    assert list(found.environments) == ["A", "B"]
    group = found.environments["A"]["wpg neural"]
    assert group.seeds == [0, 1, 2, 3]
    assert group.scores == [4.0, 9.0, 2.0, 1.0]
    assert (group.mean, group.iqm) == (4.0, 3.0)
    assert group.interval is not None
    assert 1.0 <= group.interval[0] < 3.0 < group.interval[1] <= 9.0
    assert found.environments["A"]["wpg kernel"].interval is None
    # Two seeds: the ends have a quarter of the resamples each.
    assert found.environments["B"]["wpg neural"].interval == (-10.0, 30.0)

    pairs = {(one.first, one.second): one for one in found.improvements}
    assert list(pairs) == [
        ("wpg neural", "sac neural"),
        ("wpg neural", "wpg kernel"),
        ("sac neural", "wpg kernel"),
    ]
    both = pairs["wpg neural", "sac neural"]
    assert both.envs == ("A", "B")
    # On A all of 12 but a tie, 1 against 1; on B -10 loses twice, 30 wins once and ties once.
    assert both.probability == (11.5 / 12 + 1.5 / 4) / 2
    assert both.interval is not None
    assert both.interval[0] < both.probability < both.interval[1]
    alone = pairs["wpg neural", "wpg kernel"]
    assert (alone.envs, alone.probability, alone.interval) == (("A",), 0.25, None)

    text = found.text()
    assert "none: one seed" in text
    assert "95 % of the values from 2000 resamples" in text
    assert "unfinished" not in text
    tables = text.split("\n\n")[:2]
    for table in tables:
        ends = {len(line) for line in table.splitlines()[1:]}
        assert len(ends) == 1, "columns on the right end together"
    whole = json.loads(json.dumps(found.as_dict()))
    assert whole["environments"]["A"][0]["interval"] == list(group.interval)
    assert whole["improvements"][0]["probability"] == both.probability
    assert len(whole["runs"]) == 12
    assert whole["runs"][0]["returns"] == [0.0, 2.0]


@pytest.mark.property
def test_order_of_runs_changes_no_number() -> None:
    rng = np.random.default_rng(0)
    every = [
        evaluated(env, label, seed, [float(rng.normal())])
        for env in "AB"
        for label in ("wpg neural", "sac neural")
        for seed in range(5)
    ]
    one = Comparison(every, "best", 1, 0)
    other = Comparison([every[i] for i in rng.permutation(len(every))], "best", 1, 0)
    for env, groups in one.environments.items():
        for label, group in groups.items():
            same = other.environments[env][label]
            assert (same.scores, same.iqm, same.interval) == (
                group.scores,
                group.iqm,
                group.interval,
            )
            assert group.iqm == interquartile_mean(np.array(group.scores))
    (there,), (back,) = one.improvements, other.improvements
    scores = [
        [one.environments[env][label].scores for env in "AB"]
        for label in (there.first, there.second)
    ]
    assert there.probability == probability_of_improvement(*scores)
    expected = there.probability if back.first == there.first else 1 - there.probability
    assert back.probability == pytest.approx(expected, abs=1e-15)


def test_what_is_not_alike_is_said() -> None:
    def notes(*of: EvaluatedRun, mode: str = "best") -> str:
        return "\n".join(Comparison(of, mode, 1, 0).notes())

    a = [evaluated("A", "wpg neural", seed, [1.0 + seed]) for seed in range(10)]
    b = [evaluated("A", "sac neural", seed, [1.5 + seed]) for seed in range(10)]
    assert notes(*a, *b) == ""
    assert "too short" in notes(*a[:9], *b)
    late = evaluated("A", "wpg neural", 10, [1.0], steps=40)
    said = notes(*a, late)
    assert "wpg neural-A-10 is unfinished: it is evaluated as it stands at step 40 of 100" in said
    assert "environment steps: 40 (seed 10), 100 (seeds 0, 1" in said
    wide = [evaluated("A", "sac neural", seed, [1.0], width=64) for seed in range(10)]
    assert "width is 256 in wpg neural, 64 in sac neural" in notes(*a, *wide)
    assert "learning_rate" not in notes(*a, *wide)
    slow = [
        evaluated("B", label, seed, [1.0], learning_rate=0.1)
        for label in ("wpg neural", "sac neural")
        for seed in range(10)
    ]
    assert "settings of wpg neural differ between environments: learning_rate" in notes(
        *a, *b, *slow
    )
    assert "sac neural has one candidate: its medoid is a sample" in notes(*b, mode="medoid")
    high = [evaluated("A", "sac neural", seed, [50.0 + seed]) for seed in range(10)]
    assert "every run of sac neural scores higher than every run of wpg neural" in notes(*a, *high)


@pytest.mark.parametrize(
    ("returns", "digits"),
    [([0.0, 0.0], 1), ([5.0, 5.0], 2), ([1000.0, 3000.0], 1), ([0.01, 0.03], 4), ([0.0, 1e-9], 6)],
)
def test_decimals(returns: list[float], digits: int) -> None:
    assert comparison.decimals(Evaluation(tuple(returns), (1, 1))) == digits


# The program


@pytest.mark.end_to_end
def test_the_program_compares_run_folders(tmp_path: Path, capsys: Any) -> None:
    folders = [
        trained(tmp_path / f"{kind.split()[0]}{seed}", kind, seed)
        for kind in ("wpg neural", "sac neural")
        for seed in (0, 1)
    ]
    kernel = trained(tmp_path / "kernel", "wpg kernel", 0)
    capsys.readouterr()

    # One: episodes and their mean, as in result.json.
    assert main(["evaluate", str(folders[0])]) == 0
    shown = capsys.readouterr().out.splitlines()
    result = json.loads((folders[0] / "result.json").read_text())
    assert shown[0].startswith(f"episode 0: return {result['returns'][0]:.1f}, ")
    assert len(shown) == 11
    assert shown[-1].startswith(f"mean return {result['mean_return']:.1f} +- ")

    path = tmp_path / "all.json"
    asked = ["evaluate", *map(str, folders), "--episodes", "4", "--json", str(path)]
    shown_of: dict[str, dict[str, Any]] = {}
    for mode in ("best", "gibbs"):
        assert main([*asked, "--mode", mode]) == 0
        text = capsys.readouterr().out
        assert text.splitlines()[0] == (
            f"4 runs, 4 episodes each from the same starts (--seed 0), actions: {mode}"
        )
        columns = text.splitlines()[1].split()
        assert columns[:5] == [str(folders[0]), "tests/Slide-v0", "wpg", "neural", "seed"]
        assert f"-> {path}" in text
        content = json.loads(path.read_text())
        assert content["mode"] == mode
        assert [run["run"] for run in content["runs"]] == list(map(str, folders))
        assert [run["finished"] for run in content["runs"]] == [True] * 4
        (groups,) = content["environments"].values()
        assert [(group["group"], group["seeds"]) for group in groups] == [
            ("wpg neural", [0, 1]),
            ("sac neural", [0, 1]),
        ]
        shown_of[mode] = content
    best = shown_of["best"]["runs"][0]
    assert best["returns"] == result["returns"][:4]
    assert shown_of["gibbs"]["runs"][0]["returns"] != best["returns"]

    # What cannot be done is said before anything is evaluated.
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    unstarted = tmp_path / "unstarted"
    unstarted.mkdir()
    (unstarted / "config.json").write_text((folders[0] / "config.json").read_text())
    cut = tmp_path / "cut"
    (cut / "checkpoint").mkdir(parents=True)
    (cut / "config.json").write_text((folders[0] / "config.json").read_text())
    whole = (folders[0] / CHECKPOINT).read_bytes()
    (cut / CHECKPOINT).write_bytes(whole[: len(whole) // 2])
    first = str(folders[0])
    for arguments, words in (
        ([str(nothing)], (str(nothing), "no run folder")),
        ([str(unstarted)], (str(unstarted), "no checkpoint")),
        ([str(cut)], (str(cut), "damaged")),
        ([str(tmp_path / "missing")], ("missing", "no such file")),
        ([first], (first, f"{first} and {first} are both wpg neural", "seed 0")),
        ([str(kernel), "--mode", "gibbs"], (str(kernel), "mode is 'gibbs'")),
        (["--episodes", "0"], ("episodes is 0",)),
        (["--seed", "-1"], ("seed is -1",)),
        (["--json", str(tmp_path)], ("cannot be written",)),
    ):
        assert main(["evaluate", first, *arguments]) == 2
        said = capsys.readouterr()
        assert "mean return" not in said.out
        assert said.err.count("\n") == 1
        for word in words:
            assert word in said.err


def test_an_environment_that_is_missing_is_named_first(tmp_path: Path, capsys: Any) -> None:
    import gymnasium

    gymnasium.register("tests/Gone-v0", small_environments.Slide)
    there = saved(tmp_path, "there", "wpg neural")
    gone = saved(tmp_path, "gone", "wpg neural", "tests/Gone-v0")
    del gymnasium.registry["tests/Gone-v0"]
    assert main(["evaluate", str(there), str(gone)]) == 2
    said = capsys.readouterr()
    assert str(gone) in said.err
    assert "Gone" in said.err
    assert "mean return" not in said.out


def test_a_run_that_breaks_is_named(tmp_path: Path, capsys: Any) -> None:
    there = saved(tmp_path, "there", "wpg neural")
    broken = saved(tmp_path, "broken", "wpg neural", "tests/Broken-v0")
    assert main(["evaluate", str(there), str(broken)]) == 2
    assert f"wpg: {broken}: tests/Broken-v0 gave reward nan" in capsys.readouterr().err


def test_a_run_that_goes_on_is_taken_as_it_stands(tmp_path: Path, capsys: Any) -> None:
    done = trained(tmp_path / "done", "wpg neural", 0)
    going = trained(tmp_path / "going", "wpg neural", 1, total_steps=40)
    config = json.loads((going / "config.json").read_text())
    (going / "config.json").write_text(json.dumps({**config, "total_steps": 60}))
    (going / "result.json").unlink()
    assert main(["evaluate", str(done), str(going), "--episodes", "2"]) == 0
    text = capsys.readouterr().out
    assert f"{going} is unfinished: it is evaluated as it stands at step 40 of 60" in text
    assert "environment steps: 40 (seed 1), 60 (seed 0)" in text
