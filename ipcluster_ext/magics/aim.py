"""Which engines the magics of one suffix address, found when they are first needed.

In this order: those of the view that was activated; those of the cluster that the notebook has
chosen since; those of the first client that this process has open; those of the cluster that
`ipcluster_ext.connect` finds, or starts.
"""

from typing import TYPE_CHECKING, cast

import ipcluster_ext
from ipcluster_ext.client.choice import chosen
from ipcluster_ext.client.connecting import is_of, is_profile
from ipcluster_ext.client.joining import say
from ipcluster_ext.client.opened import first_opened, is_usable
from ipcluster_ext.client.starting import await_engines
from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.magics.targets import targets_text

if TYPE_CHECKING:
    from ipcluster_ext import Client, DirectView


class Aim:
    """The engines that the magics of one suffix address.

    Parameters
    ----------
    view
        Theirs, if it was activated. It stays the user's: whatever its flags are holds.
    """

    def __init__(self, view: "DirectView | None" = None) -> None:
        self._given = view
        self._connected: Client | None = None
        self._kept: list[Client] = []
        self._choice = chosen()
        self._block = True
        self._targets: Targets = "all"

    @property
    def block(self) -> bool:
        """Whether cells wait that do not say it."""
        return self._block if self._given is None else self._given.block

    @property
    def targets_text(self) -> str:
        """The engines that cells address that do not say it, as ``--targets`` has them."""
        return targets_text(self._targets if self._given is None else self._given.targets)

    def configure(self, *, block: bool | None, targets: Targets | None) -> None:
        """Set what holds for cells that do not say it; None changes nothing.

        Raises
        ------
        NoSuchEngine
            A target is not there, as far as it is known what is there.
        """
        view = self._given
        if view is None and targets is not None and (client := self._client()) is not None:
            resolve(targets, client.ids)  # refuses what is not there
        if view is not None and targets is not None:
            view.targets = targets
        if view is not None and block is not None:
            view.block = block
        self._block = self._block if block is None else block
        self._targets = self._targets if targets is None else targets

    def now(self) -> "DirectView | None":
        """Return the view of the engines that are addressed, None if there are none yet."""
        if self._given is not None:
            return self._given
        client = self._client()
        return None if client is None else client.direct_view(self._targets, block=self._block)

    def view(self, *, profile: str = "", count: int | None = None) -> "DirectView":
        """Return the view of the engines that are addressed; connect first if need be.

        Parameters
        ----------
        profile
            What the cluster is made from that is addressed from now on; any will do if not given.
        count
            How many engines there have to be; more are started if there are fewer.

        Raises
        ------
        ClusterError, EngineError
            A cluster, or more engines, cannot be started; or what was starting has failed.
        ClientError
            The cluster that was activated has ended.
        """
        choice = self._chosen_since()
        client = self._client() if self._given is None else client_of(self._given)
        if client is None or (choice and client.cluster_id != choice) or not _fits(client, profile):
            self._given, self._targets = None, "all"
            client = self._connect(profile, count)
        elif count is not None or not client.ids:
            await_engines(client, say)  # those that come anyway need not be started
        if count is not None:
            _provide(client, count)
        if self._given is not None:
            return self._given
        return client.direct_view(self._targets, block=self._block)

    def _chosen_since(self) -> str:
        """Return the cluster that the notebook has chosen since it was looked at; mostly none."""
        choice = chosen()
        new = choice if choice != self._choice else ""
        self._choice = choice
        return new

    def _client(self) -> "Client | None":
        """Return the client that is in use without anybody having said so."""
        if self._connected is not None and is_usable(self._connected):
            return self._connected
        self._connected = None
        return first_opened()

    def _connect(self, profile: str, count: int | None) -> "Client":
        """Connect, and stay so: a cluster that was started here would end with its client."""
        self._connected = ipcluster_ext.connect(profile=profile, n=count)
        self._kept.append(self._connected)
        return self._connected


def client_of(view: "DirectView") -> "Client":
    """Return whose view it is."""
    return cast("Client", view.client)


def _fits(client: "Client", profile: str) -> bool:
    return not is_profile(profile) or is_of(profile, client.connection_file)


def _provide(client: "Client", count: int) -> None:
    """Start as many engines as are missing."""
    missing = count - len(client)
    if missing > 0:
        client.start_engines(missing)
        client.wait_for_engines(count)
        say(f"started {missing} more, which makes {count} engines")
