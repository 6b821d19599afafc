"""Engines given to somebody else: a client's door to Dask."""

import weakref
from collections.abc import Callable
from typing import Any

from ipcluster_ext.client.base import Base
from ipcluster_ext.client.targets import Targets

_guests: "weakref.WeakKeyDictionary[Base, list[Callable[[], object]]]" = weakref.WeakKeyDictionary()


def when_closed(client: Base, end: Callable[[], object]) -> None:
    """Have a guest of a client's end before the client is closed."""
    _guests.setdefault(client, []).append(end)


def end_guests(client: Base) -> None:
    """End a client's guests, each once."""
    for end in _guests.pop(client, ()):
        end()


class Becoming(Base):
    """The part of a client that hands engines over, and takes them back."""

    def become_dask(
        self,
        targets: Targets = "all",
        port: int = 0,
        nanny: bool = False,  # noqa: FBT001, FBT002 - ipyparallel's signature
        scheduler_args: dict[str, Any] | None = None,
        **worker_args: Any,
    ) -> Any:
        """Start Dask on the engines: a worker in each of them, and a scheduler on this host.

        Engines go on doing tasks; a worker runs on a thread beside them and is called
        ``dask_worker`` and ``distributed_worker`` in the engine's namespace. Called again, it
        gives workers to engines that have none. All ends with `stop_dask`, with this process and
        with the cluster.

        Parameters
        ----------
        targets
            The engines.
        port
            The scheduler's port; any that is free if 0.
        nanny
            Whether workers are processes of their own that a nanny watches and restarts.
        scheduler_args
            More arguments of ``distributed.Scheduler``. Where all engines are on this host, the
            scheduler listens to this host only, unless ``host`` or ``interface`` is given; a
            ``security`` is passed on to workers and client.
        **worker_args
            Arguments of ``distributed.Worker``, or of ``distributed.Nanny``; ``nthreads=1`` unless
            given, and an engine's id is its worker's name.

        Returns
        -------
        A ``distributed.Client``, which is Dask's default client from now on.

        Raises
        ------
        ImportError
            Dask's ``distributed`` is not installed.
        ClusterError
            The scheduler did not start.
        RemoteError
            A worker did not start.

        Examples
        --------
        >>> dask_client = rc.become_dask()
        >>> dask_client.submit(pow, 2, 3).result()
        8
        >>> rc.stop_dask()
        """
        import ipcluster_ext  # faces are asked for at the root

        return ipcluster_ext.become_dask(self, targets, port, nanny, scheduler_args, **worker_args)

    def stop_dask(self, targets: Targets = "all") -> None:
        """Stop what `become_dask` started; nothing happens if that is nothing.

        Parameters
        ----------
        targets
            The engines whose workers end. With the last one the scheduler ends, too, and the
            clients of Dask's are closed.

        Examples
        --------
        >>> dask_client = rc.become_dask([1])
        >>> rc.stop_dask()
        >>> dask_client.status
        'closed'
        """
        import ipcluster_ext  # faces are asked for at the root

        ipcluster_ext.stop_dask(self, targets)

    become_distributed = become_dask
    stop_distributed = stop_dask
