"""One move of all particles of all states, on arrays; `flow` and `mala` ask a critic between."""

from wpg.transport.flow import flow
from wpg.transport.langevin import langevin
from wpg.transport.leimkuhler_matthews import leimkuhler_matthews
from wpg.transport.mala import mala

__all__ = ["flow", "langevin", "leimkuhler_matthews", "mala"]
