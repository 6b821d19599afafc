"""Rules for what engines say of tasks that no client has named to a hub that takes over.

How a task has ended that may be tried again is recorded until its client names it: the engine will
not say it again, and this hub, too, may die before that. The next one counts it then.
"""

from msgspec import structs

from ipcluster_ext.core.elsewhere import who_may_have_begun
from ipcluster_ext.core.ends import Ends
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.recovered import Claim, Outcome
from ipcluster_ext.core.retries import plain_failure
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus


class Unnamed:
    """Keeps what was said too early.

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

    def failed(self, item: ResultItem, engine: Engine) -> int:
        """Record that an engine has tried a task in vain; return the page.

        What it said to the hub before as well counts once.
        """
        tried, journal = self._state.recovered.tried, self._state.journal
        plain = plain_failure(item, item.status)
        for outcome in tried.get(item.id, ()):
            if (outcome.item, outcome.engine) == (plain, engine.id):
                tried[item.id] = [other for other in tried[item.id] if other is not outcome]
                journal.release(outcome.row)
                break
        return journal.tried(plain, engine.id)

    def disclaim(self, engine: Engine, task: TaskId) -> None:
        """Strike off what an engine claimed and does not have: another may, heard or not."""
        state, claims = self._state, self._state.claims
        left, unheard = claims.pop(task).without(engine), who_may_have_begun(state, task)
        if left is None and unheard is not None and state.recovered.settled:
            silent = state.engines.get(unheard)
            left = Claim(silent) if silent is not None and silent.line is None else None
        if left is not None:
            claims[task] = left  # else its client's word will have it queued

    def has_failed(self, task: Task) -> bool:
        """Count what was said of a task to the hub before; tell whether it has ended thereby."""
        journal = self._state.journal
        for outcome in self._state.recovered.tried.pop(task.id):
            journal.release(outcome.row)
            if not task.status.ended and not _may_run_again(task, outcome):
                self._ends.end(task, plain_failure(outcome.item), (), outcome.engine)
        if not task.status.ended:
            journal.changed(task)
        return task.status.ended


def _may_run_again(task: Task, outcome: Outcome) -> bool:
    """Count a try; tell whether it may be tried once more."""
    status, options = outcome.item.status, task.spec.options
    if status is TaskStatus.REFUSED:
        avoid = tuple(sorted({*task.lane.avoid, outcome.engine}))
        task.extras.lane = task.lane._replace(avoid=avoid)
        return True
    judged = options is not None and options.retry is not None and bool(options.retry.judge)
    if task.retries <= 0 or (judged and status is TaskStatus.FAILED):
        return False
    task.retries -= 1
    task.extras.tries += 1
    return True


def record_death(state: State, task: TaskId, claim: Claim) -> None:
    """Record with which engines a task died that nobody has named: the next hub is not told."""
    if claim.exited is not None:
        exited = structs.replace(claim.exited, began=TaskId(0), others=[], ran=[])
        page = state.journal.died(claim.engine.agent.id, exited, task, 1 + claim.before)
        claim.row = state.journal.instead_of(claim.row, page)
