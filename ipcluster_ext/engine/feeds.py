"""What generators yield, item by item, as fast as it is read.

A stream begins with room for `WINDOW` items; its reader makes more as it goes on. Without room a
generator is put aside, and the main thread does other tasks; it goes on when there is room again,
or when it is to be stopped. An asynchronous one waits on its loop.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Any

from msgspec import structs

from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.engine.news import Newsroom
from ipcluster_ext.engine.outcomes import Outcomes
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import TaskItem
from ipcluster_ext.transport.blackbox import BlackBox

WINDOW = 64
"""How many items a stream may send before it hears of its reader."""


RESUMED = dump("resumed").stream
"""The payload of a stream that goes on."""


class Aside(BaseException):
    """A generator has no room for another item, and is put aside."""


class Feed:
    """A stream.

    Parameters
    ----------
    assignment
        The task.
    items
        What it yields; none where it is made on a loop.
    place
        Where the black box notes it.

    Attributes
    ----------
    given, used
        How many items it may send, and how many it has; the first is changed by who receives.
    begun
        When it began.
    running
        Whether the main thread makes items at the moment, or a loop does.
    aside
        Whether it waits for room.
    error
        What is to be raised in it when it goes on.
    on_more
        Called when there is room for more.
    """

    def __init__(
        self, assignment: Assignment, items: Iterable[Any] = (), *, place: int = 0
    ) -> None:
        self.assignment = assignment
        self.place = place
        self.items: Iterator[Any] = iter(items)
        self.given = WINDOW
        self.used = 0
        self.begun = time.monotonic()
        self.running = True
        self.aside = False
        self.error: BaseException | None = None
        self.on_more: Callable[[], object] | None = None

    @property
    def has_room(self) -> bool:
        """Whether an item may be sent."""
        return self.used < self.given

    def next(self) -> Any:
        """Make the next item.

        Raises
        ------
        StopIteration
            There is none.
        BaseException
            What the generator raises, or did not catch.
        """
        error, self.error = self.error, None
        if error is None:
            return next(self.items)
        if isinstance(self.items, Generator):
            return self.items.throw(error)
        raise error

    def close(self) -> None:
        """Have a generator clean up."""
        if isinstance(self.items, Generator):
            self.items.close()


class Feeds:
    """The streams that are being made here.

    Parameters
    ----------
    outcomes, news
        The way of an item.
    interrupts
        What must not tear that apart.
    lane
        Where those go that may go on.
    box
        Notes those that have begun.
    wake
        Has the main thread look into the lane.
    on_aside
        Called with the number of streams that were put aside, when that has changed.
    """

    def __init__(
        self,
        outcomes: Outcomes,
        news: Newsroom,
        interrupts: Interrupts,
        *,
        lane: Lane,
        box: BlackBox,
        wake: Callable[[], None],
        on_aside: Callable[[int], None],
    ) -> None:
        self._outcomes = outcomes
        self._news = news
        self._interrupts = interrupts
        self._lane = lane
        self._box = box
        self._wake = wake
        self._on_aside = on_aside
        self._lock = threading.Lock()
        self._feeds: dict[TaskId, Feed] = {}
        self.aside = 0

    def get(self, task: TaskId) -> Feed | None:
        """Return the stream that a task makes, if it has begun."""
        return self._feeds.get(task)

    # ------------------------------------------------------------ from whoever receives

    def more(self, task: TaskId, taken: int) -> None:
        """Give a stream room for more items; one that has ended needs none.

        Parameters
        ----------
        task
            Which stream.
        taken
            How many items its reader has taken; the same may be said more than once.
        """
        with self._lock:
            feed = self._feeds.get(task)
            if feed is None:
                return
            feed.given = max(feed.given, taken + WINDOW)
            if feed.aside and feed.has_room:
                self._go_on(feed)
        if feed.on_more is not None:
            feed.on_more()

    def want(self, task: TaskId, error: BaseException) -> bool:
        """Have an exception raised in a stream that the main thread does not do at the moment.

        Returns
        -------
        Whether there is such a stream.
        """
        with self._lock:
            feed = self._feeds.get(task)
            if feed is None or feed.running:
                return False
            feed.error = error
            if feed.aside:
                self._go_on(feed)
            return True

    def _go_on(self, feed: Feed) -> None:
        feed.aside = False
        self._count(-1)
        spec = structs.replace(feed.assignment.spec, options=None)
        item = TaskItem(feed.assignment.item.id, RESUMED)
        self._lane.go_on(Assignment(spec, item, ()))
        self._wake()

    def _count(self, more: int) -> None:
        self.aside += more
        self._on_aside(self.aside)

    # ------------------------------------------------------------ on the main thread

    def begin(self, assignment: Assignment, items: Iterable[Any]) -> Feed:
        """Begin a stream."""
        place = self._box.enter(assignment.item.id)
        feed = self._feeds[assignment.item.id] = Feed(assignment, items, place=place)
        return feed

    def run(self, feed: Feed) -> int:
        """Send items as long as there is room.

        Returns
        -------
        How many there were in all.

        Raises
        ------
        Aside
            There is no room for more.
        SerializationError
            An item cannot be pickled; the generator was closed.
        BaseException
            Whatever the generator raises.
        """
        with self._interrupts.held(), self._lock:
            feed.running = True
        try:
            while feed.error is not None or feed.has_room or not self._set_aside(feed):
                self._send(feed, feed.next())
        except Aside:
            raise
        except StopIteration:
            self._end(feed)
            return feed.used
        except BaseException:
            self._end(feed)
            feed.close()
            raise
        raise Aside

    def _set_aside(self, feed: Feed) -> bool:
        """Put a stream aside, unless there is room meanwhile; tell whether it was."""
        with self._interrupts.held(), self._lock:
            feed.aside = not feed.has_room
            feed.running = not feed.aside
            if feed.aside:
                self._count(1)
        return feed.aside

    def _end(self, feed: Feed) -> None:
        with self._interrupts.held(), self._lock:
            self._feeds.pop(feed.assignment.item.id, None)
            if feed.aside:
                feed.aside = False
                self._count(-1)
        if feed.place:
            self._lane.settle(feed.place)

    def _send(self, feed: Feed, item: object) -> None:
        host = feed.assignment.spec.host
        body = self._outcomes.body((feed.used, item), host, what="an item of the stream")
        with self._interrupts.held():
            self._news.tell(feed.assignment.item.id, "item", body)
            feed.used += 1

    # ------------------------------------------------------------ on a loop

    async def run_async(self, assignment: Assignment, items: AsyncIterable[Any]) -> int:
        """As `run`, on a loop, to the end."""
        feed = self._feeds[assignment.item.id] = Feed(assignment)
        loop, room = asyncio.get_running_loop(), asyncio.Event()
        feed.on_more = partial(loop.call_soon_threadsafe, room.set)
        try:
            async for item in items:
                while not feed.has_room:
                    self._news.flush()
                    room.clear()
                    if not feed.has_room:
                        await room.wait()
                self._send(feed, item)
        finally:
            self._end(feed)
            if isinstance(items, AsyncGenerator):
                await items.aclose()
        return feed.used
