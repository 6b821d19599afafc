"""The socket files of a cluster: where they may be, and who may open them.

Who can open the file is the user: they are made in folders of mode 0700, which is checked.
"""

import os
import socket
import stat
from pathlib import Path

from ipcluster_ext.errors import ClusterError

BACKLOG = 4096
PATH_LIMIT = 100
"""Length of a socket's path, in bytes, that every system accepts (Linux allows 107)."""


def check_path(path: Path) -> None:
    """Refuse a path that does not fit into a socket's address.

    Raises
    ------
    ClusterError
        The path is too long for a socket.
    """
    text = str(path)
    if len(os.fsencode(text)) > PATH_LIMIT:
        msg = (
            f"{text!r} is too long for a socket ({PATH_LIMIT} bytes); set a shorter XDG_RUNTIME_DIR"
        )
        raise ClusterError(msg)


def check_folder(folder: Path) -> None:
    """Refuse a folder that others could write to or that is not ours.

    Raises
    ------
    ClusterError
        Says what is wrong with it.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        msg = f"{folder} is not a folder of this user; refusing to use it"
        raise ClusterError(msg)
    if status.st_mode & 0o077:
        msg = f"{folder} is open to others (mode {status.st_mode & 0o777:o}); run chmod 700 on it"
        raise ClusterError(msg)


def listen(path: Path) -> socket.socket:
    """Listen at a socket file, in place of one that a hub before left there.

    Raises
    ------
    ClusterError
        The folder or the path will not do, or somebody listens there.
    OSError
        Something else is in the way.
    """
    check_folder(path.parent)
    check_path(path)
    if _has_listener(path):
        msg = f"somebody listens at {path} already; is another hub running there?"
        raise ClusterError(msg)
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        door.bind(os.fspath(path))
        path.chmod(0o600)
        door.listen(BACKLOG)
        door.settimeout(0)
    except BaseException:
        door.close()
        raise
    return door


def _has_listener(path: Path) -> bool:
    """Whether a process, be it stopped or overloaded, has a socket at this file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.settimeout(0)
        try:
            visitor.connect(os.fspath(path))
        except BlockingIOError:
            return True  # so many others wait there
        except OSError:
            return False
    return True
