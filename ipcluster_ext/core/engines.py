"""The engines: who is here, what each has, and who started it."""

from collections import deque
from dataclasses import dataclass, field
from math import inf

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import EngineHello
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus

LIVES = 16


@dataclass(slots=True, eq=False)
class Agent:
    """A host agent.

    Attributes
    ----------
    measures
        Whether it was told to say what its engines use.
    memory
        How much memory there is for all of them, 0 if that is not known.
    """

    id: int
    host: str
    line: Line
    engines: set[EngineId] = field(default_factory=set)
    measures: bool = False
    memory: int = 0


@dataclass(slots=True, eq=False)
class Withdrawal:
    """A client's wish to take tasks back, while engines are still to answer."""

    line: Line
    request: int
    wanted: set[TaskId] = field(default_factory=set)
    asked: int = 0
    cancelled: list[TaskId] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Engine:
    """One engine, through all its lives.

    Attributes
    ----------
    line
        Where to reach it; None while it is not connected.
    boot
        Which life this is.
    unfinished
        The tasks it has, in the order in which they were sent.
    held
        Tasks for this very engine that wait for it to come up.
    known
        The functions it has.
    prepared
        The marks of the preparations that it was sent.
    asked
        What it was asked to give back and has not answered, oldest first: a withdrawal, or None
        for a recall.
    progress
        When it last ended a task, or was given one after having had none.
    stalled
        Its tasks were recalled, and it has ended none since: it gets no more until it does, or
        has none left.
    leaving
        It was told to stop, or will be: it gets no more.
    retiring
        It is to stop when it has finished what it has.
    uses
        What it uses, if that was measured: a fraction of one processor, and bytes of memory.
    restarting
        It was told to stop and come back: what is for it waits for its next life.
    buried
        The lives whose death is known, the last few: their greeting may still be under way.
    values, unneeded
        The values it has: how many of its tasks need each, and those that none does.
    unsure
        Those that it may have dropped: tasks that it had before this hub knew it need them, and
        may have ended.
    standing
        Where tasks stood that it had before this hub knew it: it may learn of them in any order.
    awaiting
        How many of its unfinished tasks are coroutines, which wait for each other's sake.
    waiting
        How many of its unfinished tasks wait for tasks of their own.
    said
        How many it said wait, and how many are unsuited; this hub may not know all of them yet.
    above, unsuited
        Only tasks of a higher priority are begun there for the time being, None if any is; and
        how many of its unfinished tasks are not.
    resources
        What it has.
    silent_since
        When it was heard last, if it has not been heard for a while.
    peeked
        The mark of the last `Peek` since then, 0 if there was none.
    settling
        What it was told when tasks of it were given away, until it has answered: it may not be
        sent them again before it has dropped them.
    ended, failed
        How many tasks it has ended, in all its lives, and how many of them failed.
    successor
        The greeting of its next life, if that came before the news of its death.
    wanted
        With what resources it was to be started.
    """

    id: EngineId
    agent: Agent
    status: EngineStatus = EngineStatus.STARTING
    line: Line | None = None
    boot: int = 0
    host: str = ""
    pid: int = 0
    reason: str = ""
    unfinished: dict[TaskId, Task] = field(default_factory=dict)
    held: list[Task] = field(default_factory=list)
    known: set[bytes] = field(default_factory=set)
    prepared: set[bytes] = field(default_factory=set)
    asked: deque[Withdrawal | None] = field(default_factory=deque)
    progress: float = 0.0
    stalled: bool = False
    leaving: bool = False
    retiring: bool = False
    uses: tuple[float | None, int] | None = None
    restarting: bool = False
    buried: deque[int] = field(default_factory=lambda: deque(maxlen=LIVES))
    values: dict[TaskId, int] = field(default_factory=dict)
    unneeded: set[TaskId] = field(default_factory=set)
    unsure: set[TaskId] = field(default_factory=set)
    standing: dict[TaskId, int] = field(default_factory=dict)
    awaiting: int = 0
    waiting: int = 0
    said: tuple[int, int] = (0, 0)
    above: int | None = None
    unsuited: int = 0
    python: str = ""
    resources: dict[str, float] = field(default_factory=dict)
    silent_since: float | None = None
    peeked: int = 0
    settling: Withdrawal | None = None
    ended: int = 0
    failed: int = 0
    successor: tuple[EngineHello, Line] | None = None
    wanted: dict[str, float] = field(default_factory=dict)

    def __lt__(self, other: "Engine") -> bool:
        return self.id < other.id

    @property
    def open_line(self) -> Line:
        """Where to reach it, if it is ready.

        Raises
        ------
        LookupError
            It is not connected: whoever asked made a mistake.
        """
        if self.line is None:
            msg = f"engine {self.id} is not connected"
            raise LookupError(msg)
        return self.line

    @property
    def in_order(self) -> list[Task]:
        """Its unfinished tasks, in the order in which it does them."""
        tasks = list(self.unfinished.values())
        if self.standing:
            tasks.sort(key=lambda task: self.standing.get(task.id, inf))
        return tasks

    @property
    def load(self) -> int:
        """How many tasks it has to do one after the other."""
        return len(self.unfinished) - self.awaiting - self.waiting - self.unsuited

    @property
    def load_of_its_own(self) -> int:
        """How many tasks it has, or will have, that nobody else may run."""
        its_own = sum(task.target is not None for task in self.unfinished.values())
        return its_own + len(self.held)

    @property
    def available(self) -> bool:
        """Whether it may be given work of any priority."""
        return self.above is None and self._works

    def takes(self, priority: int) -> bool:
        """Tell whether it may be given work of a priority."""
        return (self.above is None or priority > self.above) and self._works

    @property
    def _works(self) -> bool:
        return self.reachable and not (self.stalled or self.leaving)

    @property
    def reachable(self) -> bool:
        """Whether it may be sent what is for it."""
        if self.restarting or self.silent_since is not None or self.settling is not None:
            return False
        return self.status is EngineStatus.READY

    @property
    def info(self) -> EngineInfo:
        """What clients are told of it."""
        status = self.status
        if status is EngineStatus.READY and self.silent_since is not None:
            status = EngineStatus.UNRESPONSIVE
        elif self.retiring and status in {EngineStatus.READY, EngineStatus.STARTING}:
            status = EngineStatus.RETIRING
        return EngineInfo(
            self.id, status, self.host, self.pid, self.reason, self.python, self.resources
        )

    def count_waiting(self) -> None:
        """Count how many of its tasks wait, and how many are unsuited, as far as it can be."""
        waiting, unsuited = self.said
        most = len(self.unfinished) - self.awaiting
        self.waiting = min(max(0, waiting), most)
        self.unsuited = min(max(0, unsuited), most - self.waiting)

    def has(self, resources: tuple[tuple[str, float], ...]) -> bool:
        """Tell whether it has what a task asks for."""
        return all(self.resources.get(name, 0.0) >= amount for name, amount in resources)

    def dropped(self) -> None:
        """Forget what its process had: it is gone."""
        self.known.clear()
        self.prepared.clear()
        self.values.clear()
        self.unneeded.clear()
        self.unsure.clear()
        self.standing.clear()
        self.awaiting = self.waiting = self.unsuited = 0
        self.said = (0, 0)
        self.uses = None
        self.above = self.silent_since = self.settling = None
