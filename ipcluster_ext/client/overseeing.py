"""How a client's cluster is, as its card shows it, and what the card's buttons do."""

import signal
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.feed import StatusFeed
from ipcluster_ext.client.hearing import STOPPED
from ipcluster_ext.display.figures import noun
from ipcluster_ext.display.looks import ClusterLook, EngineLook
from ipcluster_ext.errors import ClientError, HubGone
from ipcluster_ext.protocol.feed import EngineRow, Totals
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.text import host_name

CONTROLS = frozenset({"scale", "restart", "interrupt", "stop"})
_GONE = "the client is gone"
_RECOVERS = "its hub was started again, and takes over"


class Connected(Protocol):
    """A client, as far as its card needs it."""

    connection: Connection
    cluster_id: str

    @property
    def closed(self) -> bool:
        """Whether it was closed."""

    @property
    def ids(self) -> list[EngineId]:
        """The engines that can be used."""

    def status_feed(self) -> StatusFeed:
        """Have the hub tell what the cluster does."""

    def scale(self, n: int) -> list[EngineId]:
        """Have so many engines."""

    def restart_engines(self) -> None:
        """Restart all."""

    def send_signal(self, sig: int, *, block: bool) -> Any:
        """Send all a signal."""

    def shutdown(self, *, hub: bool, block: bool) -> Any:
        """Stop the cluster."""


class WatchedClient:
    """A client's cluster, for those who show it; see `display.looks.Overseen`.

    The hub tells what the cluster does only while somebody looks. It does not keep the client
    alive.

    Parameters
    ----------
    client
        The client.
    """

    def __init__(self, client: Connected) -> None:
        self._client = weakref.ref(client)
        self._title = f"cluster {client.cluster_id}"
        self._lock = threading.Lock()
        self._feed: StatusFeed | None = None

    def open(self) -> None:
        """Have the hub tell."""
        client = self._client()
        with self._lock:
            if self._feed is None and client is not None and not client.closed:
                with suppress(ClientError):  # `look` tells why
                    self._feed = client.status_feed()

    def close(self) -> None:
        """Have it tell no more."""
        with self._lock:
            feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()

    # ------------------------------------------------------------ looking

    def look(self) -> ClusterLook:
        """Return what is known."""
        client, feed = self._client(), self._feed
        if client is None or client.closed:
            return ClusterLook(title=self._title, state="closed", lasting=True)
        try:
            client.connection.check()
        except HubGone as error:
            return self._ended("" if error.reason == STOPPED else error.reason or str(error))
        except ClientError as error:
            return self._ended(str(error))
        status = None if feed is None else feed.latest
        if status is None or status.totals is None:
            return self._known(client.connection.roster.infos)
        return self._told(status.engines, status.totals)

    def _ended(self, why: str) -> ClusterLook:
        return ClusterLook(title=self._title, state="stopped", lasting=True, trouble=why)

    def _known(self, engines: Sequence[EngineInfo]) -> ClusterLook:
        """Return what every client knows."""
        rows = (
            EngineLook(engine=e.id, state=e.status.name.lower(), host=host_name(e.host), pid=e.pid)
            for e in engines
        )
        return ClusterLook(
            title=self._title,
            state="running",
            controls=CONTROLS,
            wanted=len(engines),
            engines=tuple(rows),
        )

    def _told(self, engines: Iterable[EngineRow], totals: Totals) -> ClusterLook:
        """Return what the hub tells."""
        return ClusterLook(
            title=self._title,
            state="running",
            controls=CONTROLS,
            wanted=totals.wanted,
            queued=totals.queued,
            done=totals.ended - totals.failed,
            failed=totals.failed,
            trouble=_RECOVERS if totals.state == "recovering" else "",
            engines=tuple(map(_engine, engines)),
        )

    # ------------------------------------------------------------ doing

    def _alive(self) -> Connected:
        client = self._client()
        if client is None:
            raise ClientError(_GONE)
        return client

    def start(self) -> str:
        """Say that it runs."""
        return "it runs already"

    def scale(self, n: int) -> str:
        """Have so many engines."""
        client = self._alive()
        before = len(client.ids)
        client.scale(n)
        if n == before:
            return f"there are {noun(n, 'engine')} already"
        if n > before:
            return f"starting {noun(n - before, 'engine')}"
        stops = noun(before - n, "engine stops, once it has", "engines stop, once they have")
        return f"{stops} nothing to do"

    def restart(self) -> str:
        """Restart all engines."""
        client = self._alive()
        count = len(client.ids)
        client.restart_engines()
        return f"restarted {noun(count, 'engine')}"

    def interrupt(self) -> str:
        """Interrupt whatever runs."""
        self._alive().send_signal(signal.SIGINT, block=True)
        return "interrupted what ran"

    def stop(self) -> str:
        """Stop the cluster."""
        self._alive().shutdown(hub=True, block=True)
        return "stopped"


def _engine(row: EngineRow) -> EngineLook:
    """Make a row of what the hub tells; its clock is taken to be that of this host."""
    busy = row.task != 0
    return EngineLook(
        engine=row.id,
        state=row.state,
        host=row.host,
        pid=row.pid,
        busy=busy,
        task=row.label if busy else "",
        busy_for=max(0.0, time.time_ns() / 1e9 - row.since) if busy else None,
        queued=row.queued,
        done=row.ended - row.failed,
        failed=row.failed,
        cpu=row.cpu,
        memory=row.nbytes,
    )
