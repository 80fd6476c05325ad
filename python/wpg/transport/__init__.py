"""One move of all particles of all states, on arrays: no critic, no environment."""

from wpg.transport.adaptive_step_size import adaptive_step_size
from wpg.transport.birth_death import birth_death
from wpg.transport.flow import flow
from wpg.transport.langevin import langevin

__all__ = ["adaptive_step_size", "birth_death", "flow", "langevin"]
