import pickle
import threading
from typing import Any

import numpy as np
import pytest

from ipcluster_ext.client.arguments import chained, dump_call, dump_chunk, dump_value, stand_in
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.errors import ForeignTask, SerializationError
from ipcluster_ext.protocol import standins
from ipcluster_ext.protocol.buffers import BESIDE_LIMIT, Dumped, dump, load
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, first_task
from ipcluster_ext.protocol.parts import (
    Blob,
    Buffers,
    Failure,
    ResultItem,
)
from ipcluster_ext.protocol.standins import collecting, resolving, the_one
from ipcluster_ext.protocol.status import TaskStatus

ME, OTHER = ClientId(7), ClientId(8)
A, B, C = (first_task(ME, count) for count in (1, 2, 3))


class Answer:
    """An answer whose tasks have ended as the test says; None for one that goes on."""

    def __init__(self, *ends: Outcome | None, first: TaskId = A, then: Any = the_one) -> None:
        self._ends = ends
        self._first = first
        self._then = then

    def count_tasks(self) -> int:
        return len(self._ends)

    def task_at(self, place: int) -> TaskId:
        return TaskId(self._first + place)

    def outcome_at(self, place: int) -> Outcome | None:
        return self._ends[place]

    def value_at(self, place: int) -> tuple[Any, BaseException | None]:
        del place
        return None, ZeroDivisionError("division by zero")

    def __reduce__(self) -> tuple[Any, ...]:
        return stand_in(self, self._then)


def done(value: object, status: TaskStatus = TaskStatus.DONE) -> Outcome:
    return Outcome(EngineId(0), ResultItem(A, status, 0.0, 0.0, pickle.dumps(value)), None)


def with_buffers(value: object, buffers: Buffers) -> Outcome:
    dumped = dump(value)
    item = ResultItem(A, TaskStatus.DONE, 0.0, 0.0, dumped.stream, buffers)
    return Outcome(EngineId(0), item, (dumped.stream, dumped.buffers))


class Engine:
    """What resolves stand-ins, as an engine does."""

    def __init__(self, **values: object) -> None:
        self._values = values

    def value(self, task: TaskId) -> Any:
        return self._values[f"t{task - A}"]

    def name(self, expression: str) -> Any:
        return self._values[expression]

    def load(self, dumped: Dumped) -> Any:
        with resolving(self):
            return load(dumped.stream, [memoryview(bytearray(b)) for b in dumped.buffers])


class TestArguments:
    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [((), {}), ((1, "a", None), {}), ((1,), {"b": 2}), (([1, 2],), {}), ((abs,), {"x": [1]})],
    )
    def test_survive_a_round_trip_and_need_nothing(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        dumped, needs = dump_call(args, kwargs, ME)

        assert load(dumped.stream, dumped.buffers) == (args, kwargs)
        assert needs == ()

    def test_that_are_still_computed_are_needed(self) -> None:
        dumped, needs = dump_call((Answer(None),), {"k": {"deep": [Answer(None, first=C)]}}, ME)

        assert needs == (A, C)
        assert Engine(t0="a", t2="c").load(dumped) == (("a",), {"k": {"deep": ["c"]}})

    def test_that_are_the_same_answer_are_needed_once(self) -> None:
        answer = Answer(None)

        dumped, needs = dump_call(([answer, answer],), {}, ME)

        assert needs == (A,)
        assert Engine(t0=5).load(dumped) == (([5, 5],), {})

    def test_that_are_here_travel_as_they_came(self) -> None:
        dumped, needs = dump_call(([Answer(done({"a": 1}))],), {}, ME)

        assert needs == ()
        assert Engine().load(dumped) == (([{"a": 1}],), {})

    def test_that_are_here_and_another_clients_do_so_too(self) -> None:
        dumped, _ = dump_call((Answer(done(1), first=first_task(OTHER, 1)),), {}, ME)

        assert Engine().load(dumped) == ((1,), {})

    def test_that_came_beside_their_message_go_on_beside_it(self) -> None:
        array = np.arange(BESIDE_LIMIT)

        dumped, needs = dump_call((Answer(with_buffers(array, (array.nbytes,))),), {}, ME)
        (received,), _ = Engine().load(dumped)

        assert needs == ()
        assert [buffer.nbytes for buffer in dumped.buffers] == [array.nbytes]
        assert (received == array).all()
        assert received.flags.writeable

    def test_that_lie_in_shared_memory_are_needed(self) -> None:
        array = np.arange(BESIDE_LIMIT)
        answer = Answer(with_buffers(array, (Blob("e0-1", array.nbytes),)))

        dumped, needs = dump_call((answer,), {}, ME)

        assert (needs, dumped.buffers) == ((A,), [])

    def test_of_several_tasks_are_made_of_all_of_them(self) -> None:
        answer = Answer(done([1]), None, done([4, 5]), then=chained)

        dumped, needs = dump_call((answer,), {}, ME)

        assert needs == (B,)
        assert Engine(t1=[2, 3]).load(dumped) == (([1, 2, 3, 4, 5],), {})

    def test_that_are_exceptions_among_a_maps_values_are_exceptions_there(self) -> None:
        failure = Failure("ValueError", "no", "", pickle.dumps(ValueError("no")))

        values = chained([[1, failure], [2]])

        assert [type(value).__name__ for value in values] == ["int", "ValueError", "int"]

    @pytest.mark.parametrize("status", [TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.LOST])
    def test_that_are_errors_are_raised_at_once(self, status: TaskStatus) -> None:
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            dump_call(([Answer(done(None, status))],), {}, ME)

    def test_that_another_client_still_waits_for_are_refused(self) -> None:
        with pytest.raises(ForeignTask, match="task 00000008-1 is another client's"):
            dump_call((Answer(None, first=first_task(OTHER, 1)),), {}, ME)

    def test_that_cannot_be_pickled_are_refused(self) -> None:
        with pytest.raises(SerializationError, match="an argument"):
            dump_call((Answer(None), threading.Lock()), {}, ME)

    def test_that_are_ten_thousand_answers_make_a_short_pickle(self) -> None:
        answers = [Answer(None, first=TaskId(A + n)) for n in range(10_000)]

        dumped, needs = dump_call((answers,), {}, ME)

        assert len(needs) == 10_000
        assert len(dumped.stream) < 400_000


def test_items_of_a_map_may_be_answers() -> None:
    dumped, needs = dump_chunk([1, Answer(None)], ME)

    assert needs == (A,)
    assert Engine(t0=5).load(dumped) == [1, 5]


def test_values_that_are_pushed_may_be_answers() -> None:
    dumped, needs = dump_value({"a": Answer(None)}, ME)

    assert needs == (A,)
    assert Engine(t0=5).load(dumped) == {"a": 5}


def test_an_answer_travels_as_an_argument_only() -> None:
    with pytest.raises(LookupError, match="as an argument of a task"):
        pickle.dumps(Answer(None))


def test_a_name_stands_for_its_value_and_elsewhere_for_itself() -> None:
    dumped, needs = dump_call((standins.Reference("a"), [standins.Reference("b")]), {}, ME)

    assert needs == ()
    assert Engine(a=1, b=2).load(dumped) == ((1, [2]), {})
    unresolved, _ = load(dumped.stream, ())
    assert [type(unresolved[0]), unresolved[0].name] == [standins.Reference, "a"]


def test_what_is_pickled_within_a_pickle_is_noted_for_itself() -> None:
    with collecting() as outer:
        with collecting() as inner:
            standins.need(A)
        standins.need(B)

    assert (list(outer), list(inner)) == ([B], [A])
