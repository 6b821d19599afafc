"""The status feed of a client: what its cluster does, told by the hub as it changes."""

import asyncio
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from typing import Any, Protocol, Self, get_args

from ipcluster_ext.client.hearers import wake
from ipcluster_ext.client.picture import ClusterStatus, Picture
from ipcluster_ext.errors import ClientClosed, ClientError
from ipcluster_ext.protocol.feed import FeedPart, Status, Watch
from ipcluster_ext.protocol.messages import Message

PARTS: tuple[FeedPart, ...] = ("engines", "work", "totals")
"""What is watched if nothing else is asked for."""
_ALL_PARTS: tuple[FeedPart, ...] = get_args(FeedPart)
Callback = Callable[[ClusterStatus], object]

log = logging.getLogger(__name__)


class Wire(Protocol):
    """What a feed needs of its client's connection."""

    name: str
    feeds: "Feeds"

    def check(self) -> None:
        """Refuse to go on where nothing can be asked any more."""

    def say(self, messages: list[Message]) -> None:
        """Send messages."""

    def wait_for(self, future: "Future[Any]", timeout: float | None = None) -> bool:
        """Wait for a future, receiving meanwhile; tell whether it has ended."""


class StatusFeed:
    """A cluster's status, kept up to date by its hub. May be used from any thread.

    Nothing is asked again and again: the hub tells what has changed, several changes at once, and
    nothing while nothing does. A hub that takes over from another goes on with it. It ends with
    its client; before that, with its ``with`` block, or when nobody has it any more.

    Parameters
    ----------
    connection
        The client's wire.
    interval
        How often there may be news at most, in seconds.
    parts
        What is watched.

    Raises
    ------
    ValueError
        There is no such part, or the interval is no span of time.
    ClientError
        The client is closed, or has lost its hub.

    Examples
    --------
    >>> with rc.status_feed() as feed:
    ...     status = feed.wait()
    ...     [engine.id for engine in status.engines]
    [0, 1]
    """

    _inner = frozenset({"request", "wish", "hear", "fail"})

    def __init__(self, connection: Wire, interval: float, parts: Iterable[FeedPart]) -> None:
        self._parts = tuple(dict.fromkeys(parts))
        if unknown := [part for part in self._parts if part not in _ALL_PARTS]:
            msg = f"there is no part {unknown[0]!r}; parts: {', '.join(_ALL_PARTS)}"
            raise ValueError(msg)
        if not interval > 0:
            msg = f"{interval!r} is no interval; it is the least time between two news, in seconds"
            raise ValueError(msg)
        connection.check()
        self._connection = connection
        self._interval = float(interval)
        self._lock = threading.Lock()
        self._picture = Picture()
        self._callbacks: dict[object, Callback] = {}
        self._waiters: list[tuple[int, Future[None]]] = []
        self._error: ClientError | None = None
        self.request = connection.feeds.number()
        connection.feeds.open(self)
        connection.say([self.wish])

    @property
    def wish(self) -> Watch:
        """What the hub is asked for."""
        return Watch(self.request, self._interval, self._parts)

    def __repr__(self) -> str:
        state = "ended" if self.closed else f"{self.latest.number} news so far"
        return f"<StatusFeed of {self._connection.name}: {state}>"

    # ------------------------------------------------------------ for whoever watches

    @property
    def latest(self) -> ClusterStatus:
        """What is known now; empty, with the number 0, before the hub has said anything.

        Examples
        --------
        >>> with rc.status_feed() as feed:
        ...     feed.wait() == feed.latest
        True
        """
        return self._picture.status

    @property
    def closed(self) -> bool:
        """Whether nothing new will come.

        Examples
        --------
        >>> with rc.status_feed() as feed:
        ...     feed.closed
        False
        >>> feed.closed
        True
        """
        return self._error is not None

    def wait(
        self, since: ClusterStatus | None = None, *, timeout: float | None = None
    ) -> ClusterStatus:
        """Wait until there is another status than one that is known.

        Parameters
        ----------
        since
            What is known; nothing, if not given, so that only the first status is waited for.
        timeout
            In seconds; None for ever.

        Returns
        -------
        The latest status.

        Raises
        ------
        TimeoutError
            Nothing has changed when the time is up.
        ClientError
            The feed has ended, or ends meanwhile, and why.

        Examples
        --------
        >>> with rc.status_feed() as feed:
        ...     status = feed.wait()
        ...     while status.totals.ready < 2:
        ...         status = feed.wait(status, timeout=10)
        >>> status.totals.ready
        2
        """
        known = 0 if since is None else since.number
        changed = self._next(known)
        if not self._connection.wait_for(changed, timeout):
            msg = f"nothing has changed within {timeout} s"
            raise TimeoutError(msg)
        changed.result()
        return self.latest

    def _next(self, known: int) -> "Future[None]":
        """Return a future that ends as soon as there is a status of a higher number."""
        changed: Future[None] = Future()
        with self._lock:
            if self.latest.number > known:
                changed.set_result(None)
            elif self._error is not None:
                changed.set_exception(self._error)
            else:
                self._waiters.append((known, changed))
        return changed

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Have something called with each new status, and with the latest now if there is one.

        Parameters
        ----------
        callback
            Called on the thread that receives, one call at a time: it must be quick, and cannot
            wait for anything that comes from the hub. What it raises is logged.

        Returns
        -------
        A function that ends this.

        Examples
        --------
        >>> seen = []
        >>> with rc.status_feed() as feed:
        ...     status = feed.wait()
        ...     stop = feed.on_change(lambda status: seen.append(len(status.engines)))
        ...     stop()
        >>> seen
        [2]
        """
        key = object()
        with self._lock:
            self._callbacks[key] = callback
        if self.latest.number:
            _call(callback, self.latest)

        def forget() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return forget

    async def __aiter__(self) -> AsyncIterator[ClusterStatus]:
        """Yield each status that comes, the latest first; those that came meanwhile are left out.

        It stops when the feed or its client is closed.

        Raises
        ------
        ClientError
            The hub is lost.
        """
        loop, known = asyncio.get_running_loop(), 0
        while True:
            woken: asyncio.Future[None] = loop.create_future()
            changed = self._next(known)
            changed.add_done_callback(lambda _, woken=woken: wake(loop, woken))  # type: ignore[misc] # mypy cannot infer it
            await woken
            try:
                changed.result()
            except ClientClosed:
                return
            status = self.latest
            known = status.number
            yield status

    def close(self) -> None:
        """End the feed; what is known stays. May be called twice.

        Examples
        --------
        >>> feed = rc.status_feed()
        >>> feed.close()
        """
        if not self.closed:
            self._connection.feeds.close(self.request)
            self.fail(ClientClosed("this status feed is closed"))
            try:
                self._connection.say([Watch(self.request, 0.0)])
            except ClientError:
                log.debug("the feed ended with its client")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    # ------------------------------------------------------------ what comes

    def hear(self, message: Status) -> bool:
        """Take what the hub says; tell whether nothing is missing before it."""
        if not self._picture.fold(message):
            return False
        status = self.latest
        with self._lock:
            woken = [changed for known, changed in self._waiters if known < status.number]
            self._waiters = [each for each in self._waiters if each[0] >= status.number]
            callbacks = list(self._callbacks.values())
        for changed in woken:
            changed.set_result(None)
        for callback in callbacks:
            _call(callback, status)
        return True

    def fail(self, error: ClientError) -> None:
        """Learn that nothing more will come."""
        with self._lock:
            if self._error is not None:
                return
            self._error = error
            waiters, self._waiters = self._waiters, []
        for _, changed in waiters:
            changed.set_exception(error)


class Feeds:
    """The feeds of a connection. One that nobody has any more is ended when it is heard of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._feeds: weakref.WeakValueDictionary[int, StatusFeed] = weakref.WeakValueDictionary()
        self._last = 0

    def number(self) -> int:
        """Return the number of the next feed."""
        with self._lock:
            self._last += 1
            return self._last

    def open(self, feed: StatusFeed) -> None:
        """Take news to a feed from now on."""
        with self._lock:
            self._feeds[feed.request] = feed

    def close(self, request: int) -> None:
        """Take no more news for a feed."""
        with self._lock:
            self._feeds.pop(request, None)

    @property
    def wishes(self) -> list[Watch]:
        """What a hub that knows of no feed has to be asked for."""
        with self._lock:
            feeds = list(self._feeds.values())
        return [feed.wish for feed in feeds]

    def hear(self, message: Status) -> Watch | None:
        """Take news to its feed.

        Returns
        -------
        What the hub is to be told: to begin again, or to end. None if all is well.
        """
        feed = self._feeds.get(message.request)
        if feed is None:
            return Watch(message.request, 0.0)
        return None if feed.hear(message) else feed.wish

    def fail(self, error: ClientError) -> None:
        """Learn that nothing more will come."""
        with self._lock:
            feeds = list(self._feeds.values())
            self._feeds.clear()
        for feed in feeds:
            feed.fail(error)


def _call(callback: Callback, status: ClusterStatus) -> None:
    try:
        callback(status)
    except Exception:
        log.exception("a callback of a status feed failed")
