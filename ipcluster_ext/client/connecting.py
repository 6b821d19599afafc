"""How a client finds its cluster: by a file, by an id, as its notebook chose, or the youngest."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import msgspec

from ipcluster_ext.client.choice import chosen
from ipcluster_ext.errors import ClientError, ClusterError, HubGone
from ipcluster_ext.transport.files import (
    ConnectionFile,
    connection_file,
    far_client_file,
    from_dict,
    read_private,
    runtime_folder,
)
from ipcluster_ext.transport.processes import CLUSTER_VARIABLE

CLIENT_FILE = "client.json"
_LOOK_EVERY = 0.05
_DEFAULTS = frozenset({None, "", "default"})
_ABOUT = "about.json"
_UNSUPPORTED = ("sshserver", "sshkey", "password", "paramiko")


class _About(msgspec.Struct, frozen=True):
    """What we need to know of what the cluster says of itself, in its folder."""

    profile: str = ""


ConnectionInfo = str | os.PathLike[str] | Mapping[str, Any]
"""A connection file, or what stands in it."""


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
        The cluster's id, if no file is given. If neither is, the one that this notebook has
        chosen, and else the youngest, of those that run. With a profile it is the youngest that
        was made from it.
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
    if connection_info is not None:
        path = Path(connection_info)
    elif cluster_id:
        path = connection_file(runtime_folder() / cluster_id)
    else:
        path = _unnamed(profile)
    return path, _read(path, timeout)


def _unnamed(profile: str | None) -> Path:
    """Return the connection file of the cluster that is meant where no id is given."""
    if is_profile(profile):
        found = of_profile(profile)
        which, start = f"cluster of profile {profile!r}", f"ipcluster_ext.Cluster({profile!r})"
    else:
        found = meant()
        which, start = "cluster", "ipcluster_ext.Cluster(n=4)"
    if found is None:
        msg = f"no {which} is running; start one with {start}"
        raise ClientError(msg)
    return found


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
    if not info.runs():
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


def is_profile(profile: str | None) -> TypeGuard[str]:
    """Tell whether a profile is named, and not just any cluster meant."""
    return profile not in _DEFAULTS


def of_profile(profile: str) -> Path | None:
    """Return the connection file of the youngest cluster of a profile; None if none runs."""
    return next((path for path in running() if is_of(profile, path)), None)


def is_of(profile: str, path: Path) -> bool:
    """Tell whether the cluster of a connection file was made from a profile, or is called so."""
    if path.parent.name == profile:
        return True
    try:
        return read_private(path.with_name(_ABOUT), _About).profile == profile
    except (FileNotFoundError, ClusterError):  # it has ended, or is on another host
        return False


def _read(path: Path, timeout: float = 0.0) -> ConnectionFile:
    deadline = time.monotonic() + timeout
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    try:
        return read_private(path, ConnectionFile)
    except FileNotFoundError:
        msg = f"there is no connection file {path}; is the cluster running?"
        raise ClusterError(msg) from None


def meant() -> Path | None:
    """Return the connection file of the cluster that is meant where none is named.

    That is the one that this process belongs to; the one that this notebook has chosen; or else
    the youngest. None if no cluster runs.
    """
    own = os.environ.get(CLUSTER_VARIABLE)
    if own and (far := far_client_file(Path(own))).exists():
        return far  # this is an engine on another host than its hub
    choice = chosen()
    folders = [Path(own)] if own else []
    folders += [runtime_folder() / choice] if choice else []
    first = (running([folder]) for folder in folders)
    return next((found[0] for found in (*first, running()) if found), None)


def running(folders: Iterable[Path] | None = None) -> list[Path]:
    """Return the connection files of the clusters that run, the youngest first.

    Parameters
    ----------
    folders
        Theirs; if not given, those of all clusters of this user.
    """
    found: list[tuple[int, Path]] = []
    for folder in runtime_folder().iterdir() if folders is None else folders:
        path = connection_file(folder)
        try:
            if path.exists() and _read(path).runs():
                found.append((path.stat().st_mtime_ns, path))
        except (ClusterError, FileNotFoundError):
            continue  # it vanished, or is somebody else's
    return [path for _, path in sorted(found, reverse=True)]
