from collections.abc import Callable

import pytest

from ipcluster_ext.engine import lane as lane_module
from ipcluster_ext.engine.lane import FLUSH_AFTER, FLUSH_COUNT, Assignment, Lane
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus

BALANCED = TaskSpec(Kind.APPLY)
DIRECT = TaskSpec(Kind.APPLY, balanced=False)


def task(number: int, spec: TaskSpec = BALANCED) -> Assignment:
    return Assignment(spec, TaskItem(TaskId(number), b""), [])


def result(number: int, took: float = 0.0) -> ResultItem:
    return ResultItem(TaskId(number), TaskStatus.DONE, 100.0, 100.0 + took, b"")


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Stage:
    """A lane with somebody who says what it has done."""

    def __init__(self) -> None:
        self.woken = 0
        self.said: list[list[int]] = []
        self.lane = Lane(self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def say(self) -> None:
        finished = self.lane.take_finished()
        self.said.append([item.id for item in finished.items])

    def next(self, come: Callable[[], None] | None = None) -> int:
        """Begin the next task; `come` brings more if there is none."""
        return self.lane.next(self.say, come or self._nothing).item.id

    def _nothing(self) -> None:
        pytest.fail("waited although there was a task")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lane_module, "time", clock)
    return clock


@pytest.fixture
def stage(clock: Clock) -> Stage:
    del clock
    return Stage()


class TestTasks:
    def test_are_done_in_the_order_in_which_they_came(self, stage: Stage) -> None:
        stage.lane.put([task(1), task(2)])
        stage.lane.put([task(3, DIRECT)])

        assert [stage.next(), stage.next(), stage.next()] == [1, 2, 3]

    def test_are_waited_for_where_there_are_none(self, stage: Stage) -> None:
        came: list[Assignment] = [task(7)]

        assert stage.next(lambda: stage.lane.put([came.pop()])) == 7

    def test_are_waited_for_again_if_nothing_came(self, stage: Stage) -> None:
        turns = iter([[], [], [task(7)]])

        assert stage.next(lambda: stage.lane.put(next(turns))) == 7

    def test_that_run_are_known(self, stage: Stage) -> None:
        lane = stage.lane
        lane.put([task(1)])
        states = [(lane.current, lane.busy, lane.empty)]
        stage.next()
        states.append((lane.current, lane.busy, lane.empty))
        lane.finish(result(1), [])
        states.append((lane.current, lane.busy, lane.empty))

        assert states == [(None, False, False), (1, True, True), (None, False, True)]


class TestResults:
    def test_are_said_before_waiting(self, stage: Stage) -> None:
        stage.lane.put([task(1)])
        stage.next()
        stage.lane.finish(result(1), [])

        stage.next(lambda: stage.lane.put([task(2)]))

        assert stage.said == [[1]]
        assert not stage.lane.unsaid

    def test_of_short_tasks_are_gathered_while_there_is_more_to_do(self, stage: Stage) -> None:
        stage.lane.put([task(n) for n in range(4)])
        for n in range(3):
            stage.next()
            stage.lane.finish(result(n), [])
        stage.next()

        assert stage.said == []
        assert stage.lane.unsaid

    def test_are_said_when_the_oldest_has_waited_long_enough(
        self, stage: Stage, clock: Clock
    ) -> None:
        stage.lane.put([task(n) for n in range(4)])
        for n in range(3):
            stage.next()
            clock.now += FLUSH_AFTER * 0.4
            stage.lane.finish(result(n), [])
        stage.next()

        assert stage.said == []
        clock.now += FLUSH_AFTER
        stage.lane.finish(result(3), [])
        stage.lane.put([task(4)])
        stage.next()
        assert stage.said == [[0, 1, 2, 3]]

    def test_of_a_long_task_is_said_before_the_next_begins(self, stage: Stage) -> None:
        """If the next one kills the engine, this one is not to be lost with it."""
        stage.lane.put([task(1), task(2)])
        stage.next()
        stage.lane.finish(result(1, took=FLUSH_AFTER * 1.1), [])

        assert stage.next() == 2
        assert stage.said == [[1]]
        assert stage.woken == 0

    def test_are_said_when_there_are_many(self, stage: Stage) -> None:
        stage.lane.put([task(n) for n in range(FLUSH_COUNT + 1)])
        for n in range(FLUSH_COUNT):
            stage.next()
            assert stage.said == []
            stage.lane.finish(result(n), [])
        stage.next()

        assert [len(batch) for batch in stage.said] == [FLUSH_COUNT]

    def test_that_begin_to_wait_are_told_once(self, stage: Stage) -> None:
        stage.lane.put([task(n) for n in range(4)])
        for n in range(3):
            stage.next()
            stage.lane.finish(result(n), [])

        assert (stage.woken, stage.lane.watched) == (1, True)

    def test_that_are_the_last_are_not_told_for_they_leave_at_once(self, stage: Stage) -> None:
        stage.lane.put([task(1)])
        stage.next()
        stage.lane.finish(result(1), [])

        assert (stage.woken, stage.lane.watched) == (0, False)

    def test_keep_the_order_of_their_frames(self, stage: Stage) -> None:
        stage.lane.put([task(1), task(2), task(3)])
        for number, frames in ((1, [b"a", b"b"]), (2, []), (3, [b"c"])):
            stage.next()
            stage.lane.finish(result(number), frames)

        finished = stage.lane.take_finished()

        assert ([item.id for item in finished.items], finished.frames) == (
            [1, 2, 3], [b"a", b"b", b"c"],
        )  # fmt: skip
        assert stage.lane.take_finished() == ([], [], [])


class TestTakingBack:
    def test_begins_at_the_end(self, stage: Stage) -> None:
        stage.lane.put([task(n) for n in range(5)])
        stage.next()

        assert stage.lane.take_back(2) == [3, 4]
        assert [stage.next(), stage.next()] == [1, 2]

    def test_passes_over_what_must_run_here(self, stage: Stage) -> None:
        stage.lane.put([task(1), task(2), task(3, DIRECT), task(4), task(5, DIRECT)])

        assert stage.lane.take_back(2) == [2, 4]
        assert [stage.next(), stage.next(), stage.next()] == [1, 3, 5]

    def test_leaves_what_has_begun(self, stage: Stage) -> None:
        stage.lane.put([task(1)])
        stage.next()

        assert stage.lane.take_back(9) == []
        assert stage.lane.current == 1

    def test_takes_no_more_than_there_is(self, stage: Stage) -> None:
        stage.lane.put([task(1), task(2, DIRECT)])

        assert stage.lane.take_back(9) == [1]
        assert stage.next() == 2


class TestDropping:
    def test_takes_what_was_named_and_has_not_begun(self, stage: Stage) -> None:
        stage.lane.put([task(1), task(2), task(3, DIRECT), task(4)])
        stage.next()

        assert stage.lane.drop([TaskId(n) for n in (4, 1, 3, 99)]) == [3, 4]
        assert stage.next() == 2
        assert stage.lane.empty

    def test_of_nothing_is_nothing(self, stage: Stage) -> None:
        stage.lane.put([task(1)])

        assert stage.lane.drop([]) == []
        assert stage.next() == 1

    def test_leaves_who_goes_on(self, stage: Stage) -> None:
        stage.lane.go_on(task(1))

        assert (stage.lane.drop([TaskId(1)]), stage.lane.take_back(9)) == ([], [])
        assert stage.next() == 1


class TestGoingOn:
    def test_comes_before_whatever_has_not_begun(self, stage: Stage) -> None:
        stage.lane.put([task(1), task(2)])
        stage.lane.go_on(task(7))

        assert not stage.lane.empty
        assert [stage.next(), stage.next(), stage.next()] == [7, 1, 2]

    def test_waits_until_results_are_said(self, stage: Stage) -> None:
        """The black box will name an older task than those that have ended."""
        stage.lane.put([task(1)])
        stage.next()
        stage.lane.go_on(task(7))
        stage.lane.finish(result(1), [])

        assert stage.next() == 7
        assert stage.said == [[1]]


class TestTakingOutOfTurn:
    def test_finds_the_first_that_is_wanted(self, stage: Stage) -> None:
        stage.lane.put([task(1), task(2), task(3), task(4)])

        taken = stage.lane.take(lambda assignment: assignment.item.id > 2)

        assert taken is not None
        assert (taken.item.id, stage.lane.current, stage.lane.doing) == (3, 3, taken)
        assert [stage.next(), stage.next(), stage.next()] == [1, 2, 4]

    def test_finds_nothing_where_nothing_is_wanted(self, stage: Stage) -> None:
        stage.lane.put([task(1)])

        assert stage.lane.take(lambda _: False) is None
        assert stage.lane.current is None

    def test_takes_whoever_goes_on_first(self, stage: Stage) -> None:
        stage.lane.put([task(1)])
        stage.lane.go_on(task(7))

        taken = stage.lane.take(lambda _: False)

        assert taken is not None
        assert taken.item.id == 7

    def test_is_followed_by_going_on(self, stage: Stage) -> None:
        outer, inner = task(1), task(2)
        stage.lane.put([outer, inner])
        stage.next()
        stage.lane.take(lambda _: True)
        stage.lane.finish(result(2), [])
        between = stage.lane.current
        stage.lane.resume(outer)

        assert (between, stage.lane.current, stage.lane.doing) == (None, 1, outer)


class TestPuttingAside:
    def test_leaves_no_task(self, stage: Stage) -> None:
        stage.lane.put([task(1)])
        stage.next()
        stage.lane.leave()

        assert (stage.lane.current, stage.lane.busy) == (None, False)

    def test_brings_a_task_that_was_not_begun_back_to_its_place(self, stage: Stage) -> None:
        stage.lane.put([task(1), task(2), task(3)])
        first = stage.lane.next(stage.say, pytest.fail)
        changes = stage.lane.changes

        stage.lane.put_back(first)

        assert (stage.lane.current, stage.lane.busy) == (None, False)
        assert stage.lane.changes > changes
        assert stage.lane.drop([TaskId(1)]) == [1]
        assert stage.next() == 2


class TestOutcomesFromElsewhere:
    def test_are_said_with_the_others(self, stage: Stage) -> None:
        stage.lane.add(result(5), [b"a"], 16)
        stage.lane.settle(24)

        assert stage.lane.unsaid
        assert stage.lane.take_finished() == ([result(5)], [b"a"], [16, 24])

    def test_are_said_before_waiting(self, stage: Stage) -> None:
        stage.lane.add(result(5), [], 0)

        stage.next(lambda: stage.lane.put([task(1)]))

        assert stage.said == [[5]]
