"""Every test uses threads wherever there are several, however little work there is."""

from __future__ import annotations

from wpg import _core

_core.set_work_per_thread(256)
