"""A task's life: its states, and which may follow which.

::

    waiting ──▶ queued ──▶ assigned ──▶ done | failed
       │          │  ◀────────┘ │
       └──────────┴─────────────┴─────▶ cancelled | lost

*waiting*: its function is not here yet, or its engine is not up. *assigned*: sent to an engine;
the engine's oldest assigned task is the one that runs. Back from assigned to queued: recalled
before it began, or run again by its owner's leave.
"""

from collections.abc import Sequence

from ipcluster_ext.core.function import Function
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus

_ENDS = frozenset({TaskStatus.CANCELLED, TaskStatus.LOST})

NEXT: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.WAITING: frozenset({TaskStatus.QUEUED, TaskStatus.ASSIGNED}) | _ENDS,
    TaskStatus.QUEUED: frozenset({TaskStatus.ASSIGNED}) | _ENDS,
    TaskStatus.ASSIGNED: frozenset(
        {TaskStatus.WAITING, TaskStatus.QUEUED, TaskStatus.DONE, TaskStatus.FAILED}
    )
    | _ENDS,
    TaskStatus.DONE: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
    TaskStatus.LOST: frozenset(),
    TaskStatus.AGAIN: frozenset(),
    TaskStatus.REFUSED: frozenset(),
}


class IllegalTransition(AssertionError):
    """A task was about to skip a step of its life: a mistake in the core."""


class Task:
    """One task, as the hub knows it.

    Attributes
    ----------
    spec, item, frames
        As its client sent them.
    function
        What it calls; knows how long that takes.
    target
        The engine it must run on; None for a balanced task.
    engine
        The engine that has it, while assigned.
    retries
        How often it may still run again.
    """

    __slots__ = (
        "engine",
        "frames",
        "function",
        "id",
        "item",
        "retries",
        "spec",
        "status",
        "target",
    )

    def __init__(
        self,
        task_id: TaskId,
        spec: TaskSpec,
        item: TaskItem,
        frames: Sequence[Frame],
        function: Function,
        target: EngineId | None = None,
    ) -> None:
        self.id = task_id
        self.spec = spec
        self.item = item
        self.frames = frames
        self.function = function
        self.target = target
        self.engine: EngineId | None = None
        self.retries = spec.retries
        self.status = TaskStatus.WAITING

    def move(self, status: TaskStatus) -> None:
        """Take the next step.

        Raises
        ------
        IllegalTransition
            The step is not in the table.
        """
        if status not in NEXT[self.status]:
            msg = f"task {self.id}: {self.status.name} to {status.name}"
            raise IllegalTransition(msg)
        self.status = status
