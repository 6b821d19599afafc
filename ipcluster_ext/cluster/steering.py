"""What can be asked of the engines of a running cluster, each asynchronously and blocking."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from ipcluster_ext.cluster.shares import check_resources
from ipcluster_ext.cluster.threads import in_thread
from ipcluster_ext.protocol.ids import EngineId

if TYPE_CHECKING:
    from ipcluster_ext import Client


class Steering(ABC):
    """Starts, stops, restarts and signals engines, through a client of its own."""

    @abstractmethod
    def connect_client_sync(self) -> "Client":
        """Connect to the hub."""

    async def start_engines(
        self,
        n: int,
        *,
        resources: Mapping[str, float] | Iterable[str] | None = None,
        where: str = "",
    ) -> list[EngineId]:
        """Start more engines.

        Parameters
        ----------
        n
            How many.
        resources
            What each of them has, as ``{"gpu": 1}`` or ``["gpu"]``; what the cluster's others
            have if not given.
        where
            The set of engines to which they are added: its name, ``"local"`` for this host;
            wherever there is room if empty.

        Returns
        -------
        Their ids. They are starting; ``client.wait_for_engines`` waits for them.

        Raises
        ------
        ValueError
            There can be no such amount of a resource.
        ClusterStopped
            The cluster is not running.

        Examples
        --------
        >>> import asyncio
        >>> more = asyncio.run(rc.cluster.start_engines(1, resources={"gpu": 1}))
        >>> rc.wait_for_engines(3, timeout=60)
        >>> lv.options(resources={"gpu": 1}).submit(abs, -1).get()
        1
        >>> rc.stop_engines(more)
        """
        return await in_thread(lambda: self.start_engines_sync(n, resources=resources, where=where))

    def start_engines_sync(
        self,
        n: int,
        *,
        resources: Mapping[str, float] | Iterable[str] | None = None,
        where: str = "",
    ) -> list[EngineId]:
        """As `start_engines`, blocking.

        Examples
        --------
        >>> more = rc.cluster.start_engines_sync(1)
        >>> rc.wait_for_engines(3, timeout=60)
        >>> rc.cluster.stop_engines_sync(more)
        """
        with closing(self.connect_client_sync()) as client:
            return client.start_engines(n, resources=check_resources(resources), where=where)

    async def scale(
        self,
        n: int,
        *,
        force: bool = False,
        wait: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - a thread waits, and would go on waiting
        resources: Mapping[str, float] | Iterable[str] | None = None,
    ) -> list[EngineId]:
        """Have so many engines: start some, or stop some when they have finished what they have.

        This ends what `adapt` has begun.

        Parameters
        ----------
        n
            How many; 0 for none.
        force
            Whether engines that are too many are stopped at once, whatever they do.
        wait, timeout
            Whether to wait until so many are ready and the others are gone, and how long, in
            seconds; None for ever.
        resources
            What each that is started has, as ``{"gpu": 1}`` or ``["gpu"]``; what the cluster's
            others have if not given.

        Returns
        -------
        The ids of those that stay and those that come, in order.

        Raises
        ------
        ValueError
            There can be no such number, or no such amount of a resource.
        EngineError
            The hub refused, or one of them failed to start.
        TimeoutError
            They were not all there, or the others not gone, when the time was up.
        ClusterStopped
            The cluster is not running.

        Examples
        --------
        >>> import asyncio
        >>> len(asyncio.run(rc.cluster.scale(3)))
        3
        >>> asyncio.run(rc.cluster.scale(2, wait=True, timeout=60))
        [0, 1]
        """
        return await in_thread(
            lambda: self.scale_sync(n, force=force, wait=wait, timeout=timeout, resources=resources)
        )

    def scale_sync(
        self,
        n: int,
        *,
        force: bool = False,
        wait: bool = False,
        timeout: float | None = None,
        resources: Mapping[str, float] | Iterable[str] | None = None,
    ) -> list[EngineId]:
        """As `scale`, blocking.

        Examples
        --------
        >>> len(rc.cluster.scale_sync(3, wait=True, timeout=60))
        3
        >>> rc.cluster.scale_sync(2, wait=True, timeout=60)
        [0, 1]
        """
        have = check_resources(resources)
        with closing(self.connect_client_sync()) as client:
            return client.scale(n, force=force, wait=wait, timeout=timeout, resources=have)

    async def stop_engines(self, ids: Sequence[int] | None = None) -> None:
        """Stop engines for good; the tasks they had not begun go to others.

        Parameters
        ----------
        ids
            Which; all if not given.

        Raises
        ------
        NoSuchEngine
            There is no engine of such an id; nothing was stopped.
        ClusterStopped
            The cluster is not running.

        Examples
        --------
        >>> import asyncio
        >>> more = rc.start_engines(2)
        >>> rc.wait_for_engines(4, timeout=60)
        >>> asyncio.run(rc.cluster.stop_engines(more))
        """
        await in_thread(lambda: self.stop_engines_sync(ids))

    def stop_engines_sync(self, ids: Sequence[int] | None = None) -> None:
        """As `stop_engines`, blocking.

        Examples
        --------
        >>> more = rc.cluster.start_engines_sync(2)
        >>> rc.wait_for_engines(4, timeout=60)
        >>> rc.cluster.stop_engines_sync(more)
        """
        with closing(self.connect_client_sync()) as client:
            client.stop_engines("all" if ids is None else list(ids))

    async def stop_engine(self, engine_id: int) -> None:
        """Stop one engine for good; as `stop_engines`.

        Examples
        --------
        >>> import asyncio
        >>> (more,) = rc.start_engines(1)
        >>> rc.wait_for_engines(3, timeout=60)
        >>> asyncio.run(rc.cluster.stop_engine(more))
        """
        await self.stop_engines([engine_id])

    def stop_engine_sync(self, engine_id: int) -> None:
        """As `stop_engine`, blocking.

        Examples
        --------
        >>> (more,) = rc.start_engines(1)
        >>> rc.wait_for_engines(3, timeout=60)
        >>> rc.cluster.stop_engine_sync(more)
        """
        self.stop_engines_sync([engine_id])

    async def restart_engines(self, ids: Sequence[int] | None = None) -> None:
        """Give engines new processes, with empty namespaces, under the same ids.

        Parameters
        ----------
        ids
            Which; all if not given.

        Raises
        ------
        NoSuchEngine
            There is no engine of such an id; nothing was restarted.
        ClusterStopped
            The cluster is not running.

        Examples
        --------
        >>> import asyncio
        >>> dv["a"] = 5
        >>> asyncio.run(rc.cluster.restart_engines())
        >>> dv.apply_sync(lambda: "a" in globals())
        [False, False]
        """
        await in_thread(lambda: self.restart_engines_sync(ids))

    def restart_engines_sync(self, ids: Sequence[int] | None = None) -> None:
        """As `restart_engines`, blocking.

        Examples
        --------
        >>> dv["a"] = 5
        >>> rc.cluster.restart_engines_sync([0])
        >>> dv.apply_sync(lambda: "a" in globals())
        [False, True]
        """
        with closing(self.connect_client_sync()) as client:
            client.restart_engines("all" if ids is None else list(ids))

    async def restart_engine(self, engine_id: int) -> None:
        """Give one engine a new process; as `restart_engines`.

        Examples
        --------
        >>> import asyncio
        >>> dv["a"] = 5
        >>> asyncio.run(rc.cluster.restart_engine(1))
        >>> dv.apply_sync(lambda: "a" in globals())
        [True, False]
        """
        await self.restart_engines([engine_id])

    def restart_engine_sync(self, engine_id: int) -> None:
        """As `restart_engine`, blocking.

        Examples
        --------
        >>> dv["a"] = 5
        >>> rc.cluster.restart_engine_sync(0)
        >>> dv.apply_sync(lambda: "a" in globals())
        [False, True]
        """
        self.restart_engines_sync([engine_id])

    async def signal_engines(self, signum: int, ids: Sequence[int] | None = None) -> None:
        """Send engines, and what they have started, a signal; SIGINT interrupts their task.

        Parameters
        ----------
        signum
            The signal's number.
        ids
            Which; all if not given.

        Raises
        ------
        NoSuchEngine
            There is no engine of such an id; none got the signal.
        ClusterStopped
            The cluster is not running.

        Examples
        --------
        >>> import asyncio, signal
        >>> asyncio.run(rc.cluster.signal_engines(signal.SIGCONT))
        """
        await in_thread(lambda: self.signal_engines_sync(signum, ids))

    def signal_engines_sync(self, signum: int, ids: Sequence[int] | None = None) -> None:
        """As `signal_engines`, blocking.

        Examples
        --------
        >>> import signal
        >>> rc.cluster.signal_engines_sync(signal.SIGCONT, [0, 1])
        """
        with closing(self.connect_client_sync()) as client:
            client.send_signal(signum, "all" if ids is None else list(ids))

    async def signal_engine(self, signum: int, engine_id: int) -> None:
        """Send one engine a signal; as `signal_engines`.

        Examples
        --------
        >>> import asyncio, signal
        >>> asyncio.run(rc.cluster.signal_engine(signal.SIGCONT, 1))
        """
        await self.signal_engines(signum, [engine_id])

    def signal_engine_sync(self, signum: int, engine_id: int) -> None:
        """As `signal_engine`, blocking.

        Examples
        --------
        >>> import signal
        >>> rc.cluster.signal_engine_sync(signal.SIGCONT, 1)
        """
        self.signal_engines_sync(signum, [engine_id])
