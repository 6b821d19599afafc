"""Coroutine functions: awaited on a loop in a thread of its own, many at once.

The loop begins with the first of them. Each has its own place in the black box, its own output,
and is interrupted by throwing the exception into it where it waits. What blocks the loop blocks
all of them; the hub ends the engine if one goes on that must not.
"""

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import AsyncIterable, Callable, Sequence
from typing import Any

from ipcluster_ext.engine.current import belong_to
from ipcluster_ext.engine.failures import describe
from ipcluster_ext.engine.feeds import Feeds
from ipcluster_ext.engine.forks import Forks
from ipcluster_ext.engine.functions import Functions, store_globals
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.engine.limits import Limits
from ipcluster_ext.engine.outcomes import ChunkFailed, Outcomes
from ipcluster_ext.engine.service import serve
from ipcluster_ext.engine.stoppable import Stoppable
from ipcluster_ext.engine.verdicts import verdict
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.blobs import Body

STARTED_AFTER = 0.02
"""A task that has run for so long, in seconds, is said to run."""
_OURS = 3
"""Frames of ours between the loop and the coroutine."""

log = logging.getLogger(__name__)


class Job:
    """A task on the loop.

    Attributes
    ----------
    place
        Where the black box notes it.
    begun
        When it began.
    told
        Whether it was said to run.
    """

    def __init__(self, assignment: Assignment, place: int) -> None:
        self.assignment = assignment
        self.place = place
        self.begun = time.monotonic()
        self.told = False
        self.stoppable = Stoppable()
        self.task: asyncio.Task[None] | None = None


class Coroutines:
    """Does tasks whose functions are coroutine functions.

    Parameters
    ----------
    engine
        The engine's id.
    functions, outcomes, limits, feeds
        As for `Applier`.
    box
        Notes which have begun.
    forks
        Tells whether this process is still the engine.
    say_started
        Says that tasks run.
    conclude
        Takes an outcome, and where the black box notes its task.
    flush
        Says what was concluded.
    """

    def __init__(
        self,
        engine: EngineId,
        functions: Functions,
        outcomes: Outcomes,
        *,
        limits: Limits,
        feeds: Feeds,
        box: BlackBox,
        forks: Forks,
        say_started: Callable[[Sequence[TaskId]], None],
        conclude: Callable[[ResultItem, Body, int], None],
        flush: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._functions = functions
        self._outcomes = outcomes
        self._limits = limits
        self._feeds = feeds
        self._box = box
        self._forks = forks
        self._say_started = say_started
        self._conclude = conclude
        self._flush = flush
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: dict[TaskId, Job] = {}
        self._flushing = self._telling = False

    # ------------------------------------------------------------ from any thread

    def begin(
        self, assignments: Sequence[Assignment], may: Callable[[], bool] = lambda: True
    ) -> bool:
        """Begin tasks.

        Parameters
        ----------
        assignments
            The tasks.
        may
            Tells whether they may begin; asked when the black box names them.

        Returns
        -------
        Whether they have begun.
        """
        jobs = [Job(each, self._box.enter(each.item.id)) for each in assignments]
        if not may():
            for job in jobs:
                self._box.leave(job.place)
            return False
        for job in jobs:
            self._jobs[job.assignment.item.id] = job
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                serve(self._run, "ipcluster_ext-loop", self._loop)
        self._loop.call_soon_threadsafe(self._begin, jobs)
        return True

    def want(self, task: TaskId, error: BaseException) -> bool:
        """Have an exception raised in a task; tell whether it is one of these."""
        job = self._jobs.get(task)
        if job is None or self._loop is None:
            return False
        self._loop.call_soon_threadsafe(job.stoppable.stop, error)
        return True

    # ------------------------------------------------------------ on the loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while True:
            try:
                loop.run_forever()
            except BaseException:  # what a task of a task raised, and asyncio lets through
                log.exception("the loop was left, and goes on")

    def _begin(self, jobs: list[Job]) -> None:
        loop = asyncio.get_running_loop()
        for job in jobs:
            job.task = loop.create_task(self._do(job))
        if not self._telling:
            self._telling = True
            loop.call_later(STARTED_AFTER, self._tell)

    def _tell(self) -> None:
        """Say which tasks have run for a while."""
        now = time.monotonic()
        due = [job for job in self._jobs.values() if not job.told]
        old = [job for job in due if now - job.begun >= STARTED_AFTER]
        for job in old:
            job.told = True
        if old:
            self._say_started([job.assignment.item.id for job in old])
        self._telling = len(due) > len(old)
        if self._telling:
            asyncio.get_running_loop().call_later(STARTED_AFTER, self._tell)

    async def _do(self, job: Job) -> None:
        assignment, outcomes = job.assignment, self._outcomes
        spec, item, frames = assignment
        options = spec.options
        belong_to(assignment)
        started = time.monotonic()
        if options is not None:
            self._limits.begin(item.id, options)
        try:
            payload = outcomes.payload(item, frames)
            function = self._functions.get(spec.function)
            value = await job.stoppable.run(self._value(assignment, function, payload))
            store_globals(function)
            status, completed = TaskStatus.DONE, time.monotonic()
            body = outcomes.body(value, spec.host)
        except BaseException as error:  # noqa: BLE001 - user code runs here, and may raise anything
            completed = time.monotonic()
            cause = error.error if isinstance(error, ChunkFailed) else error
            status = verdict(cause, options)
            kept = item.id if status is TaskStatus.FAILED else None
            body = outcomes.failure(error, skip=_OURS, task=kept)
        if options is not None:
            self._limits.end(item.id, options)
        if self._forks.is_fork:
            self._forks.end()
        del self._jobs[item.id]
        self._conclude(outcomes.result(item.id, status, started, completed, body), body, job.place)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._say)

    def _say(self) -> None:
        """Say the outcomes that came in one turn of the loop."""
        self._flushing = False
        self._flush()

    async def _value(
        self, assignment: Assignment, function: Callable[..., Any], payload: Any
    ) -> Any:
        """Do what a task's kind asks for."""
        kind = assignment.spec.kind
        if kind is Kind.MAP:
            return await self._all(assignment, function, [(item,) for item in payload])
        if kind is Kind.STARMAP:
            return await self._all(assignment, function, payload)
        args, kwargs = payload
        made = function(*args, **kwargs)
        if kind is Kind.STREAM and isinstance(made, AsyncIterable):
            return await self._feeds.run_async(assignment, made)
        return await made if inspect.isawaitable(made) else made

    async def _all(
        self, assignment: Assignment, function: Callable[..., Any], items: list[Any]
    ) -> list[Any]:
        """Await the calls with all items of a chunk, at the same time.

        Raises
        ------
        ChunkFailed
            One failed; the others have ended.
        """
        tasks = [asyncio.ensure_future(_attempt(function, item)) for item in items]
        try:
            if tasks:
                await asyncio.wait(tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        values: list[Any] = []
        for task in tasks:
            value, error = (None, asyncio.CancelledError()) if task.cancelled() else task.result()
            if error is None:
                values.append(value)
            elif assignment.spec.return_exceptions:
                values.append(describe(error, self._engine))
            else:
                raise ChunkFailed(error, values)
        return values


async def _attempt(
    function: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[Any, BaseException | None]:
    """Await a call; return its value or what it raised."""
    try:
        made = function(*args)
        return (await made if inspect.isawaitable(made) else made), None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - user code runs here, and may raise anything
        return None, error
