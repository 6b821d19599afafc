"""Runs one task in the engine's namespace, and makes its outcome travel.

User code runs in here and nowhere else: whatever it raises, `SystemExit` and
`KeyboardInterrupt` included, is the task's outcome and never the engine's end.
"""

import ast
import time
from collections.abc import Callable
from typing import Any

from ipcluster_ext.engine.failures import describe
from ipcluster_ext.engine.functions import Functions
from ipcluster_ext.engine.kernel import EngineKernel
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.errors import IpclusterError, SerializationError
from ipcluster_ext.protocol.buffers import dump, load
from ipcluster_ext.protocol.frames import encode_failure
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import ResultItem
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blobs import BlobStore, Body

_DONE = TaskStatus.DONE
_ASSIGNED_NAME = "_ipcluster_ext_value"


class Terminated(SystemExit):
    """The engine was asked to end."""


class CellFailed(IpclusterError):
    """A cell raised; carries the traceback that IPython made of it."""

    def __init__(self, error: BaseException, rendered: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.rendered = rendered


class Applier:
    """Does tasks, one at a time, on the main thread.

    Parameters
    ----------
    engine
        The engine's id.
    kernel
        Its kernel.
    functions
        The functions it has.
    blobs
        Its access to shared memory.
    host
        Its host; a task from the same host gets large results through shared memory.
    """

    def __init__(
        self,
        engine: EngineId,
        kernel: EngineKernel,
        functions: Functions,
        blobs: BlobStore,
        host: str,
    ) -> None:
        self._engine = engine
        self._kernel = kernel
        self._shell = kernel.engine_shell
        self._functions = functions
        self._blobs = blobs
        self._host = host
        self._clock = time.time_ns() / 1e9 - time.monotonic()
        self._interruptible = False
        self._kinds: dict[Kind, Callable[[Assignment, Any], Any]] = {
            Kind.APPLY: self._apply,
            Kind.MAP: self._map,
            Kind.STARMAP: self._starmap,
            Kind.EXECUTE: self._execute,
            Kind.PUSH: self._push,
            Kind.PULL: self._pull,
            Kind.CLEAR: self._clear,
        }

    def interrupt(self) -> None:
        """Raise `KeyboardInterrupt` in the task that is being done, if there is one."""
        if self._interruptible:
            raise KeyboardInterrupt

    def perform(self, assignment: Assignment) -> tuple[ResultItem, Body]:
        """Do a task.

        Returns
        -------
        Its outcome, and the body of it.
        """
        started = time.monotonic()
        try:
            try:
                self._interruptible = True
                item = assignment.item
                if item.buffers:
                    stream, buffers = self._blobs.collect(item, iter(assignment.frames))
                    payload = load(stream, buffers)
                else:
                    payload = load(item.inline, ())
                value = self._kinds[assignment.spec.kind](assignment, payload)
            finally:
                self._interruptible = False
            status, completed = _DONE, time.monotonic()
            body = self._body(value, assignment)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - user code runs here, and may raise anything
            self._interruptible = False  # an interrupt may have come just before it was
            completed = time.monotonic()
            status, body = TaskStatus.FAILED, self._failure(error)
        clock = self._clock
        result = ResultItem(
            assignment.item.id,
            status,
            started + clock,
            completed + clock,
            body.inline,
            body.buffers,
        )
        return result, body

    def _body(self, value: object, assignment: Assignment) -> Body:
        dumped = dump(value, what="the result")
        return self._blobs.place(dumped, shared=assignment.spec.host == self._host)

    def _failure(self, error: BaseException) -> Body:
        if isinstance(error, CellFailed):
            failure = describe(error.error, self._engine, rendered=error.rendered)
        else:
            skip = 0 if isinstance(error, SerializationError) else 2
            failure = describe(error, self._engine, skip=skip)
        return Body(encode_failure(failure), (), [])

    def _apply(self, assignment: Assignment, payload: Any) -> Any:
        args, kwargs = payload
        return self._functions.get(assignment.spec.function)(*args, **kwargs)

    def _map(self, assignment: Assignment, payload: list[Any]) -> list[Any]:
        function = self._functions.get(assignment.spec.function)
        if assignment.spec.return_exceptions:
            return [self._attempt(function, (item,)) for item in payload]
        return [function(item) for item in payload]

    def _starmap(self, assignment: Assignment, payload: list[Any]) -> list[Any]:
        function = self._functions.get(assignment.spec.function)
        if assignment.spec.return_exceptions:
            return [self._attempt(function, item) for item in payload]
        return [function(*item) for item in payload]

    def _attempt(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a function; what it raises is a value too, made into an error by the client."""
        try:
            return function(*args)
        except Exception as error:  # noqa: BLE001 - the caller asked for exceptions as results
            return describe(error, self._engine)

    def _execute(self, assignment: Assignment, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Run a cell; the value is what its reply shows, None if that is not wanted."""
        del assignment
        shell = self._shell
        shell.rendered_traceback = None
        self._kernel.publisher.take()
        self._kernel.displayhook.result = None
        outcome = shell.run_cell(  # type: ignore[no-untyped-call]
            payload["code"], store_history=False, silent=payload["silent"]
        )
        error = outcome.error_before_exec or outcome.error_in_exec
        if error is not None:
            raise CellFailed(error, shell.rendered_traceback)
        outputs = self._kernel.publisher.take()
        if payload["silent"] and not outputs:
            return None
        return {
            "outputs": outputs,
            "execute_result": self._kernel.displayhook.result,
            "execution_count": shell.execution_count,
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
        namespace = self._shell.user_ns
        return [namespace[name] if name in namespace else self._evaluate(name) for name in payload]

    def _evaluate(self, expression: str) -> Any:
        ast.parse(expression, mode="eval")
        return eval(expression, self._shell.user_ns)  # noqa: S307 - running user code is what an engine is for

    def _clear(self, assignment: Assignment, payload: None) -> None:
        del assignment, payload
        self._shell.reset(new_session=True)  # type: ignore[no-untyped-call]
        self._shell.user_ns["engine_id"] = self._engine
