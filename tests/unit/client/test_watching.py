import gc
import weakref

import pytest

from ipcluster_ext.client.maps import AsyncMapResult
from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.watching import WatchedAnswer
from ipcluster_ext.display.looks import Share, Step
from ipcluster_ext.errors import HubGone
from ipcluster_ext.protocol.feed import EngineRow
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.support.wires import Wire, deliver, error, value


@pytest.fixture
def wire() -> Wire:
    return Wire()


class Feed:
    """What the hub tells, as the test says."""

    def __init__(self) -> None:
        self.latest = ClusterStatus()
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class TestHowFar:
    def test_a_map_is_counted_by_its_items(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [20, 20, 10], label="fit")
        work = WatchedAnswer(result)
        value(result, 0, [0] * 20)

        look = work.look()

        assert (look.kind, look.label) == ("AsyncMapResult", "fit")
        assert (look.done, look.total, look.failed, look.over) == (20, 50, 0, False)

    def test_failures_are_counted_once_however_often_one_looks(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [5, 5, 5, 5])
        work = WatchedAnswer(result)
        error(result, 0, ValueError("no"), item=2)
        deliver(result, 1, TaskStatus.LOST, b"")
        work.look()
        deliver(result, 2, TaskStatus.CANCELLED, b"")

        look = work.look()

        assert (look.failed, look.cancelled, look.done) == (1 + 5, 5, 10)
        assert work.look().failed == 6

    def test_what_runs_is_what_has_begun_and_not_ended(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 3)
        work = WatchedAnswer(result)
        result.note_started(result.task_at(0))
        result.note_started(result.task_at(1))
        value(result, 1, "b")

        assert work.look().running == 1

    def test_a_single_task_is_as_far_as_it_says(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 1, single=True)
        work = WatchedAnswer(result)
        result.note_news(result.first, "progress", (30, 120, "fitting"))

        look = work.look()

        assert (look.done, look.total, look.doing) == (30, 120, "fitting")
        value(result, 0, "a")
        assert (work.look().done, work.look().total, work.look().over) == (1, 1, True)

    def test_nothing_goes_on_without_engines(self, wire: Wire) -> None:
        wire.roster.update([EngineInfo(EngineId(0), EngineStatus.STOPPED)])

        assert WatchedAnswer(AsyncResult(wire.connection, 2)).look().trouble == "there is no engine"

    def test_it_tells_why_nothing_more_will_come(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 2)
        work = WatchedAnswer(result)
        result.fail(HubGone("hub", 3.0))

        assert work.look().over
        assert work.look().trouble.startswith("HubGone: ")

    def test_an_answer_without_tasks_is_over(self, wire: Wire) -> None:
        look = WatchedAnswer(AsyncMapResult(wire.connection, [])).look()

        assert (look.done, look.total, look.over) == (0, 0, True)


class TestWhoShowsAnAnswer:
    def test_does_not_keep_it_alive(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [1, 1], label="fit")
        work = WatchedAnswer(result)
        value(result, 0, [1])
        value(result, 1, [2])
        gone = weakref.ref(result)
        wire.pending.forget([result.task_at(0), result.task_at(1)])

        del result
        gc.collect()

        assert gone() is None
        assert (work.look().done, work.look().over, work.look().label) == (2, True, "fit")
        assert (work.cancel(), work.interrupt()) == ("it has ended already",) * 2
        assert [share.done for share in work.shares()] == [2]


class TestEngines:
    def test_have_what_they_ended_and_what_they_run(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 3)
        result.engines = [EngineId(0), EngineId(1), EngineId(4)]
        work = WatchedAnswer(result, lambda _: None)
        value(result, 0, "a", engine=0)
        error(result, 1, ValueError("no"), engine=1)
        result.note_started(result.task_at(2))
        result.note_news(result.task_at(2), "progress", (3, 4, "epoch"))
        result.note_output(result.task_at(2), "stdout", "one\ntwo\n 50%\r 60%\n\n")

        assert work.shares() == [
            Share(engine=0, done=1),
            Share(engine=1, failed=1),
            Share(engine=4, running=1, step=Step(3, 4, "epoch"), line="60%"),
        ]

    def test_of_balanced_tasks_that_run_are_known_once_the_hub_tells(self, wire: Wire) -> None:
        result, told = AsyncResult(wire.connection, 2), Feed()
        work = WatchedAnswer(result, lambda _: told)
        result.note_started(result.task_at(0))
        assert work.shares() == [Share(engine=None, running=1)]

        row = EngineRow(EngineId(3), "busy", task=result.task_at(0))
        told.latest = ClusterStatus(1, (row, EngineRow(EngineId(4), "idle")))

        assert work.shares() == [Share(engine=3, running=1)]

    def test_are_asked_for_only_while_somebody_wants_to_know(self, wire: Wire) -> None:
        result, told = AsyncResult(wire.connection, 2), Feed()
        work = WatchedAnswer(result, lambda _: told)
        work.shares()
        for _ in range(30):
            work.look()
        assert told.closed == 1

        work.shares()
        value(result, 0, "a")
        value(result, 1, "b")

        assert told.closed == 2


class TestCancelling:
    def test_says_what_goes_on(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [5, 5])
        work = WatchedAnswer(result)

        assert work.cancel() == "everything has begun: there is nothing to cancel; 2 tasks go on"

    def test_interrupts_what_is_known_to_run(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 2)
        work = WatchedAnswer(result)
        result.note_started(result.task_at(1))

        assert work.interrupt() == "interrupted 1 task"
        assert wire.interrupted == [([result.task_at(0), result.task_at(1)], [])]
