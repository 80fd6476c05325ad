"""What particles say about log pi: densities and entropies, one for every state."""

from wpg.density.bandwidth import median_bandwidth
from wpg.density.entropy import entropy, entropy_terms, entropy_with_error
from wpg.density.kde import kde_log_density, kde_score
from wpg.density.mixture import mixture_log_density, particle_log_densities
from wpg.density.stein_discrepancy import kernel_stein_discrepancy

__all__ = [
    "entropy",
    "entropy_terms",
    "entropy_with_error",
    "kde_log_density",
    "kde_score",
    "kernel_stein_discrepancy",
    "median_bandwidth",
    "mixture_log_density",
    "particle_log_densities",
]
