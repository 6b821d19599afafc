"""What must hold between any two batches of events, whatever has happened."""

from collections import Counter

from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.journal import NOWHERE
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import ANYWHERE, Task
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus

_NO_PEER = PeerId(0)


class BrokenInvariant(AssertionError):
    """The hub's tables contradict each other: a mistake in the core."""


def check(hub: Hub) -> None:
    """Check a hub's tables.

    Raises
    ------
    BrokenInvariant
        Names what does not hold.
    """
    state = hub.state
    _every_task_is_in_one_place(state)
    _status_tells_the_place(state)
    _functions_count_their_tasks(state)
    _blobs_that_are_needed_are_held(state)
    _the_index_knows_who_is_available(state)
    _nobody_waits_without_hope(state)
    _who_retires_gets_no_more(state)
    _works_count_their_tasks(state)
    _values_count_their_uses(state)
    _engines_count_what_they_have(state)
    _everybody_who_waits_will_be_woken(state)
    _pages_that_are_needed_are_kept(state)


def _hold(condition: object, what: str) -> None:
    if not condition:
        raise BrokenInvariant(what)


def _places(state: State) -> list[Task]:
    places = [*state.queue, *state.library.waiting, *state.waiting.values()]
    places += state.recovered.unclaimed.values()
    for engine in state.engines.values():
        places += [*engine.unfinished.values(), *engine.held]
    return places


def _every_task_is_in_one_place(state: State) -> None:
    counted = Counter(task.id for task in _places(state))
    _hold(set(counted) == set(state.tasks), "a task is in no place, or one that ended is in one")
    _hold(all(count == 1 for count in counted.values()), "a task is in two places")
    _hold(len(state.queue) == len(list(state.queue)), "the queue miscounts")


def _status_tells_the_place(state: State) -> None:
    for task in state.tasks.values():
        _hold(not task.status.ended, f"task {task.id} has ended and is kept")
    for task in state.queue:
        _hold(task.engine is None, f"task {task.id} is queued and has an engine")
    for engine in state.engines.values():
        for task in engine.unfinished.values():
            _hold(task.status is TaskStatus.ASSIGNED, f"task {task.id} is with an engine")
            _hold(task.engine == engine.id, f"task {task.id} names another engine")
            _hold(task.target in {None, engine.id}, f"task {task.id} is on the wrong engine")
        for task in engine.held:
            _hold(task.status is TaskStatus.WAITING, f"task {task.id} is held, not waiting")
        if engine.status is not EngineStatus.READY:
            _hold(not engine.unfinished, f"engine {engine.id} is not ready and has tasks")
        elif engine.reachable:
            _hold(not engine.held, f"engine {engine.id} is ready and tasks wait for it")


def _functions_count_their_tasks(state: State) -> None:
    live = Counter(task.function.digest for task in state.tasks.values())
    live.update(kept.function.digest for kept in state.preparations.values())
    for function in state.library:
        _hold(function.live == live[function.digest], f"{function.digest!r} miscounts its tasks")
        if function.pickled is not None:
            waiting = [t for t in state.library.waiting if t.function is function]
            _hold(not waiting, f"tasks wait for {function.digest!r}, which is here")


def _blobs_that_are_needed_are_held(state: State) -> None:
    needed = Counter(n for task in state.tasks.values() for n in names_of(task.item.buffers))
    needed.update(state.history.blobs)
    for outcome in state.recovered.ended.values():
        needed.update(names_of(outcome.item.buffers))
    counts = state.blobs.counts
    for name, count in needed.items():
        _hold(counts.get(name, 0) >= count, f"blob {name} is needed and would be freed")


def _the_index_knows_who_is_available(state: State) -> None:
    for engine in state.engines.values():
        entered = engine in state.index
        _hold(entered == engine.available, f"engine {engine.id} is entered wrongly in the index")


def _who_retires_gets_no_more(state: State) -> None:
    for engine in state.retiring.values():
        known = state.engines.get(engine.id) is engine
        _hold(known and engine.leaving and engine.retiring, f"engine {engine.id} retires in part")
        finished = not engine.work_count and not state.claims
        here = engine.agent.line.peer != _NO_PEER and state.recovered.settled
        _hold(not (finished and here), f"engine {engine.id} has finished and was not stopped")


def _works_count_their_tasks(state: State) -> None:
    live = Counter(task.work for task in state.tasks.values())
    for work in state.works:
        _hold(work.live == live.pop(work, 0), f"work {work.number} miscounts its tasks")
        _hold(work.live <= work.total - work.failed - work.cancelled, "more live than came")
    _hold(not live, "tasks belong to a work that is over")


def _nobody_waits_without_hope(state: State) -> None:
    if len(state.queue):
        _hold(not state.hopeless, "tasks are queued, and no engine will ever come")
        least = state.index.least()
        for task in state.queue:
            if task.lane == ANYWHERE and least is not None:
                _hold(least.load >= 1, f"task {task.id} is queued, engine {least.id} is idle")
                break


def _values_count_their_uses(state: State) -> None:
    extras = [task.extra for task in state.tasks.values() if task.extra is not None]
    uses = Counter(need for extra in extras for need in extra.used)
    for task, value in state.store.values.items():
        _hold(value.uses == uses[task], f"the value of {task} miscounts its uses")
        _hold(value.uses or value.held, f"the value of {task} is kept for nobody")
    _hold(set(uses) <= set(state.store.values), "a value that is used is not kept")


def _engines_count_what_they_have(state: State) -> None:
    for engine in state.engines.values():
        tasks = engine.unfinished.values()
        needs = Counter(need for task in tasks for need in task.item.needs)
        _hold(engine.values == needs, f"engine {engine.id} miscounts the values it has")
        _hold(not engine.unneeded & needs.keys(), f"engine {engine.id} may forget what it needs")
        awaiting = sum(task.spec.options is not None and task.spec.options.awaits for task in tasks)
        _hold(engine.awaiting == awaiting, f"engine {engine.id} miscounts its coroutines")
        aside = sum(task.spec.aside for task in tasks)
        _hold(engine.aside == aside, f"engine {engine.id} miscounts what is no work")


def _pages_that_are_needed_are_kept(state: State) -> None:
    needed = Counter(task.row for task in state.tasks.values())
    extras = [task.extra for task in state.tasks.values() if task.extra is not None]
    needed.update(extra.row for extra in extras)
    needed.update(end.row for extra in extras for end in extra.ends.values())
    for entry in state.history:
        needed.update([entry.row, entry.end_row])
    needed.update(function.row for function in state.library)
    needed.update(kept.row for kept in state.preparations.values())
    needed.update(outcome.row for outcome in state.recovered.ended.values())
    needed.update(outcome.row for tries in state.recovered.tried.values() for outcome in tries)
    needed.update(value.row for value in state.store.values.values())
    needed.update(claim.row for first in state.claims.values() for claim in (first, *first.also))
    del needed[NOWHERE]
    kept = state.journal.needed
    for page, count in needed.items():
        _hold(kept.get(page, 0) >= count, f"page {page} of the journal is needed and may go")


def _everybody_who_waits_will_be_woken(state: State) -> None:
    if not state.waiting:
        return
    woken = {task.id for tasks in state.dependents.values() for task in tasks}
    woken.update(task.id for entries in state.awaiting.values() for task, _ in entries)
    woken.update(task.id for tasks in state.sharers.values() for task in tasks)
    woken.update(task.id for task in state.timers.tasks)
    for task in state.waiting:
        _hold(task in woken, f"task {task} waits, and nothing will wake it")
    for before in state.sharers:
        _hold(before in state.tasks, f"tasks share the outcome of {before}, which has ended")
