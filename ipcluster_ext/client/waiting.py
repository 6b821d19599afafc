"""Waiting for several futures: ours, and any of the standard library's among them."""

import asyncio
import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, Self

from ipcluster_ext.client.awaited import ALL_COMPLETED, FIRST_COMPLETED, Awaited, ReturnWhen
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.hearers import wake

Futures = Future[Any] | Iterable["Futures"]
"""A future, or a collection of them, at any depth; of a mapping the values, or its keys if it is
one of futures to what they are for."""


class DoneAndNotDone(NamedTuple):
    """What `wait` returns: futures that have ended, and those that have not."""

    done: set[Future[Any]]
    not_done: set[Future[Any]]


def wait(
    fs: Futures, timeout: float | None = None, return_when: ReturnWhen = ALL_COMPLETED
) -> DoneAndNotDone:
    """Wait for futures, as `concurrent.futures.wait` does.

    Parameters
    ----------
    fs
        Answers to come, other futures of the standard library, or collections of them.
    timeout
        In seconds; None for ever.
    return_when
        'ALL_COMPLETED', or 'FIRST_COMPLETED' for when one has ended, or 'FIRST_EXCEPTION' for when
        one has failed.

    Returns
    -------
    Those that have ended, and those that have not.

    Raises
    ------
    TypeError
        Something is no future.
    ValueError
        There is no such `return_when`.

    Examples
    --------
    >>> done, not_done = ipp.wait([lv.submit(abs, n) for n in range(3)])
    >>> len(done), len(not_done)
    (3, 0)
    """
    futures = flattened(fs)
    deadline = None if timeout is None else time.monotonic() + timeout
    connection = connection_of(futures)
    if connection is not None and return_when in {ALL_COMPLETED, FIRST_COMPLETED}:
        connection.check_waiting()
        connection.attend(_ended(futures, return_when), deadline)
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    return DoneAndNotDone(*concurrent.futures.wait(futures, left, return_when))


def _ended(futures: list[Future[Any]], return_when: ReturnWhen) -> Callable[[], bool]:
    """Make a function that tells whether all futures have ended, or any; it may be asked often."""
    left = list(futures)

    def all_ended() -> bool:
        while left and left[-1].done():
            left.pop()
        return not left

    def one_ended() -> bool:
        return not left or any(future.done() for future in left)

    return all_ended if return_when == ALL_COMPLETED else one_ended


class as_completed(Iterator[Future[Any]], AsyncIterator[Future[Any]]):  # noqa: N801 - as in the standard library
    """Yield futures as they end, in a ``for`` or an ``async for`` loop.

    Parameters
    ----------
    fs
        Answers to come, other futures of the standard library, or collections of them; each is
        yielded once.
    timeout
        How many seconds from now on the last one may take; None for ever.

    Raises
    ------
    TypeError
        Something is no future.
    TimeoutError
        From the loop: not all have ended in time.

    Examples
    --------
    >>> sorted(
    ...     future.result() for future in ipp.as_completed([lv.submit(abs, -1), lv.submit(abs, 2)])
    ... )
    [1, 2]
    """

    def __init__(self, fs: Futures, timeout: float | None = None) -> None:
        self._futures = flattened(fs)
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._left = len(self._futures)
        self._ended: deque[Future[Any]] = deque()
        self._changed = threading.Condition()
        self._wakers: list[Callable[[], None]] = []
        for future in self._futures:
            future.add_done_callback(self._note)

    def _note(self, future: Future[Any]) -> None:
        """Learn that a future has ended, on whichever thread."""
        with self._changed:
            self._ended.append(future)
            self._changed.notify_all()
            wakers, self._wakers = self._wakers, []
        for waker in wakers:
            waker()

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Future[Any]:
        if not self._left:
            raise StopIteration
        if not self._ended:
            self._wait()
        return self._take()

    def _wait(self) -> None:
        connection = connection_of(future for future in self._futures if not future.done())
        if connection is not None:
            connection.check_waiting()
            connection.attend(lambda: bool(self._ended), self._deadline)
        left = None if self._deadline is None else self._deadline - time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: bool(self._ended), left)

    async def __anext__(self) -> Future[Any]:
        if not self._left:
            raise StopAsyncIteration
        while not self._ended:
            woken = self._woken()
            left = None if self._deadline is None else self._deadline - time.monotonic()
            done, _ = await asyncio.wait([woken], timeout=left)
            if not done:
                break
        return self._take()

    def _woken(self) -> "asyncio.Future[None]":
        """Return a future of the running loop that is done once another one of ours is."""
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        with self._changed:
            if self._ended:
                woken.set_result(None)
            else:
                self._wakers.append(lambda: wake(loop, woken))
        return woken

    def _take(self) -> Future[Any]:
        if not self._ended:
            msg = f"{self._left} of {len(self._futures)} futures have not ended"
            raise TimeoutError(f"{msg} after {self._timeout} s")
        self._left -= 1
        return self._ended.popleft()


def flattened(fs: Futures) -> list[Future[Any]]:
    """Return the futures of nested collections, each once, in order.

    Of a mapping they are the keys, as for the standard library, or else the values.

    Raises
    ------
    TypeError
        Something is neither a future nor a collection.
    """
    found: dict[Future[Any], None] = {}
    stack: list[Any] = [fs]
    while stack:
        item = stack.pop()
        if isinstance(item, Future):
            found[item] = None
        elif isinstance(item, Mapping):
            by_future = any(isinstance(key, Future) for key in item)
            stack.extend(reversed(list(item if by_future else item.values())))
        elif isinstance(item, Iterable) and not isinstance(item, str | bytes):
            stack.extend(reversed(list(item)))
        else:
            msg = f"{item!r} is no future of the standard library, nor a collection of them"
            raise TypeError(msg)
    return list(found)


def connection_of(futures: Iterable[Future[Any]]) -> Connection | None:
    """Return the connection through which all of these futures come, None if there is no such."""
    connection: Connection | None = None
    for future in futures:
        if not isinstance(future, Awaited) or connection not in {None, future.connection}:
            return None
        connection = future.connection
    return connection
