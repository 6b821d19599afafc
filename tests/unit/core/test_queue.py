import pytest

from ipcluster_ext.core.function import Function
from ipcluster_ext.core.queue import Queue
from ipcluster_ext.core.task import ANYWHERE, NEXT, IllegalTransition, Lane, Task
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus


def task_of(number: int, *engines: int) -> Task:
    task_id = TaskId(number)
    spec = TaskSpec(Kind.APPLY, engines=tuple(map(EngineId, engines)) or None)
    return Task(task_id, spec, TaskItem(task_id, b""), (), Function(b""))


def lane_of(*engines: int) -> Lane:
    return Lane(engines=tuple(map(EngineId, engines)))


def numbers(queue: Queue) -> list[int]:
    return [task.id for task in queue]


@pytest.fixture
def queue() -> Queue:
    queue = Queue()
    for number in range(3):
        queue.push(task_of(number))
    return queue


def test_tasks_leave_in_the_order_in_which_they_came(queue: Queue) -> None:
    left = [queue.pop(ANYWHERE).id for _ in range(3) if queue.head(ANYWHERE)]

    assert left == [0, 1, 2]
    assert len(queue) == 0


def test_tasks_that_come_back_stand_at_the_head_in_their_old_order(queue: Queue) -> None:
    queue.push_back([task_of(8), task_of(9)])

    assert numbers(queue) == [8, 9, 0, 1, 2]


def test_tasks_are_taken_from_wherever_they_stand(queue: Queue) -> None:
    bound = task_of(3, 7)
    for task in (bound, task_of(4, 7)):
        queue.push(task)
    middle = next(task for task in queue if task.id == 1)

    queue.take({middle, bound})

    assert (numbers(queue), len(queue)) == ([0, 2, 4], 3)
    assert queue.length(ANYWHERE) == 2


def test_a_task_that_has_ended_is_passed_over(queue: Queue) -> None:
    cancelled = queue.head(ANYWHERE)
    assert cancelled is not None

    queue.forget(cancelled, TaskStatus.CANCELLED)
    head = queue.head(ANYWHERE)

    assert head is not None
    assert (head.id, len(queue), numbers(queue)) == (1, 2, [1, 2])


def test_when_the_last_task_has_ended_none_is_kept(queue: Queue) -> None:
    queue.push(task_of(3, 7))

    for task in list(queue):
        queue.forget(task, TaskStatus.CANCELLED)

    assert queue.lanes == [ANYWHERE]
    assert queue.length(ANYWHERE) == 0


def test_restricted_tasks_stand_in_lanes_of_their_own_before_the_others(queue: Queue) -> None:
    queue.push(task_of(3, 7))
    queue.push(task_of(4, 1, 2))

    assert queue.lanes == [lane_of(1, 2), lane_of(7), ANYWHERE]
    assert [queue.length(lane) for lane in queue.lanes] == [1, 1, 3]


def test_a_task_may_be_put_in_another_lane_while_it_is_queued(queue: Queue) -> None:
    queue.push(task_of(8, 7))
    first = queue.head(ANYWHERE)
    assert first is not None

    queue.relocate(first, lane_of(7))
    lanes = [[queue.pop(lane).id for _ in range(2)] for lane in (lane_of(7), ANYWHERE)]

    assert lanes == [[0, 8], [1, 2]]
    assert len(queue) == 0


def test_an_empty_lane_is_taken_away(queue: Queue) -> None:
    queue.push(task_of(3, 7))
    lane = lane_of(7)
    queue.pop(lane)

    head = queue.head(lane)

    assert head is None
    assert queue.lanes == [ANYWHERE]


@pytest.mark.parametrize("before", TaskStatus)
@pytest.mark.parametrize("after", TaskStatus)
def test_a_task_takes_only_the_steps_of_the_table(before: TaskStatus, after: TaskStatus) -> None:
    task = task_of(1)
    task.status = before

    if after in NEXT[before]:
        task.move(after)
        assert task.status is after
    else:
        with pytest.raises(IllegalTransition, match=f"task 1: {before.name} to {after.name}"):
            task.move(after)


@pytest.mark.parametrize("status", list(TaskStatus)[: TaskStatus.LOST + 1])
def test_nothing_happens_to_a_task_that_has_ended(status: TaskStatus) -> None:
    assert status.ended == (NEXT[status] == frozenset())
