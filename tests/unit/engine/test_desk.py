from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ipcluster_ext.engine.apply import Applier, Outcome
from ipcluster_ext.engine.desk import Desk
from ipcluster_ext.engine.feeds import RESUMED
from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blackbox import BlackBox, begun_in
from ipcluster_ext.transport.blobs import Body

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipcluster_ext.engine.forks import Forks
    from ipcluster_ext.engine.interrupts import Interrupts
    from ipcluster_ext.engine.news import Newsroom
    from ipcluster_ext.engine.speaker import Speaker
    from ipcluster_ext.engine.wire import Wire


class Over(Exception):
    """There is nothing more to do."""


class Stage:
    """A desk whose hub answers when the test says so.

    Attributes
    ----------
    now
        What the clock shows.
    leased_until
        Until when tasks may begin.
    on_renewal
        What happens while the desk waits for the hub.
    """

    def __init__(self, box: Path) -> None:
        self.lane = Lane(lambda: None)
        self.now = 100.0
        self.leased_until = 110.0
        self.used = self.pending = False
        self.on_renewal: list[Callable[[], object]] = []
        self.done: list[tuple[int, int]] = []
        self.path = box
        self.box = BlackBox(box)
        self.is_fork = False
        self.express = self.lease = self
        self.came: set[TaskId] = set()
        self.desk = Desk(
            cast("Wire", self), cast("Applier", self), speaker=cast("Speaker", self),
            news=cast("Newsroom", self), box=self.box, forks=cast("Forks", self),
            interrupts=cast("Interrupts", self),
        )  # fmt: skip

    def perform(self, assignment: Assignment) -> Outcome:
        task = assignment.item.id
        self.done.append((task, begun_in(self.path).last))
        return ResultItem(task, TaskStatus.DONE, 0.0, 0.0, b""), Body(b"", (), [])

    @property
    def holds(self) -> bool:
        return self.now <= self.leased_until

    def renew_lease(self) -> None:
        self.on_renewal.pop(0)()

    def catch_up(self) -> None:
        self.lane.take_finished()

    def wait_for_work(self) -> None:
        raise Over

    def put(self, *numbers: int, inline: bytes = b"") -> None:
        spec = TaskSpec(Kind.APPLY)
        self.lane.put([Assignment(spec, TaskItem(TaskId(n), inline), ()) for n in numbers])

    def work(self) -> list[int]:
        """Work until there is nothing to do; return the tasks that were done."""
        with pytest.raises(Over):
            self.desk.work()
        return [task for task, _ in self.done]

    def answer(self) -> None:
        """Have the hub answer."""
        self.leased_until = self.now + 10.0


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "box")


def test_tasks_are_done_in_turn_and_noted_before(stage: Stage) -> None:
    stage.put(1, 2)

    assert stage.work() == [1, 2]
    assert stage.done == [(1, 1), (2, 2)]


def test_no_task_begins_before_the_hub_has_answered(stage: Stage) -> None:
    stage.now = 110.001
    stage.put(1, 2)
    stage.on_renewal.append(stage.answer)

    assert stage.work() == [1, 2]
    assert stage.on_renewal == []


def test_what_was_given_away_meanwhile_does_not_begin(stage: Stage) -> None:
    stage.now = 200.0
    stage.put(1, 2, 3)

    def answer() -> None:
        stage.lane.drop([TaskId(1), TaskId(3)])
        stage.answer()

    stage.on_renewal.append(answer)

    assert stage.work() == [2]


def test_an_engine_that_was_stopped_after_it_took_a_task_does_not_begin_it(stage: Stage) -> None:
    stage.put(1)
    assignment = stage.lane.next(stage.catch_up, stage.wait_for_work)
    stage.box.began(assignment.item.id)
    stage.now = 500.0
    stage.on_renewal.append(stage.answer)

    stage.desk.do(assignment)

    assert stage.done == []
    assert stage.lane.drop([TaskId(1)]) == [1]


def test_a_stream_that_goes_on_has_begun_long_ago(stage: Stage) -> None:
    stage.now = 200.0
    stage.put(1, inline=RESUMED)

    assert stage.work() == [1]
