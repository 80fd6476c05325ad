"""One move of all particles of all states, on arrays; `flow` and `mala` ask a critic between."""

from wpg.transport.adaptive_step_size import adaptive_step_size
from wpg.transport.birth_death import birth_death
from wpg.transport.blob import blob_velocity
from wpg.transport.flow import flow
from wpg.transport.langevin import langevin
from wpg.transport.leimkuhler_matthews import leimkuhler_matthews
from wpg.transport.mala import mala
from wpg.transport.svgd import svgd_velocity

__all__ = [
    "adaptive_step_size",
    "birth_death",
    "blob_velocity",
    "flow",
    "langevin",
    "leimkuhler_matthews",
    "mala",
    "svgd_velocity",
]
