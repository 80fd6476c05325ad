"""The errors that wpg raises beyond Python's own."""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "DivergenceError",
    "EpisodeError",
    "NonFiniteError",
    "UsageError",
]


class UsageError(ValueError):
    """Something was asked for that cannot be done; the message is one line that says what to do."""


class CheckpointError(UsageError):
    """A file that should hold a saved agent does not, or is damaged."""


class NonFiniteError(ArithmeticError):
    """NaN or infinity where a number is needed; says at which state, particle and step."""


class DivergenceError(ArithmeticError):
    """A critic's loss is no longer finite; says at which step, and the last finite loss."""


class EpisodeError(RuntimeError):
    """An environment raised an error, which is the cause of this one; says which, and when."""

    @classmethod
    def of(cls, env: str, error: Exception, where: str) -> EpisodeError:
        """In one line; what was found wrong about the environment is said as it stands."""
        if isinstance(error, EpisodeError):
            return cls(f"{error} ({where})")
        said = " ".join(str(error).split())
        return cls(f"{env} raised {type(error).__name__} {where}: {said}")
