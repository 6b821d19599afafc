"""The keys of a cluster that other hosts can reach: made, given out in files, and exchanged.

They are nowhere but in files of mode 0600 in the cluster's folder: the hub's own with those of
whom it admits, and one file for each role, which is all that anybody needs who comes from another
host. Agents that the cluster starts on other hosts have two pairs each, one for itself and its
engines and one for tasks there that submit tasks. They stay when the others are exchanged.
"""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.keys import KeyPair, TcpAddress
from ipcluster_ext.transport.files import (
    ConnectionFile,
    OpenDoors,
    connection_file,
    engine_file,
    hub_keys_file,
    open_doors_file,
    read_private,
    to_json,
    write_private,
)
from ipcluster_ext.transport.keys import HubKeys, mint
from ipcluster_ext.transport.processes import signal_one, start_of

NOTICED_WITHIN = 5.0
_LOOK_EVERY = 0.005


class Keyring:
    """The keys to a cluster's doors on TCP.

    Parameters
    ----------
    folder
        The cluster's folder.
    server
        The hub's own keys.
    location
        By which address others reach the hub, if not by its own.
    """

    def __init__(self, folder: Path, server: KeyPair, *, location: str = "") -> None:
        self._folder = folder
        self._server = server
        self._location = location
        self._client, self._engine = mint(), mint()

    @classmethod
    def new(cls, folder: Path, *, location: str = "") -> Self:
        """Make all keys, and write those that the hub reads when it starts."""
        keyring = cls(folder, mint(), location=location)
        keyring._write_hubs()
        return keyring

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """Take the hub's keys of a cluster that runs; None if it has none.

        Those of clients and engines are made anew when they are exchanged.

        Raises
        ------
        ClusterError
            They cannot be read.
        """
        try:
            server = read_private(hub_keys_file(folder), HubKeys).server
        except FileNotFoundError:
            return None
        return cls(folder, server, location=_location_in(engine_file(folder)))

    def _write_hubs(self) -> None:
        with _hands_on(self._folder):
            before = _hubs_keys(self._folder)
            keys = HubKeys(
                server=self._server,
                clients=[self._client.public],
                engines=[self._engine.public],
                agents={} if before is None else before.agents,
            )
            write_private(hub_keys_file(self._folder), to_json(keys))

    def give_out(self, deed: ConnectionFile) -> None:
        """Write the files of both roles, once the hub has said where it listens.

        Parameters
        ----------
        deed
            What the file for clients of the same host says.
        """
        doors = read_private(open_doors_file(self._folder), OpenDoors)
        now = time.time_ns() / 1e9
        client = msgspec.structs.replace(
            deed, tcp=self._address(doors, 0, self._client), written_at=now
        )
        write_private(connection_file(self._folder), to_json(client))
        engine = ConnectionFile(
            cluster=deed.cluster,
            folder=deed.folder,
            agent_pid=deed.agent_pid,
            agent_started=deed.agent_started,
            host=deed.host,
            role="engine",
            tcp=self._address(doors, 1, self._engine),
            written_at=now,
        )
        write_private(engine_file(self._folder), to_json(engine))

    def _address(self, doors: OpenDoors, number: int, keys: KeyPair) -> TcpAddress:
        host = self._location or doors.hosts[0]
        return TcpAddress(
            host=host, port=doors.ports[number], server=self._server.public, keys=keys
        )

    def rotate(self, deed: ConnectionFile) -> None:
        """Have the hub admit new keys and no others but its agents', and give those out.

        Raises
        ------
        ClusterError
            The hub takes no notice.
        """
        self._client, self._engine = mint(), mint()
        self._write_hubs()
        _have_noticed(self._folder)
        self.give_out(deed)


def _location_in(path: Path) -> str:
    """Return by which address others reach a hub, as a file says that was given out."""
    try:
        tcp = read_private(path, ConnectionFile).tcp
    except FileNotFoundError:
        return ""
    return "" if tcp is None else tcp.host


def admit_agent(folder: Path, *, submits: bool = True) -> tuple[KeyPair, KeyPair | None]:
    """Make keys for an agent on another host, and have the hub admit it.

    Parameters
    ----------
    folder
        The cluster's folder.
    submits
        Whether tasks there may submit tasks.

    Returns
    -------
    Those of the agent and its engines, and those of clients on its host, None if there are to be
    none. Either pair opens one door, and both are turned away together.

    Raises
    ------
    ClusterError
        The cluster has no keys, as it does not listen on TCP, or its hub takes no notice.
    """
    pair, for_clients = mint(), mint() if submits else None
    with _hands_on(folder):
        keys = _hubs_keys(folder)
        if keys is None:
            msg = "the cluster has no keys: it listens on no TCP port"
            raise ClusterError(msg)
        agents = {**keys.agents, pair.public: for_clients.public if for_clients else ""}
        write_private(hub_keys_file(folder), to_json(msgspec.structs.replace(keys, agents=agents)))
    _have_noticed(folder)
    return pair, for_clients


def turn_away_agents(folder: Path, publics: Iterable[str]) -> None:
    """Have the hub admit agents no longer, nor clients on their hosts.

    Parameters
    ----------
    folder
        The cluster's folder.
    publics
        Their public keys; unknown ones are passed over.

    Raises
    ------
    ClusterError
        The hub takes no notice.
    """
    gone = frozenset(publics)
    with _hands_on(folder):
        keys = _hubs_keys(folder)
        if keys is None or not gone & set(keys.agents):
            return
        left = {agent: client for agent, client in keys.agents.items() if agent not in gone}
        keys = msgspec.structs.replace(keys, agents=left)
        write_private(hub_keys_file(folder), to_json(keys))
    _have_noticed(folder)


@contextlib.contextmanager
def _hands_on(folder: Path) -> Iterator[None]:
    """Let nobody else change a cluster's keys meanwhile."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _hubs_keys(folder: Path) -> HubKeys | None:
    """Return the keys that a hub reads, None if there are none."""
    try:
        return read_private(hub_keys_file(folder), HubKeys)
    except FileNotFoundError:
        return None


def _have_noticed(folder: Path) -> None:
    """Have the hub admit whom the file with its keys says.

    Raises
    ------
    ClusterError
        It takes no notice.
    """
    deadline = time.monotonic() + NOTICED_WITHIN
    doors = read_private(open_doors_file(folder), OpenDoors)
    if start_of(doors.pid) == doors.started:  # else the next one reads them as it starts
        signal_one(doors.pid, signal.SIGHUP)
    while not _has_noticed(folder):
        if time.monotonic() >= deadline:
            msg = f"the hub (process {doors.pid}) has not admitted the new keys"
            raise ClusterError(msg)
        time.sleep(_LOOK_EVERY)


def _has_noticed(folder: Path) -> bool:
    keys, doors = _hubs_keys(folder), read_private(open_doors_file(folder), OpenDoors)
    return keys is None or doors.admits == keys.digest
