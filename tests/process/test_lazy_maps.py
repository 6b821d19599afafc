import asyncio
import gc
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


@pytest.fixture
def view(rc: ipp.Client) -> ipp.LoadBalancedView:
    return rc.load_balanced_view()


def inverse(number: int) -> float:
    """Return 1 / number."""
    return 1 / number


def wait_if_first(gate: Path, number: int) -> int:
    """Return a number; the first one after a gate was opened."""
    if number == 0:
        pass_through(gate)
    return number


class TestALazyMap:
    def test_reads_endless_iterables_as_values_are_taken(self, view: ipp.LoadBalancedView) -> None:
        read: list[int] = []

        def numbers() -> Iterator[int]:
            for number in itertools.count():
                read.append(number)
                yield number

        squares = view.imap(pow, numbers(), itertools.repeat(2), max_outstanding=3)

        assert (read, squares.outstanding) == ([0, 1, 2], 3)
        assert [next(squares) for _ in range(4)] == [0, 1, 4, 9]
        assert (read[-1], squares.outstanding) == (6, 3)
        squares.cancel()

    def test_keeps_few_ahead_of_who_takes_slowly(self, view: ipp.LoadBalancedView) -> None:
        values = view.imap(abs, itertools.count())
        assert values.outstanding == 8

        for expected in range(20):
            wait_until(lambda: not view.outstanding)
            assert next(values) == expected

        assert values.outstanding <= 10
        values.cancel()

    def test_keeps_more_ahead_of_who_waits_for_values(self, view: ipp.LoadBalancedView) -> None:
        values = view.imap(abs, itertools.count())

        assert list(itertools.islice(values, 5000)) == list(range(5000))

        assert values.outstanding > 8
        values.cancel()

    def test_submits_everything_at_once_if_asked(self, view: ipp.LoadBalancedView) -> None:
        values = view.imap(abs, range(100), max_outstanding=0)

        assert values.outstanding == 100
        assert list(values) == list(range(100))

    def test_ends_with_the_shortest_iterable(self, view: ipp.LoadBalancedView) -> None:
        assert list(view.imap(pow, [1, 2, 3], itertools.repeat(2))) == [1, 4, 9]
        assert list(view.imap(abs, [])) == []

    def test_raises_errors_at_their_place_and_goes_on(self, view: ipp.LoadBalancedView) -> None:
        values = view.imap(inverse, [1, 0, 2])

        assert next(values) == 1.0
        with pytest.raises(ZeroDivisionError):
            next(values)
        assert list(values) == [0.5]

    def test_yields_errors_if_asked(self, view: ipp.LoadBalancedView) -> None:
        values = list(view.imap(inverse, [1, 0, 2], return_exceptions=True))

        assert [type(value).__name__ for value in values] == [
            "float", "ZeroDivisionError", "float",
        ]  # fmt: skip

    @pytest.mark.parametrize("ordered", [True, False])
    def test_raises_what_its_iterable_raises_after_all_values(
        self, view: ipp.LoadBalancedView, ordered: bool
    ) -> None:
        def two() -> Iterator[int]:
            yield from (1, 2)
            raise KeyError("three")

        values = view.imap(abs, two(), ordered=ordered, max_outstanding=1)

        assert [next(values), next(values)] == [1, 2]
        with pytest.raises(KeyError, match="three"):
            next(values)
        assert list(values) == []

    def test_goes_on_after_an_item_that_cannot_be_sent(self, view: ipp.LoadBalancedView) -> None:
        values = view.imap(type, [1, threading.Lock(), 2], return_exceptions=True)

        assert [str(value)[:40] for value in values] == [
            "<class 'int'>", "an argument cannot be sent to another pr", "<class 'int'>",
        ]  # fmt: skip

    def test_yields_values_as_they_come_if_asked(
        self, view: ipp.LoadBalancedView, gate: Gate
    ) -> None:
        values = view.imap(wait_if_first, itertools.repeat(gate.path), range(30), ordered=False)

        early = [next(values) for _ in range(29)]
        gate.open()

        assert sorted(early) == list(range(1, 30))
        assert list(values) == [0]

    def test_may_be_iterated_over_asynchronously(self, view: ipp.LoadBalancedView) -> None:
        async def collect(ordered: bool) -> list[int]:
            return [value async for value in view.imap(abs, range(50), ordered=ordered)]

        assert asyncio.run(collect(ordered=True)) == list(range(50))
        assert sorted(asyncio.run(collect(ordered=False))) == list(range(50))

    def test_may_be_taken_from_by_several_threads(self, view: ipp.LoadBalancedView) -> None:
        values = view.imap(abs, range(400))
        taken: list[int] = []

        threads = [threading.Thread(target=lambda: taken.extend(values)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert sorted(taken) == list(range(400))

    @pytest.mark.parametrize("how", ["cancelled", "forgotten"])
    def test_drops_what_has_not_begun_when_it_is(
        self, rc: ipp.Client, gate: Gate, how: str
    ) -> None:
        view = rc.load_balanced_view(targets=[0])
        values = view.imap(pass_through, itertools.repeat(gate.path), max_outstanding=20)
        wait_until(lambda: rc.queue_status()[0]["tasks"] > 0)

        if how == "cancelled":
            values.cancel()
            assert list(values) == []
        del values
        gc.collect()

        wait_until(lambda: len(view.outstanding) == 1)
        gate.open()
        assert view.wait(timeout=10)

    def test_wakes_who_waits_when_it_is_cancelled(
        self, view: ipp.LoadBalancedView, gate: Gate
    ) -> None:
        values = view.imap(pass_through, itertools.repeat(gate.path), max_outstanding=1)
        taken: list[object] = []
        thread = threading.Thread(target=lambda: taken.extend(values))
        thread.start()

        values.cancel()
        gate.open()
        thread.join(20)

        assert not thread.is_alive()
        assert taken in ([], [None])

    def test_heeds_its_options(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        values = view.imap(time.sleep, [60], time_limit=0.1)

        with pytest.raises(ipp.TaskTimeout):
            next(values)
        with pytest.raises(ipp.OptionError):
            view.imap(abs, [1], nonsense=1)
        with pytest.raises(ValueError, match="'auto' or not negative, but is -1"):
            view.imap(abs, [1], max_outstanding=-1)
        with pytest.raises(TypeError, match="at least one sequence"):
            view.imap(abs)
        with pytest.raises(TypeError, match="5 is not callable"):
            view.imap(5, [1])  # type: ignore[arg-type]

    def test_of_a_direct_view_is_its_map(self, rc: ipp.Client) -> None:
        assert list(rc[:].imap(abs, [-1, -2, -3])) == [1, 2, 3]
