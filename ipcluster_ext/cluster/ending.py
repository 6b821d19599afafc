"""How a cluster ends: stopped by somebody, or of itself."""

from ipcluster_ext.cluster.running import Run
from ipcluster_ext.cluster.threads import in_thread


class Ending:
    """The part of `Cluster` that stops it, and waits for its end."""

    _run: Run | None

    @property
    def ended_because(self) -> str:
        """Why it has ended of itself; empty while it runs, and after it was stopped.

        Examples
        --------
        >>> rc.cluster.ended_because
        ''
        """
        return "" if self._run is None else self._run.obituary

    async def stop_cluster(self) -> None:
        """End every process and delete every file of the cluster; nothing happens if it is over.

        Answers that clients still wait for fail with `HubGone`.

        Examples
        --------
        >>> import asyncio
        >>> cluster = ipp.Cluster(n=1).start_cluster_sync()
        >>> asyncio.run(cluster.stop_cluster())
        >>> cluster.folder.exists()
        False
        """
        if self._run is not None:
            await in_thread(self._run.stop)

    def stop_cluster_sync(self) -> None:
        """As `stop_cluster`, blocking.

        Examples
        --------
        >>> cluster = ipp.Cluster(n=1).start_cluster_sync()
        >>> cluster.stop_cluster_sync()
        >>> cluster.folder.exists()
        False
        """
        if self._run is not None:
            self._run.stop()

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as its twin
        """Wait until it has ended, whoever ends it.

        Parameters
        ----------
        timeout
            In seconds; None for ever.

        Returns
        -------
        Whether it has.

        Examples
        --------
        >>> import asyncio
        >>> asyncio.run(rc.cluster.wait(timeout=0))
        False
        """
        return await in_thread(lambda: self.wait_sync(timeout))

    def wait_sync(self, timeout: float | None = None) -> bool:
        """As `wait`, blocking.

        Examples
        --------
        >>> rc.cluster.wait_sync(timeout=0)
        False
        """
        return self._run is None or self._run.agent.wait(timeout) is not None

    def stop(self) -> None:
        """As `stop_cluster_sync`.

        Examples
        --------
        >>> ipp.Cluster(n=1).stop()  # nothing happens: it was not started
        """
        self.stop_cluster_sync()
