"""Soft Q-functions."""

from wpg.critics.kernel_q import KernelQ, KernelRidge

__all__ = ["KernelQ", "KernelRidge"]
