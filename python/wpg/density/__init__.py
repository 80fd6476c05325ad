"""What particles say about log pi: densities and entropies, one for every state."""

from wpg.density.bandwidth import median_bandwidth
from wpg.density.entropy import entropy, entropy_terms, entropy_with_error
from wpg.density.mixture import mixture_log_density, particle_log_densities

__all__ = [
    "entropy",
    "entropy_terms",
    "entropy_with_error",
    "median_bandwidth",
    "mixture_log_density",
    "particle_log_densities",
]
