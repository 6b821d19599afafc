"""Files that only this user may read, written whole or not at all."""

import os
import secrets
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.sockets import PATH_LIMIT, check_folder

T = TypeVar("T")

LONGEST_SOCKET_NAME = len("/0123456789abcdef/engines.sock")


class ConnectionFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to find a hub.

    Attributes
    ----------
    cluster
        The cluster's id.
    folder
        Its folder; the hub's socket files are in it.
    agent_pid
        The process that keeps the cluster running, and when it started (clock ticks since
        boot), so that a recycled pid is not taken for it.
    """

    cluster: str
    folder: str
    agent_pid: int
    agent_started: int

    @property
    def client_socket(self) -> Path:
        """Where clients connect."""
        return client_socket(Path(self.folder))


def client_socket(folder: Path) -> Path:
    """Return the socket file for clients of a cluster's folder."""
    return folder / "clients.sock"


def engine_socket(folder: Path) -> Path:
    """Return the socket file for engines and agents of a cluster's folder."""
    return folder / "engines.sock"


def connection_file(folder: Path) -> Path:
    """Return the connection file of a cluster's folder."""
    return folder / "client.json"


def runtime_folder() -> Path:
    """Return the folder, of mode 0700, in which this user's clusters have theirs.

    ``$IPCLUSTER_EXT_RUNTIME_DIR``, else ``$XDG_RUNTIME_DIR/ipcluster-ext``, else
    ``~/.local/state/ipcluster-ext``; where that path is too long for sockets, a folder of this
    user in the system's temporary folder.

    Raises
    ------
    ClusterError
        The folder belongs to somebody else or is open to others.
    """
    own = os.environ.get("IPCLUSTER_EXT_RUNTIME_DIR")
    xdg = os.environ.get("XDG_RUNTIME_DIR")
    if own:
        folder = Path(own)
    elif xdg and Path(xdg).is_dir():
        folder = Path(xdg) / "ipcluster-ext"
    else:
        folder = Path.home() / ".local" / "state" / "ipcluster-ext"
    if len(os.fsencode(folder)) + LONGEST_SOCKET_NAME > PATH_LIMIT:
        folder = Path(tempfile.gettempdir()) / f"ipcluster-ext-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_folder(folder)
    return folder


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600; a reader sees the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_private(path: Path, kind: type[T]) -> T:
    """Read a file that `write_private` wrote, as a value of a type.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ClusterError
        It belongs to somebody else, is open to others, or is not what was expected.
    """
    try:
        return msgspec.json.decode(_read_private(path), type=kind)
    except FileNotFoundError:
        raise
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ClusterError(msg) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise ClusterError(msg) from None


def _read_private(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            msg = f"{path} is not private to this user; refusing to read it"
            raise ClusterError(msg)
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(fd)


def to_json(value: msgspec.Struct) -> bytes:
    """Write a value for `write_private`."""
    return msgspec.json.encode(value)
