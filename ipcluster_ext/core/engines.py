"""The engines: who is here, what each has, and who started it."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import EngineExited, EngineHello, Returned
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus
from ipcluster_ext.protocol.text import host_name

LIVES = 16
WROTE = 512
"""So many characters of what an engine writes are kept, the last."""


@dataclass(slots=True, eq=False)
class Agent:
    """A host agent.

    Attributes
    ----------
    measures
        Whether it was told to say what its engines use.
    memory
        How much memory there is for each of its engines, if that is limited, or for all; 0 if
        that is not known.
    far
        Whether it is on another host than the hub, or passes for it: it has other blobs.
    set_name, capacity
        The set of engines that it is part of, and how many it may have, 0 for any number.
    brought
        How many engines it was to start when it came.
    sets, fixed
        Those for which it can have agents started; and why some of them cannot grow as long as
        there is anything of them.
    silent_since
        When it was heard last, if it has not been heard for a while.
    doomed
        Whether what it was started in has ended: it is gone, or soon will be.
    """

    id: int
    host: str
    line: Line
    engines: set[EngineId] = field(default_factory=set)
    measures: bool = False
    memory: int = 0
    far: bool = False
    set_name: str = ""
    capacity: int = 0
    brought: int = 0
    sets: list[str] = field(default_factory=list)
    fixed: dict[str, str] = field(default_factory=dict)
    silent_since: float | None = None
    doomed: bool = False


OF_HANDED = -1
"""The number of a request that is no client's: an engine is to give back what was handed over."""


@dataclass(slots=True, eq=False)
class Withdrawal:
    """A client's wish to take tasks back, while engines are still to answer.

    Attributes
    ----------
    there
        What an engine still has that it was told to drop: all that, begun or not, for as long as
        it gets nothing else.
    """

    line: Line
    request: int
    wanted: set[TaskId] = field(default_factory=set)
    asked: int = 0
    cancelled: list[TaskId] = field(default_factory=list)
    handed: frozenset[TaskId] = frozenset()
    there: list[TaskId] = field(default_factory=list)


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
    wrote, wrote_in
        The end of what its tasks have written in this life, and the task and stream of that.
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
    aside
        How many of those are no work of anybody's (`Options.aside`).
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
        What it was told when tasks of it were given away, until it has answered, and ended what it
        had begun of them: it may not be sent them again before it has none of them.
    ended, failed
        How many tasks it has ended, in all its lives, and how many of them failed.
    successor
        The greeting of its next life, if that came before the news of its death.
    wanted
        With what resources it was to be started.
    regained
        Whether its host was given up and is back, and it has not greeted since.
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
    wrote: str = ""
    wrote_in: tuple[TaskId, str] = TaskId(0), ""
    restarting: bool = False
    buried: deque[int] = field(default_factory=lambda: deque(maxlen=LIVES))
    values: dict[TaskId, int] = field(default_factory=dict)
    unneeded: set[TaskId] = field(default_factory=set)
    unsure: set[TaskId] = field(default_factory=set)
    standing: dict[TaskId, int] = field(default_factory=dict)
    awaiting: int = 0
    aside: int = 0
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
    regained: bool = False

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

    def next_asked(self, message: Returned) -> tuple[Withdrawal | None, Returned]:
        """Return what it answers, and what it gives back: not what it was sent since."""
        asked = self.asked.popleft() if self.asked else None
        if asked is None or asked.request != OF_HANDED:
            return asked, message
        unfinished = self.unfinished
        return None, Returned([i for i in message.ids if i in unfinished and unfinished[i].handed])

    def settles(self, over: Iterable[TaskId]) -> bool:
        """Learn that it is over with tasks; tell whether it may be sent anything from now on."""
        settling = self.settling
        if settling is None:
            return False
        for task_id in over:
            if task_id in settling.there:
                settling.there.remove(task_id)  # once: it may have had it twice
        if settling.there or settling in self.asked:
            return False
        self.settling = None
        return True

    def take_held(self, task_id: TaskId) -> Task | None:
        """Take a task that waits for it to come back, if there is one of this id."""
        for place, task in enumerate(self.held):
            if task.id == task_id:
                return self.held.pop(place)
        return None

    def unseen_end(self, cause: str, claimed: list[TaskId]) -> EngineExited:
        """Return what its agent would say if its black box said that it has begun all it has.

        ``claimed`` are tasks that nobody has named and that it says it has.
        """
        last = next(reversed(self.unfinished), TaskId(0))
        handed = [task.id for task in self.unfinished.values() if task.handed]
        return EngineExited(self.id, self.boot, cause, last, again=False, others=handed + claimed)

    @property
    def is_busy(self) -> bool:
        """Whether it has been sent any work that it has not finished."""
        return len(self.unfinished) > self.aside

    @property
    def work_count(self) -> int:
        """How many tasks it has, or is to have as soon as it can, that are somebody's work."""
        return len(self.unfinished) - self.aside + len(self.held)

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
        return not (self.stalled or self.leaving) and self.reachable

    @property
    def reachable(self) -> bool:
        """Whether it may be sent what is for it."""
        if self.restarting or self.silent_since is not None or self.settling is not None:
            return False
        return self.status is EngineStatus.READY

    @property
    def info(self) -> EngineInfo:
        """What clients are told of it."""
        status, lives = self.status, {EngineStatus.READY, EngineStatus.STARTING}
        if status in lives and self.silent_since is not None:
            status = EngineStatus.UNRESPONSIVE
        elif self.retiring and status in lives:
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
        """Tell whether it has what a task asks for; its host's name is one thing that it has."""
        return all(
            self.resources.get(name, 0.0) >= amount or (amount <= 1 and name in self._host_names)
            for name, amount in resources
        )

    @property
    def _host_names(self) -> tuple[str, str]:
        name = host_name(self.host)
        return name, name.partition(".")[0]

    def has_written(self, task: TaskId, stream: str, text: str) -> None:
        """Keep the end of what a task has written."""
        where = task, stream
        if where != self.wrote_in:
            self.wrote_in = where
            self.wrote += "\n"  # another one's line is not gone on with
        self.wrote = (self.wrote + text if len(text) < WROTE else text)[-WROTE:]

    def dropped(self) -> None:
        """Forget what its process had: it is gone."""
        self.known.clear()
        self.prepared.clear()
        self.values.clear()
        self.unneeded.clear()
        self.unsure.clear()
        self.standing.clear()
        self.awaiting = self.aside = self.waiting = self.unsuited = 0
        self.said = (0, 0)
        self.uses = None
        self.wrote = ""
        self.above = self.silent_since = self.settling = None


def parted(
    tasks: list[Task], began: TaskId, others: Sequence[TaskId]
) -> tuple[list[Task], list[Task]]:
    """Part an engine's tasks into those it has begun, by its black box, and the others."""
    count = next((n for n, task in enumerate(tasks, 1) if task.id == began), 0)
    begun, rest = tasks[:count], tasks[count:]
    if any(task.handed for task in begun):  # those came another way, and have no place in the order
        rest = [*(task for task in begun if task.handed), *rest]
        begun = [task for task in begun if not task.handed]
    if others:
        aside = frozenset(others)
        begun += [task for task in rest if task.id in aside]
        rest = [task for task in rest if task.id not in aside]
    return begun, rest
