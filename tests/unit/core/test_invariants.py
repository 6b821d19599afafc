"""A check that finds nothing proves nothing: here are the faults that it has to find."""

from collections.abc import Callable

import pytest

from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.invariants import BrokenInvariant, check
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import ANYWHERE, Task
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import Blob, ResultItem
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.support.scripted import Stage


@pytest.fixture
def stage() -> Stage:
    """Make a hub with a task in every place.

    Engine 0 runs one task and has another, engine 1 is idle and restarts, engine 2 starts and
    tasks wait for it; a task is queued for engine 2, one waits for its function.
    """
    stage = Stage()
    agent = stage.agent(3)
    for number in (0, 1):
        agent.start(EngineId(number))
    client = stage.client()
    client.define(b"f")
    client.submit_each([0, 0], function=b"f", buffers=(Blob("blob-1", 9),))
    client.submit_each([2, 2])
    client.submit(2, engines=[2])
    client.submit(1, function=b"late")
    return stage


def engine(state: State, number: int) -> Engine:
    return state.engines[EngineId(number)]


def first(state: State, number: int) -> Task:
    return next(iter(engine(state, number).unfinished.values()))


def _forget_a_task(state: State) -> None:
    del state.tasks[first(state, 0).id]


def _lose_a_task(state: State) -> None:
    engine(state, 0).unfinished.popitem()


def _lose_a_held_task(state: State) -> None:
    engine(state, 2).held.pop()


def _hold_a_task_twice(state: State) -> None:
    engine(state, 2).held.append(engine(state, 2).held[0])


def _give_a_task_to_two(state: State) -> None:
    engine(state, 1).unfinished[first(state, 0).id] = first(state, 0)


def _queue_a_task_that_is_assigned(state: State) -> None:
    task = first(state, 0)
    task.status = TaskStatus.QUEUED
    state.queue.push_back([])
    state.queue._lanes[ANYWHERE].append(task)  # noqa: SLF001 - a planted fault
    state.queue._count += 1  # noqa: SLF001 - a planted fault


def _miscount_the_queue(state: State) -> None:
    state.queue._count += 1  # noqa: SLF001 - a planted fault


def _keep_an_ended_task(state: State) -> None:
    first(state, 0).status = TaskStatus.DONE


def _name_another_engine(state: State) -> None:
    first(state, 0).engine = EngineId(1)


def _put_a_direct_task_on_another_engine(state: State) -> None:
    first(state, 0).target = EngineId(1)


def _leave_an_engine_on_a_queued_task(state: State) -> None:
    next(iter(state.queue)).engine = EngineId(0)


def _hold_a_task_that_is_not_waiting(state: State) -> None:
    engine(state, 2).held[0].status = TaskStatus.ASSIGNED


def _have_tasks_on_an_engine_that_is_down(state: State) -> None:
    engine(state, 0).status = EngineStatus.STARTING


def _hold_tasks_for_an_engine_that_is_up(state: State) -> None:
    engine(state, 2).status = EngineStatus.READY
    engine(state, 2).stalled = True


def _miscount_a_function(state: State) -> None:
    first(state, 0).function.live += 1


def _wait_for_a_function_that_is_here(state: State) -> None:
    state.library.waiting[0].function.pickled = b"here"


def _free_a_blob_that_is_needed(state: State) -> None:
    state.blobs.release(["blob-1"])


def _free_a_blob_that_the_history_has(state: State) -> None:
    blob = Blob("blob-2", 9)
    ended = ResultItem(first(state, 0).id, TaskStatus.DONE, 0.0, 0.0, b"", (blob,))
    state.history.add(first(state, 0), ended, EngineId(0), (), 0.0, True)
    state.blobs.release([blob.name])


def _leave_engines_out_of_the_index(state: State) -> None:
    state.index._entered.clear()  # noqa: SLF001 - a planted fault


def _enter_an_engine_that_is_not_available(state: State) -> None:
    engine(state, 1).leaving = True


def _enter_an_engine_under_an_old_load(state: State) -> None:
    task = engine(state, 2).held.pop()
    task.status, task.engine, task.target = TaskStatus.ASSIGNED, EngineId(1), None
    engine(state, 1).unfinished[task.id] = task


def _queue_tasks_without_hope(state: State) -> None:
    for number in (0, 1, 2):
        engine(state, number).leaving = True
        state.index.enter(engine(state, number))


def _queue_a_task_while_an_engine_is_idle(state: State) -> None:
    task = engine(state, 2).held.pop()
    task.target = None
    state.queue.push(task)


def _count_a_coroutine_too_many(state: State) -> None:
    engine(state, 2).awaiting += 1


def _have_a_value_that_no_task_needs(state: State) -> None:
    engine(state, 0).values[TaskId(7)] = 1


def _keep_a_value_for_nobody(state: State) -> None:
    state.store.use(ResultItem(TaskId(7), TaskStatus.DONE, 0.0, 0.0, b""), (), 0)


def _count_a_use_too_many(state: State) -> None:
    state.store.use(ResultItem(TaskId(7), TaskStatus.DONE, 0.0, 0.0, b""), (), 1)


def _use_a_value_that_is_not_kept(state: State) -> None:
    first(state, 0).extras.used.append(TaskId(7))


def _wait_for_nothing(state: State) -> None:
    task = engine(state, 2).held.pop()
    state.waiting[task.id] = task


def _share_with_a_task_that_has_ended(state: State) -> None:
    task = engine(state, 2).held.pop()
    state.waiting[task.id] = task
    state.sharers[TaskId(7)] = [task]


FAULTS: list[tuple[Callable[[State], None], str]] = [
    (_forget_a_task, "a task is in no place, or one that ended is in one"),
    (_lose_a_task, "a task is in no place, or one that ended is in one"),
    (_lose_a_held_task, "a task is in no place, or one that ended is in one"),
    (_hold_a_task_twice, "a task is in two places"),
    (_give_a_task_to_two, "a task is in two places"),
    (_queue_a_task_that_is_assigned, "a task is in two places"),
    (_miscount_the_queue, "the queue miscounts"),
    (_keep_an_ended_task, "has ended and is kept"),
    (_name_another_engine, "names another engine"),
    (_put_a_direct_task_on_another_engine, "is on the wrong engine"),
    (_leave_an_engine_on_a_queued_task, "is queued and has an engine"),
    (_hold_a_task_that_is_not_waiting, "is held, not waiting"),
    (_have_tasks_on_an_engine_that_is_down, "engine 0 is not ready and has tasks"),
    (_hold_tasks_for_an_engine_that_is_up, "engine 2 is ready and tasks wait for it"),
    (_miscount_a_function, "b'f' miscounts its tasks"),
    (_wait_for_a_function_that_is_here, "tasks wait for b'late', which is here"),
    (_free_a_blob_that_is_needed, "blob blob-1 is needed and would be freed"),
    (_free_a_blob_that_the_history_has, "blob blob-2 is needed and would be freed"),
    (_leave_engines_out_of_the_index, "engine 0 is entered wrongly in the index"),
    (_enter_an_engine_that_is_not_available, "engine 1 is entered wrongly in the index"),
    (_enter_an_engine_under_an_old_load, "engine 1 is entered wrongly in the index"),
    (_queue_tasks_without_hope, "tasks are queued, and no engine will ever come"),
    (_queue_a_task_while_an_engine_is_idle, "is queued, engine 1 is idle"),
    (_count_a_coroutine_too_many, "engine 2 miscounts its coroutines"),
    (_have_a_value_that_no_task_needs, "engine 0 miscounts the values it has"),
    (_keep_a_value_for_nobody, "the value of 7 is kept for nobody"),
    (_count_a_use_too_many, "the value of 7 miscounts its uses"),
    (_use_a_value_that_is_not_kept, "a value that is used is not kept"),
    (_wait_for_nothing, "waits, and nothing will wake it"),
    (_share_with_a_task_that_has_ended, "share the outcome of 7, which has ended"),
]


@pytest.mark.parametrize(
    ("plant", "found"), FAULTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_planted_fault_is_found(plant: Callable[[State], None], found: str, stage: Stage) -> None:
    check(stage.hub)

    plant(stage.hub.state)

    with pytest.raises(BrokenInvariant, match=found):
        check(stage.hub)
