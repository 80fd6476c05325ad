"""NeuralQ: twin, ties, broken rows, bits, transport, fitting, checkpoints, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import network_rounding as rounding
from bits import bits, same_on_all_threads, simd
from wpg.checkpoint import read_checkpoint, write_checkpoint
from wpg.critics.neural_q import NeuralQ
from wpg.reference import networks as twin
from wpg.supports import Box
from wpg.threads import available_simd_isas
from wpg.transport import flow, langevin, mala

AGGREGATES = ("minimum", "mean")


def example(
    O: int = 3,
    D: int = 2,
    S: int = 4,
    N: int = 5,
    *,
    seed: int = 0,
    moved: float = 0.2,
    **settings: Any,
) -> tuple[NeuralQ, Any, Any]:
    """A critic away from its initial weights, states and particles."""
    random = np.random.default_rng(seed)
    critic = NeuralQ(O, D, **({"hidden": (17, 8)} | settings), seed=seed)
    weights = critic.network.parameters
    weights += (moved * random.normal(size=weights.shape)).astype("f")
    states = random.normal(size=(S, O)).astype("f")
    return critic, states, random.normal(size=(S, N, D)).astype("f")


def bounds(critic: NeuralQ, states: Any, particles: Any, aggregate: str) -> Any:
    """Value and gradient of the formulas, how far float32 may be from them, and which gradients
    can be told: where two members are as close as their errors, either may be the least."""
    network, (S, N, D) = critic.network, particles.shape
    E, O = network.members, network.state_size
    q, q_error = (x[..., 0] for x in rounding.outputs(network, states, particles))
    if aggregate == "mean":
        shares = np.full(q.shape, 1 / E)
        told = np.ones((S, N), bool)
        value = q.mean(axis=0)
        error = q_error.mean(axis=0) + (E + 2) * rounding.U * np.abs(q).mean(axis=0)
    else:
        least = q.argmin(axis=0)
        shares = (np.arange(E)[:, None, None] == least).astype(float)
        value, error = q.min(axis=0), q_error.max(axis=0)
        others = np.where(shares > 0, np.inf, q - q_error)
        told = others.min(axis=0) > np.where(shares > 0, q + q_error, -np.inf).max(axis=0)
    _, (gradient, gradient_error) = rounding.gradients(
        network, states, particles, shares[..., None]
    )
    size = np.abs(gradient[:, O:]).reshape(S, N, D) + gradient_error[:, O:].reshape(S, N, D)
    gradient_error = gradient_error[:, O:].reshape(S, N, D) + 3 * rounding.U * size
    return value, error, gradient[:, O:].reshape(S, N, D), gradient_error, told


def assert_within_rounding(critic: NeuralQ, states: Any, particles: Any) -> float:
    """Both aggregates; returns the share of gradients that could be told."""
    shares = []
    for aggregate in AGGREGATES:
        value, error, gradient, gradient_error, told = bounds(critic, states, particles, aggregate)
        found = critic.value_and_action_gradient(states, particles, aggregate=aggregate)
        assert found[0].dtype == found[1].dtype == np.float32
        assert np.all(np.abs(found[0] - value) <= error)
        assert np.all((np.abs(found[1] - gradient) <= gradient_error)[told])
        assert np.array_equal(critic.value(states, particles, aggregate=aggregate), found[0])
        alone = critic.action_gradient(states, particles, aggregate=aggregate)
        assert np.array_equal(alone, found[1])
        shares.append(told.mean() if told.size else 1.0)
    members = critic.member_values(states, particles)
    assert np.array_equal(critic.value(states, particles, aggregate="minimum"), members.min(axis=0))
    return float(min(shares))


CASES: dict[str, dict[str, Any]] = {
    "usual": {},
    "one member": {"ensemble": 1},
    "three members": {"ensemble": 3, "activation": "silu"},
    "plain": {"layer_norm": False, "hidden": (20, 20)},
    "no hidden layer": {"hidden": ()},
    "no observation": {"O": 0},
    "no state": {"S": 0},
    "no particle": {"N": 0},
    "one row": {"S": 1, "N": 1},
    "more than a tile": {"S": 131, "N": 1},
    "a state across a border": {"S": 3, "N": 50, "ensemble": 3},
    "a state of several tiles": {"S": 2, "N": 150, "layer_norm": False},
}


@pytest.mark.twin
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_equal_the_naive_twin(name: str) -> None:
    critic, states, particles = example(**CASES[name])
    layers = rounding.twin_of(critic.network)
    for aggregate in AGGREGATES:
        how = {"activation_name": critic.network.activation, "aggregate": aggregate}
        want = twin.neural_q(layers, states, particles, **how)
        value, _, gradient, _, _ = bounds(critic, states, particles, aggregate)
        assert np.allclose(value, want[0], rtol=0, atol=1e-11)
        assert np.allclose(gradient, want[1], rtol=0, atol=1e-10)
    for isa in available_simd_isas():
        with simd(isa):
            assert assert_within_rounding(critic, states, particles) >= 0.99


@pytest.mark.twin
def test_the_error_bound_holds_on_generated_cases() -> None:
    random = np.random.default_rng(0)
    told = []
    for case in range(500):
        critic, states, particles = example(
            int(random.integers(0, 7)),
            int(random.integers(1, 6)),
            int(random.integers(0, 6)),
            int(random.integers(0, 50)),
            hidden=tuple(int(n) for n in random.integers(1, 40, random.integers(0, 4))),
            ensemble=int(random.integers(1, 4)),
            layer_norm=bool(random.integers(2)),
            activation=("relu", "silu")[random.integers(2)],
            seed=case,
            moved=10 ** random.uniform(-2, 0.5),
        )
        told.append(assert_within_rounding(critic, states, particles))
    assert np.mean(told) > 0.99  # else little was compared


@pytest.mark.property
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_the_gradient_is_the_derivative_of_the_value(aggregate: str) -> None:
    # float32 alone: with h = 1e-2 the value's rounding is 1e-6 / h, and h^2 Q''' / 6 is of the same
    # size; slopes are near 1. That is 1e-3, the exact comparison is with the twin.
    critic, states, particles = example(S=3, N=6, activation="silu", moved=0.0, aggregate=aggregate)
    gradient = critic.action_gradient(states, particles)
    h = np.float32(1e-2)
    members = critic.member_values(states, particles)
    clear = np.abs(members[0] - members[1]) > 4 * h * np.abs(gradient).max()
    assert clear.any()
    for d in range(2):
        up, down = particles.copy(), particles.copy()
        up[:, :, d] += h
        down[:, :, d] -= h
        slope = (critic.value(states, up) - critic.value(states, down)) / (up - down)[:, :, d]
        assert np.abs(slope - gradient[:, :, d])[clear].max() <= 1e-3


@pytest.mark.closed_form
def test_of_equal_members_the_first_one_counts() -> None:
    # Both members are 0 at every particle, with slopes 1 and 2.
    critic = NeuralQ(1, 1, hidden=(), ensemble=3, seed=0)
    critic.network.parameters[:] = [[0, 1, 0], [0, 2, 0], [0, -1, 0]]
    states, particles = np.ones((1, 1), "f"), np.array([[[0], [1], [-1]]], "f")
    value, gradient = critic.value_and_action_gradient(states, particles)
    assert value.tolist() == [[0, -1, -2]]
    assert gradient.ravel().tolist() == [1, -1, 2]
    value, gradient = critic.value_and_action_gradient(states, particles, aggregate="mean")
    assert np.allclose(value, [[0, 2 / 3, -2 / 3]], rtol=0, atol=1e-6)
    assert np.allclose(gradient, 2 / 3, rtol=0, atol=1e-6)
    # A copy of a member changes nothing.
    twice, states, particles = example()
    twice.network.parameters[1] = twice.network.parameters[0]
    once = NeuralQ(3, 2, hidden=(17, 8), ensemble=1, seed=0)
    once.network.parameters[:] = twice.network.parameters[:1]
    found = twice.value_and_action_gradient(states, particles)
    for a, b in zip(found, once.value_and_action_gradient(states, particles), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.property
@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "settings",
    [{}, {"layer_norm": False}, {"activation": "silu", "layer_norm": False}, {"hidden": ()}],
)
def test_a_broken_row_gives_nan_there_alone(
    settings: dict[str, Any], broken: float, aggregate: str
) -> None:
    critic, states, particles = example(S=4, N=50, aggregate=aggregate, **settings)
    good = critic.value_and_action_gradient(states, particles)
    states, particles = states.copy(), particles.copy()
    states[1, 2] = broken
    particles[2, 30, 1] = broken  # row 130, in the second tile
    touched = np.zeros((4, 50), bool)
    touched[1] = True
    touched[2, 30] = True
    value, gradient = critic.value_and_action_gradient(states, particles)
    assert np.isnan(value[touched]).all()
    assert np.isnan(gradient[touched]).all()
    assert np.array_equal(value[~touched], good[0][~touched])
    # Which rows walk back together has changed, and with it the shape of products.
    assert np.allclose(gradient[~touched], good[1][~touched], rtol=1e-5, atol=1e-6)
    assert np.array_equal(critic.value(states, particles), value, equal_nan=True)


@pytest.mark.property
def test_a_broken_member_is_seen() -> None:
    critic, states, particles = example(ensemble=3)
    for member in range(3):
        each = critic.target()
        each.network.layer(member, 2)["bias"][:] = np.nan
        for aggregate in AGGREGATES:
            value, gradient = each.value_and_action_gradient(states, particles, aggregate=aggregate)
            assert np.isnan(value).all()
            assert np.isnan(gradient).all()


@pytest.mark.property
@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_threads(name: str) -> None:
    critic, states, particles = example(**CASES[name])
    for aggregate in AGGREGATES:
        same_on_all_threads(
            lambda aggregate=aggregate: critic.value_and_action_gradient(
                states, particles, aggregate=aggregate
            )
        )


@pytest.mark.property
def test_bits_of_a_fit_do_not_depend_on_threads() -> None:
    critic, states, particles = example(S=300, N=1, hidden=(150, 20))
    targets = np.sin(states[:, 0])

    def make() -> Any:
        learner = NeuralQ(3, 2, hidden=(150, 20), seed=0)
        losses = [learner.fit(states, particles[:, 0].copy(), targets) for _ in range(3)]
        return (np.array(losses), *learner.network.arrays().values())

    same_on_all_threads(make)
    assert critic.ensemble == 2


@pytest.mark.property
def test_outputs_go_where_they_are_wanted() -> None:
    critic, states, particles = example()
    want = critic.value_and_action_gradient(states, particles)
    out = np.empty((4, 5), "f"), np.empty((4, 5, 2), "f")
    found = critic.value_and_action_gradient(states, particles, out=out)
    for given, returned, expected in zip(out, found, want, strict=True):
        assert returned is given
        assert np.array_equal(given, expected)
    one = critic.value_and_action_gradient(states, particles, out=(out[0], None))
    assert one[0] is out[0]
    assert np.array_equal(one[1], want[1])
    gradient = np.empty((4, 5, 2), "f")
    assert critic.action_gradient(states, particles, out=gradient) is gradient
    assert np.array_equal(gradient, want[1])


@pytest.mark.property
@pytest.mark.parametrize("scheme", ["langevin", "leimkuhler-matthews", "mala", "svgd", "blob"])
def test_flow_takes_it(scheme: str) -> None:
    critic, states, particles = example(S=3, N=8)
    how: dict[str, Any] = {"step_size": 0.05, "temperature": 0.3, "seed": 4}
    if scheme in ("svgd", "blob"):
        how["bandwidth"] = 0.7
    box = Box(-3.0, 3.0)
    moved = flow(particles, critic, states, steps=4, scheme=scheme, support=box, **how)
    assert np.isfinite(moved).all()
    assert not np.array_equal(moved, particles)
    if scheme == "langevin":
        by_hand = particles
        for step in range(4):
            drift = critic.action_gradient(states, by_hand)
            by_hand = langevin(by_hand, drift, step=step, support=box, **how)
        assert bits(moved) == bits(by_hand)


@pytest.mark.property
def test_mala_takes_it() -> None:
    critic, states, particles = example(S=3, N=8)
    how = {"step_size": 0.05, "temperature": 0.3, "seed": 4}
    found = mala(particles, critic, states, steps=3, **how)
    moved = found[0] if isinstance(found, tuple) else found
    assert np.isfinite(moved).all()
    assert not np.array_equal(moved, particles)


# Fitting.


@pytest.mark.property
def test_a_fit_is_a_step_of_adam_down_the_loss() -> None:
    critic, states, particles = example(S=9, N=1, ensemble=2)
    actions, targets = particles[:, 0].copy(), np.sin(states[:, 0])
    network = critic.network
    q = critic.member_values(states, particles)[..., 0]
    # The losses are those of float32 values, summed in float64.
    error = (q - targets).astype(float)
    before = network.parameters.copy()
    by_hand = network.copy()
    losses = critic.fit(states, actions, targets, learning_rate=0.01)
    assert losses.dtype == np.float64
    assert np.allclose(losses, 0.5 * (error**2).mean(axis=1), rtol=1e-6, atol=0)
    gradient = (q - targets)[:, :, None, None] / np.float32(9)
    by_hand.descend(by_hand.tape(states, particles), gradient, learning_rate=0.01)
    assert bits(network.parameters) == bits(by_hand.parameters)
    # The first step of Adam has the length of the learning rate wherever there is a gradient.
    steps = np.abs(network.parameters - before)
    assert steps.max() <= 0.01 * (1 + 1e-5) + 1e-6
    assert network.steps == 1


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("activation", "layer_norm"), [("relu", True), ("relu", False), ("silu", True)]
)
def test_a_fit_learns_a_smooth_function(activation: str, layer_norm: bool) -> None:
    random = np.random.default_rng(0)
    critic = NeuralQ(
        2,
        1,
        hidden=(64, 64),
        activation=activation,
        layer_norm=layer_norm,
        aggregate="mean",
        seed=1,
    )
    states = random.uniform(-1, 1, (2048, 2)).astype("f")
    actions = random.uniform(-1, 1, (2048, 1)).astype("f")

    def smooth(s: Any, a: Any) -> Any:
        return np.sin(2 * s[:, 0]) - (a[:, 0] - 0.5 * s[:, 1]) ** 2

    targets = smooth(states, actions)
    first = critic.fit(states[:256], actions[:256], targets[:256], learning_rate=0.0)
    for _ in range(400):
        rows = random.integers(0, 2048, 256)
        last = critic.fit(states[rows], actions[rows], targets[rows], learning_rate=3e-3)
    # The targets have variance 0.7. A root mean square of 0.05 is a loss of 0.00125.
    assert first.min() > 0.1
    assert last.max() < 0.005
    new_states = random.uniform(-1, 1, (500, 2)).astype("f")
    new_actions = random.uniform(-1, 1, (500, 1)).astype("f")
    away = critic.value(new_states, new_actions[:, None])[:, 0] - smooth(new_states, new_actions)
    assert np.sqrt((away**2).mean()) < 0.1
    # And the gradient points to the best action, 0.5 s_1.
    slope = critic.action_gradient(new_states, new_actions[:, None])[:, 0, 0]
    want = -2 * (new_actions[:, 0] - 0.5 * new_states[:, 1])
    assert np.corrcoef(slope, want)[0, 1] > 0.95


@pytest.mark.property
def test_a_target_follows() -> None:
    critic, states, particles = example()
    target = critic.target()
    assert target.aggregate == critic.aggregate
    assert bits(target.network.parameters) == bits(critic.network.parameters)
    critic.fit(states, particles[:, 0].copy(), np.zeros(4, "f"), learning_rate=0.1)
    old = target.network.parameters.copy()
    assert not np.array_equal(old, critic.network.parameters)
    target.move_towards(critic, 0.25)
    want = twin.polyak(old.astype(float), critic.network.parameters.astype(float), 0.25)
    assert np.allclose(target.network.parameters, want, rtol=0, atol=1e-6)
    target.move_towards(critic, 1.0)
    assert bits(target.network.parameters) == bits(critic.network.parameters)


@pytest.mark.property
def test_a_saved_critic_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    critic, states, particles = example()
    data = states, particles[:, 0].copy(), np.cos(states[:, 0])
    critic.fit(*data)
    write_checkpoint(tmp_path / "critic.npz", {}, critic.network.arrays())
    other = NeuralQ(3, 2, hidden=(17, 8), seed=99)
    other.network.restore(read_checkpoint(tmp_path / "critic.npz")[1])
    for each in (critic, other):
        each.fit(*data)
    assert bits(*other.network.arrays().values()) == bits(*critic.network.arrays().values())
    assert bits(other.value(states, particles)) == bits(critic.value(states, particles))


# Bad input.


def refused(call: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observation_size": -1}, "observation_size is -1"),
        ({"observation_size": 1.0}, "observation_size is 1.0"),
        ({"observation_size": 2**31, "action_size": 2**31}, "more than 2\\^30 weights"),
        ({"observation_size": 2**40}, "2\\^31"),
        ({"action_size": 0}, "action_size is 0"),
        ({"action_size": True}, "action_size is True"),
        ({"ensemble": 0}, "ensemble is 0"),
        ({"ensemble": "2"}, "ensemble is '2'"),
        ({"hidden": 256}, "hidden is 256"),
        ({"hidden": (0,)}, "hidden is 0"),
        ({"activation": "tanh"}, "activation is 'tanh'"),
        ({"layer_norm": 1}, "layer_norm is 1"),
        ({"aggregate": "median"}, "aggregate is 'median'"),
        ({"aggregate": ["mean"]}, "aggregate is"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"observation_size": 3, "action_size": 2, "hidden": (8,), "seed": 0}
    refused(lambda: NeuralQ(**given | change), words)


def test_bad_questions_are_refused() -> None:
    critic, states, particles = example()
    for bad in (
        states.astype(np.float64),
        states[:, :2].copy(),
        np.asfortranarray(states),
        np.ma.array(states),
        states.tolist(),
        None,
    ):
        refused(lambda bad=bad: critic.value(bad, particles), "states")
    for bad in (
        particles.astype(np.float64),
        particles[..., :1].copy(),
        particles[:3].copy(),
        particles[:, 0].copy(),
        particles[:, ::2],
        np.ma.array(particles),
        None,
    ):
        refused(lambda bad=bad: critic.value(states, bad), "particles")
        refused(lambda bad=bad: critic.action_gradient(states, bad), "particles")
    for aggregate in ("median", 3, ["mean"]):
        refused(
            lambda aggregate=aggregate: critic.value(states, particles, aggregate=aggregate),
            "aggregate is",
        )


def test_bad_outputs_are_refused_and_not_written() -> None:
    critic, states, particles = example()
    read_only = np.zeros((4, 5, 2), "f")
    read_only.flags.writeable = False
    for bad in (
        np.zeros((4, 5, 3), "f"),
        np.zeros((4, 5, 2)),
        np.zeros((4, 5, 4), "f")[..., ::2],
        read_only,
        np.ma.zeros((4, 5, 2), "f"),
        [[0.0]],
    ):
        value = np.zeros((4, 5), "f")
        refused(lambda bad=bad: critic.action_gradient(states, particles, out=bad), "out")
        refused(
            lambda bad=bad, value=value: critic.value_and_action_gradient(
                states, particles, out=(value, bad)
            ),
            r"out\[1\]",
        )
        assert not value.any()
        assert not np.any(bad)
    for pair in (np.zeros((2, 3), "f"), (None,), (None, None, None), 3):
        refused(
            lambda pair=pair: critic.value_and_action_gradient(states, particles, out=pair),
            "out must be a pair",
        )
    memory = np.zeros(100, "f")
    pair = memory[:20].reshape(4, 5), memory[10:50].reshape(4, 5, 2)
    refused(lambda: critic.value_and_action_gradient(states, particles, out=pair), "shares memory")
    for other in (particles, critic.network.parameters.reshape(-1)[:40].reshape(4, 5, 2)):
        before = other.copy()
        refused(
            lambda other=other: critic.action_gradient(states, particles, out=other),
            "shares memory",
        )
        assert np.array_equal(other, before)


@pytest.mark.parametrize("name", ["states", "actions", "targets"])
def test_bad_data_are_refused_and_nothing_is_learnt(name: str) -> None:
    critic, states, particles = example()
    data = {
        "states": states,
        "actions": particles[:, 0].copy(),
        "targets": np.zeros(4, np.float32),
    }
    critic.fit(**data)
    before = bits(*critic.network.arrays().values())
    good = data[name]
    broken = [good.copy() for _ in range(3)]
    for array, number in zip(broken, (np.nan, np.inf, -np.inf), strict=True):
        array.flat[2] = number
    if name == "targets":
        for bad in broken:
            assert not np.isfinite(critic.fit(**data | {name: bad})).any()
            assert bits(*critic.network.arrays().values()) == before
        broken = []
    for bad in (
        *broken,
        good.astype(np.float64),
        good.astype(np.int32),
        good[:3].copy(),
        good[None].copy(),
        np.repeat(good, 2, axis=-1)[..., ::2],
        np.ma.array(good, mask=np.ones(good.shape, bool)),
        good.tolist(),
        np.float32(1.0),
        None,
    ):
        # Where the states are too few, the next array is too long.
        words = "actions" if name == "states" and np.shape(bad) == (3, 3) else name
        refused(lambda bad=bad: critic.fit(**data | {name: bad}), words)
        assert bits(*critic.network.arrays().values()) == before
    empty = {key: array[:0].copy() for key, array in data.items()}
    refused(lambda: critic.fit(**empty), "no rows")
    diverged = critic.target()
    diverged.network.parameters[1] = np.nan
    assert np.isfinite(diverged.fit(**data)).tolist() == [True, False]
    assert diverged.network.steps == 0
    for rate in (-1.0, np.nan, np.inf, True, "0.1", None, 1e-60):
        refused(lambda rate=rate: critic.fit(**data, learning_rate=rate), "learning_rate")
    assert bits(*critic.network.arrays().values()) == before


def test_critics_of_other_sizes_do_not_follow_each_other() -> None:
    critic = example()[0]
    refused(lambda: critic.move_towards(example(O=2)[0], 0.5), "other sizes")
    refused(lambda: critic.move_towards(critic.network, 0.5), "other is")  # type: ignore[arg-type]
