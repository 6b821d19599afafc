import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


class TestItems:
    def test_arrive_while_the_task_runs(self, rc: ipp.Client, gate: Gate) -> None:
        items = rc.load_balanced_view().stream(wait_after, 2, gate.path)

        assert [next(items), next(items)] == [0, 1]
        assert not items.done()
        gate.open()
        assert list(items) == ["passed"]
        assert (items.done(), items.status) == (True, "ok")

    def test_of_any_number_come_in_order(self, rc: ipp.Client) -> None:
        assert list(rc.load_balanced_view().stream(range, 1000)) == list(range(1000))

    def test_are_made_no_faster_than_they_are_read(self, rc: ipp.Client, tmp_path: Path) -> None:
        made = tmp_path / "made"
        with rc.load_balanced_view().stream(count_up, made) as items:
            assert list(itertools.islice(items, 40)) == list(range(40))
            wait_until(lambda: made.stat().st_size >= 64 + 32)

        assert made.stat().st_size <= 64 + 32 + 1

    def test_come_before_the_error(self, rc: ipp.Client) -> None:
        items = rc.load_balanced_view().stream(fail_after, 3)

        assert list(itertools.islice(items, 3)) == [0, 1, 2]
        with pytest.raises(KeyError):
            next(items)

    def test_can_be_read_in_an_event_loop(self, rc: ipp.Client) -> None:
        async def read() -> list[int]:
            return [item async for item in rc.load_balanced_view().stream(range, 200)]

        assert asyncio.run(read()) == list(range(200))

    def test_can_be_waited_for_without_reading(self, rc: ipp.Client) -> None:
        items = rc.load_balanced_view().stream(range, 500)

        assert items.wait(10)
        assert items.get() == list(range(500))

    def test_end_when_they_are_closed(self, rc: ipp.Client, tmp_path: Path) -> None:
        with rc.load_balanced_view().stream(count_up, tmp_path / "made") as items:
            assert next(items) == 0

        assert items.wait(10)
        assert list(items) == []
        assert rc[:].apply_async(pow, 2, 3).get(10) == [8] * 4

    def test_are_taken_back_before_they_begin(self, rc: ipp.Client, gate: Gate) -> None:
        busy = rc[:].apply_async(pass_through, gate.path)
        items = rc.load_balanced_view().stream(range, 10)

        items.close()

        assert items.wait(10)
        gate.open()
        busy.get(10)


def wait_after(count: int, gate: Path) -> Iterator[object]:
    """Yield numbers, wait, yield once more."""
    yield from range(count)
    pass_through(gate)
    yield "passed"


def count_up(made: Path) -> Iterator[int]:
    """Yield numbers without end, and note each one."""
    for number in itertools.count():
        with made.open("a") as file:
            file.write(".")
        yield number


def fail_after(count: int) -> Iterator[int]:
    """Yield numbers, then fail."""
    yield from range(count)
    raise KeyError(count)
