"""Training as TensorBoard shows it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from wpg.errors import UsageError

__all__ = ["TensorBoard"]


class TensorBoard:
    """A callback of `learn` that writes every number of its records to TensorBoard's event files.

        agent.learn(100_000, callback=TensorBoard("runs/one/tensorboard"))

    Tags are "episode/return", "episode/temperature", "evaluation/mean_return" and so on, against
    environment steps. Numbers that are not finite are left out.

    Parameters
    ----------
    folder : where event files go; made if it is not there
    first_step : of a run that goes on; what the folder holds of later steps is not shown

    Errors: `UsageError` where TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path, *, first_step: int = 0) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise UsageError(
                f"TensorBoard cannot be imported ({error}): pip install 'wpg[tensorboard]'"
            ) from None
        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(folder), flush_secs=10)
        self._writer.add_event(
            Event(step=first_step + 1, session_log=SessionLog(status=SessionLog.START))
        )

    def __call__(self, agent: Any, event: str, record: dict[str, Any]) -> None:
        if event not in ("episode", "evaluation"):
            return
        values = [
            self._summary.Value(tag=f"{event}/{name}", simple_value=float(value))
            for name, value in record.items()
            if name != "env_steps" and isinstance(value, (int, float)) and math.isfinite(value)
        ]
        self._writer.add_event(
            self._event(
                wall_time=time.time(),
                step=record["env_steps"],
                summary=self._summary(value=values),
            )
        )

    def close(self) -> None:
        """Write what is waiting, and close the file."""
        self._writer.close()
