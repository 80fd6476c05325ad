"""The benchmarks: what they print and write, bad input, and when a comparison is not made."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from wpg import benchmarks, cli
from wpg.benchmarks import peers, works
from wpg.benchmarks.alternation import LEAST_ROUNDS, alternate, ratio_of
from wpg.benchmarks.works import Form, Work, disagreement

QUICK = ["--repetitions", "2", "--min-time", "1e-4"]
SMALLEST = "langevin/1x16x1/box"


def bench(*arguments: object) -> int:
    return cli.main(["bench", *map(str, arguments)])


# The C++ cases.


def test_json_follows_google_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    assert bench("--filter", SMALLEST, *QUICK, "--json", path) == 0
    printed = capsys.readouterr().out
    assert "copy" in printed
    assert re.search(rf"^{SMALLEST} +element +[\d.e+]+ +[\d.e+]+ +[\d.]+ %", printed, re.M)
    content = json.loads(path.read_text())
    context = content["context"]
    assert {
        "date",
        "num_cpus",
        "mhz_per_cpu",
        "caches",
        "load_avg",
        "library_build_type",
        "json_schema_version",
        "isa",
        "threads",
        "compiler",
        "cpu_model",
        "copy_bytes_per_second",
        "fma_flops_per_second",
    } <= set(context)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", context["date"])
    entries = content["benchmarks"]
    assert [entry["run_type"] for entry in entries] == ["iteration"] * 2 + ["aggregate"] * 3
    assert [entry["name"] for entry in entries] == [
        SMALLEST,
        SMALLEST,
        *(f"{SMALLEST}_{name}" for name in ("least", "median", "mad")),
    ]
    for entry in entries:
        assert entry["run_name"] == SMALLEST
        assert entry["time_unit"] == "ns"
        assert entry["repetitions"] == 2
        assert entry["iterations"] >= 1
        assert entry["threads"] == 1
    for entry in entries[:-1]:
        # 16 elements of 12 bytes; one thread is timed by the processor, and ns by ten digits.
        assert entry["items_per_second"] * entry["cpu_time"] == pytest.approx(16e9, rel=1e-8)
        assert entry["bytes_per_second"] == pytest.approx(12 * entry["items_per_second"], rel=1e-8)
        assert entry["ns_per_item"] == pytest.approx(entry["cpu_time"] / 16, rel=1e-8)
        assert entry["fraction_of_copy"] > 0
        assert 0 < entry["fraction_of_fma"] < 1
    assert entries[2]["cpu_time"] == min(entry["cpu_time"] for entry in entries[:2])


def test_threads_are_given_back_and_time_is_the_wall_s() -> None:
    lines: list[str] = []
    found = benchmarks.run_cases(
        filter=SMALLEST, repetitions=2, min_time=1e-4, threads=2, say=lines.append
    )
    assert found["context"]["threads"] == 2
    first = found["benchmarks"][0]
    assert first["items_per_second"] * first["real_time"] == pytest.approx(16e9, rel=1e-8)
    assert "2 threads" in lines[0]
    assert "wall time" in lines[0]


def test_what_say_raises_ends_the_run() -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmarks.run_cases(filter=SMALLEST, repetitions=2, min_time=1e-4, say=stop)


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--list") == 0
    assert capsys.readouterr().out.split() == benchmarks.case_names()
    assert bench("--list", "--peers", "--filter", "kernel_q") == 0
    assert capsys.readouterr().out.split() == [
        name for name in benchmarks.work_names() if "kernel_q" in name
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--filter", "nothing"], f"no case has 'nothing' in its name; there are .*{SMALLEST}"),
        (["--peers", "--filter", "nothing"], "no work has 'nothing'.* one-call/1x16x1/box"),
        (["--scaling", "--filter", "nothing"], "no work has 'nothing'"),
        (["--scaling", "--filter", "one-call", "--repetitions", 6], "a million items"),
        (["--threads", 0], "num_threads is 0"),
        (["--threads", 2000], "num_threads is 2000"),
        (["--peers", "--threads", 2], "leave out --threads"),
        (["--scaling", "--threads", 1], "at least 2"),
        (["--repetitions", 0], "repetitions is 0"),
        (["--repetitions", 10**6], "repetitions is 1000000"),
        (["--peers", "--repetitions", LEAST_ROUNDS - 1], "repetitions is 5.*at least 6"),
        (["--min-time", 0], "min_time is 0"),
        (["--min-time", "nan"], "min_time is nan"),
        (["--peers", "--min-time", -1], "min_time is -1"),
        (["--json", "{tmp}"], "cannot be written"),
        (["--json", "{tmp}/no/where.json"], "cannot be written"),
        (["--peers", "--json", "{tmp}/no/where.json"], "cannot be written"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[object], words: str
) -> None:
    assert bench(*(str(word).replace("{tmp}", str(tmp_path)) for word in arguments)) == 2
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1
    assert re.search(words, captured.err), captured.err
    assert captured.out == ""
    assert not any(tmp_path.iterdir())


def test_words_argparse_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--threads", "many"], ["--peers", "--scaling"]):
        with pytest.raises(SystemExit) as stopped:
            bench(*arguments)
        assert stopped.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


# Two things in turn.


class Ticks:
    """A clock that calls move by as much as they say."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order = ""

    def __call__(self) -> float:
        return self.now

    def call(self, name: str, seconds: float) -> None:
        self.now += seconds
        self.order += name


def test_alternation_fills_the_time_and_changes_who_begins() -> None:
    clock = Ticks()
    first, second = partial(clock.call, "a", 0.5), partial(clock.call, "b", 2.0)
    times = alternate(first, second, rounds=6, min_time=1.0, clock=clock)
    # One call of 0.5 is too short; 1.1 times what is missing, rounded up, is three.
    assert clock.order == "a" + "aaa" + "b" + 3 * ("aaab" + "baaa")
    assert times.first == [0.5] * 6
    assert times.second == [2.0] * 6


def test_order_statistics_of_the_ratio() -> None:
    rounds = [float(k) for k in range(1, 22)]
    ratio = ratio_of(rounds, [1.0] * 21)
    # 2 P(Binomial(21, 1/2) < 6) = 0.027, < 7: 0.078.
    assert (ratio.low, ratio.median, ratio.high) == (6, 11, 16)
    assert ratio.as_dict()["verdict"] == "differs"
    same = ratio_of(rounds, [11.0] * 21)
    assert same.as_dict()["verdict"] == "no difference seen"
    six = ratio_of([1.0, 2, 3, 4, 5, 6], [1.0] * 6)
    assert (six.low, six.median, six.high) == (1, 3.5, 6)
    with pytest.raises(ValueError, match="at least 6"):
        ratio_of([1.0] * 5, [1.0] * 5)
    with pytest.raises(ValueError, match="at least 6"):
        alternate(int, int, rounds=5)


@pytest.mark.statistics
def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    # P(outside) = 2 P(Binomial(21, 1/2) < 6) = 0.02660 whatever the law: 106 +- 10.2 of 4000 runs.
    # Seven deviations on either side: fails wrongly once in 4e11 seeds; sees 4.5 % outside.
    rng = np.random.default_rng(5)
    missed = 0
    for times in rng.lognormal(0.3, 0.5, (4000, 21)):
        ratio = ratio_of(list(times), [1.0] * 21)
        missed += not ratio.low <= np.exp(0.3) <= ratio.high
    assert abs(missed - 106.4) <= 7 * 10.2


# Comparisons with libraries.


def small_work(**changes: Any) -> Work:
    answer = np.arange(6.0).reshape(3, 2)
    ours = Form("ours", lambda: None, lambda: (answer,))
    fields: dict[str, Any] = {
        "kind": "fake",
        "item": "element",
        "items": 6,
        "problem": None,
        "ours": ours,
        "allowed": (0.5,),
        "reason": "for the test",
        "name": "fake/3x2",
    }
    return Work(**fields | changes)


def form(name: str, answer: Any, calls: list[str]) -> Form:
    return Form(name, lambda: calls.append(name), lambda: (np.asarray(answer),))


def compare(library: Any, work: Work | None = None) -> tuple[dict[str, Any], list[str]]:
    lines: list[str] = []
    (entry,) = peers.compare_work(
        small_work() if work is None else work,
        {"fake": library},
        rounds=6,
        min_time=1e-6,
        say=lines.append,
    )
    return entry, lines


def library_of(*forms: Form) -> SimpleNamespace:
    return SimpleNamespace(forms=lambda work: list(forms))


def test_a_form_that_agrees_is_timed() -> None:
    calls: list[str] = []
    entry, lines = compare(library_of(form("good", np.arange(6.0).reshape(3, 2) + 0.4, calls)))
    assert entry["status"] == "timed"
    assert entry["form"] == "good"
    assert set(entry["ratio"]) == {"median", "low", "high", "verdict"}
    assert entry["ratio"]["low"] <= entry["ratio"]["median"] <= entry["ratio"]["high"]
    assert calls
    assert len(lines) == 1


def test_an_answer_that_disagrees_is_reported_and_not_timed() -> None:
    calls: list[str] = []
    wrong = form("wrong", np.arange(6.0).reshape(3, 2) + 0.6, calls)
    entry, lines = compare(library_of(wrong))
    assert entry["status"] == "disagrees"
    assert "ratio" not in entry
    assert calls == []
    assert "wrong: array 0 is 0.6 from ours, allowed is 0.5: for the test" in lines[0]
    # Another form of the same library may still be right.
    good = form("good", np.arange(6.0).reshape(3, 2), calls)
    entry, lines = compare(library_of(wrong, good))
    assert entry["status"] == "timed"
    assert entry["form"] == "good"
    assert entry["disagreements"]
    assert "wrong" not in calls
    assert len(lines) == 2


@pytest.mark.parametrize(
    "answer", [np.full((3, 2), np.nan), np.zeros((3, 1)), np.zeros(3), np.zeros((4, 2))]
)
def test_nan_and_other_shapes_disagree(answer: Any) -> None:
    assert compare(library_of(form("odd", answer, [])))[0]["status"] == "disagrees"


def test_the_fastest_form_is_chosen_and_a_broken_one_left_out() -> None:
    def broken() -> Any:
        raise RuntimeError("no compiler\nand more")

    answer = np.arange(6.0).reshape(3, 2)
    slow = Form("slow", lambda: sum(range(20000)), lambda: (answer,))
    fast = Form("fast", lambda: None, lambda: (answer,))
    entry, _ = compare(library_of(slow, Form("broken", broken, broken), fast))
    assert entry["form"] == "fast"
    assert entry["left_out"] == ["broken: RuntimeError: no compiler"]
    assert set(entry["ns_per_item_of_forms"]) == {"slow", "fast"}


def test_a_library_that_is_missing_is_named() -> None:
    entry, lines = compare("not installed")
    assert entry["status"] == "not installed"
    assert lines[0].endswith("not installed")


def test_a_part_of_the_states_is_compared_and_counted_as_a_part() -> None:
    answer = np.arange(6.0).reshape(3, 2)[:1]
    part = Form("part", lambda: sum(range(1000)), lambda: (answer,), share=1 / 3)
    whole = Form("whole", lambda: sum(range(1000)), small_work().ours.answer)
    assert disagreement(small_work().ours.answer(), part.answer(), small_work()) is None
    clock = Ticks()
    ours = Form("ours", partial(clock.call, "o", 1.0), whole.answer)
    other = Form("part", partial(clock.call, "p", 1.0), part.answer, share=1 / 3)
    found = peers.compare_forms(small_work(), ours, other, rounds=6, min_time=0.5, clock=clock)
    assert found["ratio"]["median"] == pytest.approx(3)
    assert found["other_ns_per_item"]["least"] == pytest.approx(3 * 1e9 / 6)


def test_libraries_that_cannot_be_loaded_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "LIBRARIES", {"Here": "numpy", "Gone": "no_such_library"})
    found = peers._libraries()
    assert found["Gone"] == "not installed"
    assert found["Here"].version() == np.__version__
    monkeypatch.setitem(sys.modules, "wpg.benchmarks.numpy_forms", None)
    assert "cannot be loaded: " in peers._libraries()["Here"]


SMALL_WORKS: dict[str, Callable[[], Work]] = {
    "langevin": partial(works._langevin, 64, 16, 3),
    "one-call": partial(works._langevin, 1, 16, 1, item="call"),
    "standard_normal": partial(works._normals, 64, 16, 3),
    "svgd_velocity": partial(works._velocity, "svgd_velocity", 5, 16, 3, 0.8),
    "svgd_velocity, D = 1": partial(works._velocity, "svgd_velocity", 5, 16, 1, 0.8),
    "blob_velocity": partial(works._velocity, "blob_velocity", 5, 16, 3, 0.8),
    "kde_score": partial(works._kde_score, 5, 16, 3, 0.8),
    "median_bandwidth": partial(works._median_bandwidth, 5, 16, 3),
    "median_bandwidth, an odd number of pairs": partial(works._median_bandwidth, 5, 7, 2),
    "kernel_q": partial(works._kernel_q, 8, 4, 300, 2, 3, scale=1.0, rows=8),
    "neural_q": partial(works._neural_q, 40, 16, 5, 3, (24, 16)),
    "kernel_q, a part": partial(works._kernel_q, 8, 4, 300, 2, 3, scale=0.2, rows=2),
}


@pytest.mark.twin
# torch.compile imports what warns of itself.
@pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("name", SMALL_WORKS)
def test_every_form_gives_our_answer(name: str, library: str) -> None:
    pytest.importorskip(library)
    try:
        work = SMALL_WORKS[name]()
    except AttributeError as error:
        pytest.skip(f"not there yet: {error}")
    forms = importlib.import_module(f"wpg.benchmarks.{library}_forms").forms(work)
    assert forms
    ours = work.ours.answer()
    for each in forms:
        if "torch.compile" in each.name:
            continue  # wants a compiler and seconds
        each.call()
        assert disagreement(ours, each.answer(), work) is None, each.name


@pytest.mark.parametrize(
    "build", [partial(works._flow, 4, 3, 50, 2, 3, 5), partial(works._same_again, 8, 4, 2)]
)
def test_our_own_ways_have_the_same_bits(build: Callable[[], Work]) -> None:
    work = build()
    assert disagreement(work.ours.answer(), work.own[0].answer(), work) is None
    entry, _ = compare("not asked", work)
    assert entry["library"] == "wpg"
    assert entry["status"] == "timed"


@pytest.mark.end_to_end
def test_peers_in_a_process_of_their_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "peers.json"
    quick = ["--repetitions", 6, "--min-time", "1e-5", "--json", path]
    assert bench("--peers", "--filter", "one-call", *quick) == 0
    printed = capfd.readouterr().out
    assert re.search(r"^one-call/1x16x1/box +NumPy +[\d.e+]+ +[\d.e+]+", printed, re.M)
    content = json.loads(path.read_text())
    assert content["context"]["libraries"]["NumPy"] == np.__version__
    assert [entry["library"] for entry in content["comparisons"]] == ["NumPy", "PyTorch", "JAX"]
    for entry in content["comparisons"]:
        assert entry["status"] in ("timed", "not installed"), entry


@pytest.mark.end_to_end
def test_scaling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scaling.json"
    quick = ["--repetitions", 6, "--min-time", "1e-5", "--json", path]
    assert bench("--scaling", "--filter", "standard_normal", *quick) == 0
    assert "standard_normal/4096x64x6" in capsys.readouterr().out
    (entry,) = json.loads(path.read_text())["comparisons"]
    assert entry["threads"] == 2
    assert entry["status"] == "timed"
