"""Pictures are drawn where matplotlib is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

import small_environments
from wpg import runs

small_environments.register()
SETTINGS = {
    "warmup_steps": 60,
    "centers": 50,
    "planned_states": 100,
    "evaluation_interval": 60,
    "evaluation_episodes": 2,
    "dynamics_centers": 50,
}


@pytest.mark.end_to_end
@pytest.mark.parametrize("env", ["tests/Slide-v0", "tests/Many2-v0"])
def test_learning_and_policy_pictures(tmp_path: Path, env: str) -> None:
    pytest.importorskip("matplotlib", reason="pictures want the extra 'plot'")
    from wpg import plots

    folders = []
    for seed in (0, 1):
        folders.append(tmp_path / str(seed))
        runs.train(
            env, seed=seed, total_steps=130, folder=folders[-1], settings=SETTINGS, quiet=True
        )
    written = plots.plot_runs(folders, tmp_path / "out")
    assert [path.name for path in written] == ["learning.png", "policy.png", "policy-2.png"]
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 10_000
