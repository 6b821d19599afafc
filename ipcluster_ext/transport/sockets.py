"""The socket files of a cluster: where they may be, and who may open them.

Who can open the file is the user: they are made in folders of mode 0700, which is checked.
"""

import os
import socket
import stat
import tempfile
from pathlib import Path

from ipcluster_ext.errors import ClusterError

BACKLOG = 4096
PATH_LIMIT = 100
"""Length of a socket's path, in bytes, that every system accepts (Linux allows 107)."""

LONGEST_SOCKET_NAME = len("/0123456789abcdef/engines.sock")
"""What stands behind the runtime folder in a socket's path, at most."""


def ground() -> Path:
    """Return where agents whose hub is on another host have their folders: on this one's disk.

    ``$IPCLUSTER_EXT_RUNTIME_DIR``, else a folder of this user in the system's temporary one.
    """
    own = os.environ.get("IPCLUSTER_EXT_RUNTIME_DIR")
    folder = Path(own) if own else Path(tempfile.gettempdir()) / f"ipcluster-ext-{os.getuid()}"
    if len(os.fsencode(folder)) + LONGEST_SOCKET_NAME > PATH_LIMIT:
        folder = Path(f"/tmp/ipcluster-ext-{os.getuid()}")  # noqa: S108 - of mode 0700, checked
    return folder


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
    return bound(path, socket.SOCK_STREAM, BACKLOG)


def bound(path: Path, kind: socket.SocketKind, backlog: int) -> socket.socket:
    """Listen at a socket file that only this user may open, in place of whatever is there.

    Raises
    ------
    OSError
        It cannot be.
    """
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, kind)
    try:
        door.bind(os.fspath(path))
        path.chmod(0o600)
        door.listen(backlog)
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
