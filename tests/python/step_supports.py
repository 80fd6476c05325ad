"""The supports that every step is tried on, small enough that particles meet their walls."""

from __future__ import annotations

from wpg.supports import Box, Support, Torus

SUPPORTS: dict[str, Support] = {
    "none": None,
    "reflect": Box(-0.9, 0.7),
    "clip": Box(-0.9, 0.7, "clip"),
    "tanh": Box(-0.9, 0.7, "tanh"),
    "probit": Box(-0.9, 0.7, "probit"),
    "torus": Torus(0.8),
}
