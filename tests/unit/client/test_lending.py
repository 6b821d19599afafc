"""What the hub is given when it lacks answers that other tasks depend on."""

from collections.abc import Sequence

import pytest

from ipcluster_ext.client.lending import Lending, supply
from ipcluster_ext.client.pending import Outcome, Payload, Pending
from ipcluster_ext.client.submitted import Submitted
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.buffers import Dumped
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.blobs import Body


class Waiter:
    """Somebody who has answers."""

    def __init__(self) -> None:
        self.outcomes: dict[TaskId, Outcome] = {}

    def deliver(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes.update((outcome.item.id, outcome) for outcome in outcomes)

    def note_started(self, task: TaskId) -> None: ...

    def note_output(self, task: TaskId, stream: str, text: str) -> None: ...

    def note_news(self, task: TaskId, topic: str, value: object) -> None: ...

    def outcome(self, task: TaskId) -> Outcome | None:
        return self.outcomes.get(task)

    def fail(self, error: Exception) -> None: ...


def outcome(
    task: int, *, payload: Payload | None = None, status: TaskStatus = TaskStatus.DONE
) -> Outcome:
    return Outcome(EngineId(0), ResultItem(TaskId(task), status, 1.0, 2.0, b"out"), payload)


def place(dumped: Dumped) -> Body:
    frames = [memoryview(buffer) for buffer in dumped.buffers]
    return Body(dumped.stream, tuple(frame.nbytes for frame in frames), list(frames))


@pytest.fixture
def pending() -> Pending:
    return Pending(ClientId(5))


@pytest.fixture
def submitted() -> Submitted:
    return Submitted()


@pytest.fixture
def lending(pending: Pending, submitted: Submitted) -> Lending:
    return Lending(pending, submitted)


class TestWhatIsLacked:
    def test_is_known_where_somebody_has_it(self, lending: Lending) -> None:
        owner = Waiter()
        owner.deliver([outcome(1)])
        lending.lend([TaskId(1)], owner)

        assert lending.lacked([TaskId(1)]) == [(1, outcome(1))]

    def test_is_known_if_somebody_has_its_answer_although_it_was_not_lent(
        self, lending: Lending, submitted: Submitted
    ) -> None:
        waiter = Waiter()
        submitted.add(TaskId(7), 3, waiter)
        waiter.deliver([outcome(8)])

        assert lending.lacked([TaskId(8)]) == [(8, outcome(8))]
        assert lending.lacked([TaskId(20)]) == [(20, None)]

    def test_is_lost_where_nobody_has_it_any_more(self, lending: Lending) -> None:
        owner = Waiter()
        lending.lend([TaskId(1)], owner)
        del owner

        assert lending.lacked([TaskId(1), TaskId(2)]) == [(1, None), (2, None)]

    def test_is_given_when_it_arrives_if_it_is_under_way(
        self, lending: Lending, pending: Pending
    ) -> None:
        first = pending.reserve(2, Waiter())

        assert lending.lacked([first]) == []
        assert lending.arrived([outcome(first), outcome(first + 1)]) == [(first, outcome(first))]
        assert lending.arrived([outcome(first)]) == []


class TestSupplying:
    def test_passes_small_answers_on_as_they_came(self) -> None:
        message, frames = supply([(TaskId(1), outcome(1))], place)

        assert (message.items, frames) == ([outcome(1).item], [])

    def test_places_large_answers_anew(self) -> None:
        large = outcome(1, payload=(memoryview(b"stream"), [memoryview(b"abc")]))

        message, frames = supply([(TaskId(1), large), (TaskId(2), outcome(2))], place)

        assert [(item.inline, item.buffers) for item in message.items] == [
            (b"stream", (3,)),
            (b"out", ()),
        ]
        assert frames == [b"abc"]

    @pytest.mark.parametrize("lost", [None, outcome(1, payload=ProtocolError("gone"))])
    def test_says_that_an_answer_is_lost(self, lost: Outcome | None) -> None:
        message, _ = supply([(TaskId(1), lost)], place)

        [item] = message.items
        assert (item.id, item.status) == (1, TaskStatus.LOST)
        assert decode_failure(item.inline).ename == "UnknownTask"
