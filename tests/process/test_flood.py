"""Tasks that print without end: nobody's memory fills, and all of it can be had."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.errors import ClientError
from tests.process.clients import four_engines
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

MB = 1_000_000
LINE = "x" * 999 + "\n"
COUNT = 100_000
"""Lines of 1,000 characters: 100 MB."""


@pytest.fixture(scope="module")
def four() -> Iterator[ipp.Client]:
    with four_engines() as client:
        yield client


def rss(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


def flood(count: int = COUNT, *, fail: bool = False) -> None:
    for number in range(count):
        sys.stdout.write(f"{number:06}{LINE[6:]}")
    if fail:
        raise ZeroDivisionError


def flood_and_wait(gate: Path) -> None:
    flood(20_000)
    pass_through(gate)


class TestAFlood:
    def test_fills_nobodys_memory(self, rc: ipp.Client) -> None:
        rc[:].apply_sync(flood, 100)
        engines = rc[:].apply_sync(os.getpid)
        before = [rss(pid) for pid in (rc.hub_pid, os.getpid(), *engines)]
        result = rc[:].apply_async(flood)
        result.get(60)
        after = [rss(pid) for pid in (rc.hub_pid, os.getpid(), *engines)]

        grown = [(new - old) / MB for old, new in zip(before, after, strict=True)]
        assert max(grown) < 50, grown

    def test_is_shown_at_its_beginning_and_end_with_a_note_between(self, rc: ipp.Client) -> None:
        result = rc[1].apply_async(flood)
        result.get(60)

        lines = result.stdout.splitlines()
        notes = [line for line in lines if "left out" in line]
        assert (lines[0][:6], lines[-1][:6]) == ("000000", f"{COUNT - 1:06}")
        assert len(notes) == 1
        assert notes[0].endswith("all of it: ar.full_output('stdout')]")
        assert len(result.stdout) < 1.2 * MB

    def test_can_be_had_in_full(self, rc: ipp.Client) -> None:
        result = rc[:2].apply_async(flood)
        result.get(60)

        texts = result.full_output(timeout=60)

        assert [len(text) for text in texts] == [100 * MB] * 2
        assert texts[0] == texts[1] == "".join(f"{n:06}{LINE[6:]}" for n in range(COUNT))
        assert result.full_output("stderr") == ["", ""]

    def test_can_be_had_in_full_of_a_task_that_failed(self, rc: ipp.Client) -> None:
        result = rc[2].apply_async(flood, 5_000, fail=True)
        assert isinstance(result.exception(60), ZeroDivisionError)

        assert len(result.full_output()) == 5 * MB

    def test_can_be_had_in_full_while_its_task_runs(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[3].apply_async(flood_and_wait, gate.path)
        wait_until(lambda: len(result.full_output()) == 20 * MB, timeout=30)
        gate.open()
        result.get(10)

        assert len(result.full_output()) == 20 * MB

    def test_is_kept_when_its_engine_dies(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(flood, 5_000)
        result.get(60)
        rc.restart_engines(0)
        rc.wait_for_engines(4, timeout=30)

        assert len(result.full_output()) == 5 * MB

    def test_that_had_to_make_room_is_gone_in_the_middle(self, rc: ipp.Client) -> None:
        first = rc[1].apply_async(flood, 5_000)
        first.get(60)
        for _ in range(3):
            rc[1].apply_async(flood).get(60)

        with pytest.raises(ClientError, match="engine 1 has deleted it to make room"):
            first.full_output()

    def test_of_more_than_an_engine_keeps_is_had_up_to_there(self, rc: ipp.Client) -> None:
        result = rc[1].apply_async(flood, 3 * COUNT)
        result.get(100)

        text = result.full_output()
        assert 250 * MB < len(text) < 270 * MB
        assert text.rstrip().endswith("there was no room for it on the engine's host]")


def test_as_many_lines_as_a_notebook_scrolls_are_whole(rc: ipp.Client) -> None:
    def count() -> None:
        for number in range(100_000):
            print(number)  # noqa: T201 - what this is about

    result = rc[:].apply_async(count)
    result.get(60)

    assert result.stdout == ["".join(f"{number}\n" for number in range(100_000))] * 4


def test_another_stream_than_these_two_is_refused(rc: ipp.Client) -> None:
    with pytest.raises(ValueError, match="'stdout' or 'stderr', not 'log'"):
        rc[0].apply_async(pow, 2, 3).full_output("log")
