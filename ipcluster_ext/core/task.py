"""A task's life: its states, and which may follow which.

::

    waiting ──▶ queued ──▶ assigned ──▶ done | failed
       │          │  ◀────────┘ │
       └──────────┴─────────────┴─────▶ cancelled | lost

*waiting*: its function is not here yet, tasks it depends on have not ended, its engine is not
up, or it pauses before it is tried again. *assigned*: sent to an engine; the engine's oldest
assigned task is the one that runs. Back from assigned to queued: recalled before it began, or
run again by its owner's leave. From waiting straight to done or failed: by the outcome of
another task, whose value it needs or whose key it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ipcluster_ext.core.function import Function
from ipcluster_ext.core.work import NOTHING, Work
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import Options, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus

_ENDS = frozenset({TaskStatus.CANCELLED, TaskStatus.LOST})

NEXT: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.WAITING: frozenset(
        {TaskStatus.QUEUED, TaskStatus.ASSIGNED, TaskStatus.DONE, TaskStatus.FAILED}
    )
    | _ENDS,
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


class Lane(NamedTuple):
    """What tasks have in common that stand in one line of the queue.

    Attributes
    ----------
    priority
        The higher goes first.
    engines
        Those that may run them, None for any.
    avoid
        Those that may not.
    resources
        What an engine must have.
    awaits
        Whether their functions are coroutine functions.
    """

    priority: int = 0
    engines: tuple[EngineId, ...] | None = None
    avoid: tuple[EngineId, ...] = ()
    resources: tuple[tuple[str, float], ...] = ()
    awaits: bool = False


ANYWHERE = Lane()
"""The lane of tasks that ask for nothing."""


@dataclass(slots=True, eq=False)
class Extra:
    """What is known of a task that did not go the plain way.

    Attributes
    ----------
    lane
        Where it stands in the queue now.
    awaited
        Of how many tasks it still needs the value.
    used
        The tasks whose values are kept for it.
    conditions
        What it waits for besides.
    killed
        The engines that died with it, and of what.
    doom
        Why its engine was told to end, if it was: the name of the error to come.
    graces
        How long it may take to end after it was interrupted, and its engine before it is killed;
        empty if that is left to the task.
    tries
        How often it was tried in vain.
    pauses
        Whether it waits for nothing but its time to be tried again.
    ends
        How those tasks ended that it depends on, as far as they have.
    unwanted
        Whether it was interrupted: it is not tried again.
    row
        The page of the journal that says what has become of it.
    """

    lane: Lane | None = None
    awaited: int = 0
    used: list[TaskId] = field(default_factory=list)
    conditions: list["Condition"] = field(default_factory=list)
    killed: list[tuple[EngineId, str]] = field(default_factory=list)
    doom: str = ""
    graces: tuple[float, ...] = ()
    tries: int = 0
    pauses: bool = False
    ends: dict[TaskId, "End"] = field(default_factory=dict)
    unwanted: bool = False
    row: int = 0


class End(NamedTuple):
    """How a task ended, for one that depends on it.

    Attributes
    ----------
    succeeded
        Whether it was done.
    engine
        Where; -1 if that is not known.
    row
        The page of the journal that says so.
    """

    succeeded: bool
    engine: EngineId
    row: int


@dataclass(slots=True, eq=False)
class Condition:
    """A dependency of a task: how many of the tasks it names have ended how.

    Attributes
    ----------
    follows
        Whether the task has to run where those ran.
    engines
        Where those that ended as wished ran.
    left
        How many have not ended.
    met, unmet
        How many ended as wished, and not.
    """

    follows: bool
    all: bool
    success: bool
    failure: bool
    left: int = 0
    met: int = 0
    unmet: int = 0
    engines: list[EngineId] = field(default_factory=list)

    def note(self, *, succeeded: bool, engine: EngineId) -> None:
        """Take the end of one of the tasks."""
        self.left -= 1
        if self.success if succeeded else self.failure:
            self.met += 1
            if engine >= 0 and engine not in self.engines:
                self.engines.append(engine)
        else:
            self.unmet += 1

    @property
    def holds(self) -> bool:
        """Whether the task may run, as far as this is concerned."""
        if self.all:
            return self.left == 0 and self.unmet == 0
        return self.met > 0 or self.left == self.unmet == 0

    @property
    def impossible(self) -> bool:
        """Whether it can never hold."""
        if self.all:
            return self.unmet > 0 or (self.follows and len(self.engines) > 1)
        return self.left == 0 and self.met == 0 and self.unmet > 0


def depends_on(options: Options | None) -> list[TaskId]:
    """Return the tasks whose end matters to one with these options."""
    both = () if options is None else (options.after, options.follow)
    return [task for dependency in both if dependency is not None for task in dependency.tasks]


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
    submitted
        When it came, by the hub's monotonic clock.
    extra
        What only few tasks have; None for the others.
    row
        The page of the journal that it stands on; 0 if it stands on none.
    work
        What it is a part of, which counts it.
    handed
        Whether the engine that has it has it from its client.
    """

    __slots__ = (
        "engine",
        "extra",
        "frames",
        "function",
        "handed",
        "id",
        "item",
        "retries",
        "row",
        "spec",
        "status",
        "submitted",
        "target",
        "work",
    )

    def __init__(
        self,
        task_id: TaskId,
        spec: TaskSpec,
        item: TaskItem,
        frames: Sequence[Frame],
        function: Function,
        target: EngineId | None = None,
        submitted: float = 0.0,
        row: int = 0,
        work: Work = NOTHING,
    ) -> None:
        self.id = task_id
        self.spec = spec
        self.item = item
        self.frames = frames
        self.function = function
        self.target = target
        self.engine: EngineId | None = None
        self.retries = spec.retries
        self.submitted = submitted
        self.row = row
        self.work = work
        self.handed = False
        self.extra: Extra | None = None
        self.status = TaskStatus.WAITING

    @property
    def lane(self) -> Lane:
        """Where it stands in the queue."""
        if self.extra is not None and self.extra.lane is not None:
            return self.extra.lane
        spec, options = self.spec, self.spec.options
        if options is None:
            return ANYWHERE if spec.engines is None else Lane(engines=spec.engines)
        return Lane(options.priority, spec.engines, (), options.resources, options.awaits)

    @property
    def tries(self) -> int:
        """How often it was tried in vain."""
        return 0 if self.extra is None else self.extra.tries

    @property
    def extras(self) -> Extra:
        """What only few tasks have, made on demand."""
        if self.extra is None:
            self.extra = Extra()
        return self.extra

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
