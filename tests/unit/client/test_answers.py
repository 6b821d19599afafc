import asyncio
import concurrent.futures
import gc
import pickle
import threading
from collections.abc import Iterable
from typing import Any, cast

import pytest

from ipcluster_ext.client.fetching import AsyncHubResult
from ipcluster_ext.client.gather import AsyncPullResult
from ipcluster_ext.client.hearers import Hearer
from ipcluster_ext.client.maps import AsyncMapResult
from ipcluster_ext.client.notes import Progress
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.replies import AsyncExecuteResult, ExecuteReply
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.errors import ClientClosed, HubGone, RemoteError, TaskAborted
from ipcluster_ext.protocol.composite import CompositeError
from ipcluster_ext.protocol.frames import encode_failure
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.messages import Cancel, Retried
from ipcluster_ext.protocol.parts import Blob, Failure, Record, ResultItem
from ipcluster_ext.protocol.standins import collecting
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.wires import Wire, deliver, error, value

FAILED = TaskStatus.FAILED
LOST = TaskStatus.LOST
CANCELLED = TaskStatus.CANCELLED


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def three(wire: Wire) -> AsyncResult:
    """Return the answer of one task on each of three engines."""
    return AsyncResult(wire.connection, 3, label="fit")


@pytest.fixture
def chunks(wire: Wire) -> AsyncMapResult:
    """Return the answer of a map of five items, of which two make a task."""
    return AsyncMapResult(wire.connection, [2, 2, 1], label="fit")


def failure(kind: str, text: str = "") -> bytes:
    return encode_failure(Failure(kind, text, ""))


class TestAnAnswer:
    def test_is_there_when_the_last_task_has_ended(self, three: AsyncResult) -> None:
        for place in (2, 0):
            value(three, place, place)
            assert (three.done(), three.running()) == (False, True)
        value(three, 1, 1)

        assert (three.done(), three.running(), three.progress) == (True, False, 3)
        assert three.get() == three.result() == three.r == [0, 1, 2]

    def test_of_no_task_is_there_at_once(self, wire: Wire) -> None:
        assert AsyncResult(wire.connection, 0).get() == []
        assert AsyncMapResult(wire.connection, []).get() == []

    def test_wakes_whoever_waits(self, three: AsyncResult) -> None:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = [
                pool.submit(three.get),
                pool.submit(three.wait, 10),
                pool.submit(list, three),
            ]
            for place in range(3):
                value(three, place, place)

            assert [one.result(10) for one in waiting] == [[0, 1, 2], True, [0, 1, 2]]

    def test_that_is_not_there_in_time_says_how_much_is(self, three: AsyncResult) -> None:
        value(three, 0, 0)

        with pytest.raises(TimeoutError, match=r"2 of 3 tasks have not ended after 0\.01 s"):
            three.get(0.01)
        assert not three.wait(0)

    def test_gives_single_values_as_soon_as_they_are_there(self, three: AsyncResult) -> None:
        value(three, 1, "b")

        assert (three[1], three[-2]) == ("b", "b")
        with pytest.raises(IndexError):
            three[3]

    def test_fails_as_a_whole_when_nothing_more_will_come(self, three: AsyncResult) -> None:
        value(three, 0, "a")
        three.fail(ClientClosed("closed"))

        with pytest.raises(ClientClosed):
            three.get()
        assert three.get(return_exceptions=True)[0] == "a"
        assert isinstance(three.exception(), ClientClosed)

    def test_knows_which_engines_it_was_sent_to(self, three: AsyncResult) -> None:
        three.engines = [EngineId(4), EngineId(5), EngineId(6)]
        value(three, 0, "a", engine=4)

        assert three.engine_id == [4, 5, 6]

    def test_may_know_more_about_its_tasks(self, three: AsyncResult) -> None:
        three.facts = {"after": ["x"], "execute_input": "1 + 1", "is_broadcast": True}

        assert (three.after[0], three.execute_input[0], three.is_broadcast[0]) == (
            ["x"],
            "1 + 1",
            True,
        )
        assert (three.follow[0], three.is_coalescing[0]) == ([], False)

    def test_measures_time(self, three: AsyncResult) -> None:
        with pytest.raises(ValueError, match="not all of these times are known"):
            three.timedelta(three.submitted, three.received)
        for place in range(3):
            value(three, place, place)

        assert three.timedelta(three.started, three.completed) == 1
        assert three.timedelta("started", "completed") == 1
        assert three.timedelta("completed", "started", end_key=max, start_key=max) == -1
        assert three.serial_time == 3
        assert three.timedelta("submitted", "received") == pytest.approx(three.wall_time, abs=1e-3)
        assert three.elapsed == three.wall_time


class TestWaitingForLess:
    def test_ends_with_the_first_task(self, three: AsyncResult) -> None:
        value(three, 1, "b")

        done, pending = three.wait(10, return_when="FIRST_COMPLETED")

        first, second, third = three.split()
        assert (done, pending) == ({second}, {first, third})

    def test_ends_with_the_first_error(self, three: AsyncResult) -> None:
        value(three, 1, "b")
        assert three.wait(0, return_when="FIRST_EXCEPTION")[0] == {three.split()[1]}
        error(three, 2, KeyError("c"))

        done, _ = three.wait(10, return_when="FIRST_EXCEPTION")

        assert done == {three.split()[1], three.split()[2]}
        with pytest.raises(KeyError) as caught:
            three.get(10, return_when="FIRST_EXCEPTION")
        assert not isinstance(caught.value, CompositeError)
        assert not three.done()

    def test_for_an_error_returns_the_answer_if_there_is_none(self, three: AsyncResult) -> None:
        for place in range(3):
            value(three, place, place)

        assert three.get(return_when="FIRST_EXCEPTION") == [0, 1, 2]

    def test_is_woken_by_what_it_waits_for(self, three: AsyncResult) -> None:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(three.wait, 10, "FIRST_EXCEPTION")
            value(three, 0, "a")
            error(three, 1, KeyError("b"))

            assert waiting.result(10)[0] == set(three.split()[:2])

    def test_of_another_kind_is_refused(self, three: AsyncResult) -> None:
        with pytest.raises(ValueError, match="return_when must be"):
            three.wait(0, return_when="SOMETIMES")  # type: ignore[call-overload]
        with pytest.raises(ValueError, match="needs all tasks"):
            three.get(0, return_when="FIRST_COMPLETED")


class TestWalkingOverAnAnswer:
    def test_goes_on_after_an_error(self, three: AsyncResult) -> None:
        value(three, 0, "a")
        error(three, 1, KeyError("b"))
        value(three, 2, "c")

        values = iter(three)

        assert next(values) == "a"
        with pytest.raises(KeyError):
            next(values)
        assert list(values) == ["c"]

    def test_yields_values_as_they_come(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [1, 2, 1], ordered=False)
        values = iter(result)
        value(result, 1, ["b", "c"])
        assert [next(values), next(values)] == ["b", "c"]
        value(result, 2, ["d"])
        value(result, 0, ["a"])

        assert list(values) == ["d", "a"]
        assert result.get() == ["a", "b", "c", "d"]

    def test_raises_what_ended_everything_in_each_place(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [1, 1, 1], ordered=False)
        value(result, 1, ["b"])
        result.fail(HubGone("there", 0.0))

        assert outcomes(result) == ["b", "HubGone", "HubGone"]

    @pytest.mark.parametrize("ordered", [True, False])
    def test_yields_errors_if_they_were_asked_for(self, wire: Wire, ordered: bool) -> None:
        result = AsyncMapResult(wire.connection, [2], ordered=ordered, return_exceptions=True)
        value(result, 0, [Failure("KeyError", "'a'", ""), "b"])

        found = list(result)

        assert [type(one) for one in found] == [RemoteError, str]
        assert result[0] is found[0] is result.get()[0]

    def test_leaves_the_event_loop_to_others(self, chunks: AsyncMapResult) -> None:
        async def produce() -> None:
            for place, returned in enumerate((["a", "b"], ["c", "d"], ["e"])):
                await asyncio.sleep(0)
                value(chunks, place, returned)

        async def consume() -> list[Any]:
            producing = asyncio.create_task(produce())
            found = [one async for one in chunks]
            await producing
            return found

        assert asyncio.run(consume()) == ["a", "b", "c", "d", "e"]

    def test_in_an_event_loop_wakes_it_from_another_thread(self, three: AsyncResult) -> None:
        async def consume() -> list[Any]:
            thread = threading.Timer(0.01, return_all, [three])
            thread.start()
            found = [one async for one in three]
            thread.join()
            return found

        assert asyncio.run(consume()) == [0, 1, 2]

    def test_outlives_the_loop_that_waited(self, three: AsyncResult) -> None:
        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(aiter(three)), 0.01)

        asyncio.run(give_up())
        for place in range(3):
            value(three, place, place)

        assert list(three) == [0, 1, 2]


def return_all(result: AsyncResult) -> None:
    """Have each task return its number."""
    for place in range(len(result)):
        value(result, place, place)


def outcomes(values: Iterable[Any]) -> list[Any]:
    """Return what is yielded, and the names of the errors that are raised."""
    iterator = iter(values)
    found: list[Any] = []
    while True:
        try:
            found.append(next(iterator))
        except StopIteration:
            return found
        except Exception as raised:  # noqa: BLE001 - whatever the tasks raised
            found.append(type(raised).__name__)


class TestAChunkThatFailed:
    def test_keeps_what_was_computed_before(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [1, 4])
        value(result, 0, ["a"])
        error(result, 1, KeyError("d"), item=2, values=pickle.dumps(["b", "c"]))

        assert outcomes(result) == ["a", "b", "c", "KeyError", "TaskAborted"]
        found = result.get(return_exceptions=True)
        assert found[:3] == ["a", "b", "c"]
        assert [type(one).__name__ for one in found[3:]] == ["KeyError", "TaskAborted"]
        assert str(found[4]) == (
            "item 3 of the map failed; this one, of the same chunk, was not computed"
        )
        assert [result[1], result[2]] == ["b", "c"]
        with pytest.raises(KeyError):
            result[3]

    def test_raises_its_one_error(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [3])
        error(result, 0, KeyError("b"), item=1, values=pickle.dumps(["a"]))

        with pytest.raises(KeyError) as caught:
            result.get()

        assert not isinstance(caught.value, CompositeError)
        assert caught.value.__notes__ == ["raised for item 1 of the map"]

    @pytest.mark.parametrize("values", [b"", b"nonsense"])
    def test_has_its_error_where_values_did_not_travel(self, wire: Wire, values: bytes) -> None:
        result = AsyncMapResult(wire.connection, [3])
        error(result, 0, KeyError("b"), item=1, values=values)

        assert outcomes(result) == ["KeyError", "KeyError", "TaskAborted"]

    @pytest.mark.parametrize(("status", "kind"), [(LOST, "EngineLost"), (CANCELLED, "TaskAborted")])
    def test_for_no_fault_of_an_item_has_its_error_everywhere(
        self, wire: Wire, status: TaskStatus, kind: str
    ) -> None:
        result = AsyncMapResult(wire.connection, [1, 2])
        value(result, 0, ["a"])
        deliver(result, 1, status, failure(kind, "because"))

        assert outcomes(result) == ["a", kind, kind]
        assert len(result.get(return_exceptions=True)) == 3


class TestParts:
    def test_end_with_their_tasks(self, three: AsyncResult) -> None:
        value(three, 0, ["a"])
        first, second, third = three.split()
        error(three, 2, KeyError("c"))

        assert [part.done() for part in (first, second, third)] == [True, False, True]
        assert first.get() is three[0]
        with pytest.raises(KeyError):
            third.get()
        assert three.split() == (first, second, third)
        value(three, 1, "b")
        assert second.get() == "b"

    def test_run_when_their_tasks_do(self, three: AsyncResult) -> None:
        parts = three.split()
        three.note_started(three.task_at(1))

        assert [part.running() for part in parts] == [False, True, False]
        assert [part.state for part in parts] == three.state == ["queued", "running", "queued"]

    def test_fail_with_the_whole(self, three: AsyncResult) -> None:
        parts = three.split()
        value(three, 0, "a")
        three.fail(HubGone("there", 0.0))

        assert parts[0].get() == "a"
        for part in parts[1:]:
            with pytest.raises(HubGone):
                part.get()

    def test_know_what_the_whole_knows(self, three: AsyncResult) -> None:
        parts = three.split()
        three.note_output(three.task_at(1), "stdout", "hello")
        value(three, 1, "b", engine=5)

        assert [part.stdout for part in parts] == ["", "hello", ""]
        assert (parts[1].engine_id, parts[1].msg_id) == (5, three.msg_id[1])
        assert parts[1].received is not None

    def test_of_a_map_are_its_chunks(self, chunks: AsyncMapResult) -> None:
        value(chunks, 0, ["a", "b"])

        assert chunks.split()[0].get() == ["a", "b"]

    def test_of_a_single_task_are_itself(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 1, single=True)

        assert result.split() == (result,)

    def test_can_be_put_together(self, wire: Wire, three: AsyncResult) -> None:
        single = AsyncResult(wire.connection, 1, single=True)
        joined = AsyncResult.join(single, three)
        value(three, 2, "d")
        value(single, 0, "a")
        assert (joined.progress, len(joined), joined.running()) == (2, 4, True)
        value(three, 0, "b")
        value(three, 1, "c")

        assert joined.get() == ["a", "b", "c", "d"]
        assert joined.msg_ids == [*single.msg_ids, *three.msg_ids]
        assert AsyncResult.join(*joined.split()).get() == ["a", "b", "c", "d"]

    def test_put_together_twice_count_twice(self, three: AsyncResult) -> None:
        joined = AsyncResult.join(three, three)
        for place in range(3):
            value(three, place, place)

        assert joined.get() == [0, 1, 2, 0, 1, 2]

    def test_put_together_of_nothing_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            AsyncResult.join()

    def test_of_maps_put_together_are_a_map(self, wire: Wire, chunks: AsyncMapResult) -> None:
        other = AsyncMapResult(wire.connection, [1])
        joined = AsyncMapResult.join(chunks, other)
        value(chunks, 0, ["a", "b"])
        value(chunks, 1, ["c", "d"])
        assert (joined.progress, len(joined)) == (4, 6)
        value(chunks, 2, ["e"])
        error(other, 0, KeyError("f"), item=0)

        assert outcomes(joined) == ["a", "b", "c", "d", "e", "KeyError"]
        assert (joined[4], joined[1:3]) == ("e", ["b", "c"])
        with pytest.raises(KeyError):
            joined.get()

    def test_are_woken_by_other_threads(self, three: AsyncResult) -> None:
        parts = three.split()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = [pool.submit(part.get, 10) for part in parts]
            for place in range(3):
                value(three, place, place)

            assert [one.result(10) for one in waiting] == [0, 1, 2]


class TestTryingAgain:
    def test_uses_the_values_that_are_there(self, wire: Wire, chunks: AsyncMapResult) -> None:
        asked: list[object] = []

        def again(places: list[int], *, instead: object = None) -> AsyncResult:
            asked.append((places, instead))
            return AsyncMapResult(wire.connection, [1] * len(places))

        chunks.again = again
        value(chunks, 0, ["a", "b"])
        error(chunks, 1, KeyError("d"), item=1, values=pickle.dumps(["c"]))

        whole = chunks.retry_failed(abs)
        second = whole.retry_failed()
        assert asked == [([3], abs)]
        assert second is whole
        assert (len(whole), whole.progress, whole.done()) == (5, 3, False)
        value(chunks, 2, ["e"])
        assert whole.progress == 4

        (retried,) = {answer for answer, _ in whole.sources if answer is not chunks}
        error(retried, 0, KeyError("again"), item=0)
        assert outcomes(whole) == ["a", "b", "c", "KeyError", "e"]
        third = whole.retry_failed()
        (retried,) = {answer for answer, _ in third.sources if answer not in {chunks, retried}}
        value(retried, 0, ["d"])
        assert third.get() == ["a", "b", "c", "d", "e"]
        assert asked == [([3], abs), ([3], None)]

    def test_takes_errors_among_the_values_for_failures(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [2], return_exceptions=True)
        result.again = lambda places, **_: AsyncMapResult(wire.connection, [len(places)])
        value(result, 0, [Failure("KeyError", "", ""), "b"])

        whole = result.retry_failed()
        (retried,) = {answer for answer, _ in whole.sources if answer is not result}
        value(retried, 0, ["a"])

        assert whole.get() == ["a", "b"]

    def test_works_for_calls(self, wire: Wire, three: AsyncResult) -> None:
        single = AsyncResult(wire.connection, 1, single=True)
        for result in (three, single):
            result.again = lambda places, **_: AsyncResult(wire.connection, len(places))
        value(three, 0, "a")
        error(three, 1, KeyError("b"))
        value(three, 2, "c")
        error(single, 0, KeyError("x"))

        wholes = [three.retry_failed(), single.retry_failed()]
        for whole in wholes:
            (retried,) = {answer for answer, _ in whole.sources if answer not in {three, single}}
            value(retried, 0, "b")

        assert [whole.get() for whole in wholes] == [["a", "b", "c"], "b"]

    def test_tells_the_hub_that_nobody_else_is_to(
        self, wire: Wire, three: AsyncResult, chunks: AsyncMapResult
    ) -> None:
        three.again = lambda places, **_: AsyncResult(wire.connection, len(places))
        chunks.again = lambda places, **_: AsyncMapResult(wire.connection, [1] * len(places))
        error(three, 1, KeyError("b"))
        error(chunks, 1, KeyError("c"), item=0)

        three.retry_failed(abs)
        whole = chunks.retry_failed(abs)
        (retried,) = {answer for answer, _ in whole.sources if answer is not chunks}
        error(retried, 1, KeyError("again"), item=0)
        whole.retry_failed(abs)

        assert [each.ids for each in wire.said if isinstance(each, Retried)] == [
            [three.task_at(1)],
            [chunks.task_at(1)],
            [retried.task_at(1)],
        ]

    def test_of_what_has_not_failed_changes_nothing(self, three: AsyncResult) -> None:
        assert three.retry_failed() is three

    def test_without_arguments_is_refused(self, three: AsyncResult) -> None:
        error(three, 1, KeyError("b"))

        with pytest.raises(ValueError, match="were not kept"):
            three.retry_failed()


class TestTryingAgainWhatOthersHaveRunAgain:
    """As JupyterLab's panel does: tasks of a client that is not there take the place of others."""

    @pytest.fixture
    def run(self, wire: Wire, three: AsyncResult) -> list[list[int]]:
        """Have two of three tasks fail; return which places are submitted again from here."""
        value(three, 0, "a")
        error(three, 1, KeyError("b"))
        error(three, 2, KeyError("c"))
        submitted: list[list[int]] = []

        def again(places: list[int], *, instead: object = None) -> AsyncResult:
            del instead
            submitted.append(places)
            return AsyncResult(wire.connection, len(places))

        three.again = again
        return submitted

    def test_waits_for_what_goes_on_and_submits_the_rest(
        self, wire: Wire, three: AsyncResult, run: list[list[int]]
    ) -> None:
        wire.records = [
            record(three.task_at(1), FAILED, resubmitted=100),
            record(three.task_at(2), FAILED),
            record(100, TaskStatus.ASSIGNED),
        ]

        whole = three.retry_failed()
        theirs = cast("AsyncResult", wire.adopted[TaskId(100)])
        (own,) = {answer for answer, _ in whole.sources} - {three, theirs}
        value(theirs, 0, "b")
        value(own, 0, "c")

        assert run == [[2]]
        assert (whole.get(), theirs.owner) == (["a", "b", "c"], False)
        assert wire.said[-1] == Retried([three.task_at(2)])

    def test_follows_one_try_after_the_other_to_the_newest(
        self, wire: Wire, three: AsyncResult, run: list[list[int]]
    ) -> None:
        wire.records = [
            record(three.task_at(1), FAILED, resubmitted=100),
            record(100, FAILED, resubmitted=200),
            record(200, TaskStatus.DONE),
            record(three.task_at(2), FAILED, resubmitted=300),
            record(300, LOST),
        ]

        three.retry_failed()

        assert (run, list(wire.adopted)) == ([[2]], [200])

    def test_submits_what_is_not_kept_any_more(
        self, wire: Wire, three: AsyncResult, run: list[list[int]]
    ) -> None:
        wire.missing = {TaskId(200): "it is not kept any more"}
        wire.records = [
            record(three.task_at(1), FAILED, resubmitted=100),
            record(100, TaskStatus.DONE, kept=False),
            record(three.task_at(2), FAILED, resubmitted=200),
            record(200, TaskStatus.DONE),
        ]

        three.retry_failed()

        assert (run, wire.adopted) == ([[1, 2]], {})

    def test_with_another_function_submits_everything(
        self, wire: Wire, three: AsyncResult, run: list[list[int]]
    ) -> None:
        wire.records = [record(three.task_at(1), FAILED, resubmitted=100), record(100)]

        three.retry_failed(abs)

        assert (run, wire.said) == ([[1, 2]], [Retried([three.task_at(1), three.task_at(2)])])

    def test_needs_no_arguments_for_it(self, wire: Wire) -> None:
        single = AsyncResult(wire.connection, 1, single=True)
        error(single, 0, KeyError("x"))
        wire.records = [record(single.first, FAILED, resubmitted=100), record(100)]

        whole = single.retry_failed()
        value(cast("AsyncResult", wire.adopted[TaskId(100)]), 0, "fine")

        assert whole.get() == "fine"

    def test_takes_of_a_chunk_what_had_failed(self, wire: Wire, chunks: AsyncMapResult) -> None:
        error(chunks, 0, KeyError("b"), item=1, values=pickle.dumps(["a"]))
        value(chunks, 1, ["c", "d"])
        value(chunks, 2, ["e"])
        wire.records = [record(chunks.first, FAILED, resubmitted=100), record(100)]

        whole = chunks.retry_failed()
        value(cast("AsyncResult", wire.adopted[TaskId(100)]), 0, ["not this", "b"])

        assert whole.get() == ["a", "b", "c", "d", "e"]

    def test_of_cells_and_pulls_are_as_they_were(self, wire: Wire) -> None:
        cell = AsyncExecuteResult(wire.connection, 1, single=True)
        pull = AsyncPullResult(wire.connection, 1, single=True, scalar=True)
        again: list[object] = []
        for number, answer in ((100, cell), (200, pull)):
            error(answer, 0, NameError("x"))
            wire.records = [record(answer.first, FAILED, resubmitted=number), record(number)]
            whole = answer.retry_failed()
            reply: dict[str, Any] = {"execute_result": None, "outputs": [], "execution_count": 3}
            value(
                cast("AsyncResult", wire.adopted[TaskId(number)]),
                0,
                reply if answer is cell else ["x"],
            )
            again.append(whole.get())

        assert isinstance(again[0], ExecuteReply)
        assert (again[0].execution_count, again[1]) == (3, "x")


def record(
    task: int, status: TaskStatus = TaskStatus.DONE, *, resubmitted: int = 0, kept: bool = True
) -> Record:
    return Record(
        TaskId(task), ClientId(7), "", Kind.APPLY, "f", "", status, None, 1000.0, 0.0, 0.0, 0.0, 1,
        "", "", 0, kept, TaskId(resubmitted),
    )  # fmt: skip


class TestAwaiting:
    def test_gives_up_the_work_where_it_has_not_begun(self, wire: Wire, three: AsyncResult) -> None:
        asyncio.run(give_up(three))

        assert wire.said == [Cancel([three.task_at(place) for place in range(3)], 0)]

    def test_leaves_work_alone_that_has_begun(self, wire: Wire, three: AsyncResult) -> None:
        value(three, 0, "a")
        asyncio.run(give_up(three))

        assert wire.said == []

    def test_what_ends_after_its_loop_disturbs_nobody(
        self, three: AsyncResult, caplog: pytest.LogCaptureFixture
    ) -> None:
        asyncio.run(give_up(three))
        for place in range(3):
            value(three, place, place)

        assert caplog.text == ""

    def test_works_in_any_loop(self, three: AsyncResult) -> None:
        for place in range(3):
            value(three, place, place)

        assert [asyncio.run(awaited(three)) for _ in range(2)] == [[0, 1, 2]] * 2


async def give_up(result: AsyncResult) -> None:
    """Await something for a moment."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(result, 0.01)


async def awaited(result: AsyncResult) -> object:
    """Await something."""
    return await result


class TestStopping:
    @pytest.mark.parametrize(
        ("escalate", "graces"),
        [(False, []), (True, [2.0, 2.0]), (1.5, [1.5, 1.5]), ((1.0, 3.0), [1.0, 3.0])],
    )
    def test_goes_as_far_as_is_said(
        self, wire: Wire, three: AsyncResult, escalate: Any, graces: list[float]
    ) -> None:
        value(three, 0, "a")
        three.note_started(three.task_at(1))

        assert three.interrupt(escalate) == [three.msg_ids[1]]
        assert wire.interrupted == [([three.task_at(1), three.task_at(2)], graces)]

    def test_what_has_ended_does_nothing(self, wire: Wire) -> None:
        assert AsyncResult(wire.connection, 0).interrupt() == []
        assert wire.interrupted == []


class TestNews:
    def test_is_kept_with_its_task(self, three: AsyncResult) -> None:
        task = three.task_at(1)
        shown = {"data": {"text/plain": "x"}, "metadata": {}}
        three.note_news(task, "data", {"a": 1, "b": 2})
        three.note_news(task, "data", {"a": 3})
        three.note_news(task, "display", shown)
        three.note_news(task, "progress", (1, 4, "fitting"))

        assert three.data == [{}, {"a": 3, "b": 2}, {}]
        assert three.outputs == [[], [shown], []]
        assert three["progress"] == [None, Progress(1, 4, "fitting"), None]

    def test_of_an_unknown_kind_is_passed_over(self, three: AsyncResult) -> None:
        three.note_news(three.task_at(1), "weather", "rain")

        assert three.data == [{}, {}, {}]


class TestAsAnArgument:
    def test_an_answer_is_lent_as_long_as_it_lives(self, wire: Wire, three: AsyncResult) -> None:
        with collecting() as needs:
            pickle.dumps([three])

        tasks = [three.task_at(place) for place in range(3)]
        assert (list(needs), wire.lent) == (tasks, tasks)

    def test_an_answer_cannot_be_pickled_for_anything_else(self, three: AsyncResult) -> None:
        with pytest.raises(LookupError, match="as an argument of a task"):
            pickle.dumps(three)

    def test_large_values_are_held_until_the_answer_goes(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 2)
        first = result.first
        blob = ResultItem(first, TaskStatus.DONE, 1.0, 2.0, b"", (Blob("b-1", 5), Blob("b-2", 5)))
        result.deliver([Outcome(EngineId(0), blob, (b"", []))])
        assert (wire.held, wire.released) == ([first], [])

        del result
        wire.pending.abandon()
        gc.collect()

        assert wire.released == [first]


class TestTheAnswerOfOtherClientsTasks:
    def test_comes_by_ids_that_are_not_consecutive(self, wire: Wire) -> None:
        tasks = [TaskId(500), TaskId(100), TaskId(300)]
        result = AsyncHubResult(wire.connection, 3, tasks=tasks)
        for place in (1, 2, 0):
            value(result, place, place)

        assert (result.get(), result.owner) == ([0, 1, 2], False)
        assert result.msg_ids == ["00000000-500", "00000000-100", "00000000-300"]


def test_a_cancelled_answer_says_so(three: AsyncResult) -> None:
    for place in range(3):
        deliver(three, place, CANCELLED, failure("TaskAborted"))

    assert three.cancelled()
    assert three.status == ["aborted"] * 3
    with pytest.raises(TaskAborted):
        three.get()


class Deaf(Hearer):
    def wrote(self, task: TaskId, stream: str, text: str) -> None:
        raise ZeroDivisionError


def test_listeners_that_fail_are_logged(
    three: AsyncResult, caplog: pytest.LogCaptureFixture
) -> None:
    three.listen(Deaf())
    three.note_output(three.first, "stdout", "hello\n")
    value(three, 0, "a")

    assert "ZeroDivisionError" in caplog.text
