"""One move of all particles of all states, on arrays: no critic, no environment."""

from wpg.transport.flow import flow
from wpg.transport.langevin import langevin

__all__ = ["flow", "langevin"]
