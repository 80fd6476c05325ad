"""A trained policy that needs NumPy alone: this file and the .npz that was exported with it.

    from numpy_policy import load

    policy = load("policy.npz")
    action = policy(observation)                # the best action, the same every time
    action = policy.sample(observation, rng)    # a draw, rng = numpy.random.default_rng()

An observation is what the environment gives, or flattened, (O,). Networks are computed in float32,
kernels in float64, because their large weights cancel.
Python 3.8 and NumPy 1.20, or later. Written by wpg, https://arxiv.org/abs/2605.26078.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]
    Float64 = NDArray[np.float64]

__all__ = ["FORMAT", "KernelPolicy", "NeuralPolicy", "Policy", "load"]

FORMAT = 1  # of the file


def load(path: Any) -> Policy:
    """The policy in a file. Nothing in it is executed."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if "about.json" not in arrays:
        raise ValueError(f"{path} holds no exported policy")
    about = json.loads(arrays.pop("about.json").tobytes().decode())
    if about["format"] != FORMAT:
        raise ValueError(f"{path} has format {about['format']}; copy the .py file beside it too")
    kind = KernelPolicy if about["kind"] == "kernel" else NeuralPolicy
    return kind(arrays, about)


class Policy:
    """What both kinds share: `about` (a dict) says where the policy comes from."""

    def __init__(self, arrays: dict[str, Any], about: dict[str, Any]) -> None:
        self.arrays, self.about = arrays, about
        self.low, self.high = arrays["low"], arrays["high"]

    def __call__(self, observation: Any) -> Float32:
        """The best action, in the shape of the action space."""
        return self._shaped(self._best(self._row(observation)))

    def sample(self, observation: Any, rng: Any) -> Float32:
        """An action drawn from the policy, by a numpy.random.Generator."""
        return self._shaped(self._draw(self._row(observation), rng))

    def _row(self, observation: Any) -> Float32:
        layout, size = self.about["observation"], self.about["observation_size"]
        held_by_parts = isinstance(layout, dict) and isinstance(observation, dict)
        held_by_parts |= isinstance(layout, list) and isinstance(observation, tuple)
        flat = _flat(layout if held_by_parts else size, observation)
        if len(flat) != size or not np.isfinite(flat).all():
            raise ValueError(f"observation is {observation!r}; it must hold {size} finite numbers")
        return flat

    def _shaped(self, action: Any) -> Float32:
        inside = np.clip(action, self.low, self.high)
        return inside.astype(np.float32).reshape(self.about["action_shape"])

    def _best(self, state: Float32) -> Any:
        raise NotImplementedError

    def _draw(self, state: Float32, rng: Any) -> Any:
        raise NotImplementedError


def _flat(layout: Any, observation: Any) -> Float32:
    """Parts one after the other: an object in `layout` is a dict, a list a tuple."""
    if isinstance(layout, dict):
        return np.concatenate([_flat(part, observation[key]) for key, part in layout.items()])
    if isinstance(layout, list):
        return np.concatenate([_flat(part, observation[i]) for i, part in enumerate(layout)])
    return np.asarray(observation, dtype=np.float32).ravel()


class NeuralPolicy(Policy):
    """a = middle + half tanh(mu(s, z) + sigma(s, z) xi), z latents, xi normal; of tanh(mu) at fixed
    z the minimum of the critics chooses the best."""

    def _best(self, state: Float32) -> Any:
        state = self._normalised(state)
        latents, D = self.arrays["latents"], len(self.low)
        points = np.tanh(self._network("policy", state, latents)[:, :D])
        chosen = 0
        if self.about["critics"]:
            critics = range(self.about["critics"])
            values = [self._network(f"critic.{e}", state, points)[:, 0] for e in critics]
            chosen = int(np.min(values, axis=0).argmax())
        return self._in_box(points[chosen])

    def _draw(self, state: Float32, rng: Any) -> Any:
        L, D = self.arrays["latents"].shape[1], len(self.low)
        noise = rng.standard_normal(L + D).astype(np.float32)
        latent, scale = noise[:L], np.float32(self.about["latent_scale"])
        latent = np.copysign(scale, latent) if self.about["signs"] else scale * latent
        made = self._network("policy", self._normalised(state), latent[None])[0]
        deviation = np.exp(np.clip(made[D:], *self.about["log_deviation_bounds"]))
        return self._in_box(np.tanh(made[:D] + deviation * noise[L:]))

    def _normalised(self, state: Float32) -> Float32:
        limit = self.about["limit"]  # null: observations are not normalised
        if limit is None:
            return state
        return np.clip((state - self.arrays["mean"]) * self.arrays["inverse"], -limit, limit)

    def _in_box(self, unit: Float32) -> Float32:
        return (self.low + self.high) / 2 + (self.high - self.low) / 2 * unit

    def _network(self, name: str, state: Float32, particles: Float32) -> Float32:
        """Outputs (N, K) of a perceptron at one state and particles (N, D)."""
        h = np.concatenate([np.tile(state, (len(particles), 1)), particles], axis=1)
        layer = 0
        while f"{name}.{layer}.weight" in self.arrays:
            at = f"{name}.{layer}."
            if layer > 0:
                h = h / (1 + np.exp(-np.maximum(h, -83))) if self.silu else np.maximum(h, 0)
            h = h @ self.arrays[at + "weight"] + self.arrays[at + "bias"]
            if at + "gain" in self.arrays:
                h = h - h.mean(axis=1, keepdims=True)
                h = h / np.sqrt((h * h).mean(axis=1, keepdims=True) + np.float32(1e-5))
                h = h * self.arrays[at + "gain"] + self.arrays[at + "offset"]
            layer += 1
        return h

    @property
    def silu(self) -> bool:
        return bool(self.about["activation"] == "silu")


class KernelPolicy(Policy):
    """The Gibbs policy exp(Q / temperature) of Q(s, a) = sum_m w_m k(s - s_m) k(a - a_m), with
    k(x) = exp(-|x / lengthscale|^2 / 2)."""

    def __init__(self, arrays: dict[str, Any], about: dict[str, Any]) -> None:
        wide = {name: array.astype(np.float64) for name, array in arrays.items()}
        super().__init__(wide, about)

    def _best(self, state: Float32) -> Any:
        """The best of evenly spread points; four of them go uphill by steps that are halved."""
        near, points = self._near(state), self.arrays["start"]
        values = self._q(near, points)[0]
        points = points[np.argsort(-values, kind="stable")[:4]]
        best, value, reach = points[0], values.max(), self.about["reach"]
        for _ in range(self.about["refine"]):
            slope = self._q(near, points)[1]
            length = np.sqrt((slope * slope).sum(axis=1, keepdims=True)) + 1e-30
            points = np.clip(points + reach * slope / length, self.low, self.high)
            values = self._q(near, points)[0]
            if values.max() > value:
                best, value = points[values.argmax()], values.max()
            reach /= 2
        return best

    def _draw(self, state: Float32, rng: Any) -> Any:
        """Langevin steps, then one particle by weights exp(Q / temperature) / density, the density
        being that of the last step."""
        near, cloud, T = self._near(state), self.arrays["start"], self.about["temperature"]
        steepest = float(np.abs(self._q(near, cloud)[1]).max())
        eta = min(self.about["largest_step"], self.about["largest_move"] / max(steepest, 1e-30))
        for _ in range(self.about["steps"]):
            means = cloud + eta * self._q(near, cloud)[1]
            noise = rng.standard_normal(cloud.shape)
            deviation = np.sqrt(2 * eta * T)
            cloud = self._folded(means + deviation * noise)
        exponent = self._q(near, cloud)[0] / T - self._log_density(cloud, means, deviation)
        total = np.cumsum(np.exp(exponent - exponent.max()))
        return cloud[min(int((total < rng.random() * total[-1]).sum()), len(cloud) - 1)]

    def _near(self, state: Float32) -> Float64:
        """w_m k(s - s_m), (M,)."""
        away = (self.arrays["center_states"] - state) / self.arrays["state_lengthscale"]
        return self.arrays["weights"] * np.exp(-(away * away).sum(axis=1) / 2)

    def _q(self, near: Float64, points: Float64) -> tuple[Float64, Float64]:
        """Q (N,) and its gradient (N, D) at points (N, D)."""
        length = self.arrays["action_lengthscale"]
        away = (self.arrays["center_actions"] - points[:, None]) / length
        terms = near * np.exp(-(away * away).sum(axis=2) / 2)
        return terms.sum(axis=1), (terms[..., None] * away).sum(axis=1) / length

    def _folded(self, points: Float64) -> Float64:
        """Back from the walls, as often as needed."""
        width = self.high - self.low
        beyond = np.mod(points - self.low, 2 * width)
        return np.clip(self.low + np.minimum(beyond, 2 * width - beyond), self.low, self.high)

    def _log_density(self, points: Float64, means: Float64, deviation: Any) -> Float64:
        """Log of the mean of reflected Gaussians at points (N,), up to a constant."""
        width = self.high - self.low
        shifts = np.arange(-2.0, 3.0)[:, None] * (2 * width)
        images = np.concatenate(
            [points[:, None] + shifts, 2 * self.low - points[:, None] + shifts], 1
        )
        away = (images[:, None] - self._folded(means)[:, None]) / deviation  # (N, N, images, D)
        of_means = np.logaddexp.reduce(-away * away / 2, axis=2).sum(axis=2)
        return np.logaddexp.reduce(of_means, axis=1)
