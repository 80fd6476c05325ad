"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wpg.cli import main

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)


@pytest.mark.end_to_end
@pytest.mark.parametrize("index", range(len(BLOCKS)))
def test_python_blocks_run(
    index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = BLOCKS[index]
    if "runs/one" in code:  # which the commands above it have trained, for longer
        words = "train Pendulum-v1 --total-steps 250 --quiet --out runs/one"
        assert main(words.split()) == 0
    # Later blocks stand on the imports of the first.
    exec(compile(f"import numpy as np\nimport wpg\n{code}", str(README), "exec"), {})


def test_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        if not target.startswith("http"):
            assert (README.parent / target).exists(), target
