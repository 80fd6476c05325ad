"""One move of all particles of all states, on arrays: no critic, no environment."""

from wpg.transport.blob import blob_velocity
from wpg.transport.flow import flow
from wpg.transport.langevin import langevin
from wpg.transport.svgd import svgd_velocity

__all__ = ["blob_velocity", "flow", "langevin", "svgd_velocity"]
