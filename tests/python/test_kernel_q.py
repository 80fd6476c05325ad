"""KernelQ: twin within its stated error, derivative, skipping, bits, faces, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from backends import PLACES
from bits import bits, same_on_all_threads, simd
from wpg import _core
from wpg.critics import KernelQ
from wpg.reference.critics import kernel_q, kernel_q_terms, profile
from wpg.threads import available_simd_isas
from wpg.transport import flow, langevin

DTYPES = [np.float32, np.float64]


def unit_roundoff(dtype):
    return float(np.finfo(dtype).eps) / 2


KERNELS = ["gaussian", "matern52", "imq"]
INDEXED = 512  # as many centres have an index


def problem(
    M,
    O,
    D,
    dtype,
    *,
    S=3,
    N=5,
    seed=0,
    state_lengthscale=0.5,
    action_lengthscale=0.5,
    kernel="gaussian",
):
    """A critic, states and particles."""
    random = np.random.default_rng(seed)
    critic = KernelQ(
        random.uniform(-1, 1, (M, O)).astype(dtype),
        random.uniform(-1, 1, (M, D)).astype(dtype),
        random.normal(size=M).astype(dtype),
        state_lengthscale=state_lengthscale,
        action_lengthscale=action_lengthscale,
        kernel=kernel,
    )
    states = random.uniform(-1, 1, (S, O)).astype(dtype)
    particles = random.uniform(-1, 1, (S, N, D)).astype(dtype)
    return critic, states, particles


def twin(critic, states, particles):
    """Value, gradient, and the error that each may have by the docstring of KernelQ."""
    u = unit_roundoff(critic.dtype)
    tiny = 2.0**-88 if critic.dtype == np.float32 else 2.0**-900
    arrays = (critic.center_states, critic.center_actions, critic.weights)
    units = {
        "state_lengthscale": critic.state_lengthscale.astype(float),
        "action_lengthscale": critic.action_lengthscale.astype(float),
    }
    value_terms, slope_terms, state_terms = kernel_q_terms(
        *arrays, states, particles, **units, kernel=critic.kernel
    )
    value, gradient = kernel_q(*arrays, states, particles, **units, kernel=critic.kernel)
    M, D = len(critic), particles.shape[2]
    # Skipped centres change a value by less than u max_m b_m, b_m = |weights[m]| k_s; in a gradient
    # each is multiplied by |phi'(r)| / lengthscale, which is below 0.7 for all three kernels.
    # Terms end at `tiny`, for padding (31 centres at most) as well.
    b = np.abs(state_terms).max(axis=1)[:, None]
    unit = units["action_lengthscale"]
    points = (
        critic.center_actions.astype(float) / unit,
        particles.astype(float) / unit,
        critic.center_states.astype(float) / units["state_lengthscale"],
        states.astype(float) / units["state_lengthscale"],
    )
    R = max(float(np.linalg.norm(x, axis=-1).max()) for x in points)
    with np.errstate(divide="ignore"):
        logarithms = np.abs(np.log2(np.abs(critic.weights.astype(float))))
    L = max(logarithms[np.isfinite(logarithms)], default=0.0)
    factor = (M + 6 * (states.shape[1] + D + 4) * (1 + R) ** 2 + 2 * L) * u
    value_error = factor * np.abs(value_terms).sum(axis=2) + (u + 2 * (M + 31) * tiny) * b
    # Expanded, a gradient is the difference of sum terms (a_m - middle) and sum terms (a - middle):
    # these two sums have the rounding errors.
    ends = critic.center_actions.min(axis=0), critic.center_actions.max(axis=0)
    middle = (ends[0].astype(float) + ends[1]) / 2
    away = np.abs(critic.center_actions - middle) + np.abs(particles - middle)[:, :, None]
    slopes = np.abs(slope_terms)
    sizes = (slopes[..., None] * away / unit**2).sum(axis=2)
    skipped = 0.7 * u * b[..., None] / unit
    none = 2 * (M + 31) * tiny * b[..., None] * away.max(axis=2) / unit**2
    # The difference a_m - a itself is off by the rounding of both in length scales.
    difference = 4 * (1 + R) * u * slopes.sum(axis=2)[..., None] / unit
    gradient_error = factor * sizes + difference + skipped + none
    # Results below the normal numbers are rounded to multiples of the smallest one.
    smallest = float(np.finfo(critic.dtype).smallest_subnormal)
    value_error += smallest
    gradient_error += smallest * (1 + 1 / unit)
    return value, gradient, value_error, gradient_error


def ask(critic, states, particles):
    """Value and gradient together, and each alone."""
    both = critic.value_and_action_gradient(states, particles)
    return (*both, critic.value(states, particles), critic.action_gradient(states, particles))


def assert_equals_twin(critic, states, particles, place=PLACES["cpu"]):
    value, gradient, value_error, gradient_error = twin(critic, states, particles)
    found = place(ask)(critic, states, particles)
    assert found[0].dtype == found[1].dtype == critic.dtype
    assert np.all(np.abs(found[0] - value) <= value_error)
    assert np.all(np.abs(found[1] - gradient) <= gradient_error)
    assert np.all(np.abs(found[2] - value) <= value_error)
    assert np.array_equal(found[3], found[1])


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("D", range(1, 10))
def test_value_and_gradient_equal_the_naive_twin(place, D, dtype):
    for O in range(1, 6):
        M = 13 + 29 * D + O
        for isa in available_simd_isas():
            with simd(isa):
                assert_equals_twin(*problem(M, O, D, dtype, seed=O), place)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("M", [1, 2, 15, 16, 17, 33, 500])
def test_any_number_of_centres_will_do(M, dtype):
    assert_equals_twin(*problem(M, 3, 2, dtype, seed=M))
    assert_equals_twin(*problem(M, 3, 17, dtype, S=1, N=2, action_lengthscale=2.0, seed=M))


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_length_scales_may_differ_among_coordinates(dtype):
    critic, states, particles = problem(
        70, 3, 2, dtype, state_lengthscale=[0.5, 1.0, 2.0], action_lengthscale=[0.25, 4.0]
    )
    assert_equals_twin(critic, states, particles)
    assert critic.state_lengthscale.tolist() == [0.5, 1.0, 2.0]


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lengthscale", [0.3, 0.9, 3.0])
def test_squares_are_expanded_near_the_centres_and_not_far_from_them(lengthscale, dtype):
    # From 0.3 length scales around the middle, where all are expanded, to 3.3, where none are.
    for M in (1, 40):
        critic, states, particles = problem(
            M, 2, 2, dtype, N=200, state_lengthscale=0.7, action_lengthscale=lengthscale
        )
        assert_equals_twin(critic, states, particles)
        assert_equals_twin(critic, states, dtype(3) * particles)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_stated_error_holds_far_from_the_origin(dtype):
    critic = KernelQ(
        np.zeros((1, 1), dtype),
        np.full((1, 1), 100.0, dtype),
        np.ones(1, dtype),
        state_lengthscale=1.0,
        action_lengthscale=0.3,
    )
    particles = (100.0 + np.linspace(-1, 1, 999)).astype(dtype).reshape(1, -1, 1)
    assert_equals_twin(critic, np.zeros((1, 1), dtype), particles)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_stated_error_holds_for_a_gradient_near_a_centre(dtype):
    critic = KernelQ(
        np.zeros((2, 1), dtype),
        np.array([[-2.7], [2.7]], dtype),
        np.ones(2, dtype),
        state_lengthscale=1.0,
        action_lengthscale=1.0,
    )
    assert_equals_twin(critic, np.zeros((1, 1), dtype), np.array([[[2.7 + 1e-4]]], dtype))


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_stated_error_holds_on_generated_cases(kernel, dtype):
    # 6 x 167 = 1,002 cases: sizes, length scales from a tenth to ten times the spread of the data,
    # weights over twelve orders of magnitude, some of them 0, clouds away from the origin, centres
    # that coincide with each other and with particles, one case in twelve with an index.
    random = np.random.default_rng(KERNELS.index(kernel) + 10 * DTYPES.index(dtype))
    for case in range(167):
        O, D = int(random.integers(1, 9)), int(random.integers(1, 13))
        M = int(random.integers(INDEXED, 900)) if case % 12 == 0 else int(random.integers(1, 90))
        N = int(random.integers(1, 20))
        shift = random.choice([0.0, 0.0, 3.0])
        center_states = (random.uniform(-1, 1, (M, O)) + shift).astype(dtype)
        center_actions = (random.uniform(-1, 1, (M, D)) + shift).astype(dtype)
        weights = (random.normal(size=M) * 10 ** random.uniform(-6, 6, M)).astype(dtype)
        weights[random.uniform(size=M) < 0.05] = 0
        repeated = random.integers(M, size=M // 5)
        center_states[repeated] = center_states[0]
        center_actions[repeated[::2]] = center_actions[0]
        critic = KernelQ(
            center_states,
            center_actions,
            weights,
            state_lengthscale=10 ** random.uniform(-1, 1, O),
            action_lengthscale=10 ** random.uniform(-0.5, 1, D),
            kernel=kernel,
        )
        states = (random.uniform(-1, 1, (2, O)) + shift).astype(dtype)
        particles = (random.uniform(-1, 1, (2, N, D)) + shift).astype(dtype)
        states[0] = center_states[-1]
        particles[0, 0] = center_actions[-1]
        assert_equals_twin(critic, states, particles)


@pytest.mark.property
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("D", [1, 2, 3, 5, 6])
def test_the_gradient_is_the_derivative_of_the_value(D, kernel):
    # At h = 1e-5 both h^2 |Q'''| / 6 and u |Q| / h are below 1e-9 of sum |terms|.
    critic, states, particles = problem(100, 3, D, np.float64, N=7, kernel=kernel)
    gradient = critic.action_gradient(states, particles)
    h = 1e-5
    for d in range(D):
        up, down = particles.copy(), particles.copy()
        up[:, :, d] += h
        down[:, :, d] -= h
        slope = (critic.value(states, up) - critic.value(states, down)) / (2 * h)
        assert np.abs(slope - gradient[:, :, d]).max() <= 1e-6 * np.abs(gradient).max()


@pytest.mark.property
@pytest.mark.parametrize("kernel", KERNELS)
def test_psi_is_the_derivative_of_the_profile_by_a_complex_step(kernel):
    # d/dr at r + ih: exact to h^2 = 1e-40. The twin's profiles are analytic functions of r.
    r = np.concatenate([np.linspace(0.01, 8, 200), [1e-6]])
    with np.errstate(all="raise"):
        value, psi = profile(kernel, r)
        derivative = profile(kernel, r + 1e-20j)[0].imag / 1e-20
    # 1 - phi cancels in psi r for small r only as r u: relative to the largest slope.
    assert np.abs(derivative + psi * r).max() <= 1e-15
    assert np.all(np.diff(profile(kernel, np.linspace(0, 8, 500))[0]) < 0)
    at_zero = profile(kernel, np.zeros(1))
    assert at_zero[0] == 1
    assert at_zero[1] == pytest.approx({"matern52": 5 / 3}.get(kernel, 1.0), rel=1e-15)
    assert value.shape == r.shape


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_particle_at_its_centre_has_the_weight_as_value_and_no_gradient(kernel, dtype):
    one = KernelQ(
        np.array([[0.3, -0.7]], dtype),
        np.array([[0.25, 0.5, -1.0]], dtype),
        np.array([-3.0], dtype),
        state_lengthscale=0.5,
        action_lengthscale=0.5,
        kernel=kernel,
    )
    value, gradient = one.value_and_action_gradient(
        one.center_states, one.center_actions[None].copy()
    )
    assert abs(value[0, 0] + 3) <= 3 * 20 * unit_roundoff(dtype)
    assert np.all(gradient == 0)


@pytest.mark.property
@pytest.mark.parametrize("kernel", KERNELS)
def test_gram_matrices_are_positive_semidefinite(kernel):
    # Rounding moves an eigenvalue of a matrix with entries in [0, 1] by at most n u of its size.
    random = np.random.default_rng(3)
    for width in (1, 2, 6):
        x = random.normal(size=(150, width))
        x[10:20] = x[0]
        gram = _core.kernel_matrix(x, x, np.full(width, 0.7), kernel)
        r = np.linalg.norm((x[:, None] - x[None]) / 0.7, axis=2)
        assert np.abs(gram - profile(kernel, r)[0]).max() <= 40 * unit_roundoff(np.float64)
        eigenvalues = np.linalg.eigvalsh(gram)
        assert eigenvalues[0] >= -150 * 2**-53 * eigenvalues[-1] * 4


@pytest.mark.property
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_fit_interpolates_with_every_kernel(kernel):
    # The kernel matrix of these data has a condition below 1e6; the ridge of 1e-10 n is far below.
    random = np.random.default_rng(5)
    states, actions = random.uniform(-1, 1, (60, 2)), random.uniform(-1, 1, (60, 1))
    targets = np.sin(3 * states[:, 0]) + actions[:, 0] * states[:, 1]
    critic = KernelQ.fit(
        states,
        actions,
        targets,
        centers=np.arange(60),
        ridge=1e-10,
        state_lengthscale=0.5,
        action_lengthscale=0.5,
        kernel=kernel,
    )
    assert critic.kernel == kernel
    assert np.abs(critic.value(states, actions[:, None])[:, 0] - targets).max() <= 1e-3
    assert KernelQ.mean([critic, critic]).kernel == kernel
    assert critic.astype(np.float32).kernel == kernel
    other = problem(5, 2, 1, np.float64, kernel="imq" if kernel != "imq" else "gaussian")[0]
    with pytest.raises(ValueError, match="different kernels"):
        KernelQ.mean([critic, other])


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("O", [1, 2, 5, 9, 20])
def test_an_index_finds_the_centres_that_matter(O, kernel, dtype):
    # Narrow kernels, so that few centres matter; equal coordinates; states far from all centres.
    random = np.random.default_rng(O)
    M, D = 2000, 2
    center_states = random.uniform(-1, 1, (M, O)).astype(dtype)
    center_states[::7] = np.round(center_states[::7], 1)
    center_states[:300] = center_states[0]
    critic = KernelQ(
        center_states,
        random.uniform(-1, 1, (M, D)).astype(dtype),
        (random.normal(size=M) * 10 ** random.uniform(-3, 3, M)).astype(dtype),
        state_lengthscale=0.03 * np.sqrt(O),
        action_lengthscale=0.5,
        kernel=kernel,
    )
    states = random.uniform(-1.2, 1.2, (6, O)).astype(dtype)
    states[0], states[1], states[2] = center_states[0], center_states[-1], 3
    particles = random.uniform(-1, 1, (6, 4, D)).astype(dtype)
    assert_equals_twin(critic, states, particles)
    same_on_all_threads(lambda: critic.value_and_action_gradient(states, particles))


@pytest.mark.twin
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_order_of_the_centres_is_the_one_that_was_given(kernel):
    critic, states, particles = problem(1500, 2, 2, np.float64, kernel=kernel)
    again = KernelQ(
        critic.center_states,
        critic.center_actions,
        critic.weights,
        state_lengthscale=critic.state_lengthscale,
        action_lengthscale=critic.action_lengthscale,
        kernel=critic.kernel,
    )
    assert bits(again.value(states, particles)) == bits(critic.value(states, particles))
    shuffled = np.random.default_rng(0).permutation(1500)
    other = KernelQ(
        critic.center_states[shuffled],
        critic.center_actions[shuffled],
        critic.weights[shuffled],
        state_lengthscale=critic.state_lengthscale,
        action_lengthscale=critic.action_lengthscale,
        kernel=critic.kernel,
    )
    assert np.array_equal(other.center_states, critic.center_states[shuffled])
    assert_equals_twin(other, states, particles)


@pytest.mark.property
@pytest.mark.parametrize("kernel", ["matern52", "imq"])
def test_the_fused_flow_takes_every_kernel(kernel):
    critic, states, particles = problem(700, 2, 3, np.float32, kernel=kernel)
    given = {"step_size": 0.1, "temperature": 0.2, "seed": 3}
    fused = flow(particles, critic, states, steps=3, **given)
    for step in range(3):
        drift = critic.action_gradient(states, particles)
        particles = langevin(particles, drift, step=step, **given)
    assert bits(fused) == bits(particles)


@pytest.mark.twin
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relevant", [0, 1, 7, 40])
def test_centres_that_do_not_matter_may_be_skipped(relevant, dtype):
    random = np.random.default_rng(1)
    critic, states, particles = problem(1000, 2, 3, dtype, N=20)
    center_states = critic.center_states.copy()
    far = random.permutation(1000)[relevant:]
    # 4 to 14 length scales away in 0.5: state factors from 1e-14 to 1e-170, beside those near 1.
    center_states[far] += random.uniform(4, 7, (len(far), 2)).astype(dtype)
    skipping = KernelQ(
        center_states,
        critic.center_actions,
        critic.weights,
        state_lengthscale=0.5,
        action_lengthscale=0.5,
    )
    assert_equals_twin(skipping, states, particles)


@pytest.mark.closed_form
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_centre_by_hand(dtype):
    one = KernelQ(
        np.array([[1.0]], dtype),
        np.array([[0.5]], dtype),
        np.array([2.0], dtype),
        state_lengthscale=2.0,
        action_lengthscale=0.5,
    )
    states, particles = np.array([[3.0]], dtype), np.array([[[0.5], [1.0]]], dtype)
    value, gradient = one.value_and_action_gradient(states, particles)
    k = np.exp(-0.5)  # the state is one length scale away, and so is the second particle
    tolerance = 20 * unit_roundoff(dtype) * 4
    assert np.allclose(value, [[2 * k, 2 * k * k]], rtol=0, atol=tolerance)
    assert np.allclose(gradient, [[[0], [-4 * k * k]]], rtol=0, atol=tolerance)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("D", "kernel"),
    [(1, "gaussian"), (3, "gaussian"), (5, "gaussian"), (3, "matern52"), (7, "imq")],
)
def test_bits_do_not_depend_on_threads(D, kernel, dtype):
    critic, states, particles = problem(333, 4, D, dtype, S=37, N=21, kernel=kernel)
    for isa in available_simd_isas():
        with simd(isa):
            same_on_all_threads(lambda: critic.value_and_action_gradient(states, particles))
            same_on_all_threads(lambda: critic.value(states, particles))


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_states_and_particles_do_not_see_each_other(dtype):
    critic, states, particles = problem(200, 3, 2, dtype, S=6, N=9)
    whole = critic.value_and_action_gradient(states, particles)
    for s in range(6):
        part = critic.value_and_action_gradient(states[s : s + 1], particles[s : s + 1, 2:5])
        assert bits(*part) == bits(whole[0][s, 2:5], whole[1][s, 2:5])


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_filled_and_returned(dtype):
    critic, states, particles = problem(50, 3, 2, dtype)
    value, gradient = critic.value_and_action_gradient(states, particles)
    out = np.empty_like(value), np.empty_like(gradient)
    found = critic.value_and_action_gradient(states, particles, out=out)
    assert found[0] is out[0]
    assert found[1] is out[1]
    assert bits(*out) == bits(value, gradient)
    only = np.empty_like(value), np.empty_like(gradient)
    assert critic.value(states, particles, out=only[0]) is only[0]
    assert critic.action_gradient(states, particles, out=only[1]) is only[1]
    assert bits(*only) == bits(critic.value(states, particles), gradient)
    assert critic.value(states, particles[:, :0]).shape == (3, 0)
    assert critic.action_gradient(states[:0], particles[:0]).shape == (0, 5, 2)


@pytest.mark.property
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_mean_of_critics_is_a_critic(dtype):
    critics = [problem(M, 3, 2, dtype, seed=M)[0] for M in (20, 33, 7)]
    _, states, particles = problem(1, 3, 2, dtype)
    mean = KernelQ.mean(critics)
    assert len(mean) == 60
    assert mean.dtype == dtype
    each = [twin(q, states, particles) for q in critics]
    _, _, value_error, gradient_error = twin(mean, states, particles)
    value = np.mean([value for value, *_ in each], axis=0)
    gradient = np.mean([gradient for _, gradient, *_ in each], axis=0)
    # One rounding more: weights divided by 3.
    found = mean.value_and_action_gradient(states, particles)
    assert np.all(np.abs(found[0] - value) <= 1.1 * value_error)
    assert np.all(np.abs(found[1] - gradient) <= 1.1 * gradient_error)
    other = problem(5, 3, 2, dtype, action_lengthscale=0.25)[0]
    with pytest.raises(ValueError, match="length scales"):
        KernelQ.mean([critics[0], other])


def test_astype_is_the_same_function():
    critic, states, particles = problem(50, 3, 2, np.float32)
    double = critic.astype(np.float64)
    assert double.dtype == np.float64
    assert critic.dtype == np.float32
    value, gradient = kernel_q(
        critic.center_states,
        critic.center_actions,
        critic.weights,
        states,
        particles,
        state_lengthscale=0.5,
        action_lengthscale=0.5,
    )
    wide = states.astype(float), particles.astype(float)
    found = double.value_and_action_gradient(*wide)
    assert np.allclose(found[0], value, rtol=0, atol=1e-13)
    assert np.allclose(found[1], gradient, rtol=0, atol=1e-13)
    back = double.astype(np.float32)
    assert bits(back.value(states, particles)) == bits(critic.value(states, particles))
    assert repr(critic) == "KernelQ(M=50, O=3, D=2, float32)"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad_number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("M", [50, 700])
def test_nan_reaches_the_caller(M, kernel, bad_number, dtype):
    critic, states, particles = problem(M, 3, 2, dtype, kernel=kernel)
    particles[1, 2, 0] = bad_number
    states[2, 1] = bad_number
    value, gradient = critic.value_and_action_gradient(states, particles)
    bad = np.zeros((3, 5), bool)
    bad[1, 2] = bad[2] = True
    assert np.array_equal(np.isnan(value), bad)
    assert np.array_equal(np.isnan(gradient).any(axis=2), bad)


@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 1e20), (np.float64, 1e160)])
def test_a_finite_particle_far_away_has_almost_no_value(dtype, far):
    critic, states, particles = problem(5, 3, 2, dtype)
    particles[:] = far
    assert np.abs(critic.value(states, particles)).max() <= 1e-36


@pytest.mark.parametrize(("dtype", "far"), [(np.float32, 3e38), (np.float64, 1.7e308)])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("M", [5, 700])
def test_a_finite_state_far_away_has_almost_no_value(M, kernel, dtype, far):
    critic, states, particles = problem(M, 3, 2, dtype, kernel=kernel)
    states[:] = far
    # The multiquadric's value at the end of the range of numbers, 1e-19 in float32.
    value, gradient = critic.value_and_action_gradient(states, particles)
    assert np.abs(value).max() <= 1e-16
    assert np.abs(gradient).max() <= 1e-16


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_states_and_no_particles_give_nothing(kernel):
    critic, states, particles = problem(700, 3, 2, np.float32, kernel=kernel)
    value, gradient = critic.value_and_action_gradient(states[:0], particles[:0])
    assert value.shape == (0, 5)
    assert gradient.shape == (0, 5, 2)
    value, gradient = critic.value_and_action_gradient(states, particles[:, :0])
    assert value.shape == (3, 0)
    assert gradient.shape == (3, 0, 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_weights_of_zero_give_zero(kernel, dtype):
    critic, states, particles = problem(5, 3, 2, dtype)
    nothing = KernelQ(
        critic.center_states,
        critic.center_actions,
        np.zeros(5, dtype),
        state_lengthscale=0.5,
        action_lengthscale=0.5,
        kernel=kernel,
    )
    states[1] = np.nan
    assert np.isnan(nothing.value(states, particles)[1]).all()
    states[1] = 0
    assert not nothing.value(states, particles).any()
    assert not nothing.action_gradient(states, particles).any()


@pytest.mark.parametrize(("whole", "dtype"), [(np.uint32, np.float32), (np.uint64, np.float64)])
def test_nan_with_a_payload_reaches_the_caller(whole, dtype):
    critic, states, particles = problem(5, 3, 2, dtype)
    quiet = np.array(np.nan, dtype).view(whole)
    particles[0, 0, 0] = (quiet | whole(1)).view(dtype)
    assert np.isnan(critic.value(states, particles)[0, 0])


def test_the_largest_weights_give_what_they_should():
    one = KernelQ(
        np.zeros((2, 1), np.float32),
        np.array([[-2.7], [2.7]], np.float32),
        np.full(2, 3e38, np.float32),
        state_lengthscale=1.0,
        action_lengthscale=1.0,
    )
    found = one.value(np.zeros((1, 1), np.float32), np.full((1, 1, 1), 2.7, np.float32))
    assert abs(found / 3e38 - 1) < 1e-4


def arguments(dtype=np.float32):
    return {
        "center_states": np.zeros((4, 3), dtype),
        "center_actions": np.zeros((4, 2), dtype),
        "weights": np.ones(4, dtype),
        "state_lengthscale": 0.5,
        "action_lengthscale": 0.5,
    }


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (TypeError, "center_states", [[0.0] * 3] * 4),
        (TypeError, "center_states", np.zeros((4, 3), int)),
        (TypeError, "center_states", np.zeros((4, 3), np.float16)),
        (TypeError, "center_states", np.zeros((4, 3), ">f4")),
        (TypeError, "center_states", np.zeros((4, 3), object)),
        (ValueError, "center_states", np.zeros(4, np.float32)),
        (ValueError, "center_states", np.full((4, 3), np.nan, np.float32)),
        (ValueError, "center_states", np.zeros((4, 3), np.float32, order="F")),
        (ValueError, "center_states", np.zeros((8, 3), np.float32)[::2]),
        (ValueError, "center", np.zeros((0, 3), np.float32)),
        (TypeError, "center_actions", [[0.0] * 2] * 4),
        (TypeError, "center_actions", np.zeros((4, 2))),
        (ValueError, "center_actions", np.zeros((5, 2), np.float32)),
        (ValueError, "center_actions", np.zeros((4, 2), np.float32, order="F")),
        (ValueError, "center_actions", np.full((4, 2), np.inf, np.float32)),
        (TypeError, "weights", [1.0] * 4),
        (TypeError, "weights", np.ones(4)),
        (ValueError, "weights", np.ones(5, np.float32)),
        (ValueError, "weights", np.ones((4, 1), np.float32)),
        (ValueError, "weights", np.full(4, np.nan, np.float32)),
        (ValueError, "state_lengthscale", 0.0),
        (ValueError, "state_lengthscale", -1.0),
        (ValueError, "state_lengthscale", np.nan),
        (ValueError, "state_lengthscale", np.inf),
        (ValueError, "state_lengthscale", [0.5, 0.5]),
        (ValueError, "action_lengthscale", [0.5, 0.0]),
        (ValueError, "action_lengthscale", [[0.5, 0.5]]),
        (TypeError, "action_lengthscale", None),
        (ValueError, "'gaussian', 'matern52', 'imq'", "laplace"),
        (TypeError, "kernel", None),
        (ValueError, "center_states / state_lengthscale overflows", 1e-38),
    ],
)
def test_bad_critics_are_refused_by_name(error, name, value):
    given = arguments() | {("kernel" if "gaussian" in name else name): value}
    if "overflows" in name:
        states = np.full((4, 3), 1e10, np.float32)
        given = arguments() | {"center_states": states, "state_lengthscale": value}
    if name == "center":
        given = arguments() | {"center_states": value}
    with pytest.raises(error, match=name):
        KernelQ(**given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights", np.ones(4, object)),
        ("center_actions", np.zeros((4, 2), object)),
        ("state_lengthscale", "long"),
        ("action_lengthscale", [[1.0], 2.0]),
    ],
)
def test_bad_critics_are_refused_by_name_for_other_objects(name, value):
    with pytest.raises((TypeError, ValueError), match=name):
        KernelQ(**arguments() | {name: value})


BAD_INPUTS = [
    (TypeError, "states", np.zeros((2, 3))),
    (TypeError, "states", [[0.0] * 3] * 2),
    (TypeError, "states", np.zeros((2, 3), np.int32)),
    (ValueError, "states", np.zeros((2, 4), np.float32)),
    (ValueError, "states", np.zeros(3, np.float32)),
    (ValueError, "states", np.zeros((2, 3), np.float32, order="F")),
    (TypeError, "particles", np.zeros((2, 5, 2))),
    (TypeError, "particles", np.zeros((2, 5, 2), ">f4")),
    (TypeError, "particles", None),
    (ValueError, "particles", np.zeros((3, 5, 2), np.float32)),
    (ValueError, "particles", np.zeros((2, 5, 3), np.float32)),
    (ValueError, "particles", np.zeros((2, 5), np.float32)),
    (ValueError, "particles", np.zeros((2, 5, 4), np.float32)[:, :, ::2]),
    (TypeError, r"out\[0\]", (np.zeros((2, 5)), np.zeros((2, 5, 2), np.float32))),
    (ValueError, r"out\[0\]", (np.zeros((5, 2), np.float32), np.zeros((2, 5, 2), np.float32))),
    (ValueError, r"out\[1\]", (np.zeros((2, 5), np.float32), np.zeros((2, 5), np.float32))),
    (TypeError, r"out\[1\]", (np.zeros((2, 5), np.float32), [[0.0]])),
    (ValueError, r"out\[1\]", (None, np.zeros((2, 5, 4), np.float32)[:, :, ::2])),
    (ValueError, r"out\[1\]", (None, np.broadcast_to(np.float32(0), (2, 5, 2)))),
]


@pytest.mark.parametrize(("error", "name", "value"), BAD_INPUTS)
def test_bad_calls_are_refused_by_name(error, name, value):
    critic = KernelQ(**arguments())
    out = np.zeros((2, 5), np.float32), np.zeros((2, 5, 2), np.float32)
    given = {
        "states": np.zeros((2, 3), np.float32),
        "particles": np.zeros((2, 5, 2), np.float32),
        "out": out,
    }
    given["out" if name.startswith("out") else name] = value
    with pytest.raises(error, match=name):
        critic.value_and_action_gradient(**given)
    written = given["out"] if name.startswith("out") else out
    assert not any(np.any(np.asarray(x)) for x in written if x is not None)


def test_outputs_may_share_no_memory_with_inputs_or_each_other():
    critic = KernelQ(**arguments())
    states = np.zeros((2, 3), np.float32)
    memory = np.zeros(40, np.float32)
    particles = memory[:20].reshape(2, 5, 2)
    with pytest.raises(ValueError, match=r"out\[1\] shares memory with particles"):
        critic.action_gradient(states, particles, out=particles)
    with pytest.raises(ValueError, match=r"out\[0\] shares memory with particles"):
        critic.value(states, particles, out=memory[15:25].reshape(2, 5))
    out = memory[30:40].reshape(2, 5), memory[20:40].reshape(2, 5, 2)
    with pytest.raises(ValueError, match=r"out\[0\] shares memory with out\[1\]"):
        critic.value_and_action_gradient(states, particles, out=out)
    assert not memory.any()
