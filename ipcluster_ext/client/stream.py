"""Items of a task that goes on: a generator on an engine, read here.

The engine runs ahead of the reader by a window of items; as items are taken, it may make more. So
a stream of any length needs little memory, and a slow reader holds the engine back.
"""

import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.pending import Payload
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.ids import TaskId

WINDOW = 64
"""How many items an engine may make before it hears that some were taken."""
_STEP = WINDOW // 2
ITEM = "item"
_Arrived = deque[Payload]


class AsyncStream(AsyncResult, Iterator[Any], AsyncIterator[Any]):
    """The items that a generator yields on an engine, and an `AsyncResult` of its end.

    Iterating, also with ``async for``, yields items as they come; what the generator raises is
    raised after them. The engine is at most 64 items ahead, and waits for the reader then: so
    read to the end, or `close` it, as a ``with`` block does. Whoever waits for the end instead, or
    calls `get` for a list of what is left, lets the engine run on.

    Parameters
    ----------
    connection
        The client's wire.
    label
        What the work is called.

    Examples
    --------
    >>> def squares(count):
    ...     for number in range(count):
    ...         yield number**2
    >>> [item for item in lv.stream(squares, 4)]
    [0, 1, 4, 9]
    >>> with lv.stream(squares, 10**9) as items:
    ...     [next(items) for _ in range(3)]
    [0, 1, 4]
    """

    def __init__(self, connection: Connection, *, label: str = "") -> None:
        self._arrived: _Arrived = deque()
        self._counting = threading.Lock()
        self._came_items = 0
        self._taken = 0
        self._granted = 0
        self._next = 0
        self._unread = False
        self._told_error = False
        self._closed = False
        super().__init__(connection, 1, single=True, label=label)

    # ------------------------------------------------------------ what the connection calls

    def note_news(self, task: TaskId, topic: str, value: Any) -> None:
        """Take an item, as the pickle it came as; or other news."""
        if topic != ITEM:
            super().note_news(task, topic, value)
            return
        self._came_items += 1
        if not self._closed:
            self._arrived.append(value)
        if self._unread:
            self._grant()
        if self._listeners:
            with self._condition:
                self._condition.notify_all()
        self._pass_on(lambda hearer: hearer.told(task, topic, None))

    # ------------------------------------------------------------ reading

    def __iter__(self) -> Self:  # type: ignore[override]
        return self

    def __aiter__(self) -> Self:  # type: ignore[override]
        return self

    def __next__(self) -> Any:
        while True:
            self.wait_until(self._has_item)
            item = self._take()
            if item is not None:
                return item[0]
            if self.done() and not self._arrived:
                self._raise_error()
                raise StopIteration

    async def __anext__(self) -> Any:
        while True:
            await self.until(self._has_item)
            item = self._take()
            if item is not None:
                return item[0]
            if self.done() and not self._arrived:
                self._raise_error()
                raise StopAsyncIteration

    def _has_item(self) -> bool:
        return bool(self._arrived)

    def _take(self) -> tuple[Any] | None:
        """Open the next item; one that a second try of the task has made again is passed over.

        Raises
        ------
        BaseException
            It cannot be had; the next one can.
        """
        try:
            payload = self._arrived.popleft()
        except IndexError:  # another reader was quicker
            return None
        if isinstance(payload, ProtocolError):
            self._next += 1
            self._took()
            raise payload
        try:
            number, item = load(*payload)
        except BaseException:
            self._took()
            raise
        if number < self._next:
            if number % _STEP == 0:
                self._remind()
            return None
        self._next = number + 1
        self._took()
        return (item,)

    def _took(self) -> None:
        self._taken += 1
        self._grant()

    def _grant(self) -> None:
        """Let the engine make more items, once half of those that it may make have been taken."""
        with self._counting:
            count = self._came_items if self._unread else max(self._taken, self._next)
            if count - self._granted < _STEP or self.done():
                return
            self._granted = count
        self.connection.more(self.first, count)

    def _remind(self) -> None:
        """Tell an engine that has begun anew how far the reader is."""
        if not self.done():
            self.connection.more(self.first, self._granted)

    def _raise_error(self) -> None:
        """Raise what the task raised, once."""
        error = None if self._told_error or self._closed else self.value_at(0)[1]
        self._told_error = True
        if error is not None:
            raise error

    # ------------------------------------------------------------ the end

    def _wait_for_end(self, timeout: float | None) -> bool:
        """Wait for the end; the engine need not wait for a reader any more."""
        self._let_go(timeout)
        return super()._wait_for_end(timeout)

    def _let_go(self, timeout: float | None = None) -> None:
        if timeout != 0 and not self._unread:
            self._unread = True
            self._grant()

    async def _awaited(self) -> Any:
        self._let_go()
        return await super()._awaited()

    def _answer(self, *, return_exceptions: bool) -> Any:
        """Return the items that have not been taken."""
        error = self.value_at(0)[1]
        if error is not None:
            if return_exceptions:
                return error
            raise error
        items: list[Any] = []
        while self._arrived:
            item = self._take()
            items.extend(item or ())
        return items

    def close(self) -> None:
        """Stop the generator and drop what it has made. May be called twice.

        Examples
        --------
        >>> items = lv.stream(range, 10**9)
        >>> next(items)
        0
        >>> items.close()
        >>> list(items)
        []
        """
        if self._closed:
            return
        self._closed = True
        self._arrived.clear()
        if not self.done():
            self.connection.interrupt([self.first])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()
