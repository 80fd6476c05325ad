"""The paper's algorithm with a known model: particles per state, policy evaluation, transport.

    repeat   (M) inner_steps Langevin steps of every state's particles along grad_a Q
             (E) V from the linear system of the moved particles, with their entropy; Q from V

Letters: S states, N particles per state, D action dimension, K successors of a state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpg.density import entropy_terms
from wpg.exact import LQR, FiniteMDP, SoftSolution, bias
from wpg.exact.arguments import array, count, per_state, positive
from wpg.exact.finite_mdp import solve_linear
from wpg.noise import generator, standard_normal
from wpg.policy import soft_value
from wpg.supports import Support
from wpg.transport import langevin

__all__ = ["FiniteModel", "Plan", "QuadraticModel", "plan"]

Float64 = NDArray[np.float64]
Report = Callable[[int, dict[str, Float64]], Any]

SCHEMES = ("langevin",)
METHODS = ("mixture", "knn", "gaussian", "auto")
ESTIMATORS = ("average", "self", "leave-one-out")
# Neighbours that the "knn" entropy looks at, itself included: fewer particles have no entropy.
LEAST_NEIGHBOURS = 5
# The folded position of a particle that was thrown this many supports away has no digits left.
MOST_TURNS = 1e6
# T V is a quadrature where a grid of GRID[D] points a dimension holds no more rows than this.
GRID_POINTS = {1: 96, 2: 32}
MOST_GRID_ROWS = 2_000_000
# Random sign vectors for the standard error where the resolvent is too large to write down.
SIGN_VECTORS = 32
# The step is at most this over the measured Lipschitz constant of the drift when it is chosen here;
# 2 is where a Langevin step becomes unstable.
STABLE_FRACTION = 0.5


@dataclass(frozen=True)
class Plan:
    """What planning found.

    value (S,) [reward], particles (S, N, D) [action], and `history`, a dict of arrays with one row
    an iteration: value (I, S), residual (I, S) = T V - V, gap_lower and gap_upper (I,), bounds on
    |V* - V|, the largest over (for an LQR: those) states, step_size (I, S).

    standard_error (S,) [reward]: of the last value, from the spread of the particles.
    floor (S,) [reward]: V* - V that the step size leaves behind, predicted to leading order.
    entropy_method: the estimator that "auto" chose. backup: how T V was computed: "grid",
    "closed form" or "importance"; the bounds are exact for the value as it stands in the first two
    cases, and carry the error of importance sampling in the third.
    """

    value: Float64
    particles: Float64
    history: dict[str, Float64]
    standard_error: Float64
    floor: Float64
    step_size: Float64
    temperature: float
    entropy_method: str
    backup: str
    states: Float64 | None = None


def plan(
    mdp: FiniteMDP | LQR,
    *,
    n_particles: int,
    iterations: int,
    step_size: float | Float64 | None = None,
    inner_steps: int = 1,
    scheme: str = "langevin",
    entropy: str = "mixture",
    seed: int,
    target_gap: float | None = None,
    states: Float64 | None = None,
    estimator: str = "average",
    callback: Report | None = None,
) -> Plan:
    """Wasserstein policy gradient on a problem whose model is known.

        a <- a + step_size grad_a Q(s, a) + sqrt(2 step_size temperature) xi,    inner_steps times
        V <- (I - discount P)^-1 mean_i ( r(s, a_i) - temperature log pi(a_i | s) )
        Q <- r + discount P V

    Parameters
    ----------
    mdp : `wpg.exact.FiniteMDP`, or `wpg.exact.LQR` on a finite set of states, between which V is
        the quadratic function that fits (exact for policies that are linear in the state)
    n_particles : N
    iterations : how many evaluations
    step_size : number or (S,) [action^2/reward]; None with `target_gap`
    inner_steps : transport steps for each evaluation
    scheme : "langevin"
    entropy : "mixture" (the last step's known Gaussians, refused where N of them do not cover the
        actions), "knn", "gaussian", or "auto": "mixture" in one and two dimensions where they
        cover the actions, else as in `wpg.density.entropy`
    seed : names every draw
    target_gap : instead of a step size: the gap [reward] that discretisation may leave. Every
        state's step follows from its own particles, sqrt(2 e / Var u) with e = (1 - discount)
        target_gap / temperature and u = |grad Q|^2/(4 temperature) + lap Q/2, and at most 1/2 over
        the Lipschitz constant of the drift that its particles showed. In one and two dimensions u
        is taken on a grid, and the layer at reflecting walls is allowed for; in more it is not
    states : (S, O), for LQR; by default 0, +-e_i and e_i + e_j, as many as V has coefficients
    estimator : "average", "self" or "leave-one-out", for "mixture"
    callback : callback(iteration, record) after every evaluation

    Returns
    -------
    Plan. The error of its value is the predicted `floor`, the estimator's bias (with "self" about
    temperature X/(2N) a state, X the support's volume over that of a Gaussian; "average" cancels
    it to second order) and noise of about `standard_error`.

    Cost of an iteration: one evaluation of reward, transition and their gradients at S N actions,
    S N^2 D for the entropy of a mixture, and a linear solve: dense up to 2000 states, iterative
    above. The transport is compiled and runs over states in parallel.
    Errors: ValueError that names the argument; NonFinite numbers of user functions are refused.

    Source: the algorithm of arXiv 2605.26078 with a model; entropy: see `wpg.density`.
    """
    model: FiniteModel | QuadraticModel
    if isinstance(mdp, FiniteMDP):
        if states is not None:
            raise ValueError("states belong to an LQR; a FiniteMDP has its own, leave them None")
        model = FiniteModel(mdp)
    elif isinstance(mdp, LQR):
        model = QuadraticModel(mdp, states)
    else:
        raise TypeError(f"mdp is {mdp!r}; it must be wpg.exact.FiniteMDP or LQR")
    _one_of(scheme, "scheme", SCHEMES)
    _one_of(entropy, "entropy", METHODS)
    _one_of(estimator, "estimator", ESTIMATORS)
    N = count(n_particles, "n_particles", _least_particles(entropy, mdp.action_size))
    iterations = count(iterations, "iterations", 1)
    inner_steps = count(inner_steps, "inner_steps", 1)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; it must be a function or None")
    if (step_size is None) == (target_gap is None):
        raise ValueError(
            f"step_size is {step_size!r} and target_gap is {target_gap!r}; give one of them"
        )
    if target_gap is not None:
        target_gap = positive(target_gap, "target_gap")
    eta = np.zeros(model.n_states)
    if step_size is not None:
        eta = per_state(step_size, "step_size", model.n_states)

    particles, terms = model.start(N, seed)
    evaluation = model.evaluate(particles, terms, None)
    value = evaluation.value
    lipschitz = np.zeros(model.n_states)
    rows: dict[str, list[Float64]] = {
        name: [] for name in ("value", "residual", "gap_lower", "gap_upper", "step_size")
    }
    method = entropy
    for iteration in range(iterations):
        drift = model.q_gradient(value, particles, evaluation.rows)
        if target_gap is not None:
            eta = _step_for(model, value, particles, drift, target_gap, lipschitz)
        model.check_stable(value, eta)
        for inner in range(inner_steps):
            if inner > 0:
                drift = model.q_gradient(value, particles)
            means = particles + eta[:, None, None] * drift
            moved = langevin(
                particles,
                drift,
                step_size=eta,
                temperature=mdp.temperature,
                seed=seed,
                step=iteration * inner_steps + inner,
                support=model.support,
            )
            if target_gap is not None:
                lipschitz = _lipschitz(model, value, particles, drift, moved)
            particles = moved
        std = np.sqrt(2.0 * eta * mdp.temperature)
        terms, method = entropy_terms(
            particles,
            _entropy_method(entropy, model.volume(particles), std, N, model.action_size),
            means=means,
            std=std,
            estimator=estimator,
            support=model.support,
        )
        evaluation = model.evaluate(particles, terms, value)
        value = evaluation.value
        residual = model.backup(value, evaluation) - value
        lower, upper = model.bounds(value, residual)
        record: dict[str, Float64] = {
            "value": value,
            "residual": residual,
            "gap_lower": np.array(lower),
            "gap_upper": np.array(upper),
            "step_size": eta,
        }
        for name, content in record.items():
            rows[name].append(content)
        if callback is not None:
            callback(iteration, record)
    return Plan(
        value=value,
        particles=particles,
        history={name: np.array(content) for name, content in rows.items()},
        standard_error=model.standard_error(evaluation),
        floor=model.floor(value, particles, evaluation, eta),
        step_size=eta,
        temperature=mdp.temperature,
        entropy_method=method,
        backup=model.backup_method,
        states=model.states,
    )


def _step_for(
    model: FiniteModel | QuadraticModel,
    value: Float64,
    particles: Float64,
    drift: Float64,
    target_gap: float,
    lipschitz: Float64,
) -> Float64:
    """Step sizes (S,) for a wished gap, and at most STABLE_FRACTION / lipschitz."""
    eta = model.step_size_for_gap(value, particles, drift, target_gap)
    if not lipschitz.any():
        # Nothing is known of the drift's slope yet: one probe with steps that hardly move.
        still, nearby = np.zeros_like(particles), particles + 1e-5 * model.reach
        nearby = langevin(
            nearby, still, step_size=0.0, temperature=0.0, seed=0, support=model.support
        )
        lipschitz = _lipschitz(model, value, particles, drift, nearby)
    largest = model.reach**2 / (8.0 * model.temperature)
    with np.errstate(divide="ignore"):
        return np.minimum(np.minimum(eta, STABLE_FRACTION / lipschitz), largest)


def _step_from_spread(
    u: Float64, discount: float, temperature: float, target_gap: float
) -> Float64:
    """sqrt(2 e / Var u) (S,), e = (1 - discount) target_gap/temperature, u (S, N) at particles."""
    with np.errstate(divide="ignore"):
        return np.sqrt(2.0 * (1.0 - discount) * target_gap / (temperature * u.var(axis=1)))


def _lipschitz(
    model: FiniteModel | QuadraticModel,
    value: Float64,
    before: Float64,
    drift: Float64,
    after: Float64,
) -> Float64:
    """max_i |change of drift| / |change of particle| (S,)."""
    change = model.q_gradient(value, after) - drift
    moved = model.displacement(after - before)
    length = np.sqrt((moved**2).sum(axis=2))
    seen = length > 1e-9 * model.reach
    slope = np.sqrt((change**2).sum(axis=2)) / np.where(seen, length, 1.0)
    return np.where(seen, slope, 0.0).max(axis=1)


@dataclass(frozen=True)
class Evaluation:
    """V (S,), and what it came from: values r + discount P V at the particles (S, N), -log pi there
    (S, N), the transition matrix P (S, S) of the particles, and its rows at each of them (S, N, K);
    the last two are None for an LQR."""

    value: Float64
    q: Float64
    terms: Float64
    transition: Any
    rows: Float64 | None


class FiniteModel:
    """A `FiniteMDP` as planning sees it."""

    states = None

    def __init__(self, mdp: FiniteMDP) -> None:
        self.mdp = mdp
        self.n_states, self.action_size = mdp.n_states, mdp.action_size
        self.discount, self.temperature = mdp.discount, mdp.temperature
        self.support: Support = mdp.support
        self.reach = float((mdp.high - mdp.low).min())
        n = GRID_POINTS.get(self.action_size, 0)
        rows = self.n_states * n**self.action_size * mdp.n_successors
        self.grid = mdp.grid(n) if 0 < rows <= MOST_GRID_ROWS else None
        self.backup_method = "importance" if self.grid is None else "grid"

    def start(self, n_particles: int, seed: int) -> tuple[Float64, Float64]:
        """Uniform particles (S, N, D), and their -log density (S, N), which is known."""
        mdp, shape = self.mdp, (self.n_states, n_particles, self.action_size)
        unit = generator(seed, "exploration").random(shape)
        particles = mdp.low + (mdp.high - mdp.low) * unit
        log_volume = float(np.log(mdp.high - mdp.low).sum())
        return np.ascontiguousarray(particles), np.full(shape[:2], log_volume)

    def displacement(self, moved: Float64) -> Float64:
        if not self.mdp.periodic:
            return moved
        width = self.mdp.high - self.mdp.low
        return moved - width * np.round(moved / width)

    def evaluate(self, particles: Float64, terms: Float64, guess: Float64 | None) -> Evaluation:
        """V of the policy that draws one of a state's particles, with these -log densities."""
        mdp = self.mdp
        reward, rows = mdp.reward(particles), mdp.transition(particles)
        transition = mdp.transition_matrix(rows.mean(axis=1))
        earned = (reward + mdp.temperature * terms).mean(axis=1)
        value = solve_linear(transition, mdp.discount, earned, guess)
        after = mdp.successor_values(value)
        q = reward + mdp.discount * np.matmul(rows, after[:, :, None])[:, :, 0]
        return Evaluation(value, q, terms, transition, rows)

    def q_gradient(
        self, value: Float64, particles: Float64, rows: Float64 | None = None
    ) -> Float64:
        return np.ascontiguousarray(self.mdp.q_gradient(value, particles, rows))

    def check_stable(self, value: Float64, eta: Float64) -> None:
        """On a bounded support every step is, however biased, that can be folded back."""
        turns = np.sqrt(2.0 * eta.max() * self.temperature) / self.reach
        if turns > MOST_TURNS:
            raise ValueError(
                f"step_size is {eta.max():.4g}, too large: its noise goes {turns:.2g} times around "
                "the support"
            )

    def volume(self, particles: Float64) -> Float64:
        """An upper bound (S,) [action^D] on exp(entropy): the support, or less by the spread."""
        return np.minimum(np.prod(self.mdp.high - self.mdp.low), _gaussian_volume(particles))

    def bias_function(self, value: Float64, particles: Float64, drift: Float64) -> Float64:
        return bias.bias_function(self.mdp, value, particles, drift)

    def step_size_for_gap(
        self, value: Float64, particles: Float64, drift: Float64, target_gap: float
    ) -> Float64:
        """On the grid, wall layers included; else from the particles and without the walls."""
        if self.grid is not None:
            return bias.step_size_for_gap(self.mdp, self._gibbs(value), self.grid, target_gap)
        u = self.bias_function(value, particles, drift)
        return _step_from_spread(u, self.discount, self.temperature, target_gap)

    def _gibbs(self, value: Float64) -> SoftSolution:
        """The Gibbs policy of V, as if V were the optimum."""
        assert self.grid is not None
        density = self.mdp.gibbs(value, self.grid)
        return SoftSolution(value, density, np.zeros_like(value), 0)

    def backup(self, value: Float64, evaluation: Evaluation) -> Float64:
        """T V (S,): by quadrature, or by importance from the particles' own density."""
        if self.grid is not None:
            return self.mdp.soft_backup(value, self.grid)
        return soft_value(evaluation.q, -evaluation.terms, self.temperature)

    def bounds(self, value: Float64, residual: Float64) -> tuple[float, float]:
        """Bounds on sup |V* - V|, those of any V: an estimate need not be a policy's value."""
        worst = float(np.abs(residual).max())
        return worst / (1.0 + self.discount), worst / (1.0 - self.discount)

    def standard_error(self, evaluation: Evaluation) -> Float64:
        """Of the value: the error of each state's mean of Q - temperature log pi, carried through
        (I - discount P)^-1 as independent errors."""
        spread = standard_error_of_mean(evaluation, self.temperature)
        if self.n_states <= 2000:
            dense = evaluation.transition
            dense = dense if isinstance(dense, np.ndarray) else dense.toarray()
            resolvent = np.linalg.inv(np.eye(self.n_states) - self.discount * dense)
            return np.sqrt(resolvent**2 @ spread**2)
        signs = generator(0, "evaluation").choice([-1.0, 1.0], (SIGN_VECTORS, self.n_states))
        carried = [
            solve_linear(evaluation.transition, self.discount, sign * spread) for sign in signs
        ]
        return np.sqrt(np.mean(np.square(carried), axis=0))

    def floor(
        self, value: Float64, particles: Float64, evaluation: Evaluation, eta: Float64
    ) -> Float64:
        """Predicted V* - V of the step size: on the grid, wall layers included; else from the
        particles and without the walls."""
        if self.grid is not None:
            return bias.gap_floor(self.mdp, self._gibbs(value), self.grid, eta)
        variance = self.bias_function(value, particles, self.q_gradient(value, particles)).var(
            axis=1
        )
        local = self.temperature * eta**2 / 2.0 * variance
        return solve_linear(evaluation.transition, self.discount, local)


class QuadraticModel:
    """An `LQR` on a finite set of states: V is the quadratic function through them.

        V(s) = w . f(s),  f(s) = (1, s_i, s_i s_j);  E f(s') is known for every state and action

    The linear system for w is square if there are as many states as coefficients, and is solved in
    the sense of least squares if there are more. All of it is exact for policies N(b - F s, Sigma).
    """

    backup_method = "closed form"

    def __init__(self, lqr: LQR, states: Float64 | None) -> None:
        self.lqr = lqr
        O = lqr.observation_size
        if states is None:
            rows = [np.zeros(O)]
            for i in range(O):
                rows += [np.eye(O)[i], -np.eye(O)[i]]
                rows += [np.eye(O)[i] + np.eye(O)[j] for j in range(i)]
            states = np.array(rows)
        self.states = np.ascontiguousarray(array(states, "states", ("S", O)))
        self.pairs = [(i, j) for i in range(O) for j in range(i + 1)]
        self.n_states, self.action_size = len(self.states), lqr.action_size
        self.discount, self.temperature = lqr.discount, lqr.temperature
        self.support: Support = None
        self.features = self._features(self.states)
        needed = self.features.shape[1]
        if not self.n_states or np.linalg.matrix_rank(self.features) < needed:
            raise ValueError(
                f"states must determine a quadratic function of {O} variables: at least {needed} "
                f"states in general position; {self.n_states} were given"
            )
        self.reach = float(np.sqrt(8.0 * self.temperature / np.linalg.eigvalsh(lqr.R)[0]))

    def _features(self, states: Float64) -> Float64:
        """(..., O) -> (..., 1 + O + O (O + 1)/2)."""
        products = [states[..., i] * states[..., j] for i, j in self.pairs]
        one = np.ones(states.shape[:-1])
        return np.stack([one, *np.moveaxis(states, -1, 0), *products], axis=-1)

    def _coefficients(self, value: Float64) -> tuple[Float64, Float64, float]:
        """K (O, O), the linear part (O,), and c of V = -s'K s/2 + b.s + c."""
        O = self.states.shape[1]
        w = self._weights(value)
        K = np.zeros((O, O))
        for weight, (i, j) in zip(w[1 + O :], self.pairs, strict=True):
            K[i, j] -= weight
            K[j, i] -= weight
        return K, w[1 : 1 + O], float(w[0])

    def _weights(self, value: Float64) -> Float64:
        return np.asarray(np.linalg.lstsq(self.features, value, rcond=None)[0], np.float64)

    def _next_mean(self, particles: Float64) -> Float64:
        return (self.states @ self.lqr.A.T)[:, None] + particles @ self.lqr.B.T

    def start(self, n_particles: int, seed: int) -> tuple[Float64, Float64]:
        """Normal particles of covariance temperature R^-1 around -F s, and their -log density.

        F = 0 if that has a value, or else B^+ A, which takes out what B reaches of A s. Draws come
        in pairs xi, -xi: a mean that is off by chance could make a policy that has no value.
        """
        D = self.action_size
        shape = (self.n_states, n_particles, D)
        xi = standard_normal(shape, seed=seed, stream="exploration", dtype=np.float64)
        pairs = n_particles // 2
        xi[:, pairs : 2 * pairs] = -xi[:, :pairs]
        root = np.linalg.cholesky(self.temperature * np.linalg.inv(self.lqr.R))
        log_norm = 0.5 * D * np.log(2.0 * np.pi) + float(np.log(np.diag(root)).sum())
        particles = xi @ root.T - (self.states @ self._first_gain().T)[:, None]
        return np.ascontiguousarray(particles), 0.5 * (xi**2).sum(axis=2) + log_norm

    def _first_gain(self) -> Float64:
        lqr = self.lqr
        for gain in (np.zeros_like(lqr.B.T), np.linalg.pinv(lqr.B) @ lqr.A):
            try:
                lqr.check_stabilises(gain)
            except ValueError:
                continue
            return gain
        raise ValueError(
            "A and B: neither no control nor the gain B^+ A has a finite value at this discount, "
            "and planning starts from one of them; wpg.exact.LQR.optimal() needs no start"
        )

    def _check_stabilises(self, gain: Float64) -> None:
        """The linear system has a solution for policies of no value too, which means nothing."""
        try:
            self.lqr.check_stabilises(gain)
        except ValueError as error:
            raise ValueError(
                f"the particles' policy has no finite value: {error}; take a smaller step_size or "
                "more particles"
            ) from None

    def displacement(self, moved: Float64) -> Float64:
        return moved

    def evaluate(self, particles: Float64, terms: Float64, guess: Float64 | None) -> Evaluation:
        """V of the linear-Gaussian policy that the particles of all states are draws of.

        Its mean is the least-squares line through the states' means; covariance and entropy are
        the same at every state and pooled over them, so that their errors cancel at the optimum.
        """
        lqr, design = self.lqr, np.concatenate([np.ones((self.n_states, 1)), self.states], axis=1)
        centre = particles.mean(axis=1)
        slopes = np.linalg.lstsq(design, centre, rcond=None)[0]
        self._check_stabilises(-slopes[1:].T)
        line = np.asarray(design @ slopes, np.float64)
        away = (particles - centre[:, None]).reshape(-1, self.action_size)
        spread = away.T @ away / (len(away) - self.n_states)
        mean = self.states @ lqr.A.T + line @ lqr.B.T
        after = self._expected(mean, lqr.W + lqr.B @ spread @ lqr.B.T)
        earned = lqr.reward(self.states, line[:, None])[:, 0] - float(np.sum(lqr.R * spread)) / 2.0
        earned = earned + self.temperature * float(terms.mean())
        system = self.features - self.discount * after
        weights = np.linalg.lstsq(system, earned, rcond=None)[0]
        expected = self._expected(self._next_mean(particles), lqr.W)
        q = lqr.reward(self.states, particles) + self.discount * expected @ weights
        return Evaluation(self.features @ weights, q, terms, None, None)

    def q_gradient(
        self, value: Float64, particles: Float64, rows: Float64 | None = None
    ) -> Float64:
        K, linear, _ = self._coefficients(value)
        plain = self.lqr.q_gradient(K, self.states, particles)
        return np.ascontiguousarray(plain + self.discount * linear @ self.lqr.B)

    def check_stable(self, value: Float64, eta: Float64) -> None:
        """ValueError if Langevin steps of this size would run away."""
        K, _, _ = self._coefficients(value)
        steepest = float(np.linalg.eigvalsh(self.lqr.hessian(K))[-1])
        if not eta.max() * steepest < 2.0:
            raise ValueError(
                f"step_size is {eta.max():.4g}, too large: the drift has slope {steepest:.4g} at "
                f"the present value and particles run away from {2.0 / steepest:.4g} on; half of "
                "that is safe"
            )

    def volume(self, particles: Float64) -> Float64:
        return _gaussian_volume(particles)

    def bias_function(self, value: Float64, particles: Float64, drift: Float64) -> Float64:
        # The Laplacian is the same everywhere; only the spread of u is used.
        return (drift**2).sum(axis=2) / (4.0 * self.temperature)

    def step_size_for_gap(
        self, value: Float64, particles: Float64, drift: Float64, target_gap: float
    ) -> Float64:
        u = self.bias_function(value, particles, drift)
        return _step_from_spread(u, self.discount, self.temperature, target_gap)

    def backup(self, value: Float64, evaluation: Evaluation) -> Float64:
        """T V (S,) in closed form: Q is quadratic in the action.

        T V = Q(a*) + (temperature/2) log det(2 pi temperature H^-1)
        """
        K, _, _ = self._coefficients(value)
        H = self.lqr.hessian(K)
        slope = self.q_gradient(value, np.zeros((self.n_states, 1, self.action_size)))[:, 0]
        best = np.asarray(np.linalg.solve(H, slope.T).T, np.float64)
        after = self._expected(self._next_mean(best[:, None]), self.lqr.W)[:, 0]
        weights = self._weights(value)
        top = self.lqr.reward(self.states, best[:, None])[:, 0] + self.discount * after @ weights
        _, log_det = np.linalg.slogdet(2.0 * np.pi * self.temperature * np.linalg.inv(H))
        return top + self.temperature / 2.0 * log_det

    def bounds(self, value: Float64, residual: Float64) -> tuple[float, float]:
        """Bounds on |V* - V| at the states. For any V, with r = T V - V as a quadratic function,

        (I - discount P^G)^-1 r <= V* - V <= (I - discount P*)^-1 r,  G the Gibbs policy of V
        """
        optimum = self.lqr.optimal()
        above = self._discounted(
            optimum.F, np.zeros(self.action_size), optimum.covariance, residual
        )
        K, linear, _ = self._coefficients(value)
        inverse = np.asarray(np.linalg.inv(self.lqr.hessian(K)), np.float64)
        gain = inverse @ self.lqr.cross_term(K)
        offset = self.discount * inverse @ self.lqr.B.T @ linear
        try:
            self.lqr.check_stabilises(gain)
        except ValueError:
            return 0.0, np.inf  # V is so far off that its Gibbs policy has no value
        below = self._discounted(gain, offset, self.temperature * inverse, residual)
        upper = max(float(above.max()), float(-below.min()), 0.0)
        return max(float(below.max()), float(-above.min()), 0.0), upper

    def _discounted(
        self, gain: Float64, offset: Float64, covariance: Float64, at_states: Float64
    ) -> Float64:
        """(I - discount P)^-1 (S,) of a quadratic function, for a policy N(offset - gain s, .)."""
        mean = self.states @ self.lqr.A.T + (offset - self.states @ gain.T) @ self.lqr.B.T
        noise = self.lqr.W + self.lqr.B @ covariance @ self.lqr.B.T
        transfer = np.linalg.lstsq(self.features, self._expected(mean, noise), rcond=None)[0]
        weights = self._weights(at_states)
        total = np.linalg.solve(np.eye(len(weights)) - self.discount * transfer, weights)
        return self.features @ total

    def _expected(self, mean: Float64, noise: Float64) -> Float64:
        """E f(s') for s' of this mean (..., O) and covariance (O, O)."""
        after = self._features(mean)
        for k, (i, j) in enumerate(self.pairs):
            after[..., 1 + self.states.shape[1] + k] += noise[i, j]
        return after

    def standard_error(self, evaluation: Evaluation) -> Float64:
        """Of the value: the same error of the pooled mean of Q - temperature log pi at every state
        and time, hence over 1 - discount."""
        local = standard_error_of_mean(evaluation, self.temperature)
        pooled = float(np.sqrt((local**2).mean() / self.n_states))
        return np.full(self.n_states, pooled / (1.0 - self.discount))

    def floor(
        self, value: Float64, particles: Float64, evaluation: Evaluation, eta: Float64
    ) -> Float64:
        """The exact floor of one step size for all states; of the largest, if they differ."""
        return np.full(self.n_states, self.lqr.gap_floor(float(eta.max())))


def standard_error_of_mean(evaluation: Evaluation, temperature: float) -> Float64:
    """Standard error (S,) of the mean of Q - temperature log pi over the particles."""
    earned = evaluation.q + temperature * evaluation.terms
    return earned.std(axis=1, ddof=1) / np.sqrt(earned.shape[1])


def _gaussian_volume(particles: Float64) -> Float64:
    """exp(entropy) (S,) [action^D] of the Gaussian with the particles' covariance, which has the
    largest entropy of all laws with it."""
    centred = particles - particles.mean(axis=1, keepdims=True)
    covariance = np.swapaxes(centred, 1, 2) @ centred / (particles.shape[1] - 1)
    return np.sqrt(np.maximum(np.linalg.det(2.0 * np.pi * np.e * covariance), 0.0))


def _one_of(value: Any, name: str, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, known))}")


def _least_particles(entropy: str, action_size: int) -> int:
    """The fewest particles a state of which a method tells an entropy."""
    least = {"mixture": action_size + 2, "knn": LEAST_NEIGHBOURS, "gaussian": action_size + 2}
    return least.get(entropy, max(least["knn"], least["gaussian"]))


def _entropy_method(
    entropy: str, volume: Float64, std: Float64, n_particles: int, action_size: int
) -> str:
    """`entropy`, with "auto" resolved in one and two dimensions; ValueError where N Gaussians of
    deviation std (S,) have gaps between them, X = volume/(2 sqrt(pi) std)^D > N: the entropy of a
    mixture would grow as 1/std^2 there."""
    if entropy not in ("mixture", "auto") or (entropy == "auto" and action_size > 2):
        return entropy
    wanted = volume / (2.0 * np.sqrt(np.pi) * std) ** action_size
    s = int(wanted.argmax())
    if wanted[s] <= n_particles:
        return "mixture"
    if entropy == "auto":
        return "knn"
    raise ValueError(
        f"n_particles is {n_particles}, too few for entropy 'mixture': the noise of one step has "
        f"standard deviation {std[s]:.3g} at state {s}, and it takes {wanted[s]:.3g} particles to "
        "cover the actions; use larger steps, more particles or entropy 'knn'"
    )
