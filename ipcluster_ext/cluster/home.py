"""A cluster's folders: made before it starts, and swept if it could not do so itself."""

import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.blobs import SHARED_MEMORY, host_identity
from ipcluster_ext.transport.files import (
    ConnectionFile,
    connection_file,
    read_private,
    runtime_folder,
    to_json,
    write_private,
)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}")
_ATTEMPTS = 10
_KILLED_WITHIN = 1.0


class Deed(ConnectionFile, frozen=True, kw_only=True):
    """A connection file that says where the cluster's blobs are."""

    blobs: str = ""


class Home(NamedTuple):
    """The folders of a cluster; ``blobs`` is empty where there is no shared memory."""

    cluster: str
    folder: Path
    blobs: str

    @property
    def folders(self) -> list[Path]:
        """Those there are."""
        return [self.folder, Path(self.blobs)] if self.blobs else [self.folder]

    def deed(self, keeper: int) -> Deed:
        """Make out whose they are: a process that deletes them before it ends."""
        return Deed(
            cluster=self.cluster,
            folder=str(self.folder),
            agent_pid=keeper,
            agent_started=processes.start_of(keeper) or 0,
            host=host_identity(),
            blobs=self.blobs,
        )

    def hand_over(self, agent: int) -> None:
        """Make them an agent's, and let clients connect."""
        deed = to_json(self.deed(agent))
        for folder in self.folders:
            write_private(connection_file(folder), deed)

    def sweep(self) -> None:
        """Kill what still runs of the cluster, and delete its folders."""
        there = [folder for folder in self.folders if folder.exists()]
        if there:
            processes.end_members(str(self.folder), within=_KILLED_WITHIN)
        for folder in there:
            shutil.rmtree(folder, ignore_errors=True)


def check_id(cluster: str) -> str:
    """Return an id that can name files and sockets.

    Raises
    ------
    ValueError
        It cannot.
    """
    if not _ID.fullmatch(cluster):
        msg = (
            f"{cluster!r} cannot be a cluster's id; use up to 16 letters, digits, '-' and '_', "
            "beginning with a letter or a digit"
        )
        raise ValueError(msg)
    return cluster


def make_home(cluster: str) -> Home:
    """Make a cluster's folders, of mode 0700; this process keeps them until they are handed over.

    Raises
    ------
    ClusterError
        A cluster of this id is running.
    """
    folder = runtime_folder() / cluster
    for _ in range(_ATTEMPTS):
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise _taken(cluster, folder) from None
        home = Home(cluster, folder, _make_blobs(cluster))
        try:
            _claim(home)
        except FileNotFoundError:
            continue  # somebody swept it while it was empty
        return home
    msg = f"{folder} vanishes as often as it is made"
    raise ClusterError(msg)


def _taken(cluster: str, folder: Path) -> ClusterError:
    return ClusterError(
        f"a cluster {cluster!r} is running; connect to it with "
        f"ipcluster_ext.Client({str(connection_file(folder))!r}) or choose another cluster_id"
    )


def _make_blobs(cluster: str) -> str:
    plain = SHARED_MEMORY / f"ipcluster-ext-{os.getuid()}-{cluster}"
    for folder in (plain, plain.with_name(f"{plain.name}-{secrets.token_hex(4)}")):
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError:
            return ""
        return str(folder)
    return ""


def _claim(home: Home) -> None:
    """Note quickly, until an agent takes over, that this process keeps the folders."""
    deed = to_json(home.deed(os.getpid()))
    for folder in home.folders:
        path = _first_deed(folder)
        path.touch(mode=0o600)
        path.write_bytes(deed)


def _first_deed(folder: Path) -> Path:
    return folder / "starting.json"


def leftovers() -> list[Path]:
    """Return the folders of clusters whose keeper died without deleting them."""
    return [folder for folder in _folders() if _is_left(folder)]


def _is_left(folder: Path) -> bool:
    try:
        deed = _deed_in(folder)
    except (ClusterError, OSError):
        return False  # not ours to judge
    return deed is not None and _dead(deed)


def sweep_leftovers() -> None:
    """Delete the folders of clusters whose keeper died without doing so."""
    for folder in _folders():
        _sweep_if_dead(folder)


def _folders() -> list[Path]:
    """Return what may be folders of this user's clusters."""
    blobs = SHARED_MEMORY.glob(f"ipcluster-ext-{os.getuid()}-*")
    return [folder for folder in [*runtime_folder().iterdir(), *blobs] if folder.is_dir()]


def _sweep_if_dead(folder: Path) -> None:
    try:
        deed = _deed_in(folder)
    except (ClusterError, OSError):
        return  # not ours to judge
    if deed is None:
        with contextlib.suppress(OSError):
            folder.rmdir()  # as far as it is empty
    elif _dead(deed):
        Home(deed.cluster, Path(deed.folder), deed.blobs).sweep()
        shutil.rmtree(folder, ignore_errors=True)


def _deed_in(folder: Path) -> Deed | None:
    """Read whose a folder is; None if it does not say.

    Raises
    ------
    ClusterError, OSError
        It is somebody else's, or cannot be read.
    """
    for path in (connection_file(folder), _first_deed(folder)):
        with contextlib.suppress(FileNotFoundError):
            return read_private(path, Deed)
    return None


def _dead(deed: Deed) -> bool:
    if deed.host != host_identity():
        return False  # its processes cannot be seen from here
    return processes.start_of(deed.agent_pid) != deed.agent_started
