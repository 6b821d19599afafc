"""Engines as there is work for: what a cluster or a profile says of that."""

import os
from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec

from ipcluster_ext.cluster.threads import in_thread
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.bounds import IDLE_TIMEOUT, bounds_of
from ipcluster_ext.protocol.parts import Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipcluster_ext import Client


class Adapt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many engines there are to be, as a profile has it; as for `Cluster.adapt`."""

    minimum: int = 0
    maximum: int | None = None
    idle_timeout: float = IDLE_TIMEOUT


def as_bounds(given: "Adapt | Mapping[str, Any] | None", usual: int) -> Bounds | None:
    """Return bounds of the number of engines; None for none.

    Parameters
    ----------
    given
        What was said.
    usual
        How many there are at most if that was not said.

    Raises
    ------
    ValueError
        There can be no such numbers.
    ClusterError
        Something unknown was said.
    """
    if given is None:
        return None
    try:
        adapt = given if isinstance(given, Adapt) else msgspec.convert(dict(given), Adapt)
    except msgspec.ValidationError as error:
        msg = f"adapt: {error}; keys: {', '.join(Adapt.__struct_fields__)}"
        raise ClusterError(msg) from None
    most = max(adapt.minimum, usual) if adapt.maximum is None else adapt.maximum
    return bounds_of(adapt.minimum, most, adapt.idle_timeout)


def usual_maximum(n: int, *, alone: bool) -> int:
    """Return how many engines there are at most if nobody says.

    Parameters
    ----------
    n
        How many were asked for at first.
    alone
        Whether there are none on other hosts.
    """
    return max(n, os.cpu_count() or 1) if alone else n


class Adaptive(ABC):
    """The part of a cluster that leaves it to the hub how many engines there are."""

    n: int

    @abstractmethod
    def connect_client_sync(self) -> "Client":
        """Connect to the hub."""

    @property
    @abstractmethod
    def _alone(self) -> bool:
        """Whether there are no engines on other hosts."""

    async def adapt(
        self,
        minimum: int | None = 0,
        maximum: int | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        """Have engines started as there is work, and those stopped that have none.

        More are started when tasks have had to wait for a second, and would not be through in
        five; those that have had nothing to do for long are stopped, with what is in their
        namespaces. The hub decides, so this goes on when the notebook is gone; until `scale` says
        how many there are to be, or ``adapt(None)`` that it is enough.

        Parameters
        ----------
        minimum
            How many engines there are to be at least; None to leave their number as it is.
        maximum
            How many at most. If not given, as many as the cluster had at first; or one for each of
            this host's processors, if it has engines on no other and these are more.
        idle_timeout
            After how many seconds without work an engine is stopped.

        Raises
        ------
        ValueError
            There can be no such numbers.
        EngineError
            The hub refused.
        ClusterStopped
            The cluster is not running.

        Examples
        --------
        >>> import asyncio
        >>> asyncio.run(rc.cluster.adapt(minimum=2, maximum=4))
        >>> asyncio.run(rc.cluster.adapt(None))
        """
        await in_thread(lambda: self.adapt_sync(minimum, maximum, idle_timeout))

    def adapt_sync(
        self,
        minimum: int | None = 0,
        maximum: int | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        """As `adapt`, blocking.

        Examples
        --------
        >>> rc.cluster.adapt_sync(minimum=2, maximum=4, idle_timeout=30)
        >>> rc.cluster.adapt_sync(None)
        """
        least = 0 if minimum is None else minimum
        most = usual_maximum(max(self.n, least), alone=self._alone) if maximum is None else maximum
        with closing(self.connect_client_sync()) as client:
            client.adapt(minimum, most, idle_timeout)
