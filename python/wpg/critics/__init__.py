"""Soft Q-functions."""

from wpg.critics.kernel_q import KernelQ, KernelQGrid, KernelRidge

__all__ = ["KernelQ", "KernelQGrid", "KernelRidge"]
