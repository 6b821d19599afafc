import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ipcluster_ext.engine import nesting as nesting_module
from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.interrupts import Interrupts, Mood
from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.engine.nesting import DEEP, DEEPEST, PATIENCE, PROMPT, Nesting
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import Options, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blackbox import BlackBox, begun_in

if TYPE_CHECKING:
    from ipcluster_ext.engine.wire import Wire


def task(number: int, priority: int = 0, *, awaits: bool = False) -> Assignment:
    options = Options(priority=priority, awaits=awaits) if priority or awaits else None
    return Assignment(TaskSpec(Kind.APPLY, options=options), TaskItem(TaskId(number), b""), [])


class Clock:
    """Turned by whoever waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class ScriptedWire:
    """A wire on which things happen at given times, and nothing else."""

    def __init__(self, lane: Lane, clock: Clock, box: BlackBox) -> None:
        self.lane = lane
        self._box = box
        self._clock = clock
        self.script: list[tuple[float, Callable[[], object]]] = []
        self.said: list[tuple[int, int | None, int]] = []

    def at(self, seconds: float, happens: Callable[[], object]) -> None:
        self.script.append((1000.0 + seconds, happens))
        self.script.sort(key=lambda entry: entry[0])

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        end = self._clock.now + timeout
        while not ready():
            if not self.script or self.script[0][0] > end:
                self._clock.now = end
                return
            when, happens = self.script.pop(0)
            self._clock.now = max(self._clock.now, when)
            happens()

    @property
    def waits(self) -> "ScriptedWire":
        return self

    def inside(self, inside: int, above: int | None, unsuited: int) -> None:
        self.said.append((inside, above, unsuited))

    def catch_up(self) -> None:
        for place in self.lane.take_finished().places:
            self._box.leave(place)

    def wake(self) -> None:
        pass


class Stage:
    """A main thread in the midst of a task, and what was done inside."""

    def __init__(self, clock: Clock, box: Path) -> None:
        self.clock = clock
        self.lane = Lane(lambda: None)
        self.box = BlackBox(box)
        self.wire = ScriptedWire(self.lane, clock, self.box)
        self.interrupts = Interrupts(lambda: self.lane.current, self.wire.wake)
        self.path = box
        self.done: list[tuple[int, list[int], tuple[TaskId, ...]]] = []
        self.inside: dict[int, Callable[[], None]] = {}
        self.nesting = Nesting(
            cast("Wire", self.wire), self.interrupts, Current(self.lane), self.box, self._do
        )

    def begin(self, assignment: Assignment) -> None:
        self.lane.put([assignment])
        self.lane.next(lambda: None, lambda: None)
        self.interrupts.mood = Mood.OPEN

    def _do(self, assignment: Assignment) -> None:
        self.interrupts.mood = Mood.OPEN
        number = assignment.item.id
        self.done.append((number, list(self.interrupts.outer), begun_in(self.path).others))
        self.inside.get(number, lambda: None)()
        self.interrupts.mood = Mood.CLOSED
        self.lane.finish(ResultItem(number, TaskStatus.DONE, 0.0, 0.0, b""), [])

    @property
    def order(self) -> list[int]:
        return [number for number, _, _ in self.done]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    clock = Clock()
    monkeypatch.setattr(nesting_module, "time", clock)
    stage = Stage(clock, tmp_path / "box")
    yield stage
    assert stage.interrupts.outer == []
    assert begun_in(stage.path).others == ()
    stage.box.close()


class Answer:
    """Something that is waited for."""

    def __init__(self) -> None:
        self.there = False

    def come(self) -> None:
        self.there = True

    def __call__(self) -> bool:
        return self.there


class TestAWait:
    def test_for_what_is_there_takes_no_time(self, stage: Stage) -> None:
        stage.begin(task(1))

        stage.nesting.wait(lambda: True)

        assert (stage.clock.now, stage.wire.said) == (1000.0, [])

    def test_for_what_comes_at_once_is_not_told(self, stage: Stage) -> None:
        answer = Answer()
        stage.begin(task(1))
        stage.wire.at(PROMPT / 2, answer.come)

        stage.nesting.wait(answer)

        assert (stage.wire.said, stage.lane.current) == ([], 1)

    def test_that_takes_longer_is_told(self, stage: Stage) -> None:
        answer = Answer()
        stage.begin(task(1, 4))
        stage.wire.at(PATIENCE / 2, answer.come)

        stage.nesting.wait(answer)

        assert stage.wire.said == [(1, 4, 0), (0, None, 0)]

    def test_for_the_hub_itself_is_not_told(self, stage: Stage) -> None:
        answer = Answer()
        stage.begin(task(1))
        stage.wire.at(0.01, lambda: stage.lane.put([task(2, 9)]))
        stage.wire.at(5.0, answer.come)

        stage.nesting.wait(answer, soon=True)

        assert (stage.wire.said, stage.done) == ([], [])

    def test_ends_at_its_deadline(self, stage: Stage) -> None:
        stage.begin(task(1))

        stage.nesting.wait(lambda: False, 1007.0)

        assert stage.clock.now == 1007.0

    def test_ends_with_an_exception_that_is_wanted(self, stage: Stage) -> None:
        stage.begin(task(1))
        error = TimeoutError()
        stage.wire.at(0.5, lambda: stage.interrupts.wanted.update({TaskId(1): error}))

        with pytest.raises(TimeoutError) as raised:
            stage.nesting.wait(lambda: False)

        assert raised.value is error
        assert stage.interrupts.mood is Mood.OPEN


class TestMeanwhile:
    def test_deeper_tasks_are_done_at_once(self, stage: Stage) -> None:
        answer = Answer()
        stage.begin(task(1, 2))
        stage.lane.put([task(2, 3), task(3, 7)])
        stage.inside[3] = answer.come

        stage.nesting.wait(answer)

        assert stage.done == [(2, [1], (2,)), (3, [1], (3,))]
        assert stage.lane.current == 1
        assert stage.clock.now < 1000.0 + PATIENCE

    def test_others_are_done_after_a_while(self, stage: Stage) -> None:
        answer = Answer()
        stage.begin(task(1, 2))
        stage.lane.put([task(2, 2), task(3), task(4, 3)])
        stage.inside[3] = answer.come

        stage.nesting.wait(answer)

        assert stage.order == [4, 2, 3]
        assert stage.clock.now >= 1000.0 + PATIENCE
        assert stage.wire.said == [(1, 2, 2), (1, None, 0), (0, None, 0)]

    def test_coroutines_are_begun_whatever_their_priority(self, stage: Stage) -> None:
        answer = Answer()
        stage.begin(task(1, 2))
        stage.lane.put([task(2, awaits=True)])
        stage.inside[2] = answer.come

        stage.nesting.wait(answer)

        assert stage.order == [2]
        assert stage.clock.now < 1000.0 + PATIENCE

    def test_what_comes_and_cannot_be_done_is_told(self, stage: Stage) -> None:
        answer = Answer()
        stage.begin(task(1, 2))
        stage.wire.at(PATIENCE / 4, lambda: stage.lane.put([task(2), task(3, 2)]))
        stage.wire.at(PATIENCE / 3, lambda: stage.lane.take_back(1))
        stage.wire.at(PATIENCE / 2, answer.come)

        stage.nesting.wait(answer)

        assert stage.wire.said == [(1, 2, 0), (1, 2, 2), (1, 2, 1), (0, None, 0)]

    def test_tasks_may_wait_inside_tasks_that_wait(self, stage: Stage) -> None:
        outer, inner = Answer(), Answer()
        stage.begin(task(1))
        stage.lane.put([task(2, 1)])
        stage.inside[2] = lambda: stage.nesting.wait(inner)
        stage.wire.at(0.01, lambda: stage.lane.put([task(3, 1), task(4, 2)]))
        stage.inside[4] = inner.come
        stage.inside[3] = outer.come

        stage.nesting.wait(outer)

        assert stage.done == [(2, [1], (2,)), (4, [1, 2], (2, 4)), (3, [1], (3,))]
        assert stage.wire.said == [
            (1, 0, 0), (2, 1, 0), (2, 1, 1), (1, 0, 0), (0, None, 0),
        ]  # fmt: skip

    def test_an_exception_for_the_outer_one_waits_for_the_inner(self, stage: Stage) -> None:
        stage.begin(task(1))
        stage.lane.put([task(2, 1), task(3, 1)])
        stage.inside[2] = lambda: stage.interrupts.wanted.update({TaskId(1): TimeoutError()})

        with pytest.raises(TimeoutError):
            stage.nesting.wait(lambda: False)

        assert stage.order == [2]

    def test_each_has_the_stack_that_it_would_have_alone(self, stage: Stage) -> None:
        limits = [sys.getrecursionlimit()]
        answer = Answer()
        stage.begin(task(1))
        stage.lane.put([task(2, 1)])

        def note() -> None:
            limits.append(sys.getrecursionlimit())
            answer.come()

        stage.inside[2] = note

        stage.nesting.wait(answer)

        assert limits[1] > limits[0]
        assert sys.getrecursionlimit() == limits[0]


class TestDepth:
    def test_of_the_stack_keeps_others_out(self, stage: Stage) -> None:
        answer = Answer()
        stage.begin(task(1))
        stage.interrupts.outer.extend(TaskId(number) for number in range(100, 100 + DEEP))
        stage.lane.put([task(2)])
        stage.wire.at(10 * PATIENCE, answer.come)

        stage.nesting.wait(answer)

        assert stage.done == []
        stage.interrupts.outer.clear()

    def test_has_an_end(self, stage: Stage) -> None:
        stage.begin(task(1))
        stage.interrupts.outer.extend(TaskId(number) for number in range(100, 100 + DEEPEST))

        with pytest.raises(RecursionError, match="250 tasks wait for tasks of their own"):
            stage.nesting.wait(lambda: False)

        stage.interrupts.outer.clear()


class TestPriorities:
    def test_of_tasks_of_tasks_are_higher(self, stage: Stage) -> None:
        outside = stage.nesting.priority()
        stage.begin(task(1, 4))

        assert (outside, stage.nesting.priority()) == (0, 5)

    def test_only_the_main_thread_in_a_task_waits_here(self, stage: Stage) -> None:
        outside = stage.nesting.applies()
        stage.begin(task(1))

        assert (outside, stage.nesting.applies()) == (False, True)
