"""How a `Cluster` is, as its card shows it, whether it runs or not, and what its buttons do."""

import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from ipcluster_ext.display.figures import noun
from ipcluster_ext.display.looks import ClusterLook, Overseen
from ipcluster_ext.errors import ClusterStopped, IpclusterError

if TYPE_CHECKING:
    from ipcluster_ext import Client, Cluster

_GONE = "the cluster is gone"


class WatchedCluster:
    """A cluster, for those who show it; see `display.looks.Overseen`.

    While somebody looks it has a client of its own. It does not keep the cluster alive.

    Parameters
    ----------
    cluster
        The cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = weakref.ref(cluster)
        self._title = f"cluster {cluster.cluster_id}"
        self._lock = threading.Lock()
        self._open = False
        self._trouble = ""
        self._client: Client | None = None
        self._inside: Overseen | None = None
        weakref.finalize(cluster, self.close).atexit = False

    def open(self) -> None:
        """Connect, if it runs."""
        self._open = True
        self._connect()

    def close(self) -> None:
        """Disconnect."""
        self._open = False
        with self._lock:
            client, self._client, self._inside = self._client, None, None
        if client is not None:
            client.close()

    def _connect(self) -> Overseen | None:
        """Return what the hub tells, which needs a client."""
        cluster = self._cluster()
        with self._lock:
            if self._client is not None and self._client.closed:
                self._client = self._inside = None
            if self._inside is None and cluster is not None and cluster.running:
                try:
                    self._client = cluster.connect_client_sync()
                except IpclusterError as error:
                    self._trouble = str(error)
                    return None
                self._inside = self._client.overseen()
                self._inside.open()
                self._trouble = ""
            return self._inside

    # ------------------------------------------------------------ looking

    def look(self) -> ClusterLook:
        """Return what is known."""
        cluster, inside = self._cluster(), self._inside
        if cluster is None:
            return ClusterLook(title=self._title, state="gone", lasting=True)
        if not cluster.running:
            begun = cluster.agent_pid is not None
            return ClusterLook(
                title=self._title,
                state="stopped" if begun else "not started",
                controls=frozenset({"start"}),
                wanted=cluster.n,
                trouble=cluster.ended_because,
            )
        if inside is None:
            return ClusterLook(
                title=self._title,
                state="connecting",
                controls=frozenset({"stop"}),
                wanted=cluster.n,
                trouble=self._trouble,
            )
        look = inside.look()
        if look.lasting:  # its hub has gone, and its agent has not
            return ClusterLook(title=self._title, state="stopping", wanted=cluster.n)
        return replace(look, title=self._title)

    # ------------------------------------------------------------ doing

    def _alive(self) -> "Cluster":
        cluster = self._cluster()
        if cluster is None:
            raise ClusterStopped(_GONE)
        return cluster

    def _asked(self) -> Overseen:
        """Return what can be asked of the hub.

        Raises
        ------
        ClusterStopped
            The cluster does not run, or does not answer.
        """
        inside = self._connect()
        if inside is None:
            raise ClusterStopped(self._trouble or f"{self._title} is not running")
        return inside

    def start(self) -> str:
        """Start it, with as many engines as it had."""
        cluster = self._alive()
        cluster.start_cluster_sync()
        if self._open:
            self._connect()
        return f"started, with {noun(cluster.n, 'engine')}"

    def scale(self, n: int) -> str:
        """Start or stop engines."""
        return self._asked().scale(n)

    def restart(self) -> str:
        """Restart all engines."""
        return self._asked().restart()

    def interrupt(self) -> str:
        """Interrupt whatever runs."""
        return self._asked().interrupt()

    def stop(self) -> str:
        """Stop the cluster."""
        cluster = self._alive()
        cluster.stop_cluster_sync()
        return "stopped"
