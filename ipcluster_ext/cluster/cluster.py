"""`Cluster`: engines on this host, for as long as a ``with`` block or this process lasts."""

import asyncio
import operator
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from msgspec import structs

from ipcluster_ext.cluster import running
from ipcluster_ext.cluster.attaching import Attaching
from ipcluster_ext.cluster.context import Context
from ipcluster_ext.cluster.ending import Ending
from ipcluster_ext.cluster.home import check_id
from ipcluster_ext.cluster.launchers.local import LocalLauncher
from ipcluster_ext.cluster.outside import Outside, tcp_config
from ipcluster_ext.cluster.overseeing import WatchedCluster
from ipcluster_ext.cluster.paths import engine_path
from ipcluster_ext.cluster.profiles import recipe
from ipcluster_ext.cluster.running import Run, Wish
from ipcluster_ext.cluster.steering import Steering, check_resources
from ipcluster_ext.cluster.threads import in_thread
from ipcluster_ext.display.card import Card, still
from ipcluster_ext.display.frontend import shows_widgets
from ipcluster_ext.errors import ClusterError, ClusterStopped, EngineError
from ipcluster_ext.protocol.process import POLICIES, Conduct, PolicyName
from ipcluster_ext.transport.files import connection_file, runtime_folder

if TYPE_CHECKING:
    from ipcluster_ext import Client


class Cluster(Ending, Context, Steering, Outside, Attaching):
    """A hub and engines on this host. Nothing runs before it is started.

    Every method that waits is a coroutine and has a twin, ``<name>_sync``, that blocks instead
    and may be used in a notebook, too.

    Parameters
    ----------
    n
        How many engines; one for each processor if not given. A word is a profile's name.
    profile
        A recipe for what is not given here; see ``ipcluster-ext profile --help``.
    cluster_id
        Its name, up to 16 letters, digits, '-' and '_'; a random one if not given.
    engine_timeout
        How long engines may take to come up, in seconds; 60 if not given.
    cwd
        The engines' working folder; this process's if not given.
    policy
        How the hub chooses the engine for a task: ``"leastload"``, ``"lru"`` (longest unused),
        ``"plainrandom"``, ``"twobin"`` (the better of two at random), ``"weighted"`` (the better
        of two, probably) or ``"pure"`` (each in turn, whatever they have to do).
    hwm
        How many unfinished tasks an engine may have at most; 0 for as many as pay.
    resources
        What each engine has, as ``{"gpu": 1}``; a task may ask for it.
    history, history_age
        How many ended tasks the hub remembers, for `Client.get_result` and `Client.history`, and
        for how many seconds: the last 10,000, and for a week, if not given.
    silence
        After how many seconds an engine that does not respond, because it is stopped or a task
        keeps the interpreter to itself, is killed and started again; None for never. What it had
        not begun is given to others long before.
    ip
        Where the hub listens on TCP, always encrypted, for those who have its connection files:
        an address, the name of an interface, ``"*"`` for everywhere. Nowhere if not given: only
        this user, on this host, can connect then.
    ports
        Its ports there, for clients and for engines; any two that are free if not given.
    shutdown_atexit
        Whether the cluster ends with this process, however that ends, and with this object. If
        not, it runs until somebody calls `stop_cluster`.

    Raises
    ------
    ValueError
        There can be no such number of engines, no such id, policy, port or amount of a resource.
    ClusterError
        There is no such profile, or something in it is wrong.

    Examples
    --------
    >>> with ipp.Cluster(n=2) as client:
    ...     client[:].apply_sync(pow, 2, 3)
    [8, 8]
    """

    def __init__(
        self,
        n: int | str | None = None,
        *,
        profile: str = "",
        cluster_id: str = "",
        engine_timeout: float | None = None,
        cwd: str | None = None,
        policy: PolicyName | None = None,
        hwm: int | None = None,
        history: int | None = None,
        history_age: float | None = None,
        resources: Mapping[str, float] | None = None,
        silence: float | None = None,
        ip: str | None = None,
        ports: tuple[int, int] | None = None,
        shutdown_atexit: bool = True,
    ) -> None:
        name, n = (n, None) if isinstance(n, str) else (profile, n)
        wish = recipe(
            name,
            n=n,
            engine_timeout=engine_timeout,
            cwd=cwd,
            policy=policy,
            hwm=hwm,
            history=history,
            history_age=history_age,
            resources=resources,
            silence=silence,
            ip=ip,
            ports=ports,
        )
        self.profile = wish.profile
        self.n = _count(wish.n)
        self.cluster_id = check_id(cluster_id or secrets.token_hex(8))
        self.engine_timeout = wish.engine_timeout
        self.shutdown_atexit = shutdown_atexit
        self.cwd = wish.cwd
        self.policy = _check_policy(wish.policy)
        self.hwm = max(0, operator.index(wish.hwm))
        self.history = max(0, operator.index(wish.history))
        self.history_age = max(0.0, float(wish.history_age))
        self.resources = check_resources(wish.resources)
        self.silence = None if wish.silence is None else max(0.001, float(wish.silence))
        self._tcp = tcp_config(wish.ip, wish.ports)
        self._launcher = LocalLauncher()
        self._run: Run | None = None
        self._card: Card | None = None

    def __repr__(self) -> str:
        state = "not started" if self._run is None else "stopped"
        if self.running:
            state = f"running, agent {self.agent_pid}"
        return f"<Cluster {self.cluster_id}: n={self.n}, {state}>"

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        """Return it as text and HTML; and as a card that is live, to whoever sees widgets."""
        del include, exclude
        if not shows_widgets():
            return {"text/plain": repr(self), "text/html": still(WatchedCluster(self).look())}
        if self._card is None:
            self._card = Card(WatchedCluster(self))
        return {**self._card.bundle(), "text/plain": repr(self)}

    @property
    def folder(self) -> Path:
        """Where its sockets and logs are while it runs.

        Examples
        --------
        >>> rc.cluster.folder.name == rc.cluster.cluster_id
        True
        """
        return runtime_folder() / self.cluster_id if self._run is None else self._run.home.folder

    @property
    def connection_file(self) -> Path:
        """What `Client` needs to connect from another process, while the cluster runs.

        Examples
        --------
        >>> with ipp.Client(rc.cluster.connection_file) as client:
        ...     client.ids
        [0, 1]
        """
        return connection_file(self.folder)

    @property
    def agent_pid(self) -> int | None:
        """The id of the process that watches all others; None before the first start.

        Examples
        --------
        >>> ipp.Cluster(n=1).agent_pid is None
        True
        """
        return None if self._run is None else self._run.agent.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended.

        Examples
        --------
        >>> rc.cluster.running, ipp.Cluster(n=1).running
        (True, False)
        """
        return self._run is not None and self._run.alive

    # ------------------------------------------------------------ start

    async def start_cluster(self, n: int | None = None) -> Self:
        """Start hub and engines; return when clients can connect. Engines may come up later.

        Parameters
        ----------
        n
            How many engines, if not as many as were asked for before.

        Returns
        -------
        The cluster itself.

        Raises
        ------
        ValueError
            There can be no such number of engines.
        ClusterError
            It is running already, or its `cwd` is no folder.
        StartupError
            A process did not start; nothing is left of the others.

        Examples
        --------
        >>> import asyncio
        >>> async def main():
        ...     cluster = await ipp.Cluster(n=1).start_cluster()
        ...     print(cluster.running)
        ...     await cluster.stop_cluster()
        >>> asyncio.run(main())
        True
        """
        run = self._launch(n)
        try:
            await in_thread(run.wait_until_up)
        except BaseException:
            await asyncio.shield(in_thread(run.stop))
            raise
        return self

    def start_cluster_sync(self, n: int | None = None) -> Self:
        """As `start_cluster`, blocking.

        Examples
        --------
        >>> cluster = ipp.Cluster(n=1).start_cluster_sync()
        >>> cluster.stop_cluster_sync()
        >>> cluster.running
        False
        """
        run = self._launch(n)
        try:
            run.wait_until_up()
        except BaseException:
            run.stop()
            raise
        return self

    def _launch(self, n: int | None) -> Run:
        if self.running:
            msg = f"cluster {self.cluster_id} is running already; stop it first"
            raise ClusterError(msg)
        self.n = self.n if n is None else _count(n)
        cwd = _folder(self.cwd)
        conduct = Conduct(
            policy=self.policy,
            hwm=self.hwm,
            history=self.history,
            history_age=self.history_age,
            patience=structs.replace(running.PATIENCE, silence=self.silence or 0.0),
            tcp=self._tcp,
        )
        wish = Wish(
            cluster=self.cluster_id,
            count=self.n,
            mortal=self.shutdown_atexit,
            conduct=conduct,
            resources=self.resources,
            cwd=cwd,
            sys_path=engine_path(sys.path, cwd=str(Path.cwd())),
            profile=self.profile,
        )
        self._run = Run.launch(wish, self._launcher)
        return self._run

    # ------------------------------------------------------------ connect

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
            client.wait_for_engines(self.n, timeout=self.engine_timeout)
        except (EngineError, TimeoutError) as error:
            client.close()
            raise run.failure(f"the set of {self.n} engines", str(error)) from None
        except BaseException:
            client.close()
            raise
        return client

    def _started(self) -> Run:
        if self._run is None or not self._run.alive:
            msg = f"{self!r} is not running; start it with start_cluster_sync()"
            raise ClusterStopped(msg)
        return self._run


def _activated(client: "Client") -> "Client":
    client.activate()
    return client


def _folder(cwd: str | None) -> str:
    """Return where engines are to work.

    Raises
    ------
    ClusterError
        There is no such folder.
    """
    folder = Path(cwd or "").expanduser().absolute()
    if cwd and not folder.is_dir():
        msg = f"the engines' working folder {folder} is no folder; cwd= or the profile names it"
        raise ClusterError(msg)
    return str(folder)


def _count(n: int | None) -> int:
    """Return how many engines are asked for.

    Raises
    ------
    ValueError
        There can be no such number.
    """
    count = os.cpu_count() or 1 if n is None else operator.index(n)
    if count <= 0:
        msg = f"a cluster needs at least one engine, not {count}; leave n out for one per processor"
        raise ValueError(msg)
    return count


def _check_policy(policy: PolicyName) -> PolicyName:
    """Return a policy's name.

    Raises
    ------
    ValueError
        There is no such policy.
    """
    if policy not in POLICIES:
        msg = f"there is no policy {policy!r}; policies: {', '.join(POLICIES)}"
        raise ValueError(msg)
    return policy
