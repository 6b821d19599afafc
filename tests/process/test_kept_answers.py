"""Answers that the user lets go of before the tasks have ended that depend on them."""

import gc
import operator
import os
import signal
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import ipcluster_ext as ipp
from tests.process.test_shared_memory import blobs, forget_quickly
from tests.support.clusters import Started, pids
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

Array = npt.NDArray[np.int64]
SMALL, BESIDE, SHARED = 10, 20_000, 300_000
PATIENCE = 60.0
SLOW_JOURNAL = """
import sys
if 'ipcluster_ext.agent' in sys.orig_argv:
    from ipcluster_ext.transport import journal
    journal.GATHER = 1.0
"""
"""Has hubs write down what happens a second later, and not 20 ms."""


@pytest.fixture
def other_gate(tmp_path: Path) -> Gate:
    """Return a gate beside ``gate``."""
    return Gate(tmp_path / "other-gate")


@pytest.fixture
def slow_journal(customized: Path) -> None:
    """Have hubs write down late what happens."""
    customized.write_text(SLOW_JOURNAL)


def total(array: Array, more: int) -> int:
    """Add an array up, and a number."""
    return int(array.sum()) + more


def kill(*victims: int) -> Callable[[Future[object]], None]:
    """Return a callback that kills processes, in order."""

    def killing(_: Future[object]) -> None:
        for victim in victims:
            os.kill(victim, signal.SIGKILL)

    return killing


class TestAnAnswerThatWasLetGo:
    """The client keeps it as long as tasks wait for it."""

    @pytest.mark.parametrize("size", [SMALL, SHARED])
    def test_goes_with_what_it_has_in_shared_memory_when_the_last_of_those_has_ended(
        self,
        rc: ipp.Client,
        gate: Gate,
        other_gate: Gate,
        size: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        forget_quickly(rc, monkeypatch)
        view = rc.load_balanced_view()
        array = view.submit(np.arange, size)
        first = view.submit(total, array, view.submit(pass_through, gate.path, 1))
        last = view.submit(total, array, view.submit(pass_through, other_gate.path, 2))
        assert array.wait(PATIENCE)
        answer, shared = weakref.ref(array), blobs(rc)
        del array

        gate.open()
        expected = size * (size - 1) // 2
        assert first.get(PATIENCE) == expected + 1
        gc.collect()
        kept = answer() is not None, blobs(rc) == shared
        other_gate.open()

        assert last.get(PATIENCE) == expected + 2
        wait_until(lambda: answer() is None)
        assert kept == (True, True)
        assert len(shared) == (size == SHARED)
        wait_until(lambda: not blobs(rc))

    def test_goes_when_what_comes_after_it_is_cancelled(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()
        first = view.submit(pow, 2, 3)
        blocked = view.submit(pass_through, gate.path)
        last = view.options(after=[first, blocked]).submit(pow, 2, 4)
        assert first.wait(PATIENCE)
        answer = weakref.ref(first)
        del first

        assert last.cancel()

        wait_until(lambda: answer() is None)
        gate.open()
        assert blocked.wait(PATIENCE)

    def test_of_a_long_chain_goes_with_those_before_it(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view()
        last = view.submit(pass_through, gate.path, 0)
        chain = [weakref.ref(last)]
        for _ in range(2_000):
            last = view.submit(operator.add, last, 1)
            chain.append(weakref.ref(last))

        gate.open()

        assert last.get(PATIENCE) == 2_000
        wait_until(lambda: [each() for each in chain if each() is not None] == [last])


@pytest.mark.usefixtures("slow_journal")
class TestAValueThatComesAsItsEngineAndTheHubDie:
    """Nobody but its client has it then."""

    @pytest.mark.parametrize("size", [SMALL, BESIDE, SHARED])
    def test_reaches_the_task_that_needs_it(
        self, started: Started, gate: Gate, other_gate: Gate, size: int
    ) -> None:
        client = started.client
        before, [engine, _] = client.hub_pid, pids(client)
        array = client[0].apply_async(pass_through, gate.path, np.arange(size))
        more = client[1].apply_async(pass_through, other_gate.path, 5)
        dependent = client.load_balanced_view().submit(total, array, more)
        array.add_done_callback(kill(before, engine))
        answer = weakref.ref(array)

        del array
        gate.open()
        wait_until(lambda: client.hub_pid != before, PATIENCE)
        other_gate.open()

        assert dependent.get(PATIENCE) == size * (size - 1) // 2 + 5
        wait_until(lambda: answer() is None)

    def test_lets_a_task_begin_that_comes_after_it(
        self, started: Started, gate: Gate, other_gate: Gate
    ) -> None:
        client = started.client
        before, [engine, _] = client.hub_pid, pids(client)
        first = client[0].apply_async(pass_through, gate.path)
        second = client[1].apply_async(pass_through, other_gate.path)
        view = client.load_balanced_view().options(after=[first, second])
        dependent = view.submit(operator.add, 2, 3)
        first.add_done_callback(kill(before, engine))

        del first, view
        gate.open()
        wait_until(lambda: client.hub_pid != before, PATIENCE)
        other_gate.open()

        assert dependent.get(PATIENCE) == 5
