"""The keys of a cluster that other hosts can reach: made, given out in files, and exchanged.

They are nowhere but in files of mode 0600 in the cluster's folder: the hub's own with those of
whom it admits, and one file for each role, which is all that anybody needs who comes from another
host.
"""

import signal
import time
from pathlib import Path
from typing import Self

import msgspec

from ipcluster_ext.errors import ClusterError
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
from ipcluster_ext.transport.keys import HubKeys, KeyPair, TcpAddress, mint
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
    """

    def __init__(self, folder: Path, server: KeyPair) -> None:
        self._folder = folder
        self._server = server
        self._client, self._engine = mint(), mint()

    @classmethod
    def new(cls, folder: Path) -> Self:
        """Make all keys, and write those that the hub reads when it starts."""
        keyring = cls(folder, mint())
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
            return cls(folder, read_private(hub_keys_file(folder), HubKeys).server)
        except FileNotFoundError:
            return None

    def _write_hubs(self) -> HubKeys:
        keys = HubKeys(
            server=self._server, clients=[self._client.public], engines=[self._engine.public]
        )
        write_private(hub_keys_file(self._folder), to_json(keys))
        return keys

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
        return TcpAddress(
            host=doors.host, port=doors.ports[number], server=self._server.public, keys=keys
        )

    def rotate(self, deed: ConnectionFile) -> None:
        """Have the hub admit new keys and no others, and give those out.

        Raises
        ------
        ClusterError
            The hub takes no notice.
        """
        self._client, self._engine = mint(), mint()
        digest = self._write_hubs().digest
        deadline = time.monotonic() + NOTICED_WITHIN
        doors = self._doors()
        if start_of(doors.pid) == doors.started:  # else the next one reads them as it starts
            signal_one(doors.pid, signal.SIGHUP)
        while self._doors().admits != digest:
            if time.monotonic() >= deadline:
                msg = f"the hub (process {doors.pid}) has not admitted the new keys"
                raise ClusterError(msg)
            time.sleep(_LOOK_EVERY)
        self.give_out(deed)

    def _doors(self) -> OpenDoors:
        return read_private(open_doors_file(self._folder), OpenDoors)
