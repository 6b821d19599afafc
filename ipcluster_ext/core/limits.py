"""Rules for time: how long a task may wait, how long it may run, and how it is stopped.

An engine keeps its tasks' time limits itself, and stops a task that was interrupted. Where it
cannot, because the task holds the interpreter's lock, the hub has the agent end the engine: it
looks `OVERTIME` after the limit, or after the grace that an interrupt gave.
"""

from ipcluster_ext.core.ends import Ends
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import Task
from ipcluster_ext.core.timers import Alarm
from ipcluster_ext.protocol.messages import StopEngines
from ipcluster_ext.protocol.status import TaskStatus

OVERTIME = 1.0
"""How long after a task's time limit its engine is told to end."""
KILL_AFTER = 0.5
"""How long an engine may take to end before it is killed."""
LOOK_AGAIN = 0.1
MOST_KEYS = 100_000
_ASSIGNED = TaskStatus.ASSIGNED


class Limits:
    """Looks after the time of tasks.

    Parameters
    ----------
    state
        The hub's tables.
    ends
        Ends tasks.
    """

    def __init__(self, state: State, ends: Ends) -> None:
        self._state = state
        self._ends = ends

    def admit(self, task: Task) -> bool:
        """Begin to count a task's time.

        Returns
        -------
        Whether that is all: it has the key of another task, whose outcome it gets.
        """
        options, state = task.spec.options, self._state
        if options is None:
            return False
        if options.expires > 0:
            state.timers.set(task.submitted + options.expires, Alarm.EXPIRED, task)
        if options.patience > 0:
            state.timers.set(task.submitted + options.patience, Alarm.IMPATIENT, task)
        return bool(options.key) and self._shares(task, options.key)

    def _shares(self, task: Task, key: str) -> bool:
        """Give a task the outcome of the one before it with the same key, unless that failed."""
        state = self._state
        before = state.keys.get(key)
        if before is not None and before in state.tasks and before != task.id:
            state.waiting[task.id] = task
            state.sharers.setdefault(before, []).append(task)
            return True
        entry = None if before is None else state.history.get(before)
        if entry is not None and entry.kept and entry.item.status is TaskStatus.DONE:
            self._ends.share(task, entry.item, entry.frames, entry.engine)
            return True
        state.keys.pop(key, None)
        state.keys[key] = task.id
        if len(state.keys) > MOST_KEYS:
            del state.keys[next(iter(state.keys))]
        return False

    def assigned(self, engine: Engine, task: Task, now: float) -> None:
        """Begin to count the time that a task takes; it is the only one its engine has."""
        options = task.spec.options
        if options is None:
            return
        if options.awaits:
            engine.awaiting += 1
            engine.aside += options.aside
        if options.time_limit > 0:
            due = now + options.time_limit + OVERTIME
            self._state.timers.set(due, Alarm.OVERDUE, task, task.tries)

    def left(self, engine: Engine, task: Task) -> None:
        """Learn that a task is not with an engine any more."""
        options = task.spec.options
        if options is not None and options.awaits:
            engine.awaiting -= 1
            engine.aside -= options.aside

    def look_at(self, alarm: Alarm, task: Task, mark: int) -> bool:
        """Do what has become due for a task.

        Returns
        -------
        Whether it shall run now.
        """
        if task.id in self._state.recovered.unclaimed:  # an engine may have begun it
            self._state.timers.set(self._state.now + LOOK_AGAIN, alarm, task, mark)
            return False
        match alarm:
            case Alarm.PAUSE_OVER:
                return task.extras.pauses
            case Alarm.EXPIRED:
                if task.status is not _ASSIGNED:
                    text = "it had not begun when its time to live was over"
                    self._ends.fail(task, "TaskExpired", text, TaskStatus.LOST)
            case Alarm.IMPATIENT:
                if task.id in self._state.waiting:
                    text = "the tasks that it depends on took longer than its timeout"
                    self._ends.fail(task, "DependencyTimeout", text, TaskStatus.LOST)
                elif task.status is not _ASSIGNED:
                    text = "no engine was free for it within its timeout"
                    self._ends.fail(task, "TaskTimeout", text, TaskStatus.LOST)
            case Alarm.OVERDUE:
                self._overdue(task, mark)
        return False

    def _overdue(self, task: Task, mark: int) -> None:
        """Have the engine ended on which a task goes on although it must not."""
        if task.status is not _ASSIGNED or task.tries != mark or task.engine is None:
            return
        state = self._state
        engine = state.engines[task.engine]
        extra = task.extras
        if not (state.recovered.settled and self._may_run(engine, task)):
            state.timers.set(state.now + LOOK_AGAIN, Alarm.OVERDUE, task, mark)
            return
        options = task.spec.options
        if not extra.unwanted and options is not None and not options.awaits:
            due = engine.progress + options.time_limit + OVERTIME
            if state.now < due:  # it had to wait for another before it began
                state.timers.set(due, Alarm.OVERDUE, task, mark)
                return
        extra.doom = extra.doom or "TaskTimeout"
        engine.restarting = True
        state.changed.add(engine)
        grace = extra.graces[-1] if extra.graces else 0.0
        engine.agent.line.say(StopEngines([engine.id], again=True, grace=grace or KILL_AFTER))

    def _may_run(self, engine: Engine, task: Task) -> bool:
        """Tell whether a task of an engine is one of those it may have begun."""
        for place, other in enumerate(engine.in_order):
            if other is task:
                return place <= engine.waiting + engine.awaiting + engine.unsuited
        return False
