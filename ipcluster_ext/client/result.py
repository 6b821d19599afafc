"""Answers to come: futures of the standard library, over one task or many."""

import asyncio
import logging
import sys
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.failure import error_of
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.errors import ProtocolError, TaskAborted
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.composite import CompositeError
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.protocol.messages import Cancel
from ipcluster_ext.protocol.status import TaskStatus

log = logging.getLogger(__name__)

Metadata = dict[str, Any]
Value = tuple[Any, BaseException | None]
"""What a task returned, or what it raised."""


class AsyncResult(Future[Any]):
    """The answer of one task, or of one task on each of several engines.

    A `concurrent.futures.Future`: `concurrent.futures.wait`, ``as_completed``,
    ``asyncio.wrap_future`` and ``await`` take it as it is. Values are unpickled when they are
    first asked for, on the thread that asks.

    Parameters
    ----------
    connection
        The client's wire.
    count
        How many tasks it stands for.
    single
        Whether the answer is the one task's value and not a list.
    label
        What the work is called.
    """

    def __init__(
        self, connection: Connection, count: int, *, single: bool = False, label: str = ""
    ) -> None:
        super().__init__()
        self._connection = connection
        self._single = single
        self._outcomes: list[Outcome | None] = [None] * count
        self._values: list[Value | None] = [None] * count
        self._left = count
        self._listeners = 0
        self._output: dict[int, dict[str, str]] = {}
        self._received: float | None = None
        self._failure: Exception | None = None
        self._held: list[TaskId] | None = None
        self._error: BaseException | None = None
        self.label = label
        self.owner = True
        self.submitted = time.monotonic()
        self.first = connection.reserve(count, self) if count else TaskId(0)
        if not count:
            self._end()

    # ------------------------------------------------------------ what the connection calls

    def deliver(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes of its tasks, on the I/O thread."""
        first, slots = self.first, self._outcomes
        for outcome in outcomes:
            slots[outcome.item.id - first] = outcome
            if outcome.payload is not None:
                self._hold(outcome.item.id)
        self._left -= len(outcomes)
        if self._left == 0:
            self._end()
        elif self._listeners:
            with self._condition:
                self._condition.notify_all()

    def _hold(self, task: TaskId) -> None:
        """Have the hub keep a large value for tasks that need it, as long as this answer lives."""
        if self._held is None:
            self._held = []
            weakref.finalize(self, self._connection.release, self._held).atexit = False
        self._held.append(task)

    def _end(self) -> None:
        """Be done, and call those back who asked for it."""
        self._received = time.monotonic()
        if self.done():
            return
        try:
            self._set_outcome()
        except BaseException:  # whoever receives has to go on, whatever a callback wants to end
            log.exception("a callback of %s", ", ".join(self.msg_ids[:3]))

    def _set_outcome(self) -> None:
        statuses = {outcome.item.status for outcome in self._outcomes if outcome is not None}
        if statuses == {TaskStatus.CANCELLED}:
            if super().cancel():
                self.set_running_or_notify_cancel()
            else:
                self.set_exception(TaskAborted())
        elif statuses <= {TaskStatus.DONE} and self._failure is None:
            self.set_result(None)
        else:
            self.set_exception(self._failure or TaskAborted("see exception()"))

    def note_started(self, task: TaskId) -> None:
        """Learn that a task runs."""
        del task
        if not self.running() and not self.done():
            self.set_running_or_notify_cancel()

    def note_output(self, task: TaskId, stream: str, text: str) -> None:
        """Take what a task wrote."""
        streams = self._output.setdefault(task - self.first, {})
        streams[stream] = streams.get(stream, "") + text

    def fail(self, error: Exception) -> None:
        """Learn that nothing more will come."""
        self._failure = error
        self._end()

    # ------------------------------------------------------------ waiting

    def wait(self, timeout: float | None = -1) -> bool:
        """Wait until the answer is there.

        Parameters
        ----------
        timeout
            In seconds; None or a negative number for ever.

        Returns
        -------
        Whether it is there.
        """
        if self.done():
            return True
        self._connection.check_waiting()
        deadline = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        self._connection.attend(self.done, deadline)
        left = None if deadline is None else deadline - time.monotonic()
        with self._condition:
            return self._condition.wait_for(self.done, left)

    def get(
        self,
        timeout: float | None = None,
        return_exceptions: bool | None = None,
    ) -> Any:
        """Return the answer, waiting for it if need be.

        Parameters
        ----------
        timeout
            In seconds; None for ever.
        return_exceptions
            Whether exceptions stand among the values instead of being raised.

        Returns
        -------
        The task's value, or a list with a value for each engine.

        Raises
        ------
        TimeoutError
            It is not there yet; the work goes on, and may be asked for again.
        RemoteError
            The task raised; also an instance of the class that it raised.
        CompositeError
            Several tasks raised.
        EngineLost
            The engine died with the task.
        TaskAborted
            The task was cancelled.
        """
        self._wait_until(timeout)
        return self._answer(return_exceptions=bool(return_exceptions))

    def _wait_until(self, timeout: float | None) -> None:
        if not self.wait(-1 if timeout is None else timeout):
            msg = f"{self._left} of {len(self._outcomes)} tasks have not ended after {timeout} s"
            raise TimeoutError(msg)

    def result(self, timeout: float | None = None) -> Any:
        """Return the answer, as `get` does."""
        return self.get(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what `get` would raise, None if it would return.

        Raises
        ------
        TimeoutError
            The answer is not there yet.
        TaskAborted
            It was cancelled; the standard library's futures raise here, too.
        """
        self._wait_until(timeout)
        try:
            self._answer(return_exceptions=False)
        except BaseException as error:
            if self.cancelled():
                raise
            return error
        return None

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self).__await__()

    # ------------------------------------------------------------ values

    def _answer(self, *, return_exceptions: bool) -> Any:
        values: list[Any] = []
        errors: list[BaseException] = []
        for index in range(len(self._outcomes)):
            value, error = self._decode(index)
            if error is not None:
                errors.append(error)
            values.append(value if error is None else error)
        if errors and not return_exceptions:
            raise self._combined(errors)
        return values[0] if self._single else self._join(values)

    def _combined(self, errors: list[BaseException]) -> BaseException:
        """Return the same error each time."""
        if self._error is None:
            self._error = errors[0]
            if any(error is not errors[0] for error in errors):
                self._error = CompositeError(self.label or "one or more tasks failed", errors)
        return self._error

    def _join(self, values: list[Any]) -> Any:
        """Make the answer of the values of all tasks."""
        return values

    def _decode(self, index: int) -> Value:
        """Return a task's value, or its error."""
        value = self._values[index]
        if value is None:
            outcome = self._outcomes[index]
            if outcome is None:
                return None, self._failure
            value = self._values[index] = _open(outcome)
        return value

    def __iter__(self) -> Iterator[Any]:
        """Yield the values in order, each as soon as it is there."""
        for index in range(len(self._outcomes)):
            self._wait_for_one(lambda index=index: self._outcomes[index] is not None)  # type: ignore[misc]
            value, error = self._decode(index)
            if error is not None:
                raise error
            yield value

    def _wait_for_one(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the outcomes holds, or all has ended."""
        if condition():
            return
        self._connection.check_waiting()
        self._connection.attend(lambda: condition() or self.done(), None)
        with self._condition:
            self._listeners += 1
            try:
                self._condition.wait_for(lambda: condition() or self.done())
            finally:
                self._listeners -= 1

    def __len__(self) -> int:
        return len(self._outcomes)

    def __getitem__(self, key: int | slice | str) -> Any:
        """Return values by position, or a field of the metadata by name."""
        if isinstance(key, str):
            fields = [entry[key] for entry in self._all_metadata()]
            return fields[0] if self._single else fields
        if isinstance(key, slice):
            return [self[place] for place in range(*key.indices(len(self)))]
        values = self.get()
        return values if self._single and key in {0, -1} else values[key]

    # ------------------------------------------------------------ state

    def ready(self) -> bool:
        """Tell whether the answer is there."""
        return self.done()

    def successful(self) -> bool:
        """Tell whether all tasks returned.

        Raises
        ------
        ValueError
            The answer is not there yet.
        """
        if not self.done():
            msg = "the result is not ready"
            raise ValueError(msg)
        return not self.cancelled() and self.exception() is None

    def cancel(self) -> bool:
        """Cancel the tasks if none has begun, as the standard library's futures do.

        Returns
        -------
        True if none of them ran or will run; False if one runs or has ended.
        """
        if self.done() or self.running() or self._left < len(self._outcomes):
            return self.cancelled()
        self._connection.check_waiting()
        ids = self._unended()
        reply = self._connection.request(lambda number: Cancel(ids, number))
        if len(reply.ids) < len(self._outcomes):
            return False
        self.wait()
        return self.cancelled()

    def abort(self) -> None:
        """Cancel those tasks that have not begun; the others go on.

        Raises
        ------
        RuntimeError
            All tasks have ended.
        """
        if self.done():
            msg = "cannot abort: the tasks have ended"
            raise RuntimeError(msg)
        self._connection.check_waiting()
        ids = self._unended()
        self._connection.request(lambda number: Cancel(ids, number))

    def withdraw(self) -> None:
        """Give up tasks whose submission failed half-way: nobody waits for them any more."""
        self._connection.withdraw(self._unended())

    def _unended(self) -> list[TaskId]:
        return [
            TaskId(self.first + index)
            for index, outcome in enumerate(self._outcomes)
            if outcome is None
        ]

    # ------------------------------------------------------------ facts

    @property
    def msg_ids(self) -> list[str]:
        """The tasks' ids."""
        return [task_text(TaskId(self.first + index)) for index in range(len(self._outcomes))]

    @property
    def progress(self) -> int:
        """How many of `len(self)` have ended."""
        return len(self._outcomes) - self._left

    @property
    def elapsed(self) -> float:
        """Seconds since the submission, until the answer came."""
        end = self._received if self._received is not None else time.monotonic()
        return end - self.submitted

    @property
    def wall_time(self) -> float:
        """Seconds from the submission until the answer came."""
        return self.elapsed

    @property
    def serial_time(self) -> float:
        """Seconds that the tasks took on their engines, added up."""
        return sum(o.item.completed - o.item.started for o in self._outcomes if o is not None)

    @property
    def engine_id(self) -> Any:
        """The engine that ran it, or a list of them; None where that is not known."""
        return self["engine_id"]

    @property
    def stdout(self) -> Any:
        """What the task wrote to ``sys.stdout``, or a list of that."""
        return self["stdout"]

    @property
    def stderr(self) -> Any:
        """What the task wrote to ``sys.stderr``, or a list of that."""
        return self["stderr"]

    @property
    def metadata(self) -> Metadata | list[Metadata]:
        """Facts about the task, or a list of them.

        ``msg_id``, ``engine_id``, ``status``, ``started`` and ``completed`` (seconds since the
        epoch, by the engine's clock), ``stdout``, ``stderr``, ``label``.
        """
        entries = self._all_metadata()
        return entries[0] if self._single else entries

    def _all_metadata(self) -> list[Metadata]:
        return [self._one_metadata(index) for index in range(len(self._outcomes))]

    def _one_metadata(self, index: int) -> Metadata:
        outcome = self._outcomes[index]
        output = self._output.get(index, {})
        facts: Metadata = {
            "msg_id": task_text(TaskId(self.first + index)),
            "engine_id": None,
            "status": None,
            "started": None,
            "completed": None,
            "stdout": output.get("stdout", ""),
            "stderr": output.get("stderr", ""),
            "label": self.label,
        }
        if outcome is not None:
            item = outcome.item
            facts["engine_id"] = outcome.engine if outcome.engine >= 0 else None
            facts["status"] = item.status.name.lower()
            facts["started"], facts["completed"] = item.started or None, item.completed or None
        return facts

    def get_dict(self, timeout: float | None = -1) -> dict[EngineId, Any]:
        """Return the values by engine.

        Raises
        ------
        ValueError
            An engine ran more than one of the tasks.
        """
        values = self.get(None if timeout is None or timeout < 0 else timeout)
        values = [values] if self._single else values
        engines = [entry["engine_id"] for entry in self._all_metadata()]
        if len(set(engines)) < len(engines):
            msg = "an engine ran more than one of the tasks; use get() instead"
            raise ValueError(msg)
        return dict(zip(engines, values, strict=True))

    def wait_interactive(
        self, interval: float = 0.1, timeout: float | None = -1, *, file: Any = None
    ) -> bool:
        """Wait with a progress bar.

        Parameters
        ----------
        interval
            Seconds between two looks.
        timeout
            In seconds; None or a negative number for ever.
        file
            Where the bar goes; ``sys.stderr`` if not given.

        Returns
        -------
        Whether the answer is there.
        """
        from tqdm.auto import tqdm

        limit = None if timeout is None or timeout < 0 else time.monotonic() + timeout
        total = len(self)
        with tqdm(total=total, desc=self.label or None, file=file or sys.stderr) as bar:
            while not self.done():
                left = interval if limit is None else min(interval, limit - time.monotonic())
                if left <= 0:
                    return False
                self.wait(left)
                bar.update(self.progress - bar.n)
            bar.update(total - bar.n)
        return True

    def __repr__(self) -> str:
        state = "finished" if self.done() else f"{self.progress} of {len(self)} done"
        name = f" {self.label}" if self.label else ""
        return f"<{type(self).__name__}{name}: {state}>"


def _open(outcome: Outcome) -> Value:
    """Unpickle an outcome: the value or the error, and None for the other."""
    item = outcome.item
    if isinstance(outcome.payload, ProtocolError):
        return None, outcome.payload
    if item.status is not TaskStatus.DONE:
        return None, error_of(item)
    try:
        if outcome.payload is None:
            return load(item.inline, ()), None
        return load(*outcome.payload), None
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's code
        error.add_note(
            f"raised while the result of task {task_text(item.id)} was unpickled here; "
            f"engine {outcome.engine} had computed it"
        )
        return None, error
