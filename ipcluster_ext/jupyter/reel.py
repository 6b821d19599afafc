"""The last tasks of a cluster, as a film: kept while somebody looks, for all who do."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ipcluster_ext.jupyter.schema import SpansNow

if TYPE_CHECKING:
    from ipcluster_ext import Client
    from ipcluster_ext.client.picture import ClusterStatus
    from ipcluster_ext.protocol.feed import Span, Spans

MOST = 4000
"""So many spans are kept for whoever looks later."""
MOST_AT_ONCE = 800
"""So many are told at a time; who is further behind is not told of those in between."""
INTERVAL = 0.25
"""The hub tells of them once in so many seconds at most."""


class Frame(NamedTuple):
    """One span.

    Attributes
    ----------
    number
        Its own, from 1.
    title
        What its tasks are called.
    left_out
        How many tasks were left out before it, since the reel began.
    """

    number: int
    title: str
    span: "Span"
    left_out: int


class Reel:
    """Takes what the hub tells of spans.

    Parameters
    ----------
    client
        A client of the cluster.
    grown
        Called on the loop when there is something new.
    """

    def __init__(self, client: "Client", grown: Callable[[], None]) -> None:
        self._grown = grown
        self._frames: deque[Frame] = deque(maxlen=MOST)
        self._count = 0
        self._left_out = 0
        self._ended: dict[int, float] = {}
        self._loop = asyncio.get_running_loop()
        self._feed = client.status_feed(INTERVAL, parts=["spans"])
        self._feed.on_change(self._hear)

    def _hear(self, status: "ClusterStatus") -> None:
        """Take what comes, on the thread that receives."""
        if status.spans is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, status.spans)

    def _take(self, news: "Spans") -> None:
        self._left_out += news.left_out
        before = dict(self._ended)
        for span in news.spans:
            if span.ended <= before.get(span.engine, 0.0):
                continue  # a hub that takes over tells of the last minutes once more
            self._ended[span.engine] = max(span.ended, self._ended.get(span.engine, 0.0))
            self._count += 1
            self._frames.append(Frame(self._count, news.titles[span.title], span, self._left_out))
        self._grown()

    def goes_on(self, seen: int | None) -> bool:
        """Tell whether there is something new for whoever has seen so many."""
        return seen is None or seen < self._count

    def since(self, cluster: str, seen: int | None) -> tuple[SpansNow, int]:
        """Return what is new for whoever has seen so many, and how many that is then.

        Parameters
        ----------
        cluster
            What the cluster is called.
        seen
            How many; None for whoever has not begun.
        """
        fresh = list(islice(self._fresh(seen or 0), MOST_AT_ONCE))
        fresh.reverse()
        titles: dict[str, int] = {}
        spans = [frame.span for frame in fresh]
        message = SpansNow(
            cluster=cluster,
            whole=seen is None,
            titles=[],
            engine=[span.engine for span in spans],
            title=[titles.setdefault(frame.title, len(titles)) for frame in fresh],
            began=[round(span.began, 4) for span in spans],
            lasted=[round(span.ended - span.began, 4) for span in spans],
            failed=[span.failed for span in spans],
            count=[span.count for span in spans],
            left_out=self._left_out,
        )
        message.titles.extend(titles)
        return message, self._count

    def _fresh(self, seen: int) -> Iterator[Frame]:
        for frame in reversed(self._frames):
            if frame.number <= seen:
                return
            yield frame

    def close(self) -> None:
        """Have the hub tell nothing more."""
        self._feed.close()
