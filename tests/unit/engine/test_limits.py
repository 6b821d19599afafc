import threading

from ipcluster_ext.engine.limits import Limits
from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.errors import SoftTimeLimit, TaskTimeout
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import Options
from tests.support.waiting import wait_until

TASK = TaskId(1)


class Wishes:
    """What was wanted in which task."""

    def __init__(self) -> None:
        self.made: list[tuple[TaskId, str]] = []

    def want(self, task: TaskId, error: BaseException) -> None:
        assert isinstance(error, TaskTimeout | SoftTimeLimit)
        self.made.append((task, str(error)))


def test_a_task_is_warned_and_then_stopped() -> None:
    wishes = Wishes()
    limits = Limits(Timer(), wishes.want)

    limits.begin(TASK, Options(time_limit=0.04, soft_time_limit=0.02))

    wait_until(lambda: len(wishes.made) == 2)
    assert wishes.made == [
        (TASK, "the task has taken 0.02 s, its soft time limit"),
        (TASK, "the task has taken 0.04 s, its time limit"),
    ]


def test_a_task_that_ends_in_time_is_left_alone() -> None:
    wishes = Wishes()
    limits = Limits(Timer(), wishes.want)
    options = Options(time_limit=0.03, soft_time_limit=0.02)
    limits.begin(TASK, options)
    limits.end(TASK, options)
    limits.begin(TaskId(2), Options(time_limit=0.05))

    wait_until(lambda: wishes.made)

    assert wishes.made == [(2, "the task has taken 0.05 s, its time limit")]


def test_a_task_without_limits_costs_no_thread() -> None:
    before = threading.active_count()
    limits = Limits(Timer(), Wishes().want)

    limits.begin(TASK, Options(priority=3))
    limits.end(TASK, Options(priority=3))

    assert threading.active_count() == before
