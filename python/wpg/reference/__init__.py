"""Naive twins of the compiled routines, in float64 and in loops that can be read aloud.

They import NumPy and nothing else of this package, they are slow on purpose, and the tests compare
the compiled routines with them. Letters: S states, N particles per state, D action dimension,
O observation dimension, M centres.

    wpg.reference.noise       Philox4x32-10 and the normal draw of a name
    wpg.reference.transport   supports and the Langevin steps
    wpg.reference.mala        Metropolis-adjusted Langevin
    wpg.reference.critics     KernelQ
    wpg.reference.density     log-densities of mixtures and entropies
    wpg.reference.networks    multilayer perceptrons, their gradients, Adam
    wpg.reference.flow        several steps in a row
"""

from wpg.reference import critics, density, flow, mala, networks, noise, transport

__all__ = ["critics", "density", "flow", "mala", "networks", "noise", "transport"]
