"""The client: a connection to a hub, and the views over its engines."""

import atexit
import contextlib
import signal
import sys
import time
import warnings
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from ipcluster_ext.client.activating import activate, offer_magics
from ipcluster_ext.client.adapting import Adapting
from ipcluster_ext.client.balanced import LoadBalancedView
from ipcluster_ext.client.becoming import Becoming, end_guests
from ipcluster_ext.client.comms import attend
from ipcluster_ext.client.connecting import (
    ConnectionInfo,
    check_supported,
    check_usable,
    find,
    name_of,
)
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.direct import BroadcastView, DirectView
from ipcluster_ext.client.jobs import Jobbing
from ipcluster_ext.client.opened import note_opened
from ipcluster_ext.client.overseeing import WatchedClient
from ipcluster_ext.client.preparing import Preparing
from ipcluster_ext.client.purging import Purging
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.client.versions import Versioned
from ipcluster_ext.display.card import Card, still
from ipcluster_ext.display.frontend import shows_widgets
from ipcluster_ext.display.looks import Overseen
from ipcluster_ext.errors import ClientError, ClusterError
from ipcluster_ext.protocol.keys import Secret, TcpAddress
from ipcluster_ext.transport.processes import name_of_this, signal_one

if TYPE_CHECKING:
    from ipcluster_ext import Executor

_STOP_WITHIN = 15.0
_HEARD_WITHIN = 5.0
_LOOK_EVERY = 0.02


class Client(Jobbing, Purging, Adapting, Preparing, Becoming, Versioned):
    """A connection to a cluster. May be used from any thread.

    Parameters
    ----------
    connection_info
        The cluster's connection file, or a dict of what stands in it; the youngest running
        cluster of this user if not given.
    url_file
        Another name for it.
    cluster_id, profile
        The cluster's id, if no file is given.
    cluster
        The `Cluster` that started it, if this process did.
    timeout
        How long to wait for the connection file to appear and for the hub to answer, in seconds.
    debug
        For ipyparallel's sake.
    session
        What the history calls this client: its tasks can be found by that name, also by whoever
        comes after it. The name of the notebook or of the script if not given.
    **options
        Others that ipyparallel has; those about ssh are refused.

    Attributes
    ----------
    block
        Whether calls without a choice of their own wait, and those of views made from now on.
    cluster, cluster_id, profile, debug
        As given.
    connection_file
        Where the cluster was found.
    session
        What the history calls this client.
    curve_serverkey, curve_publickey, curve_secretkey
        For ipyparallel's sake; None as long as nothing leaves this host. The last shows itself
        as ``***``.

    Raises
    ------
    HubGone
        The hub did not answer.
    ClientError
        No cluster is running, or an option cannot be met.
    ClusterError
        There is no connection file, or it cannot be used.

    Examples
    --------
    >>> with ipp.Client(rc.connection_file) as client:
    ...     client[:].apply_sync(pow, 2, 3)
    [8, 8]
    """

    def __init__(
        self,
        connection_info: ConnectionInfo | None = None,
        *,
        url_file: ConnectionInfo | None = None,
        profile: str | None = None,
        cluster_id: str | None = None,
        cluster: Any = None,
        timeout: float = 10.0,
        debug: bool = False,
        session: str = "",
        **options: Any,
    ) -> None:
        check_supported(options)
        path, self._info = find(
            connection_info if connection_info is not None else url_file,
            cluster_id=cluster_id,
            profile=profile,
            timeout=timeout,
        )
        check_usable(path, self._info)
        reach = self._info.reach
        if isinstance(reach, TcpAddress):
            self.curve_serverkey = reach.server.encode()
            self.curve_publickey = reach.keys.public.encode()
            self.curve_secretkey = reach.keys.secret
        self.session = session or name_of_this()
        self.connection = Connection(
            reach,
            name=name_of(path, self._info),
            alive=self._info.runs,
            obituary=lambda: getattr(cluster, "ended_because", ""),
            session=self.session,
        )
        self.connection.wait_for_welcome(timeout)
        self.connection_file = path
        self.cluster = cluster
        self.cluster_id = self._info.cluster
        self.profile = profile or ""
        self.debug = debug
        self.block = False
        self._finalizer = weakref.finalize(self, Connection.leave, self.connection)
        atexit.register(_close_at_exit, weakref.ref(self))
        note_opened(self)
        if "ipykernel" in sys.modules:
            attend(self)
        offer_magics()

    cluster_id = ""
    _finalizer: "weakref.finalize[..., Client] | None" = None
    _card: Card | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.connection.roster.ids)} engines"
        return f"<Client of cluster {self.cluster_id}: {state}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return it as text and HTML; and as a card that is live, to whoever sees widgets."""
        del include, exclude
        if not shows_widgets():
            return {"text/plain": repr(self), "text/html": still(self.overseen().look())}
        if self._card is None:
            self._card = Card(self.overseen())
        return {**self._card.bundle(), "text/plain": repr(self)}

    def overseen(self) -> Overseen:
        """Return how the cluster is, and what can be done about it, as cards show it.

        Examples
        --------
        >>> rc.overseen().look().state
        'running'
        """
        return WatchedClient(self)

    @property
    def hub_pid(self) -> int:
        """The hub's process id.

        Examples
        --------
        >>> import os
        >>> rc.hub_pid != os.getpid()
        True
        """
        return self.connection.hub_pid

    curve_serverkey: bytes | None = None
    curve_publickey: bytes | None = None
    curve_secretkey: Secret | None = None
    """Keys of ipyparallel's connections; there are none, as nothing leaves this host."""

    # ------------------------------------------------------------ views

    def __iter__(self) -> Iterator[DirectView]:
        return (self[engine] for engine in self.ids)

    def __getitem__(self, key: int | slice | list[int] | tuple[int, ...] | range) -> DirectView:
        engines, single = resolve(key, self.ids)
        return self.direct_view(engines[0] if single else engines)

    def direct_view(self, targets: Targets = "all", **flags: Any) -> DirectView:
        """Return a view that addresses engines by id.

        Parameters
        ----------
        targets
            An id (answers are single values then), several, a slice, or ``'all'``, which means
            those that are there at each call.
        **flags
            The view's options.

        Examples
        --------
        >>> rc.direct_view([1, 0]).apply_sync(pow, 2, 3)
        [8, 8]
        """
        view = DirectView(self, targets)
        view.block = self.block
        return view.set_flags(**flags)

    def load_balanced_view(self, targets: Targets | None = None, **flags: Any) -> LoadBalancedView:
        """Return a view for which the hub chooses the engine.

        Parameters
        ----------
        targets
            The engines among which it chooses; all if not given.
        **flags
            The view's options.

        Examples
        --------
        >>> rc.load_balanced_view(targets=[1]).map_sync(abs, [-1, -2])
        [1, 2]
        """
        view = LoadBalancedView(self, targets)
        view.block = self.block
        return view.set_flags(**flags)

    def broadcast_view(
        self,
        targets: Targets = "all",
        is_coalescing: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
        **flags: Any,
    ) -> BroadcastView:
        """Return a view that addresses engines by id, under ipyparallel's other name.

        Examples
        --------
        >>> rc.broadcast_view().apply_sync(pow, 2, 3)
        [8, 8]
        """
        view = BroadcastView(self, targets, is_coalescing=is_coalescing)
        view.block = self.block
        return view.set_flags(**flags)

    def executor(self, targets: Targets | None = None) -> "Executor":
        """Return a `concurrent.futures.Executor` over engines, all of them if not given.

        Examples
        --------
        >>> with rc.executor() as pool:
        ...     pool.submit(pow, 2, 3).result()
        8
        """
        return self.load_balanced_view(targets).executor

    def activate(self, targets: Targets = "all", suffix: str = "") -> DirectView:
        """Have ``%px`` and its kin address some engines; return the view that they use.

        Outside IPython there are no magics, and the view is all there is. The first client that
        IPython opens need not be activated: ``%px`` addresses all its engines.

        Parameters
        ----------
        targets
            The engines.
        suffix
            What the names of the magics end with: with ``"_even"``, ``%px_even`` and
            ``%%px_even`` are these engines', and ``%px`` stays what it was.

        Returns
        -------
        A view whose calls wait. What is set there holds for the magics, too.

        Examples
        --------
        >>> rc.activate().apply(abs, -1)
        [1, 1]
        >>> even = rc.activate(targets=slice(None, None, 2), suffix="_even")
        >>> even.apply(abs, -2)
        [2]
        """
        view = self.direct_view(targets, block=True)
        activate(view, suffix)
        return view

    def clear(self, targets: Targets | None = None, block: bool | None = None) -> Any:  # noqa: FBT001 - ipyparallel's signature
        """Empty the engines' namespaces.

        Parameters
        ----------
        targets
            The engines; all if not given.
        block
            Whether to wait for that; the client's `block` if not given.

        Returns
        -------
        None for each engine, or the `AsyncResult`.

        Examples
        --------
        >>> rc[0]["a"] = 1
        >>> rc.clear(block=True)
        [None, None]
        """
        wait = self.block if block is None else block
        return self.direct_view("all" if targets is None else targets).clear(block=wait)

    # ------------------------------------------------------------ end

    def _stop_cluster(self) -> None:
        if self.cluster is not None:
            self.cluster.stop_cluster_sync()
        else:
            self._stop_agent()
        with contextlib.suppress(ClientError):  # nothing can be asked any more, as was wished
            self.connection.roster.wait_until(lambda: False, _HEARD_WITHIN)

    def _stop_agent(self) -> None:
        """End what keeps the cluster running, and wait for that."""
        signal_one(self._info.agent_pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_WITHIN
        while self._info.runs():
            if time.monotonic() > deadline:
                msg = f"cluster {self.cluster_id} has not ended after {_STOP_WITHIN:.0f} s"
                raise ClusterError(msg)
            time.sleep(_LOOK_EVERY)

    @property
    def closed(self) -> bool:
        """Whether `close` was called.

        Examples
        --------
        >>> with ipp.Client(rc.connection_file) as client:
        ...     client.closed
        False
        >>> client.closed
        True
        """
        return self._finalizer is None or not self._finalizer.alive

    def close(self, linger: float | None = None) -> None:
        """Leave the cluster; tasks go on, and another client can get their results.

        Parameters
        ----------
        linger
            How long to wait, in seconds, until the hub has all that was sent; at most a fifth of
            one if not given.

        Examples
        --------
        >>> client = ipp.Client(rc.connection_file)
        >>> client.close()
        >>> client.closed
        True
        """
        if linger and not self.closed:
            self.connection.settle(linger)
        if self._finalizer is not None:
            self._finalizer.detach()
        end_guests(self)
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    # ------------------------------------------------------------ what does nothing any more

    def spin(self) -> None:
        """Do nothing: results arrive by themselves. Deprecated.

        Examples
        --------
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     rc.spin()
        """
        _deprecated("spin")

    def spin_thread(self, interval: float = 1) -> None:
        """Do nothing: results arrive by themselves. Deprecated.

        Examples
        --------
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     rc.spin_thread()
        """
        del interval
        _deprecated("spin_thread")

    def stop_spin_thread(self) -> None:
        """Do nothing: results arrive by themselves. Deprecated.

        Examples
        --------
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     rc.stop_spin_thread()
        """
        _deprecated("stop_spin_thread")


def _deprecated(name: str) -> None:
    text = f"Client.{name}() does nothing: results arrive by themselves"
    warnings.warn(text, DeprecationWarning, stacklevel=3)


def _close_at_exit(reference: "weakref.ref[Client]") -> None:
    client = reference()
    if client is not None:
        client.close()
