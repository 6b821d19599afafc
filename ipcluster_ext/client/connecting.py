"""How a client finds its cluster: by a file, by an id, or whichever runs."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ipcluster_ext.errors import ClientError, ClusterError, HubGone
from ipcluster_ext.transport.files import (
    ConnectionFile,
    connection_file,
    from_dict,
    read_private,
    runtime_folder,
)
from ipcluster_ext.transport.processes import CLUSTER_VARIABLE, start_of

if TYPE_CHECKING:
    from ipcluster_ext import Client, Cluster

CLIENT_FILE = "client.json"
_LOOK_EVERY = 0.05
_DEFAULTS = frozenset({None, "", "default"})
_UNSUPPORTED = ("sshserver", "sshkey", "password", "paramiko")

ConnectionInfo = str | os.PathLike[str] | Mapping[str, Any]
"""A connection file, or what stands in it."""


def connect(
    cluster: "str | os.PathLike[str] | Cluster | None" = None,
    *,
    n: int | None = None,
    cluster_id: str = "",
    profile: str | None = None,
    timeout: float = 10.0,
    session: str = "",
    **options: Any,
) -> "Client":
    """Connect to the running cluster of this user, or start one; it says which of them it did.

    Parameters
    ----------
    cluster
        A `Cluster`, a connection file, or an id; the youngest cluster that runs if not given.
        Within a task that is the engine's own.
    n
        How many engines a cluster gets that is started; one for each processor if not given.
    cluster_id
        The id of the cluster; one of this id is started if it does not run.
    profile
        Another way to name it.
    timeout
        How long to wait for the hub's answer, in seconds.
    session
        What the history calls the client; see `Client`.
    **options
        Of a cluster that is started; see `Cluster`.

    Returns
    -------
    A client, with its engines ready if it has started them. A cluster that was started here ends
    with this process.

    Raises
    ------
    ClusterError
        The connection file cannot be used, or the cluster cannot be started.
    HubGone
        The hub does not answer.

    Examples
    --------
    >>> with ipp.connect(rc.connection_file) as again:
    ...     again.ids
    [0, 1]
    """
    import ipcluster_ext  # rooms meet at the root only

    if isinstance(cluster, str | os.PathLike):
        path = Path(cluster)
        if path.suffix == ".json" or path.is_absolute():
            return ipcluster_ext.Client(path, timeout=timeout, session=session)
        cluster_id = str(cluster)
    elif cluster is not None:
        return _named(cluster.connect_client_sync(), session)
    wanted = _id_of(cluster_id, profile)
    found = _running(wanted)
    if found is not None:
        client = ipcluster_ext.Client(found, timeout=timeout, session=session)
        _say(f"connected to cluster {client.cluster_id}, which has {len(client)} engines")
        return client
    started = ipcluster_ext.Cluster(n=n, cluster_id=wanted, **options)
    client = _named(started.start_and_connect_sync(), session)
    _say(
        f"no cluster {wanted + ' ' if wanted else ''}was running: started {client.cluster_id} "
        f"with {len(client)} engines; it ends with this process"
    )
    return client


def _named(client: "Client", session: str) -> "Client":
    """Return a client of the same cluster that has a name; the same one if it is to have none."""
    import ipcluster_ext  # rooms meet at the root only

    if not session:
        return client
    client.close()
    return ipcluster_ext.Client(client.connection_file, cluster=client.cluster, session=session)


def _say(text: str) -> None:
    sys.stderr.write(f"ipcluster_ext: {text}\n")


def find(
    connection_info: ConnectionInfo | None,
    *,
    cluster_id: str | None = None,
    profile: str | None = None,
    timeout: float = 0.0,
) -> tuple[Path, ConnectionFile]:
    """Find a cluster's connection file, and read it.

    Parameters
    ----------
    connection_info
        The file, or what stands in it.
    cluster_id, profile
        The cluster's id, if no file is given; the youngest that runs if neither is.
    timeout
        How long to wait for a file that is not there yet, in seconds.

    Raises
    ------
    ClientError
        No cluster is running.
    ClusterError
        There is no such file, or it cannot be used.
    """
    if isinstance(connection_info, Mapping):
        try:
            info = from_dict(dict(connection_info), ConnectionFile)
        except msgspec.ValidationError as error:
            msg = f"this is not what stands in a connection file: {error}"
            raise ClusterError(msg) from None
        return connection_file(Path(info.folder)), info
    wanted = _id_of(cluster_id or "", profile)
    if connection_info is not None:
        path = Path(connection_info)
    elif wanted:
        path = connection_file(runtime_folder() / wanted)
    else:
        youngest = _running("")
        if youngest is None:
            msg = "no cluster is running; start one with ipcluster_ext.Cluster(n=4)"
            raise ClientError(msg)
        path = youngest
    return path, _read(path, timeout)


def check_supported(options: Mapping[str, Any]) -> None:
    """Refuse what ipyparallel's clients could do and ours cannot.

    Raises
    ------
    ClientError
        Something of that is asked for.
    """
    asked = [name for name in _UNSUPPORTED if options.get(name)]
    if asked:
        msg = (
            f"{', '.join(asked)}: clients connect to clusters of their own host; "
            "run this process on the cluster's host"
        )
        raise ClientError(msg)


def check_usable(path: Path, info: ConnectionFile) -> None:
    """Refuse a connection file with which nobody can connect, and say why.

    Raises
    ------
    HubGone
        Its cluster has ended.
    ClusterError
        It is not for clients, has expired, or is of another host that cannot be reached.
    """
    now = time.time_ns() / 1e9
    if info.role != "client":
        msg = f"{path} is for engines; clients need {CLIENT_FILE}, which stands beside it"
        raise ClusterError(msg)
    if info.expires is not None and now >= info.expires:
        msg = f"{path} has expired {_span(now - info.expires)} ago; ask for another"
        raise ClusterError(msg)
    if not info.is_here and info.tcp is None:
        msg = (
            f"{path} is of cluster {info.cluster} on host {info.host}, which listens for its own "
            "host only; start it with ipcluster_ext.Cluster(ip='*') to reach it from others"
        )
        raise ClusterError(msg)
    if not runs(info):
        age = _age(path, info, now)
        reason = (
            f"the file was written {age}, and the process that kept cluster {info.cluster} "
            f"running ({info.agent_pid}) does not run any more; the file can be deleted"
        )
        raise HubGone(f"{path}", 0.0, reason)


def name_of(path: Path, info: ConnectionFile) -> str:
    """Return what to call a hub, in errors."""
    reach = info.reach
    if isinstance(reach, Path):
        return f"{path}"
    age = _age(path, info, time.time_ns() / 1e9)
    return f"{reach.host}:{reach.port} ({path}, written {age})"


def _age(path: Path, info: ConnectionFile, now: float) -> str:
    """Tell how old a connection file is."""
    written_at = info.written_at
    if not written_at:
        try:
            written_at = path.stat().st_mtime
        except OSError:
            return "some time ago"
    return f"{_span(now - written_at)} ago"


def _span(seconds: float) -> str:
    """Write how long something takes, as ``'3 h'``."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def runs(info: ConnectionFile) -> bool:
    """Tell whether a cluster's agent is the process it was, as far as can be seen from here."""
    return not info.is_here or start_of(info.agent_pid) == info.agent_started


def _id_of(cluster_id: str, profile: str | None) -> str:
    """Return the id that is meant; empty for any."""
    return cluster_id or ("" if profile in _DEFAULTS or profile is None else profile)


def _read(path: Path, timeout: float = 0.0) -> ConnectionFile:
    deadline = time.monotonic() + timeout
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    try:
        return read_private(path, ConnectionFile)
    except FileNotFoundError:
        msg = f"there is no connection file {path}; is the cluster running?"
        raise ClusterError(msg) from None


def _running(cluster_id: str) -> Path | None:
    """Return the connection file of a cluster that runs, None if there is none.

    Without an id it is the cluster that this process belongs to, or else the youngest.
    """
    own = os.environ.get(CLUSTER_VARIABLE)
    folders = [Path(own)] if own and not cluster_id else []
    if cluster_id:
        folders = [runtime_folder() / cluster_id]
    return _youngest(folders) or (None if cluster_id else _youngest(runtime_folder().iterdir()))


def _youngest(folders: "list[Path] | Any") -> Path | None:
    running: list[tuple[int, Path]] = []
    for folder in folders:
        path = connection_file(folder)
        try:
            if path.exists() and runs(_read(path)):
                running.append((path.stat().st_mtime_ns, path))
        except (ClusterError, FileNotFoundError):
            continue  # it vanished, or is somebody else's
    return max(running)[1] if running else None
