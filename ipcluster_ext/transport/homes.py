"""The folders of a cluster on one host: whose they are, and how they are swept.

Each says in a file which process keeps it. That process deletes them before it ends; what it could
not delete, whoever comes next does.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.files import (
    ConnectionFile,
    connection_file,
    read_private,
    to_json,
    write_private,
)
from ipcluster_ext.transport.sockets import check_folder, ground
from ipcluster_ext.transport.thishost import SHARED_MEMORY, host_identity

_KILLED_WITHIN = 1.0
_ATTEMPTS = 10


class Deed(ConnectionFile, frozen=True, kw_only=True):
    """A connection file that says where the cluster's blobs are."""

    blobs: str = ""

    @property
    def home(self) -> "Home":
        """The folders that it is about."""
        return Home(self.cluster, Path(self.folder), self.blobs)


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

    def claim(self) -> None:
        """Note quickly that this process keeps the folders, for the time being at least.

        Raises
        ------
        FileNotFoundError
            Somebody swept them while they were empty.
        """
        deed = to_json(self.deed(os.getpid()))
        for folder in self.folders:
            path = _first_deed(folder)
            path.touch(mode=0o600)
            path.write_bytes(deed)

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


def make_blobs(cluster: str) -> str:
    """Make a folder in shared memory; return an empty string where there is none."""
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


def camp(name: str) -> Home:
    """Make the folders of an agent on a host that is not its hub's, and claim them.

    They are on this host's own disk, where socket files and logs belong (`sockets.ground`).

    Parameters
    ----------
    name
        Up to 16 characters that no other agent here has.

    Raises
    ------
    ClusterError
        The folder around them belongs to somebody else or is open to others.
    OSError
        They cannot be made.
    """
    around = _ground()
    sweep_leftovers_in(_children(around))
    return make_folders(name, around / name)


def make_folders(name: str, folder: Path) -> Home:
    """Make a cluster's folders, of mode 0700, which this process keeps for the time being.

    Parameters
    ----------
    name
        What they are called.
    folder
        The one for files.

    Raises
    ------
    FileExistsError
        It is there.
    ClusterError
        Somebody deletes it as often as it is made.
    """
    for _ in range(_ATTEMPTS):
        folder.mkdir(mode=0o700)
        home = Home(name, folder, make_blobs(name))
        try:
            home.claim()
        except FileNotFoundError:  # somebody swept one while it was empty
            for each in home.folders:
                shutil.rmtree(each, ignore_errors=True)
            continue
        return home
    msg = f"{folder} vanishes as often as it is made"
    raise ClusterError(msg)


def camper(name: str) -> int:
    """Return the process that keeps the folders of this name on this host, 0 for none.

    Raises
    ------
    ClusterError, OSError
        They are somebody else's, or cannot be read.
    """
    folder = ground() / name
    try:
        deed = _deed_in(folder) if folder.exists() else None
    except FileNotFoundError:
        deed = None  # it goes at the moment
    there = deed is not None and deed.host == host_identity() and not _dead(deed)
    return deed.agent_pid if deed is not None and there else 0


def _ground() -> Path:
    """Make the folder on this host in which agents of other hosts' hubs have theirs."""
    folder = ground()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_folder(folder)
    return folder


def _children(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def memory_folders() -> list[Path]:
    """Return what may be folders of this user's clusters in shared memory."""
    found = SHARED_MEMORY.glob(f"ipcluster-ext-{os.getuid()}-*")
    return [folder for folder in found if folder.is_dir()]


def is_left(folder: Path) -> bool:
    """Tell whether a folder is a cluster's whose keeper died without deleting it."""
    try:
        deed = _deed_in(folder)
    except (ClusterError, OSError):
        return False  # not ours to judge
    return deed is not None and _dead(deed)


def abandon(folder: Path) -> None:
    """Sweep the folders of a cluster that this process was to keep, and that comes to nothing.

    Parameters
    ----------
    folder
        The one for files; it may be gone already.
    """
    with contextlib.suppress(ClusterError, OSError):  # then it is not ours to judge
        deed = _deed_in(folder)
        if deed is not None:
            deed.home.sweep()


def sweep_leftovers_in(folders: Iterable[Path]) -> None:
    """Delete those of these folders whose keeper died without doing so."""
    for folder in folders:
        _sweep_if_dead(folder)


def _sweep_if_dead(folder: Path) -> None:
    try:
        deed = _deed_in(folder)
    except (ClusterError, OSError):
        return  # not ours to judge
    if deed is None:
        with contextlib.suppress(OSError):
            folder.rmdir()  # as far as it is empty
    elif _dead(deed):
        deed.home.sweep()
        shutil.rmtree(folder, ignore_errors=True)


def _first_deed(folder: Path) -> Path:
    return folder / "starting.json"


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
    return deed.host == host_identity() and not deed.runs()
