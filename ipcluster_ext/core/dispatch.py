"""Gives queued tasks to engines, and takes them back from where they are stuck.

Load balancing by credit: an engine may hold as many unfinished tasks as its next task's
function has credit (`core.function`); whoever holds least gets the next share. When the queue
has run dry while an engine sits idle and another has made no progress for `STALL`, the unbegun
tasks of the latter are recalled and given to the former, so that no short task stays trapped
behind a long one.
"""

from operator import attrgetter

from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.function import MOST_CREDIT
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import Lane, Task
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol.messages import Recall

STALL = 0.005
MOST_AWAITING = 1000
"""How many coroutines an engine may have at once."""
_number = attrgetter("id")


class Dispatcher:
    """Decides which engine gets which queued task.

    Parameters
    ----------
    state
        The hub's tables.
    tasks
        The rules for tasks.
    hwm
        How many unfinished tasks an engine may have at most; 0 for as many as pay.
    """

    def __init__(self, state: State, tasks: Tasks, hwm: int = 0) -> None:
        self._state = state
        self._hwm = hwm
        self._tasks = tasks
        self._loaded: set[Engine] = set()
        self._look_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When to be called again although nothing has happened; None if never."""
        return self._look_at

    def run(self, now: float) -> None:
        """Give out what can be given out, and recall what is stuck."""
        state = self._state
        self._note_changes()
        if len(state.queue):
            for lane in state.queue.lanes:
                self._serve(lane, now)
            if len(state.queue):
                self._tasks.refuse_the_hopeless()
            self._note_changes()
        self._balance(now)

    def _note_changes(self) -> None:
        changed = self._state.changed
        if len(changed) == 1:
            self._note(changed.pop())
        elif changed:
            for engine in sorted(changed, key=_number):  # or chance would have a say
                self._note(engine)
            changed.clear()

    def _note(self, engine: Engine) -> None:
        """Keep the indexes true of an engine that was given or has ended tasks."""
        self._state.index.enter(engine)
        if engine.load > 1 or engine.unsuited:
            self._loaded.add(engine)
        else:
            self._loaded.discard(engine)

    def _serve(self, lane: Lane, now: float) -> None:
        """Give out the tasks of one lane, a share at a time."""
        queue, index = self._state.queue, self._state.index
        anywhere = lane.engines is None and not (lane.avoid or lane.resources or lane.awaits)
        while (head := queue.head(lane)) is not None:
            credit = self._credit(head)
            engine = index.choose(credit) if anywhere else self._least_of(lane)
            if anywhere and self._state.choosy:
                engine = self._or_one_that_waits(engine, lane)
            if engine is None:
                return
            room = credit - (engine.awaiting if lane.awaits else engine.load)
            if room <= 0:
                return
            share = -(-queue.length(lane) // max(1, len(self._state.engines)))
            self._give(engine, lane, min(room, max(1, share)), now)
            self._note(engine)
            self._state.changed.discard(engine)

    def _credit(self, task: Task) -> int:
        """Return how many unfinished tasks like this one an engine may have."""
        options = task.spec.options
        if options is None:
            if self._state.index.greedy:
                return MOST_CREDIT
            credit = task.function.credit
            return min(credit, self._hwm) if self._hwm else credit
        if options.awaits:
            return MOST_AWAITING
        return 1 if options.time_limit > 0 else task.function.credit

    def _least_of(self, lane: Lane) -> Engine | None:
        """Return the least loaded of the engines that a lane's tasks may run on."""
        engines = self._state.engines
        some = engines.values() if lane.engines is None else map(engines.get, lane.engines)
        fit = [
            engine
            for engine in some
            if engine is not None
            and engine.takes(lane.priority)
            and engine.id not in lane.avoid
            and engine.has(lane.resources)
        ]
        if lane.awaits:
            return min(fit, key=lambda engine: (engine.awaiting, engine.load), default=None)
        return min(fit, key=lambda engine: engine.load, default=None)

    def _or_one_that_waits(self, engine: Engine | None, lane: Lane) -> Engine | None:
        """Return an engine whose tasks wait for such as these, if it has less to do."""
        choosy = self._state.choosy
        for other in [other for other in choosy if other.above is None]:
            choosy.discard(other)
        fit = [other for other in choosy if other.takes(lane.priority)]
        least = min(fit, key=lambda other: (other.load, other.id), default=None)
        if least is None or (engine is not None and engine.load < least.load):
            return engine
        return least

    def _give(self, engine: Engine, lane: Lane, count: int, now: float) -> None:
        """Assign up to so many tasks, as long as they are of one function."""
        queue, assign = self._state.queue, self._tasks.assign
        function = None
        ids = []
        while count and (task := queue.head(lane)) is not None:
            if function is None:
                function = task.function
            elif task.function is not function or _is_limited(task):
                break
            assign(engine, queue.pop(lane), now)
            ids.append(task.id)
            count -= 1
        self._state.log.note(now, f"assigned to engine {engine.id}", ids)

    def _balance(self, now: float) -> None:
        """Recall from engines that are stuck, while others are idle."""
        self._look_at = None
        if not self._loaded or len(self._state.queue):
            return
        idle = self._state.index.least()
        if idle is None or idle.load > 0:
            return
        for engine in sorted(self._loaded, key=_number):
            if engine.stalled:
                continue
            due = engine.progress + STALL
            if now < due:
                self._look_at = due if self._look_at is None else min(self._look_at, due)
            elif any(is_balanced(task) for task in list(engine.unfinished.values())[1:]):
                engine.stalled = True
                engine.asked.append(None)
                engine.open_line.say(Recall(engine.load + engine.unsuited))
                self._tasks.handovers.recall(engine, is_balanced)
                self._state.index.enter(engine)


def is_balanced(task: Task) -> bool:
    """Tell whether a task may run elsewhere as well."""
    return task.target is None


def _is_limited(task: Task) -> bool:
    """Tell whether a task has to be the only one of its engine."""
    options = task.spec.options
    return options is not None and options.time_limit > 0 and not options.awaits
