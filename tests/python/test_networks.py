"""MLP: twin within its rounding, derivatives, PyTorch, bits, Adam, initial law, refusals."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import network_rounding as rounding
from bits import bits, same_on_all_threads, simd
from statistical_claims import assert_cdf, assert_mean
from wpg import _core
from wpg.networks import MLP, Tape
from wpg.reference import networks as twin
from wpg.threads import available_simd_isas

TILE = 128  # rows that pass through the layers together

# (O, D, K), (S, N), hidden, members, activation, layer_norm
CASES: dict[str, tuple[tuple[int, int, int], tuple[int, int], tuple[int, ...], int, str, bool]] = {
    "critic": ((3, 2, 1), (5, 4), (16, 8), 2, "relu", True),
    "no states": ((0, 3, 2), (3, 5), (9,), 2, "silu", False),
    "no particles": ((4, 0, 6), (7, 1), (12, 5), 1, "relu", False),
    "no hidden layer": ((3, 2, 2), (4, 3), (), 3, "relu", False),
    "no hidden layer but a norm": ((3, 2, 2), (4, 3), (), 1, "silu", True),
    "odd widths": ((2, 1, 3), (3, 7), (13, 7, 5), 3, "silu", True),
    "widths of one": ((1, 1, 1), (2, 3), (1, 1), 2, "relu", True),
    "no state": ((3, 2, 1), (0, 4), (8,), 2, "relu", True),
    "no particle": ((3, 2, 1), (4, 0), (8,), 2, "relu", True),
    "one row": ((3, 2, 1), (1, 1), (8,), 2, "silu", False),
    "tiny": ((1, 2, 3), (2, 2), (4,), 2, "relu", False),
    "a tile": ((2, 2, 1), (TILE, 1), (17,), 1, "relu", False),
    "one more than a tile": ((2, 2, 1), (TILE + 1, 1), (17,), 2, "silu", True),
    "a state across a border": ((3, 2, 2), (3, 50), (10, 9), 2, "relu", True),
    "a state of several tiles": ((3, 1, 1), (2, 150), (11,), 1, "silu", False),
}


def example(
    sizes: tuple[int, int, int],
    rows: tuple[int, int],
    hidden: tuple[int, ...],
    members: int,
    activation: str,
    layer_norm: bool,
    *,
    seed: int = 0,
    moved: float = 0.2,
    scale: float = 1.0,
) -> tuple[MLP, Any, Any, Any]:
    """A network away from its initial weights, states, particles, and a gradient at its outputs."""
    O, D, K = sizes
    S, N = rows
    random = np.random.default_rng(seed)
    network = MLP(
        O,
        D,
        K,
        hidden=hidden,
        members=members,
        activation=activation,
        layer_norm=layer_norm,
        seed=seed,
    )
    network.parameters += (moved * random.normal(size=network.parameters.shape)).astype("f")
    states = (scale * random.normal(size=(S, O))).astype("f")
    particles = random.normal(size=(S, N, D)).astype("f") if D else None
    gradient = random.normal(size=(members, S, N, K)).astype("f")
    return network, states, particles, gradient


def small(**changes: Any) -> tuple[MLP, Any, Any, Any]:
    return example((3, 2, 2), (4, 5), (8, 6), 2, "relu", True, **changes)


def flat(of_networks: list[list[dict[str, Any]]]) -> Any:
    """The twin's gradients in the order of the parameters."""
    names = ("weight", "bias", "gain", "offset")
    return np.array(
        [
            np.concatenate([layer[k].ravel() for layer in layers for k in names if k in layer])
            for layers in of_networks
        ]
    )


def assert_within_rounding(network: MLP, states: Any, particles: Any, gradient: Any) -> None:
    """Outputs and gradients against the formulas for all rows at once, within their bounds."""
    value, error = rounding.outputs(network, states, particles)
    tape = network.tape(states, particles)
    assert tape.outputs.dtype == np.float32
    assert np.all(np.abs(tape.outputs - value) <= error)
    assert np.array_equal(network(states, particles), tape.outputs)
    of_weights, of_inputs = rounding.gradients(network, states, particles, gradient)
    found = network.parameter_gradient(tape, gradient)
    assert np.all(np.abs(found - of_weights[0]) <= of_weights[1])
    if particles is not None:
        O = network.state_size
        want, bound = (x[:, O:].reshape(particles.shape) for x in of_inputs)
        assert np.all(np.abs(network.particle_gradient(tape, gradient) - want) <= bound)


@pytest.mark.twin
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_equal_the_naive_twin(name: str) -> None:
    network, states, particles, gradient = example(*CASES[name])
    layers = rounding.twin_of(network)
    # What the bounds stand beside is what the loops of the twin give, in float64.
    how = {"activation_name": network.activation}
    value, _ = rounding.outputs(network, states, particles)
    assert np.allclose(value, twin.ensemble(layers, states, particles, **how), rtol=0, atol=1e-11)
    of_weights, of_inputs = rounding.gradients(network, states, particles, gradient)
    want = twin.ensemble_gradient(layers, states, particles, gradient, **how)
    assert np.allclose(of_weights[0], flat(want[0]), rtol=0, atol=1e-10)
    assert np.allclose(of_inputs[0], want[1].reshape(of_inputs[0].shape), rtol=0, atol=1e-10)
    for isa in available_simd_isas():
        with simd(isa):
            assert_within_rounding(network, states, particles, gradient)


@pytest.mark.twin
@pytest.mark.parametrize("half", [0, 1])
def test_the_error_bound_holds_on_a_thousand_generated_cases(half: int) -> None:
    random = np.random.default_rng(half)
    for case in range(500):
        O = int(random.integers(0, 7))
        D = int(random.integers(0 if O else 1, 6))
        hidden = tuple(int(width) for width in random.integers(1, 40, random.integers(0, 4)))
        shape = (int(random.integers(0, 6)), int(random.integers(0, 60)) if D else 1)
        assert_within_rounding(
            *example(
                (O, D, int(random.integers(1, 4))),
                shape,
                hidden,
                int(random.integers(1, 4)),
                ("relu", "silu")[random.integers(2)],
                bool(random.integers(2)),
                seed=2 * case + half,
                moved=10 ** random.uniform(-2, 0.5),
                scale=10 ** random.uniform(-2, 1),
            )
        )


@pytest.mark.property
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_the_twin_s_gradients_are_derivatives(activation: str, layer_norm: bool) -> None:
    # Central differences with h = 1e-5: h^2 f''' / 6 and u |f| / h are below 1e-9 of numbers near
    # 1. Those of relu are exact away from its kinks; none of these rows has one within 1e-3.
    random = np.random.default_rng(3)
    sizes, how = (5, 6, 4, 2), {"activation_name": activation}
    count = len(twin.initial_parameters(sizes, member=0, seed=1, layer_norm=layer_norm))
    numbers = random.normal(size=count)
    x, weights = random.normal(size=5), random.normal(size=2)
    _, trace = twin.perceptron(twin.layers_of(numbers, sizes, layer_norm=layer_norm), x, **how)
    assert min(np.abs(step["u"]).min() for step in trace) > 1e-3

    def along(numbers: Any, x: Any) -> float:
        layers = twin.layers_of(numbers, sizes, layer_norm=layer_norm)
        return float(twin.perceptron(layers, x, **how)[0] @ weights)

    layers = twin.layers_of(numbers, sizes, layer_norm=layer_norm)
    of_layers, of_input = twin.perceptron_gradient(layers, x, weights, **how)
    found = flat([of_layers])[0]
    h = 1e-5
    for i in range(count):
        step = np.zeros(count)
        step[i] = h
        slope = (along(numbers + step, x) - along(numbers - step, x)) / (2 * h)
        assert abs(slope - found[i]) <= 1e-8 * max(1, np.abs(found).max())
    for i in range(5):
        step = np.zeros(5)
        step[i] = h
        slope = (along(numbers, x + step) - along(numbers, x - step)) / (2 * h)
        assert abs(slope - of_input[i]) <= 1e-8 * max(1, np.abs(of_input).max())


def torch_network(torch: Any, network: MLP, member: int) -> Any:
    """The same member in PyTorch, in float64."""
    parts: list[Any] = []
    count = len(network.hidden) + 1
    for index in range(count):
        layer = network.layer(member, index)
        linear = torch.nn.Linear(*layer["weight"].shape)
        linear.weight.data = torch.tensor(layer["weight"].T.copy())
        linear.bias.data = torch.tensor(layer["bias"].copy())
        parts.append(linear)
        if index < count - 1:
            if network.layer_norm:
                norm = torch.nn.LayerNorm(layer["weight"].shape[1])
                norm.weight.data = torch.tensor(layer["gain"].copy())
                norm.bias.data = torch.tensor(layer["offset"].copy())
                parts.append(norm)
            parts.append(torch.nn.ReLU() if network.activation == "relu" else torch.nn.SiLU())
    return torch.nn.Sequential(*parts).double()


@pytest.mark.twin
@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("no ")])
def test_outputs_and_gradients_equal_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    network, states, particles, gradient = example(*CASES[name])
    _, error = rounding.outputs(network, states, particles)
    (_, of_weights), (_, of_inputs) = rounding.gradients(network, states, particles, gradient)
    tape = network.tape(states, particles)
    found = network.parameter_gradient(tape, gradient)
    inputs = torch.tensor(rounding.inputs_of(states, particles), requires_grad=True)
    for e in range(network.members):
        peer = torch_network(torch, network, e)
        value = peer(inputs)
        shape = tape.outputs[e].shape
        assert np.all(np.abs(tape.outputs[e] - value.detach().numpy().reshape(shape)) <= error[e])
        (value * torch.tensor(gradient[e].reshape(value.shape))).sum().backward()
        # Linear layers have their weights transposed; the order is otherwise ours.
        want = np.concatenate(
            [(p.grad.T if p.ndim == 2 else p.grad).numpy().ravel() for p in peer.parameters()]
        )
        assert np.all(np.abs(found[e] - want) <= of_weights[e])
    want = inputs.grad.numpy()[:, network.state_size :].reshape(particles.shape)
    bound = of_inputs[:, network.state_size :].reshape(particles.shape)
    assert np.all(np.abs(network.particle_gradient(tape, gradient) - want) <= bound)


@pytest.mark.property
@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_threads(name: str) -> None:
    network, states, particles, gradient = example(*CASES[name])

    def make() -> tuple[Any, ...]:
        tape = network.tape(states, particles)
        made = (network(states, particles), tape.outputs)
        made += (network.parameter_gradient(tape, gradient),)
        return made if particles is None else (*made, network.particle_gradient(tape, gradient))

    same_on_all_threads(make)


@pytest.mark.property
def test_bits_of_a_row_do_not_depend_on_the_rows_beside_it() -> None:
    random = np.random.default_rng(1)
    for case in range(60):
        O, K, width = (int(n) for n in random.integers(1, 40, 3))
        D, N = (int(n) for n in random.integers(1, 7, 2))
        S = int(random.integers(2, 60))
        problem = example(
            (O, D, K), (S, N), (width,) * (case % 3), 2, "silu", case % 2 == 0, seed=case
        )
        network, states, particles, gradient = problem
        rows = gradient.reshape(2, S, N, K)
        whole = network.tape(states, particles)
        outputs = whole.outputs.reshape(2, S, N, K)
        back = network.particle_gradient(whole, gradient)
        first = int(random.integers(0, S - 1))
        some = slice(first, int(random.integers(first + 1, S + 1)))
        tape = network.tape(states[some], particles[some])
        part = np.ascontiguousarray(rows[:, some]).reshape(tape.outputs.shape)
        np.testing.assert_array_equal(tape.outputs.reshape(2, -1, N, K), outputs[:, some])
        np.testing.assert_array_equal(network.particle_gradient(tape, part), back[some])


def placed(array: Any, offset: int) -> Any:
    """The same numbers so many floats behind the beginning of a cache line."""
    memory = np.empty(array.size + 32, np.float32)
    begin = (-memory.ctypes.data // 4) % 16 + offset
    view = memory[begin : begin + array.size].reshape(array.shape)
    view[...] = array
    return view


def bits_at(offset: int, network: MLP, states: Any, particles: Any, gradient: Any) -> str:
    """Everything that a network gives, its arrays so many floats behind a cache line."""
    at = [x if x is None else placed(x, offset) for x in (states, particles, gradient)]
    network.parameters = placed(network.parameters, 15 - offset)
    tape = network.tape(*at[:2])
    made = [tape.outputs, network(*at[:2]), network.parameter_gradient(tape, at[2])]
    assert np.array_equal(made[0], made[1])
    if particles is not None:
        made.append(network.particle_gradient(tape, at[2]))
    return bits(*made)


@pytest.mark.property
@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_where_arrays_lie(name: str) -> None:
    problem = example(*CASES[name])
    assert len({bits_at(offset, *problem) for offset in (0, 1, 4, 8, 11)}) == 1


@pytest.mark.property
def test_bits_of_tiny_networks_do_not_depend_on_where_arrays_lie() -> None:
    # Where rows, inputs and outputs are fewer than 20 together, matrix libraries like shortcuts.
    random = np.random.default_rng(0)
    for case in range(100):
        O, D, K, S, N, width = (int(n) for n in random.integers(1, 7, 6))
        problem = example((O, D, K), (S, N), (width,) * (case % 3), 2, "silu", False, seed=case)
        assert len({bits_at(offset, *problem) for offset in (0, 1, 4, 8, 11)}) == 1


@pytest.mark.property
def test_bits_of_steps_do_not_depend_on_threads() -> None:
    # More numbers than one piece of Adam's, 16384, has.
    network, states, particles, gradient = example((3, 2, 1), (20, 10), (150, 150), 2, "relu", True)
    initial = network.copy()

    def make() -> tuple[Any, ...]:
        learner, follower = initial.copy(), initial.copy()
        for _ in range(3):
            learner.descend(learner.tape(states, particles), gradient, learning_rate=1e-3)
            follower.move_towards(learner, 0.1)
        return (*learner.arrays().values(), follower.parameters)

    same_on_all_threads(make)


@pytest.mark.property
@pytest.mark.parametrize("activation", ["relu", "silu"])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_row_stays_alone(activation: str, layer_norm: bool, broken: float) -> None:
    network, states, particles, gradient = example(
        (3, 2, 1), (4, 50), (17, 9), 2, activation, layer_norm
    )
    good = network.tape(states, particles)
    states, particles = states.copy(), particles.copy()
    states[1, 2] = broken
    particles[2, 30, 1] = broken  # row 130, in the second tile
    touched = np.zeros((4, 50), bool)
    touched[1] = True
    touched[2, 30] = True
    tape = network.tape(states, particles)
    assert np.array_equal(tape.outputs[:, ~touched], good.outputs[:, ~touched])
    if layer_norm or np.isnan(broken):
        assert np.isnan(tape.outputs[:, touched]).all()
    same = network.particle_gradient(tape, gradient)[~touched]
    assert np.array_equal(same, network.particle_gradient(good, gradient)[~touched])


@pytest.mark.closed_form
def test_silu_is_zero_far_below() -> None:
    # One unit passes its input on: silu(x) = x / (1 + exp(-x)), x itself or 0 far out.
    network = MLP(1, 0, 1, hidden=(1,), activation="silu", seed=0)
    network.parameters[:] = [[1, 0, 1, 0]]
    x = np.array([-3e38, -1e30, -1000, -90, -83, -20, -1, 0, 1, 20, 1000, 1e30], np.float32)
    with np.errstate(over="ignore"):
        want = x / (1 + np.exp(-x.astype(float)))
    relative = rounding.LOGISTIC + 4 * rounding.U + 1e-7 * np.clip(-x, 0, 100)
    error = relative * np.abs(want) + 1e-34
    tape = network.tape(x[:, None])
    assert np.all(np.abs(tape.outputs.ravel() - want) <= error)
    # Its slope is seen by the first weight's gradient, which has x as a factor.
    for value, slope in ((-1e30, 0.0), (-100.0, 0.0), (0.0, 0.5), (1e30, 1.0)):
        one = network.tape(np.array([[value]], np.float32))
        found = network.parameter_gradient(one, np.ones((1, 1, 1, 1), np.float32))[0, 1]
        assert abs(found - slope) <= 2e-6


# Adam and averages.


@pytest.mark.twin
def test_adam_equals_its_twin() -> None:
    # Per step a parameter moves by at most learning_rate times a few roundings of the quotient; the
    # moments' relative roundings and those of beta2 to float add up to less than 100 (4 + 1) u.
    random = np.random.default_rng(0)
    shape = (2, 40_000)
    p, m, v = random.normal(size=shape).astype("f"), np.zeros(shape, "f"), np.zeros(shape, "f")
    want = p.astype(float), np.zeros(shape), np.zeros(shape)
    scale = (10.0 ** random.uniform(-6, 3, shape)).astype("f")
    scale[:, :50] = 0
    for step in range(1, 101):
        g = scale * random.normal(size=shape).astype("f")
        _core.adam_step(p, m, v, g, step, 1e-3)
        want = twin.adam(*want, g.astype(float), step=step, learning_rate=1e-3)
    u = rounding.U
    assert np.all(np.abs(v - want[2]) <= 500 * u * want[2])
    assert np.all(np.abs(m - want[1]) <= 100 * u * scale * 5)
    # Each of 100 steps is at most 10 learning rates long, and p is rounded each time.
    assert np.all(np.abs(p - want[0]) <= 100 * (u * (np.abs(want[0]) + 1) + 1e-3 * 500 * u))
    assert np.array_equal(p[:, :50], want[0][:, :50])


@pytest.mark.twin
@pytest.mark.parametrize("beta1", [0.9, 0.5, 0.0])
def test_adam_equals_that_of_pytorch(beta1: float) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(1)
    p = random.normal(size=1000).astype("f")
    m, v = np.zeros_like(p), np.zeros_like(p)
    peer = torch.tensor(p.astype(float), requires_grad=True)
    optimizer = torch.optim.Adam([peer], lr=3e-4, betas=(beta1, 0.999), eps=1e-8)
    for step in range(1, 101):
        g = random.normal(size=1000).astype("f")
        _core.adam_step(p, m, v, g, step, 3e-4, beta1)
        peer.grad = torch.tensor(g.astype(float))
        optimizer.step()
    # 100 roundings of p, and as many steps that are right to 500 u (see the twin's test).
    u = rounding.U
    allowed = 100 * (u * (np.abs(p) + 1) + 3e-4 * 500 * u)
    assert np.all(np.abs(p - peer.detach().numpy()) <= allowed)


@pytest.mark.closed_form
@pytest.mark.parametrize("beta2", [0.9, 0.999, 1 - 1e-9])
def test_the_first_step_of_adam_is_the_learning_rate(beta2: float) -> None:
    # m / (1 - beta1) = g and v / (1 - beta2) = g^2, whatever the betas: a few roundings of 1e-2,
    # and epsilon / |g|.
    g = np.array([1.0, -3.0, 1e3], "f")
    p, m, v = (np.zeros(3, "f") for _ in range(3))
    _core.adam_step(p, m, v, g, 1, 1e-2, 0.9, beta2)
    assert np.all(np.abs(p + 1e-2 * np.sign(g)) <= 1e-2 * (1e-8 + 8 * rounding.U))


@pytest.mark.closed_form
def test_averages() -> None:
    network, *_ = small()
    other = small(seed=1)[0]
    follower = network.copy()
    follower.move_towards(other, 0.25)
    want = twin.polyak(network.parameters.astype(float), other.parameters.astype(float), 0.25)
    sizes = np.abs(network.parameters) + np.abs(other.parameters)
    assert np.all(np.abs(follower.parameters - want) <= 3 * rounding.U * sizes)
    before = follower.parameters.copy()
    follower.move_towards(other, 0.0)
    assert np.array_equal(follower.parameters, before)
    # At rate 1 a copy: the exact numbers, also over those that are broken.
    follower.parameters[0, :3] = np.nan, np.inf, 1e30
    follower.move_towards(other, 1.0)
    assert np.array_equal(follower.parameters, other.parameters)


@pytest.mark.end_to_end
@pytest.mark.parametrize(("activation", "layer_norm"), [("relu", False), ("silu", True)])
def test_descending_finds_a_linear_map(activation: str, layer_norm: bool) -> None:
    # No hidden layer: least squares, whose minimum is 0 here.
    random = np.random.default_rng(0)
    network = MLP(3, 0, 2, hidden=(), activation=activation, layer_norm=layer_norm, seed=0)
    states = random.normal(size=(64, 3)).astype("f")
    targets = (states @ random.normal(size=(3, 2)) + 0.5).astype("f")
    for _ in range(400):
        tape = network.tape(states)
        away = tape.outputs - targets[None, :, None]
        network.descend(tape, away / np.float32(64), learning_rate=0.03)
    assert network.steps == 400
    assert np.abs(network(states)[0, :, 0] - targets).max() <= 1e-3


# Initial weights, copies, checkpoints.


@pytest.mark.twin
@pytest.mark.parametrize("layer_norm", [False, True])
def test_initial_weights_are_those_of_the_twin(layer_norm: bool) -> None:
    seed = 2**63 + 5
    network = MLP(3, 2, 1, hidden=(5, 7), members=3, layer_norm=layer_norm, seed=seed)
    how = {"seed": seed, "layer_norm": layer_norm}
    want = [twin.initial_parameters((5, 5, 7, 1), member=e, **how) for e in range(3)]
    assert np.array_equal(network.parameters, want)
    again = MLP(3, 2, 1, hidden=(5, 7), members=3, layer_norm=layer_norm, seed=seed)
    assert bits(network.parameters) == bits(again.parameters)
    # A member does not depend on how many there are, and other seeds name others.
    fewer = MLP(3, 2, 1, hidden=(5, 7), members=1, layer_norm=layer_norm, seed=seed)
    assert np.array_equal(fewer.parameters[0], network.parameters[0])
    other = MLP(3, 2, 1, hidden=(5, 7), members=3, layer_norm=layer_norm, seed=seed - 1)
    assert not np.any(other.layer(0, 0)["weight"] == network.layer(0, 0)["weight"])


@pytest.mark.statistics
def test_initial_weights_are_uniform() -> None:
    # False alarm once in 1e9 for each of the claims; a distribution function that is off by 1 %, or
    # a mean by 1 % of the bound, is noticed with probability 0.999.
    network = MLP(200, 56, 300, hidden=(600,), members=2, seed=7)
    for e in range(2):
        for index, inputs in ((0, 256), (1, 600)):
            layer = network.layer(e, index)
            draws = layer["weight"].ravel().astype(float) * np.sqrt(inputs)
            assert np.abs(draws).max() < 1
            assert_cdf(draws, lambda x: (x + 1) / 2, detects=0.014)
            assert_mean(draws, 0.0, variance=1 / 3, bound=1.0, detects=0.016)
            assert np.abs(layer["bias"]).max() * np.sqrt(inputs) < 1
    # Members and layers share no draws: correlations of products of variance 1/9.
    first, second = (network.layer(e, 0)["weight"].ravel() * 16.0 for e in range(2))
    assert_mean(first * second, 0.0, variance=1 / 9, bound=1.0, detects=0.01)
    rows = network.layer(0, 1)["weight"].ravel()[: first.size] * np.sqrt(600.0)
    assert_mean(first * rows, 0.0, variance=1 / 9, bound=1.0, detects=0.01)


def test_layers_are_views() -> None:
    network, states, particles, _ = small()
    assert set(network.layer(1, 0)) == {"weight", "bias", "gain", "offset"}
    last = network.layer(1, 2)
    assert set(last) == {"weight", "bias"}
    assert last["weight"].shape == (6, 2)
    before = network(states, particles)
    last["bias"] += 1
    after = network(states, particles)
    assert np.array_equal(after[0], before[0])
    assert np.allclose(after[1], before[1] + 1, rtol=0, atol=1e-5)
    seen = sum(v.size for index in range(3) for v in network.layer(0, index).values())
    assert seen == network.parameters.shape[1]
    for member, index in ((2, 0), (-1, 0), (0, 3), (0, -1)):
        with pytest.raises(ValueError, match=r"(member|layer) is -?\d; it must be from 0 to"):
            network.layer(member, index)
    with pytest.raises(TypeError, match=r"layer is 1\.0"):
        network.layer(0, 1.0)  # type: ignore[arg-type]


def test_a_copy_has_numbers_of_its_own_and_begins_anew() -> None:
    network, states, particles, gradient = small()
    network.descend(network.tape(states, particles), gradient, learning_rate=0.1)
    copy = network.copy()
    assert copy.steps == 0
    assert np.array_equal(copy.parameters, network.parameters)
    kept = bits(*network.arrays().values())
    copy.descend(copy.tape(states, particles), gradient, learning_rate=0.1)
    assert bits(*network.arrays().values()) == kept


def test_a_restored_network_goes_on_with_the_same_bits() -> None:
    network, states, particles, gradient = small()
    for _ in range(3):
        network.descend(network.tape(states, particles), gradient, learning_rate=0.1)
    arrays = network.arrays()
    other = small(seed=9)[0]
    other.restore(arrays)
    for each in (network, other):
        each.descend(each.tape(states, particles), gradient, learning_rate=0.1)
    assert bits(*other.arrays().values()) == bits(*network.arrays().values())
    assert arrays["steps"] == 3
    assert not np.array_equal(arrays["parameters"], other.parameters)  # what was given is not ours
    frozen = {name: array.copy() for name, array in arrays.items()}
    for array in frozen.values():
        array.flags.writeable = False
    other.restore(frozen)
    other.descend(other.tape(states, particles), gradient, learning_rate=0.1)
    assert bits(other.parameters) == bits(network.parameters)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parameters": np.zeros((2, 3), np.float32)}, "parameters has shape"),
        ({"first_moment": None}, "first_moment is"),
        ({"second_moment": "float64"}, "second_moment has .* float64"),
        ({"parameters": "masked"}, "parameters is .*plain"),
        ({"steps": np.array(-1)}, "steps is"),
        ({"steps": np.array(1.5)}, "steps is"),
        ({"steps": np.array([1, 2])}, "steps is"),
        ({"steps": "missing"}, "steps is missing"),
        ({"first_moment": "missing"}, "first_moment is missing"),
    ],
)
def test_damaged_checkpoints_are_refused_whole(change: dict[str, Any], words: str) -> None:
    network, states, particles, gradient = small()
    network.descend(network.tape(states, particles), gradient, learning_rate=0.1)
    before = bits(*network.arrays().values())
    arrays: dict[str, Any] = small(seed=1)[0].arrays()
    ((name, value),) = change.items()
    if isinstance(value, str):
        if value == "missing":
            del arrays[name]
        else:
            same = arrays[name]
            arrays[name] = np.ma.array(same) if value == "masked" else same.astype(value)
    else:
        arrays[name] = value
    with pytest.raises(ValueError, match=words):
        network.restore(arrays)
    assert bits(*network.arrays().values()) == before


# Bad input.


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden": 256}, "hidden is 256; it must be a tuple"),
        ({"hidden": "256"}, "hidden is '256'"),
        ({"hidden": None}, "hidden is None"),
        ({"hidden": (0,)}, "a width of hidden is 0"),
        ({"hidden": (8, -1)}, "a width of hidden is -1"),
        ({"hidden": (8.0,)}, "a width of hidden is 8.0"),
        ({"hidden": (65537,)}, "hidden holds 65537"),
        ({"hidden": (1,) * 1025}, "hidden has 1025 widths"),
        ({"state_size": -1}, "state_size is -1"),
        ({"particle_size": 1.0}, "particle_size is 1.0"),
        ({"state_size": True}, "state_size is True"),
        ({"state_size": 0, "particle_size": 0}, "needs inputs"),
        ({"outputs": 0}, "outputs is 0"),
        ({"members": 0}, "members is 0"),
        ({"members": 2**70}, "members is 1180591620717411303424"),
        ({"activation": "gelu"}, "activation is 'gelu'; it must be 'relu' or 'silu'"),
        ({"activation": None}, "activation is None"),
        ({"layer_norm": 1}, "layer_norm is 1"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"state_size": 2**31, "hidden": (2**16,)}, "more than 2\\^30 weights"),
        ({"state_size": 2**31, "outputs": 2**31, "hidden": ()}, "more than 2\\^30 weights"),
        ({"state_size": 2**31, "particle_size": 2**31, "hidden": ()}, "more than 2\\^30 weights"),
        ({"members": 2**31, "outputs": 2**31}, "more than 2\\^30 weights"),
        ({"hidden": (65536, 65536)}, "more than 2\\^30 weights"),
        ({"hidden": (65536,) * 1024, "members": 2**31}, "more than 2\\^30 weights"),
    ],
)
def test_bad_sizes_are_refused_before_memory_is_taken(change: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {
        "state_size": 3,
        "particle_size": 2,
        "outputs": 1,
        "hidden": (8,),
        "seed": 0,
    }
    tracemalloc.start()
    try:
        with pytest.raises((ValueError, TypeError), match=words) as caught:
            MLP(**given | change)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def no_arrays(array: Any) -> list[Any]:
    """What no routine takes in place of a float32 array."""
    wide = np.repeat(array, 2, axis=-1)[..., ::2]
    return [
        array.astype(np.float64),
        array.astype(np.float16),
        array.astype(np.int32),
        array.astype(object),
        array.astype(">f4"),
        wide,
        array[None].copy(),
        array[..., :-1].copy(),
        np.ma.array(array, mask=array > 0),
        array.tolist(),
        "text",
    ]


def refused(call: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_arrays_of_another_kind_are_refused() -> None:
    network, states, particles, gradient = small()
    tape = network.tape(states, particles)
    for bad in [*no_arrays(states), None]:
        refused(lambda bad=bad: network(bad, particles), "states")
        refused(lambda bad=bad: network.tape(bad, particles), "states")
    for bad in [*no_arrays(particles), particles[:-1].copy(), None]:
        refused(lambda bad=bad: network(states, bad), "particles")
    for bad in [*no_arrays(gradient), gradient[:, :, :1].copy(), gradient[:1].copy(), None]:
        refused(lambda bad=bad: network.parameter_gradient(tape, bad), "output_gradient")
        refused(lambda bad=bad: network.particle_gradient(tape, bad), "output_gradient")
        before = bits(*network.arrays().values())
        refused(
            lambda bad=bad: network.descend(tape, bad, learning_rate=0.1),
            "output_gradient",
        )
        assert bits(*network.arrays().values()) == before
    parameters = network.parameters
    for bad in [*no_arrays(parameters), parameters[:, :-1].copy(), parameters[:1].copy(), None]:
        network.parameters = bad
        refused(lambda: network(states, particles), "parameters")
        refused(lambda: network.parameter_gradient(tape, gradient), "parameters")
    alone = MLP(3, 0, 1, hidden=(4,), seed=0)
    refused(lambda: alone(states, particles), "no particles")
    refused(
        lambda: alone.particle_gradient(alone.tape(states), np.zeros((1, 4, 1, 1), "f")),
        "no particles",
    )


def test_a_subclass_of_array_will_do() -> None:
    network, states, particles, _ = small()

    class Named(np.ndarray):
        pass

    assert np.array_equal(
        network(states.view(Named), particles.view(Named)), network(states, particles)
    )


def test_a_tape_of_another_network_is_refused() -> None:
    network, states, particles, gradient = small()
    tape = network.tape(states, particles)
    refused(lambda: network.copy().parameter_gradient(tape, gradient), "tape is one of another")
    refused(lambda: network.parameter_gradient(tape.outputs, gradient), "tape is <class")  # type: ignore[arg-type]
    # Networks of other sizes whose tapes have as many numbers: the core tells them apart.
    for sizes in ((3, 2, 2), (3, 1, 2), (2, 3, 2)):
        for hidden, layer_norm in (((8, 6), True), ((6, 8), True), ((17, 13), False)):
            other = MLP(*sizes, hidden=hidden, members=2, layer_norm=layer_norm, seed=0)
            if (sizes, hidden, layer_norm) == ((3, 2, 2), (8, 6), True):
                continue
            false = Tape(tape.outputs, tape.compiled, other)
            refused(lambda o=other, f=false: o.parameter_gradient(f, gradient), "tape is not one")
    # A tape keeps its inputs: the caller's arrays may change.
    want = network.parameter_gradient(tape, gradient)
    states[:], particles[:] = 0, 0
    assert np.array_equal(network.parameter_gradient(tape, gradient), want)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("learning_rate", bad) for bad in (-1e-3, np.nan, np.inf, 1e39, 1e-60, 10**400)),
        *(("learning_rate", bad) for bad in (True, "0.1", None, 1j)),
        *(("beta1", bad) for bad in (-0.1, 1.0, np.nan, "0.9")),
    ],
)
def test_bad_settings_change_nothing(name: str, bad: Any) -> None:
    network, states, particles, gradient = small()
    tape = network.tape(states, particles)
    network.descend(tape, gradient, learning_rate=0.01)
    before = bits(*network.arrays().values())
    given = {"learning_rate": 0.01} | {name: bad}
    refused(lambda: network.descend(tape, gradient, **given), name)
    assert bits(*network.arrays().values()) == before


def test_weights_that_cannot_be_written_are_refused() -> None:
    network, states, particles, gradient = small()
    tape = network.tape(states, particles)
    network.parameters.flags.writeable = False
    assert network(states, particles).shape == (2, 4, 5, 2)
    refused(lambda: network.descend(tape, gradient, learning_rate=0.1), "parameters is read-only")
    refused(lambda: network.move_towards(small(seed=1)[0], 0.5), "average is read-only")
    assert network.steps == 0


def test_arrays_that_overlap_are_refused() -> None:
    memory = np.zeros(40, np.float32)
    p, m, v, g = (np.zeros(10, np.float32) for _ in range(4))
    settings = (1, 0.1)
    for first, second in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        arrays = [p, m, v, g]
        arrays[first], arrays[second] = memory[:10], memory[5:15]
        refused(lambda arrays=arrays: _core.adam_step(*arrays, *settings), "shares memory")
    refused(lambda: _core.adam_step(p, m, v, g, 0, 0.1), "steps is 0")
    refused(lambda: _core.adam_step(p, m, v, g, 1, 0.1, 0.9, 0.999, 1e-60), "epsilon")
    refused(lambda: _core.adam_step(p, m, v, g, 1, 0.1, 0.9, 1.0), "beta2")
    refused(lambda: _core.adam_step(p, m[:9], v, g, 1, 0.1), "first_moment has shape")
    refused(lambda: _core.polyak_average(memory[:10], memory[5:15], 0.5), "shares memory")
    network = small()[0]
    refused(lambda: network.move_towards(network, 0.5), "shares memory")
    for rate in (-0.1, 1.1, np.nan, True, "1", None):
        refused(lambda rate=rate: network.move_towards(network.copy(), rate), "rate")
    refused(lambda: network.move_towards(network.parameters, 0.5), "other is")  # type: ignore[arg-type]
    other = MLP(3, 2, 2, hidden=(8, 6), members=2, layer_norm=True, activation="silu", seed=0)
    refused(lambda: network.move_towards(other, 0.5), "other sizes")


def test_rows_beyond_memory_are_an_error_and_no_crash() -> None:
    # 2^40 outputs of float32; the inputs are small.
    network = MLP(1, 0, 2**20, hidden=(), seed=0)
    states = np.zeros((2**20, 1), np.float32)
    with pytest.raises(MemoryError):
        network(states)
