"""Bad input to exact problems, planning and certificates: refused by name, in one line.

Warnings are errors in this suite, so a test also fails where NumPy complains on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wpg
from wpg.certificates import certify, certify_gaussian, certify_particles
from wpg.exact import (
    LQR,
    FiniteMDP,
    Tsallis,
    bias,
    double_well,
    gaussian_mixture,
    log_sobolev,
    multi_goal,
    ring,
    stationary_density,
    trig,
    von_mises,
)
from wpg.exact.squashed import squashed_chain
from wpg.reports import bias_report, flow_report, two_inputs
from wpg.supports import Box, Torus

MDP = trig()
GRID = MDP.grid(32)
UNIFORM = GRID.uniform(3)
ZERO = np.zeros(3)
LINEAR = two_inputs()
CLOUD = np.random.default_rng(0).random((3, 32, 1)) * 2.0 * np.pi
NAN = float("nan")
RAGGED = [[1.0], [1.0, 2.0]]


def refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, np.exceptions.AxisError)


def one(actions: Any) -> Any:
    return np.ones((*actions.shape[:2], 1))


def solve(**change: Any) -> Any:
    settings: dict[str, Any] = {
        "n_states": 1,
        "action_size": 1,
        "reward": lambda a: -(a[..., 0] ** 2),
        "transition": one,
        "support": Box(-1.0, 1.0),
        "discount": 0.5,
        "temperature": 0.5,
    }
    mdp = FiniteMDP(**{**settings, **change})
    mdp.q_gradient(np.zeros(1), np.zeros((1, 2, 1)))
    return mdp.solve(mdp.grid(8))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reward": lambda a: a}, r"reward returned shape \(1, 2, 1\); it must be \(1, 2\)"),
        ({"reward": lambda a: a[..., 0] * NAN}, "reward returned nan at"),
        ({"reward": lambda a: a[..., 0] + 0j}, "reward returned dtype complex128"),
        ({"reward": lambda a: None}, "reward returned dtype object"),
        ({"reward": lambda a: RAGGED}, "reward returned rows of different lengths"),
        ({"reward": 3}, "reward is 3; it must be a function"),
        ({"transition": lambda a: -one(a)}, "transition has the negative entry -1 at state 0"),
        ({"transition": lambda a: 0.9 * one(a)}, "transition has a row that sums to 0.9"),
        ({"transition": lambda a: NAN * one(a)}, "transition returned nan"),
        ({"transition": lambda a: one(a)[..., 0]}, "transition returned shape"),
        ({"reward_gradient": lambda a: a[..., 0]}, "reward_gradient returned shape"),
        ({"reward_gradient": lambda a: a + NAN}, "reward_gradient returned nan"),
        ({"reward_gradient": 3}, "reward_gradient is 3"),
        ({"transition_gradient": one}, "transition_gradient returned shape"),
        (
            {"expected_value_gradient": lambda a, rows, values: a[..., 0]},
            "expected_value_gradient returned shape",
        ),
        ({"n_states": 0}, "n_states is 0"),
        ({"n_states": 1.0}, "n_states is 1.0"),
        ({"n_states": True}, "n_states is True"),
        ({"action_size": 0}, "action_size is 0"),
        ({"discount": 1}, "discount is 1; it must be at least 0 and below 1"),
        ({"discount": -0.1}, "discount is -0.1"),
        ({"discount": NAN}, "discount is nan"),
        ({"discount": "0.9"}, "discount is '0.9'; it must be a number"),
        ({"discount": np.array([0.5])}, "discount is array"),
        ({"temperature": 0}, "temperature is 0; it must be positive"),
        ({"temperature": NAN}, "temperature is nan"),
        ({"temperature": 10**400}, "temperature is 1000.*it must be finite"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"temperature": np.ones(2)}, "temperature is array"),
        ({"support": None}, "support is None; it must be wpg.supports.Box or Torus"),
        ({"support": Box([-1, -1], [1, 1])}, "support does not match action_size 1"),
        ({"support": Torus([1.0, 1.0])}, "support does not match action_size 1"),
        ({"support": Box(-1, 1, boundary="clip")}, "boundary 'clip'"),
        ({"successors": [[1]]}, "successors must name states from 0 to 0"),
        ({"successors": [[-1]]}, "successors must name states"),
        ({"successors": [[0.0]]}, "successors has dtype float64; it must be ints"),
        ({"successors": [0]}, r"successors has shape \(1,\)"),
        ({"successors": [[0], [0]]}, r"successors has shape \(2, 1\)"),
        ({"successors": [[0, 0]]}, "transition returned shape .* it must be .*2"),
        ({"successors": [[0], [0, 1]]}, "successors has rows of different lengths"),
    ],
)
def test_problems(change: dict[str, Any], words: str) -> None:
    refused(lambda: solve(**change), words)


def test_extreme_problems_that_are_in_order() -> None:
    """Float32 rewards, a temperature that makes Gibbs a point, a discount near 1."""
    assert solve(reward=lambda a: a[..., 0].astype(np.float32)).value.dtype == np.float64
    assert np.isfinite(solve(temperature=1e-300).density).all()
    near = solve(discount=1.0 - 1e-12, transition=one)
    assert near.value[0] == pytest.approx(1e12 * solve(discount=0.0).value[0], rel=1e-3)


@pytest.mark.parametrize("n", [1, 0, -3, 32.0, True, "x", None])
def test_sizes_of_grids(n: Any) -> None:
    refused(lambda: MDP.grid(n), "n is .* it must be an int of at least 2")


def test_grids() -> None:
    refused(lambda: MDP.grid(10**9), "n is 1000000000; a grid .* at most n = 4000000")
    refused(lambda: trig(2, 2).grid(5000), "n is 5000; a grid of 2 dimensions may have at most")
    refused(lambda: trig(2, 3).grid(4), "action_size is 3; grids are for one and two dimensions")
    refused(lambda: GRID.normalise(np.zeros((3, 32))), "density integrates to 0")
    refused(lambda: GRID.tilted(3, NAN), "strength is nan")
    refused(lambda: GRID.uniform(0), "n_states is 0")
    assert np.isfinite(GRID.tilted(3, 1e6)).all()


WRONG_GRIDS = {
    "box": trig(support="box").grid(32),
    "plane": trig(3, 2).grid(8),
    "none": None,
    "number": 32,
}


@pytest.mark.parametrize("which", list(WRONG_GRIDS))
@pytest.mark.parametrize(
    "use",
    [
        lambda grid: MDP.solve(grid),
        lambda grid: MDP.soft_value_iteration(grid),
        lambda grid: MDP.evaluate(UNIFORM, grid),
        lambda grid: MDP.gibbs(ZERO, grid),
        lambda grid: MDP.policy_transition(UNIFORM, grid),
        lambda grid: MDP.fokker_planck(UNIFORM, grid, time=0.1, steps=1),
        lambda grid: MDP.langevin_operator(ZERO, grid, 0.1),
        lambda grid: MDP.mala_operator(ZERO, grid, 0.1),
        lambda grid: MDP.leimkuhler_matthews_operator(ZERO, grid, 0.1),
        lambda grid: bias.fixed_point(MDP, grid, 0.1),
        lambda grid: Tsallis(MDP).solve(grid),
        lambda grid: Tsallis(MDP).flow(UNIFORM, grid, time=0.1, steps=1),
        lambda grid: certify(MDP, UNIFORM, grid),
        lambda grid: certify_particles(MDP, CLOUD, grid=grid or 32),
        lambda grid: certify_particles(MDP, CLOUD, step_size=0.1, grid=grid or 32),
    ],
)
def test_grids_of_other_problems(which: str, use: Callable[[Any], Any]) -> None:
    refused(lambda: use(WRONG_GRIDS[which]), r"grid (covers|is <class)")


DENSITIES: dict[str, tuple[Any, str]] = {
    "negative": (np.where(np.arange(32) == 3, -UNIFORM, UNIFORM), "density is -0.159 at state 0"),
    "not normalised": (2.0 * UNIFORM, "density integrates to 2 at state 0"),
    "nan": (UNIFORM * NAN, "density holds numbers that are not finite"),
    "states": (UNIFORM[:2], r"density has shape \(2, 32\); it must be \(3, 32\)"),
    "vector": (UNIFORM[0], "density has shape"),
    "text": ("x", "density has dtype"),
    "complex": (UNIFORM + 0j, "density has dtype complex128"),
    "float32": (UNIFORM.astype(np.float32), "density integrates to 0.99999"),
    "ragged": ([[1.0], [1.0, 2.0], [3.0]], "density has rows of different lengths"),
}


@pytest.mark.parametrize("which", list(DENSITIES))
@pytest.mark.parametrize(
    "use",
    [
        lambda p: MDP.evaluate(p, GRID),
        lambda p: MDP.resolvent(p, GRID, ZERO),
        lambda p: MDP.policy_transition(p, GRID),
        lambda p: MDP.fokker_planck(p, GRID, time=0.1, steps=1),
        lambda p: MDP.fokker_planck_rate(p, GRID),
        lambda p: certify(MDP, p, GRID),
        lambda p: Tsallis(MDP).evaluate(p, GRID),
        lambda p: Tsallis(MDP).regulariser(p, GRID),
        lambda p: Tsallis(MDP).residual_parts(ZERO, p, GRID),
        lambda p: Tsallis(MDP).flow_rate(p, GRID),
        lambda p: Tsallis(MDP).flow(p, GRID, time=0.1, steps=1),
    ],
)
def test_densities(which: str, use: Callable[[Any], Any]) -> None:
    density, words = DENSITIES[which]
    refused(lambda: use(density), words)


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (np.zeros((3, 2, 1), np.float32), "actions has dtype float32; it must be float64"),
        (np.zeros((3, 2, 2)), r"actions has shape \(3, 2, 2\); it must be \(3, N, 1\)"),
        (np.zeros((2, 2, 1)), r"actions has shape \(2, 2, 1\)"),
        (np.full((3, 2, 1), NAN), "actions holds numbers that are not finite"),
        (None, "actions has dtype object"),
    ],
)
def test_actions(actions: Any, words: str) -> None:
    for use in (MDP.reward, MDP.transition, lambda a: MDP.q_gradient(ZERO, a)):
        refused(lambda use=use: use(actions), words)


@pytest.mark.parametrize("value", [np.zeros(2), np.zeros((3, 1)), ZERO + NAN, "x", ZERO + 0j])
def test_values(value: Any) -> None:
    refused(lambda: MDP.q(value, np.zeros((3, 2, 1))), "value (has|holds)")
    refused(lambda: MDP.langevin_operator(value, GRID, 0.1), "value (has|holds)")
    refused(lambda: MDP.resolvent(UNIFORM, GRID, value), "right (has|holds)")


@pytest.mark.parametrize("number", [-1, 0, NAN, float("inf"), "x", np.ones(2), True, 1j])
def test_numbers_that_must_be_positive(number: Any) -> None:
    words = "is .* it must be (positive|finite|a number)"
    best = MDP.solve(GRID)
    for use in (
        lambda x: MDP.fokker_planck(UNIFORM, GRID, time=x, steps=1),
        lambda x: Tsallis(MDP).flow(UNIFORM, GRID, time=x, steps=1),
        lambda x: MDP.langevin_operator(ZERO, GRID, x),
        lambda x: MDP.mala_operator(ZERO, GRID, x),
        lambda x: MDP.leimkuhler_matthews_operator(ZERO, GRID, x),
        lambda x: bias.fixed_point(MDP, GRID, x),
        lambda x: bias.step_size_for_gap(MDP, best, GRID, x),
        lambda x: bias.statistic_bias(MDP, best, GRID, ZERO, x),
        lambda x: von_mises(k=x),
        lambda x: double_well(k=x),
        lambda x: double_well(temperature=x),
        lambda x: gaussian_mixture(temperature=x),
        lambda x: multi_goal(step=x),
        lambda x: LINEAR.gap_floor(x),
        lambda x: LINEAR.gap_floor_leading(x),
        lambda x: LINEAR.wpg_step(np.zeros((2, 2)), np.eye(2), x),
        lambda x: log_sobolev.spectral_gap(UNIFORM, GRID, x),
    ):
        refused(lambda use=use: use(number), words)
    for use in (
        lambda x: bias.gap_floor(MDP, best, GRID, x),
        lambda x: wpg.plan(MDP, n_particles=16, iterations=1, step_size=x, seed=0),
        lambda x: certify_particles(MDP, CLOUD, step_size=x),
        lambda x: gaussian_mixture([[0.0], [1.0], [2.0]], std=x),
    ):
        refused(lambda use=use: use(number), "(step_size|std) (is|has)")


@pytest.mark.parametrize("steps", [0, -1, 1.0, "x", True, None])
def test_counts(steps: Any) -> None:
    words = "is .* it must be an int of at least"
    for use in (
        lambda n: MDP.fokker_planck(UNIFORM, GRID, time=0.1, steps=n),
        lambda n: MDP.soft_policy_iteration(GRID, most=n),
        lambda n: MDP.soft_value_iteration(GRID, most=n),
        lambda n: bias.fixed_point(MDP, GRID, 0.1, most=n),
        lambda n: Tsallis(MDP).solve(GRID, most=n),
        lambda n: trig(n_states=n),
        lambda n: trig(action_size=n),
        lambda n: ring(n_states=n),
        lambda n: ring(30, n_successors=n),
        lambda n: multi_goal(n_cells=n),
        lambda n: wpg.plan(MDP, n_particles=n, iterations=1, step_size=0.1, seed=0),
        lambda n: wpg.plan(MDP, n_particles=16, iterations=n, step_size=0.1, seed=0),
        lambda n: wpg.plan(MDP, n_particles=16, iterations=1, step_size=0.1, inner_steps=n, seed=0),
    ):
        refused(lambda use=use: use(steps), words)


def test_operators() -> None:
    for make in (MDP.langevin_operator, MDP.mala_operator):
        refused(
            lambda make=make: make(ZERO, GRID, 0.001), r"grid has n = 32, too coarse .*n >= 299"
        )
    assert MDP.langevin_operator(ZERO, MDP.grid(299), 0.001).shape == (3, 299, 299)
    refused(lambda: MDP.leimkuhler_matthews_operator(ZERO, GRID, 3.0), "step_size 3 is too large")
    box = trig(support="box")
    refused(lambda: box.leimkuhler_matthews_operator(ZERO, box.grid(8), 0.1), "grid is a box")
    refused(lambda: bias.fixed_point(MDP, GRID, 0.1, scheme="x"), "scheme is 'x'")
    # Noise that goes around the support any number of times is flat, and costs nothing.
    for step_size in (1e6, 1e20, 1e200):
        for mdp in (MDP, box):
            flat = mdp.langevin_operator(ZERO, mdp.grid(8), step_size)
            np.testing.assert_allclose(flat, 1.0 / 8.0, rtol=1e-12)
    refused(lambda: stationary_density(np.zeros((3, 5, 5)), GRID), "matrix has shape")


def test_regularisers() -> None:
    for q in (1.0, 0.5, -1):
        refused(lambda q=q: Tsallis(MDP, q), "q is .* it must be above 1")
    refused(lambda: Tsallis(MDP, NAN), "q is nan")
    refused(lambda: Tsallis(LINEAR), "mdp is LQR")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"squash": "x"}, "squash is 'x'"),
        ({"n": 1}, "n is 1"),
        ({"n": 20}, "grid has n = 20, too coarse .*n >= 86"),
        ({"low": 1.0, "high": -1.0}, "low is 1 and high is -1"),
        ({"low": NAN}, "low is nan"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": "x"}, "temperature is 'x'"),
        ({"step_size": 0.0}, "step_size is 0.0"),
        ({"q": lambda a: a}, r"q has shape \(200,\)"),
        ({"q": lambda a: a[None] * NAN}, "q holds"),
        ({"q_gradient": lambda a: a}, "q_gradient has shape"),
    ],
)
def test_squashed_chains(change: dict[str, Any], words: str) -> None:
    settings: dict[str, Any] = {
        "q": lambda a: -(a[None] ** 2),
        "q_gradient": lambda a: -2.0 * a[None],
        "low": -1.0,
        "high": 1.0,
        "temperature": 0.5,
        "step_size": 0.1,
        "squash": "probit",
        "n": 200,
    }
    refused(lambda: squashed_chain(**{**settings, **change}), words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: trig(support="ball"), "support is 'ball'; it must be 'torus' or 'box'"),
        (lambda: trig(support=None), "support is None"),  # type: ignore[arg-type]
        (lambda: ring(5), "n_successors is 20; it must be from 1 to n_states = 5"),
        (lambda: multi_goal(2), "n_cells is 2"),
        (lambda: multi_goal(step=1.5), "step is 1.5"),
        (lambda: von_mises(mu=NAN), "mu is nan"),
        (lambda: von_mises(mu="x"), "mu is 'x'"),  # type: ignore[arg-type]
        (lambda: double_well(temperature=1e-300), "k is 1 at temperature 1e-300"),
        (lambda: gaussian_mixture([0.0, 1.0]), r"means has shape \(2,\); it must be \(C, D\)"),
        (lambda: gaussian_mixture(np.zeros((0, 2))), r"means has shape \(0, 2\)"),
        (lambda: gaussian_mixture(np.zeros((2, 2, 2))), "means has shape"),
        (lambda: gaussian_mixture([[0.0], [1.0, 2.0]]), "means has rows of different lengths"),
        (lambda: gaussian_mixture([[NAN]]), "means holds"),
        (lambda: gaussian_mixture(std=[0.1, 0.2, 0.3]), r"std has shape \(3,\); it must be \(2,\)"),
        (lambda: gaussian_mixture(std=[-1.0, 1.0]), "std is .* must be positive"),
        (lambda: gaussian_mixture(weights=[1.0]), r"weights has shape \(1,\)"),
        (lambda: gaussian_mixture(weights=[0.5, 0.6]), "weights is .* with sum 1"),
        (lambda: gaussian_mixture(weights=[-1.0, 2.0]), "weights is .* not be negative"),
        (lambda: gaussian_mixture(weights=[NAN, NAN]), "weights holds"),
        (lambda: LINEAR.reward(np.full((1, 2), NAN), np.zeros((1, 1, 2))), "states holds"),
        (lambda: LINEAR.optimal().value(np.ones((1, 2)) * 1j), "states has dtype complex128"),
        (
            lambda: LINEAR.q(np.eye(2), NAN, np.zeros((1, 2)), np.zeros((1, 1, 2))),
            "c is nan",
        ),
        (
            lambda: LQR([[1j]], [[1.0]], [[1.0]], [[1.0]], [[1.0]], discount=0.9, temperature=1.0),
            "A has dtype complex128",
        ),
    ],
)
def test_named_problems(make: Callable[[], Any], words: str) -> None:
    refused(make, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mdp": "trig"}, "mdp is 'trig'"),
        ({"n_particles": 1}, "n_particles is 1; it must be an int of at least 3"),
        ({"n_particles": 4, "entropy": "knn"}, "n_particles is 4; it must be an int of at least 5"),
        ({"n_particles": 4}, "n_particles is 4, too few for entropy 'mixture'"),
        ({"step_size": np.ones(2)}, r"step_size has shape \(2,\); it must be \(3,\)"),
        ({"step_size": [0.1, -0.1, 0.1]}, "step_size is .* must be positive"),
        ({"step_size": 1e300}, "step_size is 1e.300, too large"),
        ({"step_size": 1e-12}, "too few for entropy 'mixture'"),
        ({"target_gap": 0.1}, "step_size is 0.1 and target_gap is 0.1; give one of them"),
        ({"step_size": None}, "step_size is None and target_gap is None; give one of them"),
        ({"step_size": None, "target_gap": 0.0}, "target_gap is 0.0"),
        ({"step_size": None, "target_gap": NAN}, "target_gap is nan"),
        ({"scheme": "mala"}, "scheme is 'mala'"),
        ({"entropy": "x"}, "entropy is 'x'"),
        ({"entropy": ["knn"]}, "entropy is"),
        ({"entropy": "gaussian"}, "'gaussian' on a torus"),
        ({"estimator": "x"}, "estimator is 'x'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.0}, "seed is 1.0"),
        ({"states": np.zeros((3, 1))}, "states belong to an LQR"),
        ({"callback": 3}, "callback is 3"),
        ({"mdp": trig(2, 3)}, "too few for entropy 'mixture'"),
        ({"mdp": LINEAR, "states": np.zeros((3, 2))}, "at least 6 states in general position; 3"),
        ({"mdp": LINEAR, "states": np.ones((9, 2))}, "in general position; 9 were given"),
        ({"mdp": LINEAR, "states": np.zeros((6, 3))}, r"states has shape \(6, 3\)"),
        ({"mdp": LINEAR, "states": np.full((6, 2), NAN)}, "states holds"),
        ({"mdp": LINEAR, "states": np.zeros((0, 2))}, "0 were given"),
        ({"mdp": LINEAR, "step_size": 5.0}, "step_size is 5, too large: the drift has slope"),
    ],
)
def test_plans(change: dict[str, Any], words: str) -> None:
    settings = {
        "mdp": MDP,
        "n_particles": 32,
        "iterations": 1,
        "step_size": 0.1,
        "seed": 0,
        **change,
    }
    refused(lambda: wpg.plan(settings.pop("mdp"), **settings), words)


@pytest.mark.parametrize(
    ("particles", "words"),
    [
        (CLOUD + 10.0, "particles must be inside Torus"),
        (CLOUD.astype(np.float32), "particles has dtype float32; it must be float64"),
        (CLOUD[:, :1], "particles has N = 1"),
        (CLOUD[:2], r"particles has shape \(2, 32, 1\); it must be \(3, N, 1\)"),
        (CLOUD[0], "particles has shape"),
        (CLOUD * NAN, "particles holds"),
        (None, "particles has dtype object"),
    ],
)
@pytest.mark.parametrize("step_size", [None, 0.1])
def test_certificates_of_particles(particles: Any, words: str, step_size: float | None) -> None:
    refused(lambda: certify_particles(MDP, particles, step_size=step_size), words)


def test_certificates() -> None:
    refused(lambda: certify_particles(LINEAR, CLOUD), "mdp is LQR")  # type: ignore[arg-type]
    refused(lambda: certify(LINEAR, UNIFORM, GRID), "mdp is LQR")  # type: ignore[arg-type]
    refused(lambda: certify(MDP, UNIFORM, GRID, optimum=3), "optimum is 3")  # type: ignore[arg-type]
    refused(
        lambda: certify_particles(MDP, CLOUD, step_size=1e-20), "step_size is 1e-20 .*too small"
    )
    refused(lambda: certify_particles(MDP, CLOUD, entropy="mixture"), "needs means and std")
    coarse = certify_particles(MDP, CLOUD, step_size=0.001, grid=MDP.grid(8))
    assert coarse.claim("gap_upper") is None
    assert "the mixture's mass on the grid" in str(coarse)
    refused(
        lambda: certify_particles(MDP, CLOUD * 0 + 1.0, step_size=1e-7, grid=MDP.grid(8)),
        "grid has n = 8, so coarse that no point sees the mixture",
    )
    gain, unit, origin = np.zeros((2, 2)), np.eye(2), np.zeros((1, 2))
    for arguments, words in (
        ((MDP, gain, unit, origin), "lqr is FiniteMDP"),
        ((LINEAR, gain[:1], unit, origin), r"F has shape \(1, 2\); it must be \(2, 2\)"),
        ((LINEAR, "x", unit, origin), "F has dtype"),
        ((LINEAR, gain + 0j, unit, origin), "F has dtype complex128"),
        ((LINEAR, gain, 0 * unit, origin), "covariance has the eigenvalue 0"),
        ((LINEAR, gain, unit, np.zeros(2)), "states has shape"),
        ((LINEAR, gain, unit, origin + NAN), "states holds"),
    ):
        refused(lambda arguments=arguments: certify_gaussian(*arguments), words)


def test_reports() -> None:
    cold = double_well(temperature=0.01)
    refused(lambda: flow_report(cold), "temperature is 0.01, too low")
    refused(lambda: flow_report(MDP, n=100_000), "grid has n = 100000: the flow takes")
    refused(lambda: flow_report(trig(2, 3)), "action_size is 3")
    refused(lambda: bias_report(trig(2, 2)), "one action dimension")
