"""A cluster's folders: made before it starts, and swept if it could not do so itself."""

import re
from pathlib import Path

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import connection_file, runtime_folder
from ipcluster_ext.transport.homes import (
    Home,
    is_left,
    make_folders,
    memory_folders,
    sweep_leftovers_in,
)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}")


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
    try:
        return make_folders(cluster, folder)
    except FileExistsError:
        raise _taken(cluster, folder) from None


def _taken(cluster: str, folder: Path) -> ClusterError:
    return ClusterError(
        f"a cluster {cluster!r} is running; connect to it with "
        f"ipcluster_ext.Client({str(connection_file(folder))!r}) or choose another cluster_id"
    )


def leftovers() -> list[Path]:
    """Return the folders of clusters whose keeper died without deleting them."""
    return [folder for folder in _folders() if is_left(folder)]


def sweep_leftovers() -> None:
    """Delete the folders of clusters whose keeper died without doing so."""
    sweep_leftovers_in(_folders())


def _folders() -> list[Path]:
    """Return what may be folders of this user's clusters."""
    own = [folder for folder in runtime_folder().iterdir() if folder.is_dir()]
    return [*own, *memory_folders()]
