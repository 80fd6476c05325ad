"""The fused flow is the composition of its steps, to the bit, whatever scheme and critic are.

What is particular to "mala" is in test_mala.py."""

from __future__ import annotations

import numpy as np
import pytest

from bits import bits, same_on_all_threads, simd
from step_supports import SUPPORTS
from wpg.critics import KernelQ
from wpg.noise import standard_normal
from wpg.reference.critics import kernel_q
from wpg.reference.flow import flow as reference_flow
from wpg.supports import Box
from wpg.threads import available_simd_isas
from wpg.transport import (
    blob_velocity,
    flow,
    langevin,
    leimkuhler_matthews,
    mala,
    svgd_velocity,
)

DTYPES = [np.float32, np.float64]
SHAPES = [
    (1, 1, 1),
    (1, 65, 2),
    (7, 9, 3),
    (130, 4, 1),
    (2, 3001, 2),  # several blocks for each state
    (3, 70, 17),
]


class PythonCritic:
    """A critic that only follows the protocol."""

    def __init__(self, critic):
        self.critic = critic
        self.calls = 0

    def value_and_action_gradient(self, states, particles):
        self.calls += 1
        return self.critic.value_and_action_gradient(states, particles)


def problem(shape, dtype, seed=0, M=37):
    random = np.random.default_rng(seed)
    S, _, D = shape
    critic = KernelQ(
        random.uniform(-1, 1, (M, 2)).astype(dtype),
        random.uniform(-1, 1, (M, D)).astype(dtype),
        random.normal(size=M).astype(dtype),
        state_lengthscale=0.7,
        action_lengthscale=0.9,
    )
    states = random.uniform(-1, 1, (S, 2)).astype(dtype)
    particles = random.uniform(0, 0.7, shape).astype(dtype)
    arguments = {
        "step_size": random.uniform(0.02, 0.1, S).astype(dtype),
        "temperature": random.uniform(0.1, 0.5, S).astype(dtype),
        "seed": 2**63 + 11,
        "step": 2**32 - 2,  # the counter's low word overflows on the way
    }
    return critic, states, particles, arguments


STEPS = {"langevin": langevin, "leimkuhler-matthews": leimkuhler_matthews}


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scheme", STEPS)
@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_composition_of_its_steps(shape, name, scheme, dtype):
    critic, states, particles, arguments = problem(shape, dtype)
    if name == "clip":
        arguments["temperature"][:] = 0
    arguments["support"] = SUPPORTS[name]
    for isa in available_simd_isas():
        with simd(isa):
            cloud = particles
            for move in range(4):
                drift = critic.action_gradient(states, cloud)
                step = arguments["step"] + move
                cloud = STEPS[scheme](cloud, drift, **arguments | {"step": step})
            python = PythonCritic(critic)
            for which in (critic, python):
                fused = flow(particles, which, states, steps=4, scheme=scheme, **arguments)
                assert bits(fused) == bits(cloud)
                given = arguments | {"scheme": scheme, "out": particles.copy()}
                moved = flow(given["out"], which, states, steps=4, **given)
                assert moved is given["out"]
                assert bits(moved) == bits(cloud)
            assert python.calls == 8


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(37, 21, 3), (1, 3001, 2), (3, 400, 1)])
@pytest.mark.parametrize("scheme", [*STEPS, "mala"])
def test_bits_do_not_depend_on_threads(scheme, shape, dtype):
    critic, states, particles, arguments = problem(shape, dtype, M=200)
    arguments["scheme"] = scheme
    for isa in available_simd_isas():
        with simd(isa):
            same_on_all_threads(lambda: flow(particles, critic, states, steps=3, **arguments))


@pytest.mark.property
@pytest.mark.parametrize("scheme", [*STEPS, "mala", "svgd", "blob"])
@pytest.mark.parametrize("python", [False, True])
def test_no_steps_change_nothing(python, scheme):
    critic, states, particles, arguments = problem((3, 5, 2), np.float32)
    arguments["scheme"] = scheme
    critic = PythonCritic(critic) if python else critic
    still = flow(particles, critic, states, steps=0, **arguments)
    assert still is not particles
    assert bits(still) == bits(particles)
    out = np.empty_like(particles)
    assert flow(particles, critic, states, steps=0, **arguments, out=out) is out
    assert bits(out) == bits(particles)


@pytest.mark.property
def test_empty_clouds_stay_empty():
    critic, states, particles, arguments = problem((3, 5, 2), np.float32)
    assert flow(particles[:, :0].copy(), critic, states, steps=2, **arguments).shape == (3, 0, 2)
    none = {k: v[:0] if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    assert flow(particles[:0], critic, states[:0], steps=2, **none).shape == (0, 5, 2)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["none", "reflect", "tanh", "probit", "torus"])
@pytest.mark.parametrize("scheme", [*STEPS, "mala", "svgd", "blob"])
def test_two_parts_make_a_whole(scheme, name, dtype):
    if scheme in ("svgd", "blob") and name in ("tanh", "probit"):
        pytest.skip("refused: the kernel is one of actions")
    critic, states, particles, arguments = problem((5, 9, 2), dtype)
    particles = np.minimum(particles, dtype(0.69))
    arguments |= {"scheme": scheme, "support": SUPPORTS[name]}
    whole = flow(particles, critic, states, steps=5, **arguments)
    part = flow(particles, critic, states, steps=3, **arguments)
    later = arguments | {"step": arguments["step"] + 3}
    assert bits(flow(part, critic, states, steps=2, **later)) == bits(whole)


@pytest.mark.property
def test_scheme_mala_is_mala():
    critic, states, particles, arguments = problem((5, 9, 2), np.float32)
    moved, acceptance = mala(particles, critic, states, steps=3, **arguments)
    assert bits(flow(particles, critic, states, steps=3, scheme="mala", **arguments)) == bits(moved)
    assert acceptance.shape == (5,)


VELOCITIES = {"svgd": svgd_velocity, "blob": blob_velocity}
PAIR_SHAPES = [(1, 1, 1), (1, 65, 2), (7, 9, 3), (130, 4, 1), (3, 70, 17)]
LARGE_PAIR_SHAPES = [
    (16, 513, 5),  # several blocks of the step for a state
    (2, 600, 2),  # pairs of a state are shared out
]


def along_velocity(scheme, particles, critic, states, *, steps, bandwidth, **arguments):
    """The composition of the compiled pieces, as a user would write it."""
    cloud = particles
    for _ in range(steps):
        _, drift = critic.value_and_action_gradient(states, cloud)
        pushed = VELOCITIES[scheme](
            cloud, drift, temperature=arguments["temperature"], bandwidth=bandwidth
        )
        cloud = langevin(cloud, pushed, **arguments | {"temperature": 0.0})
    return cloud


def bandwidths(S, dtype):
    return [None, 0.4, np.random.default_rng(5).uniform(0.2, 0.6, S).astype(dtype)]


def check_pairs(shape, scheme, name, dtype):
    critic, states, particles, arguments = problem(shape, dtype)
    arguments["support"] = SUPPORTS[name]
    for bandwidth in bandwidths(shape[0], dtype):
        kernel = {"bandwidth": bandwidth, "steps": 3}
        want = bits(along_velocity(scheme, particles, critic, states, **kernel, **arguments))
        kernel["scheme"] = scheme
        for which in (critic, PythonCritic(critic)):
            assert bits(flow(particles, which, states, **kernel, **arguments)) == want
        out = particles.copy()
        assert flow(out, critic, states, **kernel, **arguments, out=out) is out
        assert bits(out) == want
        # There is no noise for them to look at.
        other = arguments | {"seed": 1, "step": 7}
        assert bits(flow(particles, critic, states, **kernel, **other)) == want


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["none", "reflect", "torus"])
@pytest.mark.parametrize("scheme", VELOCITIES)
@pytest.mark.parametrize("shape", PAIR_SHAPES)
def test_it_moves_along_the_velocity_of_its_pairs(shape, scheme, name, dtype):
    for isa in available_simd_isas():
        with simd(isa):
            check_pairs(shape, scheme, name, dtype)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scheme", VELOCITIES)
@pytest.mark.parametrize("shape", LARGE_PAIR_SHAPES)
def test_it_moves_along_the_velocity_of_many_pairs(shape, scheme, dtype):
    check_pairs(shape, scheme, "reflect", dtype)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bandwidth", [None, 0.4])
@pytest.mark.parametrize("shape", [(37, 21, 3), (1, 900, 2), (3, 400, 1)])
@pytest.mark.parametrize("scheme", VELOCITIES)
def test_bits_of_pairs_do_not_depend_on_threads(scheme, shape, bandwidth, dtype):
    critic, states, particles, arguments = problem(shape, dtype, M=200)
    arguments |= {"scheme": scheme, "bandwidth": bandwidth, "steps": 3}
    for isa in available_simd_isas():
        with simd(isa):
            same_on_all_threads(lambda: flow(particles, critic, states, **arguments))


@pytest.mark.property
@pytest.mark.parametrize("bandwidth", [None, 0.4])
@pytest.mark.parametrize("shape", [(20, 9, 8), (2, 600, 8)])
@pytest.mark.parametrize("scheme", VELOCITIES)
def test_a_state_that_is_not_finite_is_lost_alone(scheme, shape, bandwidth):
    critic, states, particles, arguments = problem(shape, np.float32)
    arguments |= {"scheme": scheme, "bandwidth": bandwidth, "steps": 2, "support": SUPPORTS["none"]}
    sound = flow(particles, critic, states, **arguments)
    largest = np.finfo(np.float32).max
    rows = [[np.nan], [np.inf]]
    if bandwidth is None:
        # Corners sqrt(8) * 2 * largest apart: that over sqrt(2 log(N + 1)), 2.1 and 3.6 here, is no
        # float32, so there is no bandwidth.
        rows.append(np.where(np.arange(shape[1]) % 2 == 0, largest, -largest))
    for row in rows:
        thrown = particles.copy()
        thrown[1, : len(row)] = np.reshape(row, (-1, 1))
        for which in (critic, PythonCritic(critic)):
            found = flow(thrown, which, states, **arguments)
            assert np.isnan(found[1]).all()
            assert bits(np.delete(found, 1, 0)) == bits(np.delete(sound, 1, 0))


@pytest.mark.property
@pytest.mark.parametrize("scheme", VELOCITIES)
def test_equal_particles_stay_together(scheme):
    critic, states, particles, arguments = problem((3, 8, 2), np.float32)
    particles[:] = particles[:, :1]
    arguments |= {"scheme": scheme, "steps": 3}
    found = flow(particles, critic, states, **arguments)  # the median rule gives 0
    want = along_velocity(
        arguments.pop("scheme"), particles, critic, states, bandwidth=None, **arguments
    )
    assert np.isfinite(found).all()
    assert bits(found) == bits(want)


@pytest.mark.property
@pytest.mark.parametrize("python", [False, True], ids=["compiled", "python"])
@pytest.mark.parametrize("scheme", VELOCITIES)
def test_no_particles_have_no_median(scheme, python):
    critic, states, particles, arguments = problem((3, 5, 2), np.float32)
    nobody = particles[:, :0].copy()
    which = PythonCritic(critic) if python else critic
    arguments["scheme"] = scheme
    for steps in (0, 2):
        with pytest.raises(ValueError, match=r"particles.*at least one"):
            flow(nobody, which, states, steps=steps, **arguments)
        moved = flow(nobody, which, states, steps=steps, bandwidth=0.4, **arguments)
        assert moved.shape == (3, 0, 2)


@pytest.mark.parametrize("python", [False, True], ids=["compiled", "python"])
@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("scheme", VELOCITIES)
@pytest.mark.parametrize(
    ("error", "bandwidth"),
    [
        (ValueError, 0.0),
        (ValueError, -1.0),
        (ValueError, np.nan),
        (ValueError, np.inf),
        (ValueError, 1e-60),  # 0 in float32
        (ValueError, np.array([0.4, 0.0], np.float32)),
        (ValueError, np.full(3, 0.4, np.float32)),
        (TypeError, np.full(2, 0.4)),
        (TypeError, [0.4, 0.4]),
        (TypeError, "0.4"),
    ],
)
def test_a_bad_bandwidth_is_refused(error, bandwidth, scheme, steps, python):
    refuse(error, "bandwidth", {"scheme": scheme, "bandwidth": bandwidth, "steps": steps}, python)


@pytest.mark.parametrize("boundary", ["clip", "tanh", "probit"])
@pytest.mark.parametrize("scheme", ["svgd", "blob"])
def test_deterministic_schemes_refuse_boundaries_other_than_reflection(scheme, boundary):
    refuse(ValueError, boundary, {"scheme": scheme, "support": Box(-1, 1, boundary)})


@pytest.mark.parametrize("scheme", [*STEPS, "mala"])
def test_schemes_without_a_kernel_refuse_a_bandwidth(scheme):
    refuse(ValueError, "bandwidth.*has none", {"scheme": scheme, "bandwidth": 0.5})


@pytest.mark.parametrize("python", [False, True], ids=["compiled", "python"])
@pytest.mark.parametrize(
    ("error", "word", "change"),
    [
        (ValueError, "needs a density", {"scheme": "mala", "temperature": 0.0}),
        (ValueError, "clip", {"scheme": "mala", "support": Box(-1, 1, "clip")}),
        (ValueError, "clip", {"scheme": "leimkuhler-matthews", "support": Box(-1, 1, "clip")}),
        (ValueError, "one step ahead", {"scheme": "leimkuhler-matthews", "step": 2**40 - 2}),
        (TypeError, "step", {"step": "1"}),
    ],
)
def test_what_a_scheme_does_not_take_is_refused(error, word, change, python):
    refuse(error, word, change, python)


@pytest.mark.twin
@pytest.mark.parametrize("scheme", ["langevin", "svgd", "blob"])
def test_it_equals_its_naive_twin(scheme):
    critic, states, particles, arguments = problem((3, 7, 2), np.float64)
    arguments["scheme"] = scheme
    found = flow(particles, critic, states, steps=5, **arguments, support=Box(-0.9, 0.7))

    def drift(cloud):
        return kernel_q(
            critic.center_states,
            critic.center_actions,
            critic.weights,
            states,
            cloud,
            state_lengthscale=0.7,
            action_lengthscale=0.9,
        )[1]

    def noise(move):
        return standard_normal(
            particles.shape, seed=arguments["seed"], step=arguments["step"] + move, dtype=np.float64
        )

    want = reference_flow(
        particles,
        drift,
        noise,
        steps=5,
        step_size=arguments["step_size"],
        temperature=arguments["temperature"],
        support=("reflect", -0.9, 0.7),
        scheme=scheme,
    )
    # Each step adds about 60 u to an error and multiplies it by at most 1 + step_size |Hessian|,
    # below 1 + 0.1 * 37 / 0.81: 5.6^4 for the first of five. In all below 1e5 u. The velocities add
    # 4 temperature / l^2 < 40 to the Hessian: 10^4, and 1e6 u.
    assert np.abs(found - want).max() < (1e5 if scheme == "langevin" else 1e6) * 1.1e-16


def good(dtype=np.float32):
    critic, states, particles, arguments = problem((2, 3, 2), dtype)
    return {"particles": particles, "critic": critic, "states": states, "steps": 2} | arguments


def refuse(error, word, change, python=False):
    given = good() | change
    out = given.setdefault("out", np.full((2, 3, 2), 9, np.float32))
    before = bits(np.asarray(out)) if not isinstance(out, list) else None
    critic = given.pop("critic")
    if python:
        critic = PythonCritic(critic)
    with pytest.raises(error, match=word):
        flow(given.pop("particles"), critic, given.pop("states"), **given)
    assert before is None or bits(np.asarray(out)) == before


BAD = [
    (ValueError, "steps", {"steps": -1}),
    (ValueError, "steps", {"steps": 1.0}),
    (ValueError, "steps", {"steps": True}),
    (ValueError, "scheme", {"scheme": "euler"}),
    (ValueError, "bandwidth", {"bandwidth": 1.0}),
    (TypeError, "particles", {"particles": np.zeros((2, 3, 2))}),
    (ValueError, "particles", {"particles": np.zeros((2, 3, 3), np.float32)}),
    (ValueError, "particles", {"particles": np.zeros((2, 3, 2), np.float32, order="F")}),
    (ValueError, "particles|states", {"particles": np.zeros((3, 3, 2), np.float32)}),
    (TypeError, "states", {"states": np.zeros((2, 2))}),
    (TypeError, "states", {"states": [[0.0, 0.0]] * 2}),
    (ValueError, "states", {"states": np.zeros((2, 3), np.float32)}),
    (ValueError, "states|particles", {"states": np.zeros((3, 2), np.float32)}),
    (ValueError, "states", {"states": np.zeros((2, 2), np.float32, order="F")}),
    (ValueError, "step_size", {"step_size": -0.1}),
    (ValueError, "step_size", {"step_size": np.full(2, np.nan, np.float32)}),
    (ValueError, "step_size", {"step_size": np.full(3, 0.1, np.float32)}),
    (TypeError, "step_size", {"step_size": np.full(2, 0.1)}),
    (ValueError, "temperature", {"temperature": np.inf}),
    (TypeError, "temperature", {"temperature": [0.1, 0.1]}),
    (ValueError, "seed", {"seed": -1}),
    (TypeError, "seed", {"seed": 1.5}),
    (ValueError, "step", {"step": 2**40}),
    (ValueError, "temperature", {"support": Box(0, 1, "clip")}),
    (ValueError, "low", {"support": Box([0, 0, 0], 1)}),
    (TypeError, "support", {"support": (0, 1)}),
    (TypeError, "out", {"out": np.zeros((2, 3, 2))}),
    (TypeError, "out", {"out": [[[0.0] * 2] * 3] * 2}),
    (ValueError, "out", {"out": np.zeros((2, 2, 3), np.float32)}),
    (ValueError, "out", {"out": np.zeros((2, 3, 4), np.float32)[:, :, ::2]}),
    (ValueError, "out", {"out": np.broadcast_to(np.float32(0), (2, 3, 2))}),
]


@pytest.mark.parametrize("python", [False, True], ids=["compiled", "python"])
@pytest.mark.parametrize(("error", "word", "change"), BAD)
def test_bad_arguments_are_refused_by_name(error, word, change, python):
    refuse(error, word, change, python)


def test_particles_that_are_no_array_are_refused():
    for bad in ([[[0.0] * 2] * 3] * 2, None, np.zeros((2, 3), np.float32)):
        refuse((TypeError, ValueError), "particles", {"particles": bad})


def test_an_out_that_overlaps_is_refused():
    memory = np.full(24, 0.5, np.float32)
    particles = memory[:12].reshape(2, 3, 2)
    refuse(
        ValueError,
        "out overlaps particles",
        {"particles": particles, "out": memory[4:16].reshape(2, 3, 2)},
    )
    states = memory[8:12].reshape(2, 2)
    refuse(
        ValueError,
        "out shares memory with states",
        {"states": states, "out": memory[:12].reshape(2, 3, 2)},
    )


def test_the_last_step_of_all_may_be_drawn():
    # langevin accepts step = 2^40 - 1.
    arguments = good() | {"steps": 1, "step": 2**40 - 1}
    python = dict(arguments)
    moved = flow(
        python.pop("particles"), PythonCritic(python.pop("critic")), python.pop("states"), **python
    )
    assert np.isfinite(moved).all()


def test_the_last_step_of_all_may_be_drawn_by_the_fused_loop():
    arguments = good() | {"steps": 1, "step": 2**40 - 1}
    particles, critic = arguments.pop("particles"), arguments.pop("critic")
    assert np.isfinite(flow(particles, critic, arguments.pop("states"), **arguments)).all()


def test_steps_that_run_out_of_counters_write_nothing():
    refuse(ValueError, "step", {"steps": 3, "step": 2**40 - 2}, python=True)


def test_steps_that_run_out_of_counters_write_nothing_in_the_fused_loop():
    refuse(ValueError, "step", {"steps": 3, "step": 2**40 - 2})


@pytest.mark.parametrize(
    ("error", "word", "change"),
    [
        (ValueError, "step_size", {"step_size": -1.0}),
        (ValueError, "temperature", {"temperature": np.nan}),
        (ValueError, "seed", {"seed": -1}),
        (TypeError, "out", {"out": np.zeros((2, 3, 2))}),
    ],
)
def test_bad_arguments_are_refused_without_steps_too(error, word, change):
    refuse(error, word, change | {"steps": 0})  # the compiled loop does
    refuse(error, word, change | {"steps": 0}, python=True)


def test_a_critic_with_the_wrong_dtype_is_named():
    class Doubles:
        def value_and_action_gradient(self, states, particles):
            return np.zeros(particles.shape[:2]), np.zeros(particles.shape)

    arguments = good() | {"critic": Doubles()}
    particles, critic = arguments.pop("particles"), arguments.pop("critic")
    with pytest.raises(TypeError, match="drift"):
        flow(particles, critic, arguments.pop("states"), **arguments)
