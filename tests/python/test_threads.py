"""Threads and instruction sets: settings, forks, and callers at the same time."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import wpg
from bits import bits, simd
from wpg.critics import KernelQ
from wpg.threads import (
    available_simd_isas,
    get_num_threads,
    num_threads,
    set_num_threads,
    set_simd_isa,
    simd_isa,
)

PATIENCE = 60.0  # seconds until something that should take milliseconds is said to hang


@pytest.fixture
def two_threads():
    with num_threads(2):
        yield


def work(seed=1):
    """The hash of calls that are large enough to be worth two threads."""
    random = np.random.default_rng(seed)
    critic = KernelQ(
        random.normal(size=(200, 3)),
        random.normal(size=(200, 2)),
        random.normal(size=200),
        state_lengthscale=1.0,
        action_lengthscale=1.0,
    )
    states, particles = random.normal(size=(40, 3)), random.normal(size=(40, 50, 2))
    arguments = {"step_size": 0.1, "temperature": 0.5, "seed": seed}
    return bits(
        wpg.flow(particles, critic, states, steps=2, **arguments),
        wpg.noise.standard_normal((100, 100, 10), seed=seed),
    )


def run_python(code, **environment):
    kept = {k: v for k, v in os.environ.items() if k not in {"WPG_NUM_THREADS", "WPG_SIMD"}}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_number_of_threads_can_be_set_and_comes_back():
    before = get_num_threads()
    with num_threads(5):
        assert get_num_threads() == wpg.get_num_threads() == 5
        with num_threads(2):
            assert get_num_threads() == 2
        assert get_num_threads() == 5
    assert get_num_threads() == before
    with pytest.raises(RuntimeError, match="on purpose"), num_threads(3):
        raise RuntimeError("on purpose")
    assert get_num_threads() == before


@pytest.mark.parametrize("bad", [0, -1, 1025])
def test_a_senseless_number_of_threads_is_refused(bad):
    before = get_num_threads()
    with pytest.raises(ValueError, match="num_threads"):
        set_num_threads(bad)
    with pytest.raises(ValueError, match="num_threads"), num_threads(bad):
        pass
    assert get_num_threads() == before


@pytest.mark.parametrize("bad", [1.5, "2", None])
def test_a_number_of_threads_that_is_no_int_is_refused(bad):
    before = get_num_threads()
    with pytest.raises(TypeError, match="threads"):
        set_num_threads(bad)
    assert get_num_threads() == before


def test_instruction_sets():
    names = available_simd_isas()
    assert names[0] == "base"
    assert simd_isa() in names
    for name in names:
        with simd(name):
            assert simd_isa() == wpg.simd_isa() == name
    before = simd_isa()
    with pytest.raises(ValueError, match=r"nonsense.*base"):
        set_simd_isa("nonsense")
    assert simd_isa() == before


PRINT = "import wpg; print(wpg.get_num_threads(), wpg.simd_isa())"


def test_the_environment_is_honoured():
    assert run_python(PRINT, WPG_NUM_THREADS="3").stdout.split()[0] == "3"
    assert run_python(PRINT, OMP_NUM_THREADS="4").stdout.split()[0] == "4"
    both = run_python(PRINT, WPG_NUM_THREADS="3", OMP_NUM_THREADS="4")
    assert both.stdout.split()[0] == "3"
    for name in available_simd_isas():
        assert run_python(PRINT, WPG_SIMD=name).stdout.split()[1] == name


def test_an_unknown_instruction_set_in_the_environment_is_an_error_that_names_it():
    done = run_python(PRINT, WPG_SIMD="nonsense")
    assert done.returncode == 1
    assert "nonsense" in done.stderr.splitlines()[-1]
    assert "base" in done.stderr.splitlines()[-1]


def test_an_unknown_instruction_set_is_an_error_at_import():
    done = run_python("import wpg", WPG_SIMD="nonsense")
    assert done.returncode == 1
    assert "nonsense" in done.stderr.splitlines()[-1]


def test_importing_leaves_the_environment_as_it_was():
    code = (
        "import os; before = dict(os.environ); import wpg; "
        "wpg.noise.standard_normal((1000, 1000, 1), seed=1); print(before == dict(os.environ))"
    )
    assert run_python(code).stdout.strip() == "True"
    assert run_python(code, OMP_WAIT_POLICY="active").stdout.strip() == "True"


def wait_for(pid):
    """The exit status of a child; kills it and returns None if it hangs."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return None


@pytest.mark.usefixtures("two_threads")
def test_a_forked_child_computes_the_same_and_does_not_hang():
    want = work()  # starts the parent's threads
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork and threads
        pid = os.fork()
    if pid == 0:
        # os._exit: nothing of pytest may run in the child.
        try:
            os._exit(0 if work() == want else 1)
        except BaseException:
            os._exit(2)
    assert wait_for(pid) == 0
    assert work() == want


def _send_work(queue):
    queue.put(work())


@pytest.mark.usefixtures("two_threads")
def test_a_multiprocessing_child_computes_the_same_and_does_not_hang():
    want = work()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=_send_work, args=(queue,), daemon=True)
        child.start()
    try:
        assert queue.get(timeout=PATIENCE) == want
        child.join(PATIENCE)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()
        queue.close()
        queue.join_thread()
        child.close()


@pytest.mark.usefixtures("two_threads")
def test_a_child_forked_before_any_parallel_call_may_start_threads():
    code = (
        "import os, sys, wpg\n"
        "wpg.set_num_threads(2)\n"
        "def f(): return wpg.noise.standard_normal((1000, 1000, 1), seed=1).tobytes()\n"
        "pid = os.fork()\n"
        "mine = f()\n"
        "if pid == 0: os._exit(0 if len(mine) == 4000000 else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("two_threads")
def test_calls_from_several_python_threads_agree():
    want = {seed: work(seed) for seed in (1, 2)}
    found = {1: [], 2: []}

    def repeat(seed):
        for _ in range(10):
            found[seed].append(work(seed))

    threads = [threading.Thread(target=repeat, args=(seed,), daemon=True) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == {seed: [want[seed]] * 10 for seed in (1, 2)}


def test_the_gil_is_released_in_compiled_loops():
    # While one thread is inside a long call, this one counts.
    counted = 0
    done = threading.Event()

    def long_call():
        with num_threads(1):
            wpg.noise.standard_normal((4000, 1000, 4), seed=1)
        done.set()

    thread = threading.Thread(target=long_call, daemon=True)
    thread.start()
    while not done.is_set():
        counted += 1
        time.sleep(0)
    thread.join(PATIENCE)
    # With the GIL held for all of the call there would be a handful of turns around it.
    assert counted > 100
