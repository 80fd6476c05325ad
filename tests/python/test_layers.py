"""Who may know whom: read from the imports, so that a forbidden edge is named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "wpg"

# Lower may not import upper, siblings do not import each other. A package is one node.
LAYERS: list[set[str]] = [
    {"reference", "_core", "_cuda", "errors", "supports", "numpy_policy"},
    {"cuda"},
    {"arrays"},
    {"exact", "threads", "noise", "squash", "bandwidths", "networks"},
    {
        "transport",
        "density",
        "critics",
        "envs",
        "replay",
        "checkpoint",
        "normalisation",
        "pink_noise",
    },
    {
        "policy",
        "generator",
        "evaluation",
        "export",
        "mode_coverage",
        "intervals",
        "clouds",
        "progress_line",
        "tensorboard",
    },
    {"planning", "agents"},
    {"runs", "configurations", "labels", "tables"},
    {"certificates", "comparison", "sweep"},
    {"reports"},
    {"plots", "benchmarks"},
    {"cli"},
]


def level(node: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if node in layer)


def imports_of(path: Path) -> set[str]:
    """Names right below `wpg` that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "wpg":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wpg."):
            found.add(node.module.split(".")[1])  # type: ignore[union-attr]
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("wpg.")}
    return found


def files() -> list[Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    node = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for other in imports_of(path) - {node, "__version__"}:
        assert level(other) < level(node), f"{path.name}: {node} may not import {other}"


@pytest.mark.parametrize(
    ("folder", "libraries"), [("reference", {"numpy"}), ("exact", {"numpy", "scipy"})]
)
def test_oracles_do_not_know_the_core(folder: str, libraries: set[str]) -> None:
    """Reference and exact import array libraries and, but for where actions live, themselves."""
    standard = {"__future__", "collections", "dataclasses", "math", "typing"}
    for path in (PACKAGE / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top in libraries | standard or name.startswith(
                    (f"wpg.{folder}", "wpg.supports")
                ), f"{path.name} imports {name}"


def test_cpp_includes_point_down() -> None:
    allowed = {
        "base": {"base"},
        "transport": {"base", "transport"},
        "critics": {"base", "critics"},
        "density": {"base", "density"},
        "networks": {"base", "networks"},
        "flow": {"base", "transport", "density", "critics", "flow"},
    }
    for path in sorted((ROOT / "cpp" / "wpg").rglob("*.[hc][pu]*")):
        folder = path.relative_to(ROOT / "cpp" / "wpg").parts[0]
        text = path.read_text()
        for other in re.findall(r'#include "wpg/(\w+)/', text):
            assert other in allowed[folder], f"{path.name}: {folder} may not include {other}"
        assert "pybind11" not in text, path.name
        assert "Python.h" not in text, path.name
        if path.suffix == ".hpp":
            assert "<Eigen" not in text, f"{path.name}: Eigen belongs into .cpp files"
        if path.name.endswith("_math.hpp") or path.suffix == ".cu":
            assert "<vector>" not in text, f"{path.name}: formulas and kernels hold no containers"


def test_openmp_is_spelled_in_one_file() -> None:
    users = [
        p.name
        for p in (ROOT / "cpp").rglob("*.[hc]pp")
        if re.search(r"#pragma omp|omp_|<omp.h>", p.read_text())
    ]
    assert users == ["parallel.cpp"]
