"""bench/cuda/compare.py: no GPU, bad arguments, the peers' formulas on the CPU."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from wpg.benchmarks.works import Form, Work, disagreement

BENCH = Path(__file__).resolve().parents[2] / "bench"
QUICK = ["--device", "cpu", "--small", "--no-compile", "--rounds", "6", "--min-time", "1e-4"]


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCH)
    spec = importlib.util.spec_from_file_location("cuda_compare", BENCH / "cuda" / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_gpu_one_line_says_so(
    compare: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare.wpg.cuda, "device_count", lambda: 0)
    assert compare.main([]) == 77
    assert capsys.readouterr().out.splitlines() == [
        "skipped: there is no GPU, or wpg was built without its CUDA routines"
    ]
    monkeypatch.setattr(compare.wpg.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(compare, "_importable", lambda module: False)
    assert compare.main([]) == 77
    assert "neither PyTorch nor CuPy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["--rounds", "5"], "at least 6"),
        (["--min-time", "0"], "above 0"),
        (["--filter", "nothing"], "nothing"),
        (["--device", "tpu"], "tpu"),
    ],
)
def test_bad_arguments(
    compare: Any, given: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        compare.main(given)
    assert ended.value.code == 2
    assert word in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["svgd_velocity", "kernel_q"])
def test_what_is_compiled_has_our_answer_uncompiled(compare: Any, kind: str) -> None:
    torch = pytest.importorskip("torch")
    work = compare.WORKS[kind](compare.Device("cpu"), True)
    tensors = [torch.from_numpy(x) for x in compare._arrays(work)]
    for name, formula in compare.TORCH_FORMULAS[kind].items():
        found = tuple(x.numpy() for x in formula(torch, work.problem, *tensors))
        assert disagreement(work.ours.answer(), found, work) is None, name


def test_the_record(compare: Any, tmp_path: Path) -> None:
    """Libraries that are not installed are named, the others timed; the date is the one given."""
    path = tmp_path / "compare.json"
    assert compare.main([*QUICK, "--date", "2026-01-02", "--json", str(path)]) == 0
    content = json.loads(path.read_text())
    assert content["date"] == "2026-01-02"
    assert list(content["figures"]) == ["svgd_velocity/64x32x3", "kernel_q/64x4x3/200"]
    for entries in content["figures"].values():
        for library in ("PyTorch", "JAX"):
            entry = entries[library]
            if entry["status"] == "not installed":
                continue
            assert entry["status"] == "timed"
            assert entry["form"] in entry["forms, ns per item"]
            ratio = entry["ratio"]
            assert ratio["low"] <= ratio["median"] <= ratio["high"]
            assert entry["reached"] == (ratio["median"] >= compare.WANTED)


def test_a_form_with_another_answer_is_named_and_not_timed(
    compare: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timed: list[str] = []

    def forms(work: Work) -> list[Form]:
        off = tuple(array + 1 for array in work.ours.answer())
        return [
            Form("off by one", lambda: timed.append("off by one"), lambda: off),
            Form("out of memory", lambda: None, lambda: (np.zeros(2**62),)),
        ]

    library = SimpleNamespace(version=lambda: "1", forms=forms)
    monkeypatch.setattr(compare, "load", lambda name, device, compiled: library)
    assert compare.main([*QUICK, "--filter", "svgd_velocity PyTorch"]) == 1
    printed = capsys.readouterr().out
    assert "DISAGREES, not timed: off by one: array 0 is 1 from ours" in printed
    assert '"out of memory": "' in printed
    assert "no form agrees" in printed
    assert timed == []


def test_ours_is_held_against_the_cpu(
    compare: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = compare.svgd

    def wrong(device: Any, small: bool) -> Work:
        work: Work = build(device, small)
        answer = work.ours.answer()[0] * np.float32(1.001)
        return compare._on_device(work, work.name, work.ours.call, lambda: (answer,))

    monkeypatch.setattr(compare, "load", lambda name, device, compiled: "not installed")
    monkeypatch.setitem(compare.WORKS, "svgd_velocity", wrong)
    assert compare.main([*QUICK, "--filter", "svgd"]) == 1
    assert "ours is not the CPU's: array 0" in capsys.readouterr().out
