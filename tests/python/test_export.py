"""Exported policies: NumPy alone runs them, and they do what the agent does."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import network_rounding
import small_environments
from wpg import UsageError, cli, numpy_policy, runs
from wpg.agents import WPG, make_agent
from wpg.critics import KernelQ, NeuralQ
from wpg.noise import generator, standard_normal
from wpg.reference.critics import kernel_q_terms

small_environments.register()

U = 2.0**-24
KERNEL: dict[str, Any] = {
    "warmup_steps": 60,
    "refit_interval": 60,
    "evaluation_interval": 0,
    "centers": 60,
    "planned_states": 120,
    "dynamics_centers": 60,
    "particles": 16,
    "sweeps": 60,
}
NEURAL: dict[str, Any] = {
    "width": 24,
    "depth": 2,
    "warmup_steps": 30,
    "batch_size": 16,
    "evaluation_interval": 0,
}
NEURAL_KINDS: dict[str, dict[str, Any]] = {
    "default": {"evaluation_candidates": 8},
    "silu": {"activation": "silu", "layer_norm": False, "ensemble": 3},
    "normal latents, raw": {
        "evaluation_candidates": 8,
        "latents": "normal",
        "latent_scale": 0.5,
        "normalise_observations": False,
    },
    "one Gaussian": {"latent_size": 0},
    "sac": {"agent": "sac"},
}


@functools.cache
def neural(kind: str, env: str = "tests/Many3-v0") -> Any:
    settings = {"agent": "wpg", **NEURAL, **NEURAL_KINDS[kind]}
    return make_agent(env, critic="neural", seed=2, **settings).learn(120)


@functools.cache
def kernel(env: str) -> Any:
    return make_agent(env, agent="wpg", critic="kernel", seed=2, **KERNEL).learn(150)


def exported(agent: Any, folder: Path) -> Any:
    path, _ = agent.export_numpy(folder / "policy.npz")
    return numpy_policy.load(path)


def observations(agent: Any, count: int = 40) -> NDArray[np.float32]:
    return agent.replay.observations[-count:]


# Neural agents


def rounding_of_points(agent: Any, state: NDArray[np.float32], latents: Any) -> NDArray[Any]:
    """What float32 may make of mu (N, D), from the running error bound of the forward pass."""
    network = agent.averaged_policy.network
    latents = latents[None] if latents.size else None
    error = network_rounding.outputs(network, state[None], latents)[1]
    return error[0, 0, :, : agent.env.action_size]


@pytest.mark.twin
@pytest.mark.parametrize("kind", NEURAL_KINDS)
def test_neural_actions_are_those_of_the_agent(kind: str, tmp_path: Path) -> None:
    """The bound of `wpg.export`, whose 12 u are tanh's: 4 u of the compiled one (`wpg.squash`), 8 u
    (4 units in the last place) of NumPy's. Two candidates whose values are nearer than what
    float32 may make of them are left out here; `test_..._value` looks at them too."""
    agent = neural(kind)
    policy = exported(agent, tmp_path)
    half, size = agent._half.astype(float), np.abs(agent._low) + np.abs(agent._high)
    clear = 0
    for seen in observations(agent):
        expected, found = agent.predict(seen)[0], policy(seen)
        assert found.dtype == np.float32
        state = agent._states(seen[None])
        np.testing.assert_array_equal(policy._row(seen), seen)
        if agent.config.normalise_observations:
            np.testing.assert_array_equal(policy._normalised(seen), state[0])
        error = rounding_of_points(agent, state[0], policy.arrays["latents"])
        if policy.about["critics"]:
            points = agent.averaged_policy.points(state, agent.config.evaluation_candidates)
            q, off = critic_values(agent, state, points, error)
            best = int(q.argmax())
            if (np.delete(q + off, best) >= q[best] - off[best]).any():
                continue
            error = error[best]
        clear += 1
        bound = half * (2 * error.max(axis=0, initial=0.0) if error.ndim == 2 else 2 * error)
        bound = bound + half * 12 * U + 4 * U * size
        assert (np.abs(found.astype(float) - expected) <= bound).all()
    assert clear >= 10


def critic_values(
    agent: Any, state: Any, points: Any, error: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Q (N,) in float64 at the points, and how far a float32 value may be from it whose point is
    off by 2 `error` + 12 u: |dq| <= sum_d |slope_d| |dy_d|, the slopes' own change left to the
    factor 2."""
    values, off = network_rounding.outputs(agent.critic.network, state, points)
    _, gradient = agent.critic.value_and_action_gradient(state, points)
    moved = 2 * (np.abs(gradient[0]) * (2 * error + 12 * U)).sum(axis=1)
    return values[:, 0, :, 0].min(axis=0), off[:, 0, :, 0].max(axis=0) + moved


@pytest.mark.twin
def test_neural_actions_have_the_best_value(tmp_path: Path) -> None:
    """Whichever candidate is chosen, its value is the largest but for rounding."""
    agent = neural("default")
    policy = exported(agent, tmp_path)
    for seen in observations(agent):
        state = agent._states(seen[None])
        error = rounding_of_points(agent, state[0], policy.arrays["latents"])
        points = agent.averaged_policy.points(state, agent.config.evaluation_candidates)
        q, off = critic_values(agent, state, points, error)
        chosen = np.abs(policy(seen) - agent._to_env(points[0])).max(axis=1).argmin()
        assert q[chosen] + off[chosen] >= (q - off).max()


class Prepared:
    """Gives these normal and uniform numbers, as a numpy.random.Generator would."""

    def __init__(self, normals: list[NDArray[Any]], uniform: float = 0.5) -> None:
        self.normals, self.uniform = normals, uniform

    def standard_normal(self, shape: Any) -> NDArray[Any]:
        return self.normals.pop(0).reshape(shape)

    def random(self) -> float:
        return self.uniform


@pytest.mark.twin
@pytest.mark.parametrize("kind", NEURAL_KINDS)
def test_neural_draws_are_those_of_the_same_noise(kind: str, tmp_path: Path) -> None:
    """y = mu + sigma xi: with e the bounds on mu and log sigma, y is off by 2 (e + sigma |xi| e')
    and three roundings of 1 + |y|, 4 units of exp among them; a as above."""
    agent = neural(kind)
    policy = exported(agent, tmp_path)
    D, L = agent.env.action_size, agent.policy.latent_size
    half, size = agent._half.astype(float), np.abs(agent._low) + np.abs(agent._high)
    for step, seen in enumerate(observations(agent, 20)):
        noise = standard_normal(
            (1, 1, L + D), seed=agent.policy.seed, step=step, stream="evaluation"
        )
        found = policy.sample(seen, Prepared([noise]))
        expected = agent.predict(seen, deterministic=False, step=step)[0]
        state = agent._states(seen[None])
        cloud = agent.averaged_policy.draw(state, 1, step=step, stream="evaluation")
        z = agent.averaged_policy._latents(noise[..., :L]) if L else None
        error = network_rounding.outputs(agent.averaged_policy.network, state, z)[1][0, 0, 0]
        spread = np.abs(np.exp(cloud.log_deviation) * cloud.noise)[0, 0]
        off = 2 * (error[:D] + spread * error[D:]) + 16 * U * (1 + spread)
        bound = half * (off + 12 * U) + 4 * U * size
        assert (np.abs(found.astype(float) - expected) <= bound).all()


# The kernel agent


@functools.cache
def tame(env: str) -> Any:
    """A kernel agent whose critic has weights that do not cancel, so that float32 says much."""
    agent = make_agent(env, agent="wpg", critic="kernel", seed=2, **KERNEL).learn(80)
    rng, q = np.random.default_rng(8), agent.critic.realist.q
    O, D = q.center_states.shape[1], q.center_actions.shape[1]
    agent.critic.realist.q = KernelQ(
        rng.uniform(-1, 1, (12, O)).astype(np.float32),
        rng.uniform(-1, 1, (12, D)).astype(np.float32),
        rng.normal(0, 1, 12).astype(np.float32),
        state_lengthscale=2.0,
        action_lengthscale=0.7,
    )
    return agent


class KernelRounding:
    """Values and gradients of a KernelQ at one state by the twin, and how far arithmetic of unit
    roundoff `u` may be from them. In float64: what `KernelQ` states, all its centres counted. In
    float32, where that says little: twice what the compiled Q is off at these points."""

    def __init__(self, q: Any, state: NDArray[np.float32], u: float) -> None:
        self.q, self.state, self.u = q, state, u
        (M, O), D = q.center_states.shape, q.center_actions.shape[1]
        scaled = (q.center_states / q.state_lengthscale, q.center_actions / q.action_lengthscale)
        norms = [np.linalg.norm(rows, axis=1).max() for rows in scaled]
        self.R = max(*norms, float(np.linalg.norm(state / q.state_lengthscale)))
        L = np.abs(np.log2(np.abs(q.weights[q.weights != 0]))).max()
        self.e = (M + 6 * (O + D + 4) * (1 + self.R) ** 2 + 2 * L) * u

    def __call__(self, points: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Q (N,), its error, g (N, D), and the error's norm (N,)."""
        q = self.q
        values, slopes, _ = kernel_q_terms(
            q.center_states,
            q.center_actions,
            q.weights,
            self.state[None],
            points[None],
            state_lengthscale=q.state_lengthscale,
            action_lengthscale=q.action_lengthscale,
        )
        length, centers = q.action_lengthscale.astype(float), q.center_actions.astype(float)
        away, middle = centers - points[:, None], centers.mean(axis=0)
        gradient = (slopes[0][..., None] * away).sum(axis=1) / length**2
        arms = (np.abs(centers - middle) + np.abs(points[:, None] - middle)) / length**2
        terms = np.abs(slopes[0])[..., None]
        off = self.e * (terms * arms).sum(axis=1)
        off += 4 * (1 + self.R) * self.u * (terms / length).sum(axis=1)
        value, value_off = values[0].sum(axis=1), self.e * np.abs(values[0]).sum(axis=1)
        if self.u == U:
            its = q.value_and_action_gradient(self.state[None], points[None].astype(np.float32))
            value_off = 2 * np.abs(its[0][0] - value) + 4 * U * np.abs(value)
            off = 2 * np.abs(its[1][0] - gradient) + 4 * U * np.abs(gradient)
        return value, value_off, gradient, np.linalg.norm(off, axis=1)

    def curved(self, points: NDArray[Any]) -> NDArray[Any]:
        """The norm of g' (N,) by central differences, half as much again for what is beyond first
        order."""
        h, D = 1e-4, points.shape[1]
        columns = [self(points + h * e)[2] - self(points - h * e)[2] for e in np.eye(D)]
        return 1.5 * np.linalg.norm(np.stack(columns, axis=2) / (2 * h), ord=2, axis=(1, 2))


def ascent(agent: Any, state: NDArray[np.float32], u: float) -> tuple[NDArray[Any], float] | None:
    """`ParticlePolicy.best` by the twin, and how far arithmetic of roundoff u may be from it, as
    `wpg.export` says; None where that may take another candidate."""
    rounding = KernelRounding(agent.critic.realist.q, state, u)
    _, low, high = agent.env.support.arrays(agent.env.action_size, np.float64)
    size = np.abs(low).max() + np.abs(high).max()
    start = agent.policy.start(1)[0].astype(float)
    values, off, *_ = rounding(start)
    order = np.argsort(-values, kind="stable")
    top, rest = order[:4], order[4:]
    if (values[top] - off[top]).min() <= (values[rest] + off[rest]).max():
        return None
    points, delta = start[top], np.zeros(4)
    found = [(points[:1], values[top][:1], off[top][:1], delta[:1])]
    reach = agent.policy.half_width * 2 / agent.policy.particles ** (1 / len(low))
    for _ in range(5):
        _, _, gradient, wrong = rounding(points)
        length, wrong = np.linalg.norm(gradient, axis=1), wrong + rounding.curved(points) * delta
        if (wrong >= length / 2).any():
            return None
        turned = 0.0 if len(low) == 1 else 2 * wrong / length
        delta = delta + reach * (turned + 8 * u) + 2 * u * size
        points = np.clip(points + reach * gradient / length[:, None], low, high)
        values, off, gradient, _ = rounding(points)
        moved = (np.linalg.norm(gradient, axis=1) + rounding.curved(points) * delta) * delta
        found.append((points, values, off + moved, delta))
        reach /= 2
    points, values, off, delta = (np.concatenate(parts) for parts in zip(*found, strict=True))
    best = int(values.argmax())
    # Candidates that are one point but for rounding may stand for each other.
    others = np.abs(points - points[best]).max(axis=1) > delta + delta[best]
    if (values[others] + off[others] >= values[best] - off[best]).any():
        return None
    return points[best], float((2 * delta[~others] + delta[best]).max() + u * size)


ENVIRONMENTS = ["tests/Slide-v0", "tests/Many2-v0", "tests/Many3-v0"]


@pytest.mark.twin
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_kernel_actions_are_those_of_the_twin(env: str, tmp_path: Path) -> None:
    """Of trained critics, whose weights cancel: in float64, but for the rounding of the result."""
    agent = kernel(env)
    policy, clear = exported(agent, tmp_path), 0
    for seen in observations(agent, 12):
        expected = ascent(agent, seen, 2.0**-53)
        if expected is not None:
            clear += 1
            found = policy(seen).astype(float)
            assert (np.abs(found - expected[0]) <= expected[1] + 2 * U).all()
    assert clear >= 8


@pytest.mark.twin
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_kernel_actions_are_those_of_the_agent(env: str, tmp_path: Path) -> None:
    agent = tame(env)
    policy, clear = exported(agent, tmp_path), 0
    for seen in observations(agent):
        expected = ascent(agent, seen, U)
        if expected is not None:
            clear += 1
            action, bound = expected
            assert (np.abs(policy(seen) - action) <= bound).all()
            assert (np.abs(agent.predict(seen)[0] - action) <= bound).all()
    assert clear >= 4


@pytest.mark.twin
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_kernel_actions_of_a_trained_critic_are_as_good_as_the_agent_s(
    env: str, tmp_path: Path
) -> None:
    """Where float32 may decide between candidates: by the twin's Q, the exported action is better
    than the agent's or worse by no more than the agent's Q is off at all that it compares."""
    agent = kernel(env)
    policy = exported(agent, tmp_path)
    q = agent.critic.realist.q
    for seen in observations(agent):
        rounding = KernelRounding(q, seen, U)
        start = agent.policy.start(1)[0]
        off = np.abs(q.value(seen[None], start[None])[0] - rounding(start.astype(float))[0]).max()
        mine, its = policy(seen), agent.predict(seen)[0]
        values = rounding(np.stack([mine, its]).astype(float))[0]
        assert values[0] >= values[1] - off


@pytest.mark.twin
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_kernel_draws_are_those_of_the_same_noise(env: str, tmp_path: Path) -> None:
    """A step of size eta takes an error delta to (1 + eta |g'|) delta + eta E + 8 u |a|; folding at
    a wall adds none. Where the uniform number falls between the weights of two particles to
    rounding, the other one is chosen; that is rare."""
    agent = tame(env)
    policy = exported(agent, tmp_path)
    c, (_, low, high) = agent.config, agent.env.support.arrays(agent.env.action_size, float)
    size, near = np.abs(low).max() + np.abs(high).max(), 0
    for step, seen in enumerate(observations(agent)):
        normals = [
            standard_normal((1, c.particles, len(low)), seed=2, step=step * c.langevin_steps + k)
            for k in range(c.langevin_steps)
        ]
        uniform = generator(2, "evaluation", step).random(1)[0]
        found = policy.sample(seen, Prepared(normals, uniform))
        expected = agent.predict(seen, deterministic=False, step=step)[0]
        rounding = KernelRounding(agent.critic.realist.q, seen, U)
        anywhere = np.random.default_rng(0).uniform(low, high, (50, len(low)))
        off, curved = rounding(anywhere)[3], rounding.curved(anywhere)
        eta = agent.policy.largest_step(agent.temperature)
        delta = 0.0
        for _ in range(c.langevin_steps):
            delta = (1 + eta * curved.max()) * delta + eta * 2 * off.max() + 8 * U * size
        near += bool((np.abs(found - expected) <= delta).all())
    assert near >= 38


# The two files

ALONE = """
import importlib.util, json, sys
sys.path[:0] = [{packages!r}, {folder!r}]
import numpy as np
from numpy_policy import load
assert importlib.util.find_spec("wpg") is None and importlib.util.find_spec("gymnasium") is None
policy = load({folder!r} + "/policy.npz")
seen = np.load({folder!r} + "/seen.npy")
drawn = [policy.sample(one, np.random.default_rng(7)) for one in seen]
np.save({folder!r} + "/done.npy", [[policy(one) for one in seen], drawn])
"""


@pytest.mark.end_to_end
@pytest.mark.parametrize("critic", ["kernel", "neural"])
def test_the_two_files_run_where_there_is_numpy_and_nothing_else(
    critic: str, tmp_path: Path
) -> None:
    """The same bits as with the package around: it is the same file."""
    agent = kernel("tests/Slide-v0") if critic == "kernel" else neural("default")
    seen = observations(agent, 10)
    policy = exported(agent, tmp_path / "robot")
    np.save(tmp_path / "robot" / "seen.npy", seen)
    packages = tmp_path / "packages"  # NumPy's, without those beside it
    packages.mkdir()
    beside = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (beside / name).exists():
            (packages / name).symlink_to(beside / name)
    code = ALONE.format(packages=str(packages), folder=str(tmp_path / "robot"))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    best, drawn = np.load(tmp_path / "robot" / "done.npy")
    np.testing.assert_array_equal(best, [policy(one) for one in seen])
    again = [policy.sample(one, np.random.default_rng(7)) for one in seen]
    np.testing.assert_array_equal(drawn, again)


def test_the_module_asks_for_numpy_alone_and_for_no_new_python() -> None:
    source = Path(numpy_policy.__file__).read_text()
    imported = set()
    for node in ast.walk(ast.parse(source, feature_version=(3, 8))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    assert imported == {"__future__", "json", "typing", "numpy", "numpy.typing"}


@pytest.mark.parametrize(("agent", "critic"), [("wpg", "kernel"), ("wpg", "neural")])
def test_dicts_and_matrices_of_actions_are_taken_and_given(
    agent: str, critic: str, tmp_path: Path
) -> None:
    settings = KERNEL if critic == "kernel" else NEURAL
    learner = make_agent("tests/SlideMatrix-v0", agent=agent, critic=critic, seed=2, **settings)
    policy = exported(learner.learn(70), tmp_path)
    one = {"time": np.array([3.0]), "place": np.array([0.5], np.float32)}
    action = policy(one)
    assert action.shape == policy.sample(one, np.random.default_rng(0)).shape == (1, 1)
    assert action.dtype == np.float32
    np.testing.assert_array_equal(policy([0.5, 3.0]), action)
    rng = np.random.default_rng(0)
    assert len({policy.sample(one, rng).item() for _ in range(9)}) > 3
    for wrong in (0.5, [0.5], [0.5, np.nan], {"place": [0.5], "time": [1.0, 2.0]}):
        with pytest.raises(ValueError, match="2 finite numbers"):
            policy(wrong)


def test_parts_in_tuples_are_laid_side_by_side() -> None:
    layout = {"a": [1, {"b": 2}], "c": 1}
    given = {"c": 4.0, "a": ([1.0], {"b": np.array([[2], [3]])})}
    assert numpy_policy._flat(layout, given).tolist() == [1, 2, 3, 4]


def test_nothing_is_exported_before_anything_is_learned(tmp_path: Path) -> None:
    for critic, settings in (("kernel", KERNEL), ("neural", NEURAL)):
        agent = make_agent("tests/Slide-v0", agent="wpg", critic=critic, seed=0, **settings)
        with pytest.raises(UsageError, match="after 20 steps nothing has been learned"):
            agent.learn(20).export_numpy(tmp_path / "policy.npz")
    assert not list(tmp_path.iterdir())


def test_a_critic_of_one_s_own_is_exported_where_it_is_not_needed(tmp_path: Path) -> None:
    def learned(**more: Any) -> Any:
        critic = NeuralQ(1, 1, hidden=(8,), aggregate="mean", seed=0)
        return WPG("tests/Slide-v0", critic=critic, **{**NEURAL, **more}).learn(40)

    with pytest.raises(UsageError, match="evaluation_candidates=1"):
        learned().export_numpy(tmp_path / "policy.npz")
    agent = learned(evaluation_candidates=1)
    policy = exported(agent, tmp_path)
    assert policy.about["critics"] == 0
    state = agent._states(np.array([[0.5]], np.float32))
    error = rounding_of_points(agent, state[0], policy.arrays["latents"]).item()
    expected = agent.predict([0.5])[0]
    np.testing.assert_allclose(policy([0.5]), expected, rtol=0, atol=2 * error + 20 * U)


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    agent = kernel("tests/Slide-v0")
    with pytest.raises(UsageError, match=r"must end in \.npz"):
        agent.export_numpy(tmp_path / "policy")
    (tmp_path / "numpy_policy.py").write_text("mine = 1\n")
    with pytest.raises(UsageError, match="nothing was written"):
        agent.export_numpy(tmp_path / "policy.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["numpy_policy.py"]
    (tmp_path / "numpy_policy.py").unlink()
    agent.export_numpy(tmp_path / "one.npz")
    files = agent.export_numpy(tmp_path / "two.npz")  # beside the first, with one module
    assert files == (tmp_path / "two.npz", tmp_path / "numpy_policy.py")
    assert len(list(tmp_path.iterdir())) == 3


def test_files_that_are_no_policy_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(1))
    with pytest.raises(ValueError, match="no exported policy"):
        numpy_policy.load(tmp_path / "other.npz")
    kernel("tests/Slide-v0").export_numpy(tmp_path / "policy.npz")
    with np.load(tmp_path / "policy.npz") as file:
        arrays = dict(file)
    about = {**json.loads(arrays["about.json"].tobytes()), "format": 99}
    arrays["about.json"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(tmp_path / "later.npz", **arrays)
    with pytest.raises(ValueError, match=r"format 99; copy the \.py"):
        numpy_policy.load(tmp_path / "later.npz")


@pytest.mark.end_to_end
def test_the_command_exports_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    runs.train(
        "tests/Slide-v0", seed=0, total_steps=80, folder=run, settings=dict(KERNEL), quiet=True
    )
    assert cli.main(["export", str(run)]) == 0
    said = capsys.readouterr().out
    assert "policy(observation)  # (1,) -> (1,)" in said
    policy = numpy_policy.load(run / "export" / "policy.npz")
    assert policy.about["env"] == "tests/Slide-v0"
    assert policy.about["env_steps"] == 80
    assert cli.main(["export", str(run / "checkpoint" / "agent.npz"), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "policy.npz").read_bytes() == (run / "export/policy.npz").read_bytes()
    capsys.readouterr()
    assert cli.main(["export", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
