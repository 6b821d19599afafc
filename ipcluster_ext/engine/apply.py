"""Runs one task in the engine's namespace, and makes its outcome travel.

User code runs in here and nowhere else: whatever it raises, `SystemExit` and
`KeyboardInterrupt` included, is the task's outcome and never the engine's end.
"""

import ast
import time
from collections.abc import Callable
from typing import Any

from ipcluster_ext.engine import debugger
from ipcluster_ext.engine.coroutines import Coroutines
from ipcluster_ext.engine.failures import describe
from ipcluster_ext.engine.feeds import RESUMED, Aside, Feed, Feeds
from ipcluster_ext.engine.functions import Functions, store_globals
from ipcluster_ext.engine.interrupts import Interrupts, Mood, Terminated
from ipcluster_ext.engine.kernel import EngineKernel
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.engine.limits import Limits
from ipcluster_ext.engine.outcomes import CellFailed, ChunkFailed, Outcomes
from ipcluster_ext.engine.resolver import MARK, Resolver
from ipcluster_ext.engine.verdicts import verdict
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import Options, ResultItem
from ipcluster_ext.protocol.postmortem import PostMortem
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blobs import Body

_DONE = TaskStatus.DONE
_OPEN, _CLOSED = Mood.OPEN, Mood.CLOSED
_ASSIGNED_NAME = "_ipcluster_ext_value"


Outcome = tuple[ResultItem, Body]
"""A task's outcome, and the body of it."""


class Diverted(BaseException):
    """A task did not end, or its outcome is known already.

    Parameters
    ----------
    outcome
        Its outcome; None if it goes on later.
    """

    def __init__(self, outcome: Outcome | None) -> None:
        super().__init__()
        self.outcome = outcome


class Applier:
    """Does tasks on the main thread, one at a time, or one inside another that waits for it.

    Parameters
    ----------
    engine
        The engine's id.
    kernel
        Its kernel.
    functions
        The functions it has.
    resolver
        What names mean in its namespace.
    outcomes
        Pickles and unpickles.
    interrupts
        Raises in the task what others want raised.
    limits
        Raises in the task when its time is up.
    feeds
        Sends what generators yield.
    coroutines
        Does what needs a loop.
    """

    def __init__(
        self,
        engine: EngineId,
        kernel: EngineKernel,
        functions: Functions,
        resolver: Resolver,
        *,
        outcomes: Outcomes,
        interrupts: Interrupts,
        limits: Limits,
        feeds: Feeds,
        coroutines: Coroutines,
    ) -> None:
        self._engine = engine
        self._kernel = kernel
        self._shell = kernel.engine_shell
        self._functions = functions
        self._resolver = resolver
        self._outcomes = outcomes
        self._interrupts = interrupts
        self._limits = limits
        self._feeds = feeds
        self._coroutines = coroutines
        self._kinds: dict[Kind, Callable[[Assignment, Any], Any]] = {
            Kind.APPLY: self._apply,
            Kind.MAP: self._map,
            Kind.STARMAP: self._starmap,
            Kind.EXECUTE: self._execute,
            Kind.PUSH: self._push,
            Kind.PULL: self._pull,
            Kind.CLEAR: self._clear,
            Kind.STREAM: self._stream,
            Kind.DEBUG: self._debug,
        }

    def perform(self, assignment: Assignment) -> Outcome | None:
        """Do a task.

        Returns
        -------
        Its outcome, and the body of it; None if it was put aside and goes on later or elsewhere.
        """
        started = time.monotonic()
        spec, item, frames = assignment
        interrupts, outcomes, options = self._interrupts, self._outcomes, spec.options
        if options is not None:
            if options.awaits:
                self._coroutines.begin([assignment])
                return None
            self._limits.begin(item.id, options)
        try:
            try:
                interrupts.mood = _OPEN
                if interrupts.wanted:
                    interrupts.begin(item.id)
                if item.buffers or MARK in item.inline:
                    payload = outcomes.payload(item, frames)
                else:
                    payload = load(item.inline, ())
                value = self._kinds[spec.kind](assignment, payload)
            finally:
                interrupts.mood = _CLOSED
                debugger.end_task()
            status, completed = _DONE, time.monotonic()
            body = outcomes.body(value, spec.host)
        except Terminated:
            raise
        except Diverted as diverted:
            return diverted.outcome
        except BaseException as error:  # noqa: BLE001 - user code runs here, and may raise anything
            interrupts.mood = _CLOSED  # an interrupt may have come just before it was
            completed = time.monotonic()
            status, body = self._failed(item.id, error, options)
        if options is not None:
            self._limits.end(item.id, options)
        if interrupts.wanted:
            interrupts.forget(item.id)
        clock = outcomes.clock
        result = ResultItem(
            item.id, status, started + clock, completed + clock, body.inline, body.buffers
        )
        return result, body

    def _failed(
        self, task: TaskId, error: BaseException, options: Options | None
    ) -> tuple[TaskStatus, Body]:
        cause = error.error if isinstance(error, CellFailed | ChunkFailed) else error
        status = verdict(cause, options)
        kept = task if status is TaskStatus.FAILED else None
        failure = self._outcomes.failure(error, skip=2, task=kept)
        if self._interrupts.terminating:  # and what must not fail, whatever it meets, has met that
            raise Terminated from None
        return status, failure

    def _apply(self, assignment: Assignment, payload: Any) -> Any:
        args, kwargs = payload
        return self._functions.get(assignment.spec.function)(*args, **kwargs)

    def _map(self, assignment: Assignment, payload: list[Any]) -> list[Any]:
        function = self._functions.get(assignment.spec.function)
        if assignment.spec.return_exceptions:
            return [self._attempt(function, (item,)) for item in payload]
        values: list[Any] = []
        try:
            for item in payload:
                values.append(function(item))  # noqa: PERF401 - what is there when it fails is kept
        except Exception as error:  # noqa: BLE001 - user code runs here
            raise ChunkFailed(error, values) from None
        return values

    def _starmap(self, assignment: Assignment, payload: list[Any]) -> list[Any]:
        function = self._functions.get(assignment.spec.function)
        if assignment.spec.return_exceptions:
            return [self._attempt(function, item) for item in payload]
        values: list[Any] = []
        try:
            for item in payload:
                values.append(function(*item))  # noqa: PERF401 - as above
        except Exception as error:  # noqa: BLE001 - user code runs here
            raise ChunkFailed(error, values) from None
        return values

    def _attempt(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a function; what it raises is a value too, made into an error by the client."""
        try:
            return function(*args)
        except Exception as error:
            if verdict(error, None) is TaskStatus.REFUSED:
                raise  # another engine may be able to
            return describe(error, self._engine)

    def _stream(self, assignment: Assignment, payload: Any) -> int:
        """Send what a generator yields; the value is how many items there were.

        Raises
        ------
        Diverted
            It was put aside; or it was so before, and has ended now.
        """
        feed = self._feeds.get(assignment.item.id)
        if feed is not None:
            raise Diverted(self._go_on(feed))
        if assignment.item.inline == RESUMED:
            raise Diverted(None)  # it was stopped meanwhile
        args, kwargs = payload
        function = self._functions.get(assignment.spec.function)
        feed = self._feeds.begin(assignment, function(*args, **kwargs))
        try:
            return self._feeds.run(feed)
        except Aside:
            raise Diverted(None) from None
        finally:
            store_globals(function)

    def _go_on(self, feed: Feed) -> Outcome | None:
        """Go on with a stream that was put aside; None if it is put aside again."""
        assignment, outcomes, interrupts = feed.assignment, self._outcomes, self._interrupts
        options = assignment.spec.options
        try:
            count = self._feeds.run(feed)
            interrupts.mood = _CLOSED
            status, body = _DONE, outcomes.body(count, assignment.spec.host)
        except Terminated:
            raise
        except Aside:
            return None
        except BaseException as error:  # noqa: BLE001 - user code runs here, and may raise anything
            interrupts.mood = _CLOSED
            status, body = self._failed(assignment.item.id, error, options)
        finally:
            store_globals(self._functions.get(assignment.spec.function))
        if options is not None:
            self._limits.end(assignment.item.id, options)
        interrupts.forget(assignment.item.id)
        task, completed = assignment.item.id, time.monotonic()
        return outcomes.result(task, status, feed.begun, completed, body), body

    def _execute(self, assignment: Assignment, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Run a cell; the value is what its reply shows, None if that is not wanted."""
        del assignment
        shell, silent = self._shell, payload["silent"]
        number = shell.execution_count
        with self._kernel.collecting() as shown:
            outcome = shell.run_cell(  # type: ignore[no-untyped-call]
                payload["code"], store_history=not silent, silent=silent
            )
        self._kernel.tidy_history()
        error = outcome.error_before_exec or outcome.error_in_exec
        if error is not None:
            raise CellFailed(error, shown.traceback)
        if silent and not shown.outputs:
            return None
        return {
            "outputs": shown.outputs,
            "execute_result": shown.result,
            "execution_count": number,
        }

    def _push(self, assignment: Assignment, payload: dict[str, Any]) -> None:
        del assignment
        namespace = self._shell.user_ns
        for key, value in payload.items():
            if key.isidentifier():
                namespace[key] = value
                continue
            ast.parse(key, mode="eval")
            namespace[_ASSIGNED_NAME] = value
            try:
                exec(f"{key} = {_ASSIGNED_NAME}", namespace)  # noqa: S102 - running user code is what an engine is for
            finally:
                namespace.pop(_ASSIGNED_NAME, None)

    def _pull(self, assignment: Assignment, payload: list[str]) -> list[Any]:
        del assignment
        return [self._resolver.name(name) for name in payload]

    def _clear(self, assignment: Assignment, payload: None) -> None:
        del assignment, payload
        self._outcomes.wreckage.clear()
        self._shell.reset(new_session=True)  # type: ignore[no-untyped-call]
        self._shell.user_ns["engine_id"] = self._engine

    def _debug(self, assignment: Assignment, payload: PostMortem) -> None:
        del assignment
        debugger.look_into(self._outcomes.wreckage.find(payload["task"]), payload["theme"])
