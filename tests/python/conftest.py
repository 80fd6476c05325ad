"""Every test uses threads wherever there are several, however little work there is."""

from __future__ import annotations

from typing import Any

import pytest

from backends import PLACES
from wpg import _core

_core.set_work_per_thread(256)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Any:
    """Makes a public function run on NumPy arrays, or on a CUDA device's, skipped without one:
    `place(langevin)(particles, ...)` takes and returns NumPy arrays."""
    return PLACES[request.param]
