"""What the engines of a cluster write, line by line: heard while somebody looks, and no longer."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipcluster_ext import Client
    from ipcluster_ext.client.picture import ClusterStatus
    from ipcluster_ext.protocol.ids import EngineId

INTERVAL = 1.0
"""The hub tells of them once in so many seconds at most: nobody reads faster."""


class Lines:
    """Takes the last lines of engines from the hub.

    Parameters
    ----------
    client
        A client of the cluster.
    changed
        Called on the loop when there is something new.

    Attributes
    ----------
    now
        The last line that each engine has written, those left out that wrote nothing.
    """

    def __init__(self, client: "Client", changed: Callable[[], None]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self.now: Mapping[EngineId, str] = {}
        self._feed = client.status_feed(INTERVAL, parts=["lines"])
        self._feed.on_change(self._hear)

    def _hear(self, status: "ClusterStatus") -> None:
        """Take what comes, on the thread that receives."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, status.lines)

    def _take(self, lines: "Mapping[EngineId, str]") -> None:
        self.now = lines
        self._changed()

    def close(self) -> None:
        """Have the hub tell nothing more."""
        self._feed.close()
