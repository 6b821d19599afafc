"""Rules for trying again: after a failure, after an engine's death, and on another engine."""

from ipcluster_ext.core.ends import Ends
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import Lane, Task
from ipcluster_ext.core.timers import Alarm
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import EngineExited
from ipcluster_ext.protocol.parts import ResultItem, Retry
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus

_PLAIN = Retry()
MOST_DOUBLINGS = 60
Reason = tuple[str, str]
"""An error's name and its text."""


class Retries:
    """Decides whether a task is tried again.

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

    def after_failure(self, task: Task, outcome: ResultItem, now: float) -> bool:
        """Settle a task that failed in a way that its owner lets be tried again.

        Returns
        -------
        Whether it shall run again at once; else it has ended, or pauses.
        """
        if task.retries <= 0 or _is_unwanted(task):
            engine = task.engine if task.engine is not None else task.target
            self._ends.end(
                task, plain_failure(outcome), (), engine if engine is not None else _NOBODY
            )
            return False
        task.retries -= 1
        return self._after_pause(task, now)

    def _after_pause(self, task: Task, now: float) -> bool:
        retry = _retry_of(task)
        task.extras.tries += 1
        pause = retry.backoff * 2.0 ** min(task.extras.tries - 1, MOST_DOUBLINGS)
        if retry.max_backoff > 0:
            pause = min(pause, retry.max_backoff)
        pause *= 1.0 + retry.jitter * self._state.chance.share()
        recovered = self._state.recovered
        if not 0 < pause < float("inf") or not recovered.settled:
            return True
        if any(rival == task.id for _, rival in recovered.rivals):
            return True  # another engine has had it for a while, and does not pause
        task.engine = None
        self._state.journal.changed(task)
        task.move(TaskStatus.WAITING)
        task.extras.pauses = True
        self._state.waiting[task.id] = task
        self._state.timers.set(now + pause, Alarm.PAUSE_OVER, task)
        return False

    def after_death(self, engine: Engine, task: Task, exited: EngineExited, now: float) -> bool:
        """Settle a task that had begun, or may have, when its engine died.

        Returns
        -------
        Whether it shall run again at once; else it has ended, or pauses.
        """
        extra, cause = task.extras, exited.cause
        if extra.doom:
            text = _DOOMS[extra.doom] + cause
            self._ends.fail(task, extra.doom, text, TaskStatus.LOST, exited.details)
            return False
        if not exited.asked:
            extra.killed.append((engine.id, cause))
        bearable = len(extra.killed) <= _retry_of(task).on_engine_lost
        if task.retries > 0 and bearable and not extra.unwanted:
            task.retries -= 1
            return self._after_pause(task, now)
        ename, text = "EngineLost", cause
        if len(extra.killed) > 1:
            which = ", ".join(str(killed) for killed, _ in extra.killed)
            causes = "; ".join(dict.fromkeys(cause for _, cause in extra.killed))
            ename, text = "PoisonTask", f"it has killed engines {which}: {causes}"
        self._ends.fail(task, ename, text, TaskStatus.LOST, exited.details)
        return False

    def count(self, engine: Engine, task: Task, outcome: ResultItem) -> None:
        """Count a try of a task that another engine has meanwhile."""
        if outcome.status is TaskStatus.REFUSED:
            avoid = tuple(sorted({*task.lane.avoid, engine.id}))
            lane = task.lane._replace(avoid=avoid)
            if task.status is TaskStatus.QUEUED:
                self._state.queue.relocate(task, lane)
            task.extras.lane = lane
        elif task.retries > 0:
            task.retries -= 1
            task.extras.tries += 1

    def elsewhere(self, engine: Engine, task: Task, outcome: ResultItem) -> bool:
        """Settle a task that an engine refused, because a dependency of it is not met there.

        Returns
        -------
        Whether it shall run on another engine.
        """
        if _is_unwanted(task):
            self._ends.end(task, plain_failure(outcome), (), engine.id)
            return False
        lane = task.lane
        lane = lane._replace(avoid=tuple(sorted({*lane.avoid, engine.id})))
        unsettled = not self._state.recovered.settled  # other engines may be to come
        if task.target is None and (unsettled or self.why_hopeless(lane) is None):
            task.extras.lane = lane
            return True
        text = f"no engine meets what it requires{_said(outcome)}"
        self._ends.fail(task, "ImpossibleDependency", text, TaskStatus.LOST)
        return False

    def why_hopeless(self, lane: Lane) -> Reason | None:
        """Tell why no engine will ever run the tasks of a lane; None if one may."""
        engines = self._state.engines.values()
        if lane.engines is None and not lane.avoid and not lane.resources:
            return None
        allowed = [e for e in engines if lane.engines is None or e.id in lane.engines]
        if lane.engines is not None and not allowed:
            return "NoSuchEngine", f"none of the engines {list(lane.engines)} exists"
        fit = [e for e in allowed if e.status is EngineStatus.STARTING or e.has(lane.resources)]
        if lane.resources and allowed and not fit:
            wanted = ", ".join(f"{name}: {amount:g}" for name, amount in lane.resources)
            return "NoSuchEngine", f"no engine has what the task asks for ({wanted})"
        if lane.avoid and not [e for e in fit if e.id not in lane.avoid and not e.leaving]:
            return "ImpossibleDependency", "every engine has refused it"
        return None


_NOBODY = EngineId(-1)
_DOOMS = {
    "TaskTimeout": "it went on after its time limit, and its engine was ended: ",
    "TaskInterrupted": "it went on after it was interrupted, and its engine was ended: ",
}


def _retry_of(task: Task) -> Retry:
    options = task.spec.options
    return _PLAIN if options is None or options.retry is None else options.retry


def _is_unwanted(task: Task) -> bool:
    return task.extra is not None and task.extra.unwanted


def _said(outcome: ResultItem) -> str:
    """Return why an engine refused a task, as the end of a sentence."""
    try:
        reason = decode_failure(outcome.inline).evalue
    except ProtocolError:
        return ""
    return f"; the last that was asked: {reason}" if reason else ""


def plain_failure(outcome: ResultItem, status: TaskStatus = TaskStatus.FAILED) -> ResultItem:
    """Make of whatever an engine said of a task's failure the outcome that its client gets."""
    return ResultItem(outcome.id, status, outcome.started, outcome.completed, outcome.inline)
