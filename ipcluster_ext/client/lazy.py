"""Maps over sequences of any length, endless ones included: so much at a time as is consumed.

A task is submitted for each item, and only so many are outstanding as keep the engines busy:
submitted, and their values not yet taken. So memory stays constant, whatever the length.
"""

import asyncio
import math
import operator
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal, Self

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.hearers import wake
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.errors import ClientError

Outstanding = int | Literal["auto"]

LEAST_PER_ENGINE = 2
MOST = 4096
BUSY_FOR = 0.02
"""How many seconds of work engines should have before them where tasks are short."""

Entry = AsyncResult | BaseException
"""A task, or why there is none: its item could not be had, or could not be sent."""


class Arrivals:
    """Who has ended, in that order, and who waits for it.

    It knows neither the iterator nor its tasks: so these go when nobody has the iterator any more.
    """

    def __init__(self) -> None:
        self.ended: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._waking: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def add(self, entry: Entry) -> None:
        """Learn which task has ended."""
        self.ended.append(entry)
        self.nudge(entry)

    def nudge(self, _entry: object = None) -> None:
        """Learn that something has ended."""
        with self._changed:
            waking, self._waking = self._waking, []
            self._changed.notify_all()
        for loop, woken in waking:
            wake(loop, woken)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        with self._changed:
            self._changed.wait_for(condition)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait as `wait` does, without keeping the event loop from other work."""
        while True:
            loop = asyncio.get_running_loop()
            woken = loop.create_future()
            with self._changed:
                if condition():
                    return
                self._waking.append((loop, woken))
            await woken


class Window:
    """How many tasks may be outstanding.

    Where that is not fixed it grows while values are waited for, by one with each of them, up to
    what keeps the engines busy: whoever takes values slowly has few computed ahead.

    Parameters
    ----------
    outstanding
        As the user says it: a number, 0 for any, ``'auto'`` for what keeps the engines busy.
    engines
        Tells how many engines there are.

    Attributes
    ----------
    size
        The number.

    Raises
    ------
    ValueError, TypeError
        There can be no such number.
    """

    def __init__(self, outstanding: Outstanding, engines: Callable[[], int]) -> None:
        self._adapts = outstanding == "auto"
        self._engines = engines
        self._took: float | None = None
        self.size: float = (
            max(1, engines()) * LEAST_PER_ENGINE if outstanding == "auto" else _number(outstanding)
        )

    def taken(self, seconds: float, *, waited: bool) -> None:
        """Learn that a value was taken, how long its task took, and whether it was waited for."""
        if not self._adapts:
            return
        self._took = seconds if self._took is None else self._took + (seconds - self._took) / 8
        if waited and self.size < self._best(self._took):
            self.size += 1

    def _best(self, took: float) -> int:
        busy = max(LEAST_PER_ENGINE, int(BUSY_FOR / max(took, 1e-6)))
        return min(MOST, max(1, self._engines()) * busy)


def _number(outstanding: Outstanding) -> float:
    number = operator.index(outstanding)  # type: ignore[arg-type] # a TypeError is the answer
    if number < 0:
        msg = f"max_outstanding must be 'auto' or not negative, but is {number}"
        raise ValueError(msg)
    return number or math.inf


class LazyMapIterator(Iterator[Any], AsyncIterator[Any]):
    """The values of a map, each computed as those before it are taken.

    What a task raised is raised at its value's place, and the iterator can go on after it. Once
    nobody has the iterator any more, the tasks that have not begun are dropped.

    Parameters
    ----------
    connection
        The client's wire.
    items
        The items.
    submit
        Submits a task for an item.
    window
        How many tasks may be outstanding.
    ordered
        Whether values come in the order of the items, or in that in which they are computed.
    return_exceptions
        Whether what tasks raised is yielded instead of being raised.

    Examples
    --------
    >>> import itertools
    >>> squares = lv.imap(pow, itertools.count(), itertools.repeat(2))
    >>> [next(squares) for _ in range(4)]
    [0, 1, 4, 9]
    >>> squares.cancel()
    """

    def __init__(
        self,
        connection: Connection,
        items: Iterator[Any],
        submit: Callable[[Any], AsyncResult],
        window: Window,
        *,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> None:
        self._connection = connection
        self._items: Iterator[Any] | None = items
        self._submit = submit
        self._window = window
        self._ordered = ordered
        self._return_exceptions = return_exceptions
        self._begun: dict[Entry, None] = {}
        self._arrivals = Arrivals()
        self._lock = threading.RLock()
        weakref.finalize(self, _drop, connection, self._begun).atexit = False
        self._fill()

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while self._begun:
            waited = not self._is_there()
            if waited:
                self._connection.check_waiting()
                self._connection.attend(self._is_there, None)
                self._arrivals.wait(self._is_there)
            if (entry := self._take(waited=waited)) is not None:
                return self._give(entry)
        raise StopIteration

    async def __anext__(self) -> Any:
        while self._begun:
            waited = not self._is_there()
            if waited:
                await self._arrivals.until(self._is_there)
            if (entry := self._take(waited=waited)) is not None:
                return self._give(entry)
        raise StopAsyncIteration

    @property
    def outstanding(self) -> int:
        """How many tasks have been submitted whose values have not been taken.

        Examples
        --------
        >>> lv.imap(abs, range(100), max_outstanding=5).outstanding
        5
        """
        return len(self._begun)

    def cancel(self) -> None:
        """Submit nothing more, and drop the tasks that have not begun; the iteration ends.

        Examples
        --------
        >>> values = lv.imap(abs, range(100), max_outstanding=5)
        >>> values.cancel()
        >>> list(values)
        []
        """
        with self._lock:
            self._items = None
            _drop(self._connection, self._begun)
            self._arrivals.ended.clear()
        self._arrivals.nudge()

    def _is_there(self) -> bool:
        """Tell whether the next value is there, or none will ever be."""
        first = next(iter(self._begun), None)
        if first is None:
            return True
        if self._ordered:
            return not isinstance(first, AsyncResult) or first.done()
        return bool(self._arrivals.ended)

    def _take(self, *, waited: bool) -> Entry | None:
        """Take what comes next, and have another task submitted; None if others were quicker."""
        with self._lock:
            if not (self._begun and self._is_there()):
                return None
            entry = next(iter(self._begun)) if self._ordered else self._arrivals.ended.popleft()
            if entry not in self._begun:
                return None
            del self._begun[entry]
            if isinstance(entry, AsyncResult) and (outcome := entry.outcome_at(0)) is not None:
                item = outcome.item
                self._window.taken(item.completed - item.started, waited=waited)
            self._fill()
        return entry

    def _give(self, entry: Entry) -> Any:
        """Return what an entry stands for, or raise it."""
        value, error = entry.value_at(0) if isinstance(entry, AsyncResult) else (None, entry)
        if error is None:
            return value
        if self._return_exceptions and isinstance(error, Exception):
            return error
        raise error

    def _fill(self) -> None:
        """Submit as many tasks as may be outstanding."""
        while self._items is not None and len(self._begun) < self._window.size:
            try:
                item = next(self._items)
            except StopIteration:
                self._items = None
            except Exception as error:  # noqa: BLE001 - the user's own iterables run here
                self._items = None
                self._begin(error)
            else:
                self._begin(self._try(item))

    def _try(self, item: Any) -> Entry:
        try:
            return self._submit(item)
        except ClientError as error:
            self._items = None
            return error
        except Exception as error:  # noqa: BLE001 - the user's own classes are pickled here
            return error

    def _begin(self, entry: Entry) -> None:
        self._begun[entry] = None
        ended: Callable[[Any], None] = self._arrivals.nudge if self._ordered else self._arrivals.add
        if isinstance(entry, AsyncResult):
            entry.add_done_callback(ended)
        else:
            ended(entry)


def _drop(connection: Connection, begun: dict[Entry, None]) -> None:
    """Drop the tasks that nobody takes any more."""
    connection.drop(e.task_at(0) for e in begun if isinstance(e, AsyncResult) and not e.done())
    begun.clear()
