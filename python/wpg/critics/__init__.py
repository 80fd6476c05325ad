"""Soft Q-functions."""

from wpg.critics.kernel_q import KernelQ, KernelRidge
from wpg.critics.neural_q import NeuralQ

__all__ = ["KernelQ", "KernelRidge", "NeuralQ"]
