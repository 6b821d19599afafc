"""From a cluster to its client: connected to, with the engines that were asked for."""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ipcluster_ext.cluster.arrivals import AllFailed, wait_for_all
from ipcluster_ext.cluster.running import Run
from ipcluster_ext.cluster.threads import in_thread
from ipcluster_ext.errors import EngineError

if TYPE_CHECKING:
    from ipcluster_ext import Client


class Connecting(ABC):
    """Makes clients of a cluster, and starts it with one."""

    n: int
    engine_timeout: float

    @property
    @abstractmethod
    def connection_file(self) -> Path:
        """What `Client` needs to connect."""

    @abstractmethod
    async def start_cluster(self, n: int | None = None) -> Self:
        """Start hub and engines."""

    @abstractmethod
    def start_cluster_sync(self, n: int | None = None) -> Self:
        """As `start_cluster`, blocking."""

    @abstractmethod
    def _started(self) -> Run:
        """Return what runs."""

    async def connect_client(self) -> "Client":
        """Connect to the hub.

        Returns
        -------
        A client whose ``cluster`` is this object.

        Raises
        ------
        ClusterStopped
            The cluster is not running.
        HubGone
            The hub does not answer.

        Examples
        --------
        >>> import asyncio
        >>> async def main():
        ...     with await rc.cluster.connect_client() as client:
        ...         return await client[0].apply_async(abs, -1)
        >>> asyncio.run(main())
        1
        """
        return await in_thread(self.connect_client_sync)

    def connect_client_sync(self) -> "Client":
        """As `connect_client`, blocking.

        Examples
        --------
        >>> with rc.cluster.connect_client_sync() as client:
        ...     client[0].apply_sync(abs, -1)
        1
        """
        import ipcluster_ext  # rooms meet at the root only

        self._started()
        return ipcluster_ext.Client(self.connection_file, cluster=self)

    async def start_and_connect(
        self,
        n: int | None = None,
        activate: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
    ) -> "Client":
        """Start everything, connect, and wait for the engines.

        Parameters
        ----------
        n
            As for `start_cluster`.
        activate
            Whether ``%px`` addresses these engines from now on, whatever it did before.

        Returns
        -------
        A client whose ``cluster`` is this object.

        Raises
        ------
        ValueError
            There can be no such number of engines.
        ClusterError
            It is running already.
        StartupError
            A process did not start, or engines did not come up in `engine_timeout` seconds.
            Nothing is left of the others.

        Examples
        --------
        >>> import asyncio
        >>> async def main():
        ...     client = await ipp.Cluster(n=1).start_and_connect()
        ...     print(await client[0].apply_async(abs, -1))
        ...     client.close()
        ...     await client.cluster.stop_cluster()
        >>> asyncio.run(main())
        1
        """
        await self.start_cluster(n)
        run = self._started()
        try:
            client = await in_thread(lambda: self._connect_and_wait(run))
        except BaseException:
            await asyncio.shield(in_thread(run.stop))
            raise
        return _activated(client) if activate else client

    def start_and_connect_sync(
        self,
        n: int | None = None,
        activate: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
    ) -> "Client":
        """As `start_and_connect`, blocking.

        Examples
        --------
        >>> client = ipp.Cluster(n=1).start_and_connect_sync()
        >>> client[0].apply_sync(abs, -1)
        1
        >>> client.close()
        >>> client.cluster.stop()
        """
        self.start_cluster_sync(n)
        run = self._started()
        try:
            client = self._connect_and_wait(run)
        except BaseException:
            run.stop()
            raise
        return _activated(client) if activate else client

    def _connect_and_wait(self, run: Run) -> "Client":
        client = self.connect_client_sync()
        try:
            if run.sets:
                wait_for_all(client, run.home.folder, self.n, timeout=self.engine_timeout)
            else:
                client.wait_for_engines(self.n, timeout=self.engine_timeout)
        except (EngineError, TimeoutError, AllFailed) as error:
            client.close()
            raise run.failure(f"the set of {self.n} engines", str(error)) from None
        except BaseException:
            client.close()
            raise
        return client


def _activated(client: "Client") -> "Client":
    client.activate()
    return client
