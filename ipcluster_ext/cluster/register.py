"""Which clusters of this user run on this host, and what each of them is.

Every cluster has a folder; what others may want to know of it stands there in a file of its own.
There is no other list, so nothing can disagree with what runs.
"""

from pathlib import Path
from typing import NamedTuple

import msgspec

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import (
    connection_file,
    read_private,
    runtime_folder,
    to_json,
    write_private,
)
from ipcluster_ext.transport.homes import Deed


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster is.

    Attributes
    ----------
    n
        How many engines it was started with.
    profile
        The profile it was started from, empty if from none.
    owner
        The process with which it ends, 0 if it lives until it is stopped.
    started_at
        When, in seconds since 1970.
    started_by
        The notebook or script that started it.
    cwd
        The engines' working folder.
    launchers
        What has started its engines on other hosts, for each set of them.
    addresses
        Where the hub listens on TCP, for engines and agents: ``"10.0.0.5:41002"``.
    listening
        The same for people, with the reason why it listens there.
    """

    n: int
    profile: str = ""
    owner: int = 0
    started_at: float = 0.0
    started_by: str = ""
    cwd: str = ""
    launchers: list[str] = []
    addresses: list[str] = []
    listening: str = ""


class Entry(NamedTuple):
    """A cluster that runs: whose its folders are, and what it is."""

    deed: Deed
    about: About


def about_file(folder: Path) -> Path:
    """Return the file in a cluster's folder that says what it is."""
    return folder / "about.json"


def register(folder: Path, about: About) -> None:
    """Note what a cluster is, in its folder."""
    write_private(about_file(folder), to_json(about))


def entries() -> list[Entry]:
    """Return the clusters of this user that run on this host, the youngest first."""
    found = [entry for folder in runtime_folder().iterdir() if (entry := _entry_in(folder))]
    return sorted(found, key=lambda entry: entry.about.started_at, reverse=True)


def entry(cluster: str) -> Entry:
    """Return a cluster that runs on this host, by its id.

    Raises
    ------
    ClusterError
        There is none.
    """
    found = _entry_in(runtime_folder() / cluster)
    if found is None:
        running = ", ".join(each.deed.cluster for each in entries())
        msg = f"no cluster {cluster!r} is running here; running: {running or 'none'}"
        raise ClusterError(msg)
    return found


def entry_of(path: Path) -> Entry:
    """Return the cluster that a connection file of this host belongs to.

    Raises
    ------
    ClusterError
        It cannot be read, or the cluster does not run, or not here.
    """
    try:
        deed = read_private(path, Deed)
    except FileNotFoundError:
        msg = f"there is no connection file {path}; is the cluster running?"
        raise ClusterError(msg) from None
    if not deed.is_here or not deed.folder:
        msg = (
            f"{path} is of a cluster on another host; ipcluster_ext.Client({str(path)!r}) connects "
            "to it, but only there can it be stopped"
        )
        raise ClusterError(msg)
    found = _entry_in(Path(deed.folder))
    if found is None or found.deed.cluster != deed.cluster:
        msg = f"cluster {deed.cluster!r} of {path} does not run any more"
        raise ClusterError(msg)
    return found


def _entry_in(folder: Path) -> Entry | None:
    """Read a cluster's folder; None if no cluster runs there that is ours to see."""
    try:
        deed = read_private(connection_file(folder), Deed)
    except (FileNotFoundError, NotADirectoryError, ClusterError):
        return None
    if not (deed.is_here and deed.runs()):
        return None
    try:
        about = read_private(about_file(folder), About)
    except (FileNotFoundError, ClusterError):
        about = About(n=0)  # it ends at the moment, or a version before this one has started it
    return Entry(deed, about)
