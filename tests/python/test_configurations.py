"""Configurations: who says what, in which order, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import pytest

import wpg  # noqa: F401 (registers its environments)
from wpg.cli import main
from wpg.configurations import configure, named, names
from wpg.errors import UsageError

FILE = """
env = "wpg/LQR-v0"
seed = 7

[kernel]
total_steps = 120
warmup_steps = 40
centers = 20
planned_states = 30
dynamics_centers = 30
evaluation_interval = 60
evaluation_episodes = 2
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", names())
def test_every_named_configuration_is_of_an_environment_and_right(name: str) -> None:
    ids = [id for id in gymnasium.registry if named(id) is not None and named(id).stem == name]  # type: ignore[union-attr]
    assert ids, name
    for agent, critic in (("wpg", "kernel"), ("wpg", "neural"), ("sac", None)):
        configure(ids[0], agent=agent, critic=critic)


@pytest.mark.parametrize("env", ["Pendulum-v1", "HalfCheetah-v5", "wpg/LQR-v0", "Unknown-v3"])
@pytest.mark.parametrize("agent", ["wpg", "sac"])
def test_what_is_printed_says_the_same_as_a_file(env: str, agent: str, tmp_path: Path) -> None:
    said = configure(env, agent=agent, texts={"temperature": "1e-07"}, seed=2**62)
    again = configure(None, file=written(tmp_path, said.text()))
    assert (again.env, again.agent, again.critic, again.seed) == (env, agent, said.critic, 2**62)
    assert again.total_steps == said.total_steps
    assert {name: again.settings[name] for name in said.settings} == said.settings
    assert again.settings["temperature"] == 1e-07
    assert configure(None, file=tmp_path / "mine.toml", texts={}).text().count("mine.toml") > 15


def test_later_words_count(tmp_path: Path) -> None:
    plain = configure("Pendulum-v1")
    assert (plain.critic, plain.total_steps, plain.seed) == ("kernel", 3000, 0)
    assert plain.sources["critic"] == "named configuration Pendulum.toml"
    path = written(tmp_path, 'critic = "neural"\nseed = 3\n[neural]\nbatch_size = 64\nwidth = 32\n')
    mine = configure("Pendulum-v1", file=path, texts={"width": "16"}, total_steps=9)
    assert (mine.critic, mine.seed, mine.total_steps) == ("neural", 3, 9)
    assert mine.settings == {"batch_size": 64, "width": 16}
    assert mine.sources["batch_size"] == mine.sources["critic"] == str(path)
    assert mine.sources["width"] == mine.sources["total_steps"] == "command line"
    assert configure("Pendulum-v1", file=path, critic="kernel").settings == {}
    assert configure("Pendulum-v1", agent="sac").critic == "neural"
    assert configure("Nothing-v0").total_steps == 3000
    assert configure("Nothing-v0", critic="neural").total_steps == 100_000
    assert configure("a.module:Hopper-v4").critic == "neural"
    assert configure("Hopper-variant-v3").critic == "kernel"  # of somebody else's
    # Who turns the agent back gets the critic that was named, and not that of sac.
    path = written(tmp_path, 'agent = "sac"\n')
    assert configure("Pendulum-v1", file=path).critic == "neural"
    back = configure("Pendulum-v1", file=path, agent="wpg")
    assert (back.critic, back.sources["critic"]) == ("kernel", "named configuration Pendulum.toml")
    path = written(tmp_path, 'agent = "sac"\ncritic = "kernel"\n')
    with pytest.raises(UsageError, match="kernel"):
        configure("Pendulum-v1", file=path)
    # Settings of another kind of run would change nothing.
    path = written(tmp_path, "[neural]\nwidth = 8\n")
    with pytest.raises(
        UsageError, match=r"settings of \[neural\], and this is a run of \[kernel\]"
    ):
        configure("Pendulum-v1", file=path)
    assert configure("Pendulum-v1", file=path, critic="neural").settings == {"width": 8}
    path.write_bytes(b"\xef\xbb\xbfseed = 3")  # as some editors begin a file
    assert configure("Pendulum-v1", file=path).seed == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = x", "is not TOML.*line 1"),
        ('seed = "7"', "seed is '7'; it must be int"),
        ("seed = true", "seed is True"),
        ("seed = -1", "seed is -1"),
        ('agent = "ppo"', "agent is 'ppo'"),
        ("[neurl]\nwidth = 3", r"no 'neurl' at the top; did you mean \[neural\]"),
        ("width = 3", "no 'width' at the top; known are"),
        ("neural = 3", "no 'neural' at the top"),
        ("[kernel]\ncentres = 3", r"\[kernel\]: there is no setting 'centres'; did you mean 'cen"),
        ("[kernel]\ncenters = 3.5", r"\[kernel\]: centers is 3.5; it must be int"),
        ('[sac]\nlayer_norm = "yes"', r"\[sac\]: layer_norm is 'yes'; it must be bool"),
        ("[kernel]\ntemperature = nan", "temperature is nan"),
        ("[kernel]\ntotal_steps = 1.5", "total_steps is 1.5"),
        ("[sac]\ntotal_steps = 0", r"\[sac\]: total_steps is 0"),
        ("[sac]\nseed = 3", r"\[sac\]: seed is no setting; it is given as --seed"),
        ("[neural]\nlearning_rate = " + 400 * "9", "learning_rate is inf"),
        ("a = " + 5000 * "[", "is not TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        configure("Pendulum-v1", file=written(tmp_path, text))
    with pytest.raises(UsageError, match="No such file"):
        configure("Pendulum-v1", file=tmp_path / "none.toml")
    with pytest.raises(UsageError, match="which environment"):
        configure(None)


@pytest.mark.end_to_end
def test_a_file_trains_what_the_same_words_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, FILE)
    assert main(["train", "--config", str(path), "--out", str(tmp_path / "a"), "--quiet"]) == 0
    words = [line.replace(" ", "") for line in FILE.splitlines()[6:]]
    given = [part for pair in words for part in ("--set", pair)]
    command = ["train", "wpg/LQR-v0", "--seed", "7", "--total-steps", "120", *given]
    assert main([*command, "--out", str(tmp_path / "b"), "--quiet"]) == 0
    first, second = (json.loads((tmp_path / run / "config.json").read_text()) for run in "ab")
    assert first == second
    first, second = ((tmp_path / run / "evaluations.csv").read_bytes() for run in "ab")
    assert first == second
    capsys.readouterr()
    assert main(["config", "--config", str(path), "--num-envs", "2"]) == 0
    shown = capsys.readouterr().out
    assert "num_envs = 2" in shown
    assert "seed = 7" in shown
    assert main(["config"]) == 0
    assert "Pendulum" in capsys.readouterr().out
