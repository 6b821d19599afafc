"""How a client's cluster is, as its card shows it, and what the card's buttons do."""

import signal
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.hearing import STOPPED
from ipcluster_ext.display.figures import noun
from ipcluster_ext.display.looks import ClusterLook, EngineLook
from ipcluster_ext.errors import ClientError, HubGone
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import QueueQuery, QueueReply
from ipcluster_ext.protocol.parts import EngineInfo

if TYPE_CHECKING:
    from concurrent.futures import Future

_ASK_EVERY = 0.5
CONTROLS = frozenset({"scale", "restart", "interrupt", "stop"})
_GONE = "the client is gone"


class Connected(Protocol):
    """A client, as far as its card needs it."""

    connection: Connection
    cluster_id: str
    cluster: Any

    @property
    def closed(self) -> bool:
        """Whether it was closed."""

    @property
    def ids(self) -> list[EngineId]:
        """The engines that can be used."""

    def start_engines(self, n: int) -> list[EngineId]:
        """Start some."""

    def stop_engines(self, targets: Any) -> None:
        """Stop some."""

    def restart_engines(self) -> None:
        """Restart all."""

    def send_signal(self, sig: int, *, block: bool) -> Any:
        """Send all a signal."""

    def shutdown(self, *, hub: bool, block: bool) -> Any:
        """Stop the cluster."""


class WatchedClient:
    """A client's cluster, for those who show it; see `display.looks.Overseen`.

    It does not keep the client alive.

    Parameters
    ----------
    client
        The client.
    """

    def __init__(self, client: Connected) -> None:
        self._client = weakref.ref(client)
        self._title = f"cluster {client.cluster_id}"
        self._lock = threading.Lock()
        self._open = False
        self._asked_at = 0.0
        self._answer: Future[QueueReply] | None = None
        self._queues: QueueReply | None = None

    def open(self) -> None:
        """Begin to ask the hub."""
        self._open = True

    def close(self) -> None:
        """Ask no more."""
        self._open = False

    # ------------------------------------------------------------ looking

    def look(self) -> ClusterLook:
        """Return what is known."""
        client = self._client()
        if client is None or client.closed:
            return ClusterLook(title=self._title, state="closed", lasting=True)
        try:
            client.connection.check()
            self._ask(client.connection)
        except HubGone as error:
            return self._ended("" if error.reason == STOPPED else error.reason or str(error))
        except ClientError as error:
            return self._ended(str(error))
        engines, queues = client.connection.roster.infos, self._queues
        return ClusterLook(
            title=self._title,
            state="running",
            controls=CONTROLS,
            wanted=len(engines),
            queued=None if queues is None else queues.queued,
            done=None if queues is None else sum(queues.ended.values()),
            engines=tuple(_engines(engines, queues)),
        )

    def _ended(self, why: str) -> ClusterLook:
        return ClusterLook(title=self._title, state="stopped", lasting=True, trouble=why)

    def _ask(self, connection: Connection) -> None:
        """Ask the hub anew if it is time; take its answer if it has come."""
        with self._lock:
            if self._answer is not None and self._answer.done():
                answer, self._answer = self._answer, None
                if answer.exception() is None:
                    self._queues = answer.result()
            now = time.monotonic()
            if self._open and self._answer is None and now - self._asked_at >= _ASK_EVERY:
                self._asked_at = now
                self._answer = connection.ask(QueueQuery)

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
        """Start or stop engines."""
        client = self._alive()
        ids = client.ids
        if n > len(ids):
            client.start_engines(n - len(ids))
            return f"starting {noun(n - len(ids), 'engine')}"
        if n < len(ids):
            client.stop_engines(ids[n:])
            return f"stopped {noun(len(ids) - n, 'engine')}"
        return f"there are {noun(n, 'engine')} already"

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


def _engines(engines: Iterable[EngineInfo], queues: QueueReply | None) -> Iterator[EngineLook]:
    for info in engines:
        has = 0 if queues is None else queues.engines.get(info.id, 0)
        yield EngineLook(
            engine=info.id,
            state=info.status.name.lower(),
            host=info.host,
            pid=info.pid,
            busy=has > 0,
            queued=max(0, has - 1),
            done=None if queues is None else queues.ended.get(info.id, 0),
        )
