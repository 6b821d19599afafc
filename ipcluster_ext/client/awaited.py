"""What an answer gives: its values, or its errors, to whoever waits in whichever way."""

import asyncio
from collections.abc import Generator, Sequence
from typing import Any, Literal, overload

from ipcluster_ext.client.answer import Condition
from ipcluster_ext.client.connection import NOBODY
from ipcluster_ext.client.debugging import debug
from ipcluster_ext.client.facts import Described
from ipcluster_ext.client.iteration import Values
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.protocol.messages import Cancel
from ipcluster_ext.protocol.status import TaskStatus

ReturnWhen = Literal["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]
ALL_COMPLETED: Literal["ALL_COMPLETED"] = "ALL_COMPLETED"
FIRST_COMPLETED: Literal["FIRST_COMPLETED"] = "FIRST_COMPLETED"
FIRST_EXCEPTION: Literal["FIRST_EXCEPTION"] = "FIRST_EXCEPTION"


class Awaited(Described):
    """An answer that can be waited for and asked for its values; parameters as for `Answer`.

    Attributes
    ----------
    return_exceptions
        What `get` does with errors if it is not told.
    """

    _inner = frozenset({"cancel_unbegun", "stop"})
    return_exceptions = False

    def __repr__(self) -> str:
        state = "finished" if self.done() else f"{self.progress} of {len(self)} done"
        name = f" {self.label}" if self.label else ""
        return f"<{type(self).__name__}{name}: {state}>"

    def __len__(self) -> int:
        return len(self._outcomes)

    @property
    def progress(self) -> int:
        """How many of `len(self)` have ended.

        Examples
        --------
        >>> ar = lv.map_async(abs, range(10), chunksize=5)
        >>> ar.wait(), ar.progress, len(ar)
        (True, 10, 10)
        """
        return self.count_ended()

    # ------------------------------------------------------------ state

    def ready(self) -> bool:
        """Tell whether the answer is there.

        Examples
        --------
        >>> ar = lv.submit(pow, 2, 3)
        >>> ar.wait(), ar.ready()
        (True, True)
        """
        return self.done()

    def successful(self) -> bool:
        """Tell whether all tasks returned.

        Raises
        ------
        ValueError
            The answer is not there yet.

        Examples
        --------
        >>> ar = lv.submit(divmod, 1, 0)
        >>> ar.wait(), ar.successful()
        (True, False)
        """
        if not self.done():
            msg = "the result is not ready"
            raise ValueError(msg)
        return not self.cancelled() and self.exception() is None

    def _has_begun(self) -> bool:
        return self.done() or self.running()

    def _wait_when(self, timeout: float | None, return_when: ReturnWhen) -> bool:
        """Wait until so much has ended; tell whether it has."""
        if return_when == ALL_COMPLETED:
            return self._wait_for_end(timeout)
        conditions: dict[str, Condition] = {
            FIRST_COMPLETED: lambda: self.count_ended() > 0,
            FIRST_EXCEPTION: self._failure_condition(),
        }
        if return_when not in conditions:
            msg = f"return_when must be ALL_COMPLETED or one of {sorted(conditions)}"
            raise ValueError(msg)
        return self.wait_until(conditions[return_when], timeout)

    def _failure_condition(self) -> Condition:
        """Make a function that tells whether a task has failed; it looks at each one once."""
        seen = 0

        def failed() -> bool:
            nonlocal seen
            came = self._came or []
            while seen < len(came):
                if any(outcome.item.status is not TaskStatus.DONE for outcome in came[seen][1]):
                    return True
                seen += 1
            return False

        return failed

    # ------------------------------------------------------------ ending it early

    def cancel_unbegun(self) -> tuple[list[TaskId], int]:
        """Cancel those tasks that have not begun; return them, and how many others go on."""
        self.connection.check_waiting()
        ids = self._unended()
        reply = self.connection.request(lambda number: Cancel(ids, number))
        return list(reply.ids), len(ids) - len(reply.ids)

    def stop(self, graces: Sequence[float] = ()) -> list[str]:
        """Stop all tasks, as `AsyncResult.interrupt` does; return the ids of those that ran."""
        ids = self._unended()
        running = [
            task_text(self.task_at(place))
            for place, outcome in enumerate(self._outcomes)
            if outcome is None and self.has_begun(place)
        ]
        if ids:
            self.connection.interrupt(ids, graces)
        return running

    # ------------------------------------------------------------ what went wrong

    def debug(self, engine: int | None = None) -> None:
        """Look into the frames of a task that failed, with IPython's debugger, on its engine.

        Commands are read here and run there: ``p x``, ``up``, ``l``, ``q``. The engine is busy
        until the debugger is ended by ``q``, the end of the input or Ctrl-C. Engines keep the
        frames of the last two tasks that failed, until their namespaces are emptied; none that
        hold more than 256 MiB, and none of a task that ran out of memory.

        Parameters
        ----------
        engine
            Whose failure, where there are several; the first if not given.

        Raises
        ------
        FramesGone
            The frames are not there any more.
        ValueError
            No task has failed, or none on that engine.

        Examples
        --------
        >>> commands = iter(["p 6 * 7", "q"])
        >>> rc.ask = lambda prompt, password: next(commands)
        >>> rc[0].apply_async(lambda: 1 / 0).debug()  # doctest: +ELLIPSIS
        [0]: ZeroDivisionError: division by zero
        'help' lists the commands of the debugger, 'q' ends it
        > ...
        42
        >>> rc.ask = None
        """
        self._wait_for_end(None)
        debug(self, engine)

    # ------------------------------------------------------------ the answer

    def get(
        self,
        timeout: float | None = None,
        return_exceptions: bool | None = None,  # noqa: FBT001 - ipyparallel's signature
        return_when: ReturnWhen | None = None,
    ) -> Any:
        """Return the answer, waiting for it if need be.

        Parameters
        ----------
        timeout
            In seconds; None or a negative number for ever.
        return_exceptions
            Whether exceptions stand among the values instead of being raised; as was said with
            the submission if None.
        return_when
            'FIRST_EXCEPTION' to raise as soon as a task has failed.

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
        ValueError
            There is no such `return_when`.

        Examples
        --------
        >>> lv.submit(pow, 2, 3).get()
        8
        >>> dv.apply_async(pow, 2, 3).get()
        [8, 8]
        """
        if return_when == FIRST_COMPLETED:
            msg = "get() needs all tasks, or an error; wait(return_when='FIRST_COMPLETED') does not"
            raise ValueError(msg)
        if not self.done():
            if not self._wait_when(timeout, return_when or ALL_COMPLETED):
                raise self._too_late(timeout)
            if not self.done():
                raise self._first_failure()
        keep = self.return_exceptions if return_exceptions is None else return_exceptions
        return self._answer(return_exceptions=keep)

    def _too_late(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(
            f"{self._left} of {len(self._outcomes)} tasks have not ended after {timeout} s"
        )

    def _first_failure(self) -> BaseException:
        values = (self.value_at(p) for p in self.arrivals() if self._outcomes[p] is not None)
        return next(error for _, error in values if error is not None)

    def result(self, timeout: float | None = None) -> Any:
        """Return the answer, as `get` does.

        Examples
        --------
        >>> lv.submit(pow, 2, 3).result(timeout=10)
        8
        """
        return self.get(timeout)

    @property
    def r(self) -> Any:
        """The answer, as `get` returns it.

        Examples
        --------
        >>> lv.submit(pow, 2, 3).r
        8
        """
        return self.get()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what `get` would raise, None if it would return.

        Raises
        ------
        TimeoutError
            The answer is not there yet.
        TaskAborted
            It was cancelled; the standard library's futures raise here, too.

        Examples
        --------
        >>> error = lv.submit(divmod, 1, 0).exception()
        >>> isinstance(error, ZeroDivisionError)
        True
        """
        if not self._wait_for_end(timeout):
            raise self._too_late(timeout)
        try:
            self._answer(return_exceptions=False)
        except BaseException as error:
            if self.cancelled():
                raise
            return error
        return None

    def get_dict(self, timeout: float | None = -1) -> dict[EngineId, Any]:
        """Return the values by engine.

        Raises
        ------
        ValueError
            An engine ran more than one of the tasks.

        Examples
        --------
        >>> dv.apply_async(pow, 2, 3).get_dict()
        {0: 8, 1: 8}
        """
        values = self.get(timeout)
        values = [values] if self._single else values
        engines = [facts.engine_id for facts in self.all_metadata()]
        if len(set(engines)) < len(engines):
            msg = "an engine ran more than one of the tasks; use get() instead"
            raise ValueError(msg)
        return dict(zip(engines, values, strict=True))

    @property
    def result_dict(self) -> dict[EngineId, Any]:
        """The values by engine, as `get_dict` returns them.

        Examples
        --------
        >>> dv.apply_async(pow, 2, 3).result_dict
        {0: 8, 1: 8}
        """
        return self.get_dict()

    def __iter__(self) -> Values:
        """Walk over the values in order, each as soon as it is there."""
        return Values(self)

    def __aiter__(self) -> Values:
        return iter(self)

    @overload
    def __getitem__(self, key: str) -> Any: ...

    @overload
    def __getitem__(self, key: int | slice) -> Any: ...

    def __getitem__(self, key: int | slice | str) -> Any:
        """Return values by position, as soon as they are there; or a field of the metadata."""
        if isinstance(key, str):
            return self.fact(key)
        if isinstance(key, slice):
            return [self[place] for place in range(*key.indices(len(self)))]
        place = range(len(self))[key]
        self.wait_until(lambda: self._outcomes[place] is not None)
        value, error = self.value_at(place)
        if error is not None:
            raise error
        return value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        """Wait in an event loop; as with other futures, who gives up waiting cancels the work."""
        try:
            await self.until(self.done)
        except asyncio.CancelledError:
            if not self._has_begun():
                self.connection.say([Cancel(self._unended(), NOBODY)])
            raise
        if self.cancelled():
            raise asyncio.CancelledError
        return self.get()
