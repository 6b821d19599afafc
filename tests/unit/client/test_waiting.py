import asyncio
import concurrent.futures
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.waiting import as_completed, wait
from tests.support.wires import Wire, error, value


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def results(wire: Wire) -> list[AsyncResult]:
    return [AsyncResult(wire.connection, 1, single=True) for _ in range(3)]


class TestWaitingForSeveral:
    def test_tells_who_has_ended(self, results: list[AsyncResult]) -> None:
        first, second, third = results
        other: Future[int] = Future()
        other.set_result(5)
        value(second, 0, "b")

        found = wait({"a": [first, (second, third)], "b": other}, timeout=0)

        assert (found.done, found.not_done) == ({second, other}, {first, third})
        assert found == (found.done, found.not_done)

    def test_takes_a_mapping_from_futures_to_what_they_are_for(
        self, results: list[AsyncResult]
    ) -> None:
        names: dict[Future[str], str] = dict(zip(results, "abc", strict=True))
        for result in results:
            value(result, 0, "x")

        assert wait(names, timeout=0).done == set(results)
        assert {names[result] for result in as_completed(names, timeout=0)} == set("abc")

    def test_ends_with_the_last_one(self, results: list[AsyncResult]) -> None:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(wait, results, 10)
            for result in results:
                value(result, 0, "a")

            assert waiting.result(10).done == set(results)

    def test_may_end_with_the_first_one_or_the_first_error(
        self, results: list[AsyncResult]
    ) -> None:
        value(results[0], 0, "a")
        assert wait(results, 10, "FIRST_COMPLETED").done == {results[0]}
        error(results[1], 0, KeyError("b"))
        assert wait(results, 10, "FIRST_EXCEPTION").done == set(results[:2])

    def test_for_one_needs_no_collection(self, results: list[AsyncResult]) -> None:
        value(results[0], 0, "a")

        assert wait(results[0]).done == {results[0]}
        assert wait([]) == (set(), set())

    @pytest.mark.parametrize("thing", ["text", [5], [[None]]])
    def test_for_what_is_no_future_is_refused(self, thing: Any) -> None:
        with pytest.raises(TypeError, match="no future of the standard library"):
            wait(thing)

    def test_until_some_other_event_is_refused(self, results: list[AsyncResult]) -> None:
        with pytest.raises(ValueError, match="SOMETIMES"):
            wait(results, 0, "SOMETIMES")  # type: ignore[arg-type]


class TestTakingThemAsTheyEnd:
    def test_yields_each_once_and_in_that_order(self, results: list[AsyncResult]) -> None:
        first, second, third = results
        value(third, 0, "c")
        found = as_completed([first, [second, third], first])
        assert next(found) is third
        error(second, 0, KeyError("b"))
        value(first, 0, "a")

        assert list(found) == [second, first]

    def test_takes_other_futures_too(self, results: list[AsyncResult]) -> None:
        other: Future[int] = Future()
        value(results[0], 0, "a")
        found = as_completed([other, results[0]])
        threading.Timer(0.01, other.set_result, [5]).start()

        assert list(found) == [results[0], other]

    def test_ends_when_the_time_is_up(self, results: list[AsyncResult]) -> None:
        value(results[0], 0, "a")
        found = as_completed(results, timeout=0.01)

        assert next(found) is results[0]
        with pytest.raises(TimeoutError, match=r"2 of 3 futures have not ended after 0\.01 s"):
            next(found)

    def test_in_an_event_loop_leaves_it_to_others(self, results: list[AsyncResult]) -> None:
        async def produce() -> None:
            for result in reversed(results):
                await asyncio.sleep(0)
                value(result, 0, "a")

        async def consume() -> list[object]:
            producing = asyncio.create_task(produce())
            found: list[object] = [future async for future in as_completed(results, timeout=10)]
            await producing
            return found

        assert asyncio.run(consume()) == results[::-1]

    def test_in_an_event_loop_ends_when_the_time_is_up(self, results: list[AsyncResult]) -> None:
        async def consume() -> None:
            async for _ in as_completed(results, timeout=0.01):
                pass

        with pytest.raises(TimeoutError, match="3 of 3 futures"):
            asyncio.run(consume())

    def test_of_nothing_yields_nothing(self) -> None:
        assert list(as_completed([])) == []
