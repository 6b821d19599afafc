"""What other hosts need to reach a cluster, and how they are kept out again."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from ipcluster_ext.cluster.running import Run
from ipcluster_ext.cluster.threads import in_thread
from ipcluster_ext.protocol.process import TcpConfig
from ipcluster_ext.transport.files import engine_file

_MOST = 65_535


class Outside(ABC):
    """The files for others, and the keys that stand in them."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the cluster's files are."""

    @abstractmethod
    def _started(self) -> Run:
        """Return what runs."""

    @property
    def engine_file(self) -> Path:
        """What engines on other hosts need to connect; there if the cluster listens on TCP.

        It opens the door for engines only: whoever has it can run tasks, and submit none.

        Examples
        --------
        >>> with ipp.Cluster(n=1, ip="127.0.0.1") as client:
        ...     client.cluster.engine_file.name, client.cluster.engine_file.exists()
        ('engine.json', True)
        """
        return engine_file(self.folder)

    async def rotate_keys(self) -> None:
        """Make new keys, and write new connection files; the old ones open nothing any more.

        Whoever came in by TCP with an old key is not heard from then on; those on this host stay.

        Raises
        ------
        ClusterStopped
            The cluster is not running.
        ClusterError
            It does not listen on TCP, or the hub takes no notice.

        Examples
        --------
        >>> import asyncio
        >>> with ipp.Cluster(n=1, ip="127.0.0.1") as client:
        ...     before = client.cluster.connection_file.read_text()
        ...     asyncio.run(client.cluster.rotate_keys())
        ...     client.cluster.connection_file.read_text() != before
        True
        """
        await in_thread(self.rotate_keys_sync)

    def rotate_keys_sync(self) -> None:
        """As `rotate_keys`, blocking.

        Examples
        --------
        >>> with ipp.Cluster(n=1, ip="127.0.0.1") as client:
        ...     client.cluster.rotate_keys_sync()
        ...     client[:].apply_sync(pow, 2, 3)
        [8]
        """
        self._started().rotate_keys()


def tcp_config(
    ip: str | Sequence[str] | None, ports: tuple[int, int] | None, *, far: bool
) -> TcpConfig | None:
    """Return where to listen on TCP, None for nowhere.

    Parameters
    ----------
    ip, ports
        As for `Cluster`.
    far
        Whether there are to be engines on other hosts. Then the addresses may be left to be
        chosen, and are none.

    Raises
    ------
    ValueError
        There can be no such ports, or they are given without an address.
    """
    ips = [ip] if isinstance(ip, str) else list(ip or ())
    if not any(ips) and not far:
        if ports:
            msg = "ports are those of an address; give ip, too: ip='*' for every address"
            raise ValueError(msg)
        return None
    numbers = [operator.index(port) for port in ports or (0, 0)]
    if len(numbers) != 2 or not all(0 <= port <= _MOST for port in numbers):
        msg = (
            f"ports are two numbers up to {_MOST}, one for clients and one for engines, not {ports}"
        )
        raise ValueError(msg)
    return TcpConfig(ips=list(filter(None, ips)), ports=(numbers[0], numbers[1]))
