"""`Cluster`: hub and engines, for as long as a ``with`` block or this process lasts."""

import asyncio
import operator
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from msgspec import structs

from ipcluster_ext.cluster import running
from ipcluster_ext.cluster.adaptive import Adaptive, as_bounds, usual_maximum
from ipcluster_ext.cluster.attaching import Attaching, doors_of
from ipcluster_ext.cluster.connecting import Connecting
from ipcluster_ext.cluster.context import Context
from ipcluster_ext.cluster.ending import Ending
from ipcluster_ext.cluster.home import check_id
from ipcluster_ext.cluster.launchers.local import LocalLauncher
from ipcluster_ext.cluster.outside import Outside, tcp_config
from ipcluster_ext.cluster.overseeing import WatchedCluster
from ipcluster_ext.cluster.paths import engine_path
from ipcluster_ext.cluster.profiles import Recipe, recipe
from ipcluster_ext.cluster.running import Run, Wish
from ipcluster_ext.cluster.sets import Plan
from ipcluster_ext.cluster.shares import check_resources
from ipcluster_ext.cluster.steering import Steering
from ipcluster_ext.cluster.threads import in_thread
from ipcluster_ext.display.card import Card, still
from ipcluster_ext.display.frontend import shows_widgets
from ipcluster_ext.errors import ClusterError, ClusterStopped
from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.process import POLICIES, Conduct, Patience, PolicyName, TcpConfig
from ipcluster_ext.protocol.shares import Gpus, MemoryLimit, Pin
from ipcluster_ext.transport.files import connection_file, runtime_folder


class Cluster(Ending, Connecting, Context, Steering, Adaptive, Outside, Attaching):
    """A hub on this host, and engines on it or on others. Nothing runs before it is started.

    Every method that waits is a coroutine and has a twin, ``<name>_sync``, that blocks instead
    and may be used in a notebook, too.

    Parameters
    ----------
    n
        How many engines; one for each processor if not given. A word is a profile's name.
    launcher, launcher_options
        What starts them, and what it is told: ``"local"`` on this host, ``"ssh"`` on others, or a
        batch system; see ``ipcluster-ext profile launchers``.
    hosts
        Where ``ssh`` is to start them: ``["n1", "ann@n2:4"]`` for four on ``n2``, and on ``n1``
        the rest of ``n``.
    engines
        Further engines in the same cluster, each an `EngineSet` or a table like
        ``{"launcher": "ssh", "n": 4, "hosts": ["n3"]}``; with `launcher` and `n` not given, these
        are all.
    profile
        A recipe for what is not given here; see ``ipcluster-ext profile --help``. The one called
        ``default`` if empty and there is one; None for none at all.
    adapt
        How many engines there are to be as there is work: ``{"minimum": 1, "maximum": 8}``, as
        for the method `adapt`; it begins with `n`, or the least if that is not given.
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
        What each engine has, as ``{"gpu": 1}`` or, of what has no amount, ``["bigmem"]``; a task
        may ask for it, ``view.options(resources=["bigmem"])``, and for the name of a host. It is
        not used up.
    pin
        ``"cores"`` to keep each engine to processors of its own, as many for each, of those that
        this process may use.
    gpus
        ``"auto"`` to give each engine one of the GPUs that a program would see here, as the only
        one that it sees (``CUDA_VISIBLE_DEVICES``), or a list of those that are meant, counted as
        programs do. Engines have the resource ``gpu`` then; if they are more, they share.
    threads
        How many threads numerical libraries use in each engine: its part of the processors if not
        given, but for what ``OMP_NUM_THREADS`` and its like say.
    memory_limit
        How much memory each engine may use: ``"4 GB"``, a number of bytes, or up to 1.0 as a part
        of the host's; any if not given. Users are warned at 80 %; who uses more is killed and
        started again. Arrays that engines share do not count.
    history, history_age
        How many ended tasks the hub remembers, for `Client.get_result` and `Client.history`, and
        for how many seconds: the last 10,000, and for a week, if not given. The oldest are
        forgotten a sixteenth of that at a time, so that there may be fewer by so many.
    silence
        After how many seconds an engine that does not respond, because it is stopped or a task
        keeps the interpreter to itself, is killed and started again; None for never. What it had
        not begun is given to others long before.
    host_silence
        After how many seconds another host that is not heard any more is given up, with what its
        engines were running; 60 if not given, 0 for never. It is taken back when it is heard.
    ip
        Where the hub listens on TCP, always encrypted, for those who have its connection files:
        an address, the name of an interface, several of them, ``"*"`` for everywhere. If not
        given: on the ways that lead to its engines if these are to be on other hosts, see `about`;
        else nowhere, and only this user can connect, on this host.
    ports
        Its ports there, for clients and for engines; any two that are free if not given.
    location
        By which addresses other hosts reach this one, if not by those where it listens.
    shutdown_atexit
        Whether the cluster ends with this process, however that ends, and with this object. If
        not, it runs until somebody calls `stop_cluster`.

    Raises
    ------
    ValueError
        There can be no such number of engines, no such id, policy, port or amount of something.
    ClusterError
        There is no such profile or launcher, or something that it is told is wrong.

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
        launcher: str | None = None,
        launcher_options: Mapping[str, Any] | None = None,
        hosts: Sequence[str | Mapping[str, Any]] | None = None,
        engines: Sequence[EngineSet | Mapping[str, Any]] | None = None,
        profile: str | None = "",
        adapt: Mapping[str, Any] | None = None,
        cluster_id: str = "",
        engine_timeout: float | None = None,
        cwd: str | None = None,
        policy: PolicyName | None = None,
        hwm: int | None = None,
        history: int | None = None,
        history_age: float | None = None,
        resources: Mapping[str, float] | Sequence[str] | None = None,
        pin: Pin | None = None,
        gpus: Gpus | None = None,
        threads: int | None = None,
        memory_limit: MemoryLimit | None = None,
        silence: float | None = None,
        host_silence: float | None = None,
        ip: str | Sequence[str] | None = None,
        ports: tuple[int, int] | None = None,
        location: str | Sequence[str] | None = None,
        shutdown_atexit: bool = True,
    ) -> None:
        name, n = (n, None) if isinstance(n, str) else (profile, n)
        wish = recipe(
            name,
            n=n,
            launcher=launcher,
            launcher_options=launcher_options,
            hosts=hosts,
            engines=engines,
            adapt=adapt,
            engine_timeout=engine_timeout,
            cwd=cwd,
            policy=policy,
            hwm=hwm,
            history=history,
            history_age=history_age,
            resources=resources,
            pin=pin,
            gpus=gpus,
            threads=threads,
            memory_limit=memory_limit,
            silence=silence,
            host_silence=host_silence,
            ip=ip,
            ports=ports,
            location=location,
        )
        self._heed(wish)
        self.cluster_id = check_id(cluster_id or secrets.token_hex(8))
        self.shutdown_atexit = shutdown_atexit
        self._launcher = LocalLauncher()
        self._run: Run | None = None
        self._card: Card | None = None

    def _heed(self, wish: Recipe) -> None:
        """Be as is wished, all of which is looked through."""
        self.profile = wish.profile
        self._wish = wish
        self._plan = wish.plan(wish.n)
        self.n = self._plan.total
        self._bounds = as_bounds(wish.adapt, usual_maximum(self.n, alone=not self._plan.sets))
        self.engine_timeout = wish.engine_timeout
        self.cwd = wish.cwd
        self.policy = _check_policy(wish.policy)
        self.hwm = max(0, operator.index(wish.hwm))
        self.history = max(0, operator.index(wish.history))
        self.history_age = max(0.0, float(wish.history_age))
        self.resources = check_resources(wish.resources)
        self._shares = wish.shares
        self.silence = None if wish.silence is None else max(0.001, float(wish.silence))
        self._tcp = tcp_config(wish.ip, wish.ports, far=bool(self._plan.sets))

    def __repr__(self) -> str:
        state = "not started" if self._run is None else "stopped"
        if self.running:
            doors = doors_of(self.folder)
            where = "" if doors is None else f", listens at {doors.text}"
            state = f"running, agent {self.agent_pid}{where}"
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
            How many engines, if not as many as were asked for before; 0 for a hub alone, to which
            others come later.

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
        self._plan_for(n)
        run = self._begin()
        try:
            run.tell(await in_thread(self._doors))
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
        self._plan_for(n)
        run = self._begin()
        try:
            run.tell(self._doors())
            run.wait_until_up()
        except BaseException:
            run.stop()
            raise
        return self

    def _plan_for(self, n: int | None) -> None:
        if self.running:
            msg = f"cluster {self.cluster_id} is running already; stop it first"
            raise ClusterError(msg)
        if n is not None:
            self._plan = self._wish.plan(n) if n else Plan(0, [])
            self.n = self._plan.total

    def _doors(self) -> TcpConfig | None:
        """Return where to listen on TCP; that may take a moment to find out."""
        if self._tcp is None or self._tcp.ips:
            return self._tcp
        from ipcluster_ext.cluster.listening import chosen  # knows all launchers

        return chosen(self._tcp, self._plan.sets, self._wish.addresses)

    def _begin(self) -> Run:
        cwd = _folder(self.cwd) if self._plan.here or not self.cwd else self.cwd
        conduct = Conduct(
            policy=self.policy,
            hwm=self.hwm,
            history=self.history,
            history_age=self.history_age,
            patience=_patience(self.silence, self._wish.host_silence),
        )
        wish = Wish(
            cluster=self.cluster_id,
            count=self._plan.here,
            sets=self._plan.sets,
            location=self._wish.addresses,
            mortal=self.shutdown_atexit,
            conduct=conduct,
            resources=self.resources,
            shares=self._shares,
            cwd=cwd,
            bounds=self._bounds,
            sys_path=engine_path(sys.path, cwd=str(Path.cwd())),
            profile=self.profile,
        )
        self._run = Run.begin(wish, self._launcher)
        return self._run

    @property
    def launchers(self) -> list[str]:
        """What starts its engines on other hosts, for each set of them.

        Examples
        --------
        >>> ipp.Cluster(n=2, hosts=["n1"]).launchers
        ['ssh']
        """
        return [engines.launcher for engines in self._plan.sets]

    @property
    def _alone(self) -> bool:
        return not (self._plan.sets or (self._run is not None and self._run.sets))

    def _started(self) -> Run:
        if self._run is None or not self._run.alive:
            msg = f"{self!r} is not running; start it with start_cluster_sync()"
            raise ClusterStopped(msg)
        return self._run


def _patience(silence: float | None, host_silence: float | None) -> Patience:
    """Return how long it is borne that engines and hosts are not heard."""
    patience = structs.replace(running.PATIENCE, silence=silence or 0.0)
    if host_silence is None:
        return patience
    return structs.replace(patience, host_silence=max(0.0, float(host_silence)))


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
