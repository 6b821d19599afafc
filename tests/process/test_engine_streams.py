import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ipcluster_ext as ipp
from ipcluster_ext.engine.feeds import WINDOW
from tests.support.gates import Gate, pass_through
from tests.support.notebooks import cell
from tests.support.waiting import wait_until


def count(numbers: int, gate: Path | None = None) -> Iterator[int]:
    """Yield numbers; wait at a gate before the last one."""
    for number in range(numbers):
        if gate is not None and number == numbers - 1:
            pass_through(gate)
        yield number


async def count_awaiting(numbers: int, gate: Path | None = None) -> AsyncIterator[int]:
    """Yield numbers; wait at a gate before the last one."""
    for number in range(numbers):
        if gate is not None and number == numbers - 1:
            await asyncio.to_thread(pass_through, gate)
        yield number


def note_and_count(note: Path) -> Iterator[int]:
    """Yield numbers without end; write down how far it came, and that it has ended."""
    try:
        for number in itertools.count():
            note.write_text(str(number))
            yield number
    finally:
        note.write_text("ended")


def heed(note: Path) -> Iterator[str]:
    """Yield without end, until it is warned."""
    try:
        while True:
            yield "on"
    except ipp.SoftTimeLimit:
        note.write_text("warned")
        yield "last"


def fail_at(number: int) -> Iterator[int]:
    """Yield, and raise in the end."""
    yield from range(number)
    raise ZeroDivisionError(number)


def wait_for_ever(begun: Path) -> Iterator[int]:
    """Yield once, and wait."""
    yield 0
    begun.touch()
    time.sleep(1000)


def read_own_stream() -> list[int]:
    """Read, as a task, a stream that may have to be made on the same engine."""
    view = ipp.get_client().load_balanced_view()
    with view.stream(count, 10 * WINDOW) as items:
        return [next(items) for _ in range(2 * WINDOW)]


async def read_awaiting(stream: Any) -> list[int]:
    return [item async for item in stream]


def on(rc: ipp.Client, engine: int) -> ipp.LoadBalancedView:
    """Return a view whose streams are made on one engine."""
    return rc.load_balanced_view([engine])


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


@pytest.mark.parametrize("generator", [count, count_awaiting])
class TestItems:
    @pytest.mark.parametrize("number", [0, 1, WINDOW, WINDOW + 1, 10 * WINDOW])
    def test_come_in_order(self, generator: Any, number: int, rc: ipp.Client) -> None:
        assert list(rc.load_balanced_view().stream(generator, number)) == list(range(number))

    def test_come_while_the_task_runs(self, generator: Any, rc: ipp.Client, gate: Gate) -> None:
        items = rc.load_balanced_view().stream(generator, 3, gate.path)

        first = [next(items), next(items)]
        gate.open()

        assert (first, list(items)) == ([0, 1], [2])

    def test_of_two_streams_may_be_read_in_turns(self, generator: Any, rc: ipp.Client) -> None:
        view = rc.load_balanced_view(targets=[0])
        streams = [view.stream(generator, 5 * WINDOW) for _ in range(3)]

        assert list(zip(*streams, strict=True)) == [(n, n, n) for n in range(5 * WINDOW)]

    def test_can_be_awaited(self, generator: Any, rc: ipp.Client) -> None:
        stream = rc.load_balanced_view().stream(generator, 3 * WINDOW)

        assert asyncio.run(read_awaiting(stream)) == list(range(3 * WINDOW))


class TestARun:
    def test_is_no_further_ahead_of_its_reader_than_a_window(
        self, rc: ipp.Client, note: Path
    ) -> None:
        with on(rc, 0).stream(note_and_count, note) as items:
            next(items)
            wait_until(lambda: note.exists() and note.read_text() == str(WINDOW - 1))
            assert rc[0].apply_async(abs, -1).get(10) == 1
            assert note.read_text() == str(WINDOW - 1)

        wait_until(lambda: note.read_text() == "ended")

    def test_that_nobody_reads_keeps_no_engine_from_other_work(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        streams = [view.stream(count, 10**9) for _ in range(2 * len(rc))]
        firsts = [next(stream) for stream in streams]

        assert view.map_async(abs, range(-50, 0)).get(10) == list(range(50, 0, -1))
        assert firsts == [0] * len(streams)
        for stream in streams:
            stream.close()

    def test_is_interrupted_while_it_waits_for_its_reader(self, rc: ipp.Client, note: Path) -> None:
        items = on(rc, 0).stream(note_and_count, note)
        wait_until(lambda: note.exists() and note.read_text() == str(WINDOW - 1))

        items.interrupt()

        wait_until(lambda: note.read_text() == "ended")
        assert items.wait(10)

    def test_is_interrupted_while_it_makes_an_item(self, rc: ipp.Client, note: Path) -> None:
        items = on(rc, 0).stream(wait_for_ever, note)
        wait_until(note.exists)

        items.interrupt()

        assert next(items) == 0
        with pytest.raises(ipp.RemoteError, match="KeyboardInterrupt"):
            next(items)

    def test_is_stopped_when_its_time_is_up(self, rc: ipp.Client, note: Path) -> None:
        rc[0].apply_async(os.getpid).get(10)
        items = on(rc, 0).options(time_limit=0.3).stream(note_and_count, note)

        with pytest.raises(ipp.TaskTimeout):
            list(items)
        assert note.read_text() == "ended"

    def test_is_stopped_when_its_time_is_up_although_nobody_reads(
        self, rc: ipp.Client, note: Path
    ) -> None:
        rc[0].apply_async(os.getpid).get(10)
        items = on(rc, 0).options(time_limit=0.3).stream(note_and_count, note)

        wait_until(lambda: note.exists() and note.read_text() == "ended")

        with pytest.raises(ipp.TaskTimeout):
            list(items)

    def test_may_heed_a_warning_while_it_waits_for_its_reader(
        self, rc: ipp.Client, note: Path
    ) -> None:
        rc[0].apply_async(os.getpid).get(10)
        items = on(rc, 0).options(soft_time_limit=0.2).stream(heed, note)
        wait_until(note.exists)

        assert list(items) == ["on"] * WINDOW + ["last"]

    def test_of_a_parent_that_reads_it_on_the_same_engine_ends(self, rc: ipp.Client) -> None:
        assert rc[0].apply_async(read_own_stream).get(20) == list(range(2 * WINDOW))


class TestTheEnd:
    def test_may_be_an_error_after_the_items(self, rc: ipp.Client) -> None:
        items = rc.load_balanced_view().stream(fail_at, 3)

        assert [next(items), next(items), next(items)] == [0, 1, 2]
        with pytest.raises(ZeroDivisionError, match="3"):
            next(items)
        with pytest.raises(StopIteration):
            next(items)

    def test_may_be_reached_by_what_is_no_generator(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        assert list(view.stream(range, 3)) == [0, 1, 2]
        with pytest.raises(TypeError, match="not iterable"):
            list(view.stream(abs, -3))

    def test_of_items_that_cannot_be_pickled_is_an_error(self, rc: ipp.Client, note: Path) -> None:
        code = """
            def locks(note):
                import threading
                try:
                    yield 1
                    yield threading.Lock()
                finally:
                    note.touch()
        """
        items = rc.load_balanced_view().stream(cell(code)["locks"], note)

        assert next(items) == 1
        with pytest.raises(ipp.RemoteError, match="an item of the stream cannot be sent"):
            next(items)
        assert note.exists()

    def test_of_the_engine_is_the_end_of_its_streams(self, rc: ipp.Client) -> None:
        items = on(rc, 1).stream(count, 10**9)
        next(items)

        rc.send_signal(signal.SIGKILL, 1)

        with pytest.raises(ipp.EngineLost):
            list(items)


def test_large_items_are_arrays_of_their_own(rc: ipp.Client) -> None:
    code = """
        def arrays(count):
            import numpy as np
            array = np.zeros(300_000)
            for number in range(count):
                array += 1
                yield array
    """
    arrays = list(rc.load_balanced_view().stream(cell(code)["arrays"], 5))

    assert [float(array.sum()) for array in arrays] == [300_000.0 * n for n in range(1, 6)]
    assert all(array.flags.writeable for array in arrays)
    assert isinstance(arrays[0], np.ndarray)


def test_a_generator_may_assign_globals_of_its_engine(rc: ipp.Client) -> None:
    code = """
        total = 0
        def add(numbers):
            global total
            for number in numbers:
                total += number
                yield total
    """
    assert list(on(rc, 0).stream(cell(code)["add"], [1, 2, 3])) == [1, 3, 6]
    assert rc[0]["total"] == 6
