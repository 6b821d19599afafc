"""Files that only this user may read, written whole or not at all."""

import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.blobs import host_identity
from ipcluster_ext.transport.keys import Secret, TcpAddress
from ipcluster_ext.transport.sockets import PATH_LIMIT, check_folder

T = TypeVar("T")
Role = Literal["client", "engine"]

LONGEST_SOCKET_NAME = len("/0123456789abcdef/engines.sock")


class ConnectionFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one needs to find a hub.

    Attributes
    ----------
    cluster
        The cluster's id.
    folder
        Its folder; the hub's socket files are in it. Empty for those who may come by TCP only.
    agent_pid
        The process that keeps the cluster running, and when it started (clock ticks since
        boot), so that a recycled pid is not taken for it.
    host
        Which host, since its last start, that folder and that process are on; empty in the files
        of clusters that nobody else can reach.
    role
        What one may be there.
    tcp
        How to reach the hub from other hosts, if it can be.
    written_at
        When, in seconds since 1970; 0 if that is not known.
    expires
        Until when it may be used, likewise; None for as long as its keys are admitted.
    """

    cluster: str
    folder: str
    agent_pid: int
    agent_started: int
    host: str = ""
    role: Role = "client"
    tcp: TcpAddress | None = None
    written_at: float = 0.0
    expires: float | None = None

    @property
    def client_socket(self) -> Path:
        """Where clients of the same host connect."""
        return client_socket(Path(self.folder))

    @property
    def is_here(self) -> bool:
        """Whether the cluster's hub is on this host, as far as can be told."""
        return not self.host or self.host == host_identity()

    @property
    def reach(self) -> Path | TcpAddress:
        """Where to connect: at the socket file, or by TCP where that is on another host."""
        socket = client_socket if self.role == "client" else engine_socket
        if self.tcp is not None and not (self.folder and self.is_here):
            return self.tcp
        return socket(Path(self.folder))


class OpenDoors(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub says of its doors on TCP.

    Attributes
    ----------
    pid, started
        The hub's process, and when it started, so that a recycled pid is not taken for it.
    host
        How others reach it.
    ports
        The doors.
    admits
        The digest of the keys it admits: whether it has taken notice of new ones.
    """

    pid: int
    started: int
    host: str
    ports: list[int]
    admits: str


def client_socket(folder: Path) -> Path:
    """Return the socket file for clients of a cluster's folder."""
    return folder / "clients.sock"


def engine_socket(folder: Path) -> Path:
    """Return the socket file for engines and agents of a cluster's folder."""
    return folder / "engines.sock"


def connection_file(folder: Path) -> Path:
    """Return the connection file of a cluster's folder."""
    return folder / "client.json"


def engine_file(folder: Path) -> Path:
    """Return the connection file for engines and agents of a cluster's folder."""
    return folder / "engine.json"


def hub_keys_file(folder: Path) -> Path:
    """Return the file with the keys of a cluster's hub (`transport.keys.HubKeys`)."""
    return folder / "keys.json"


def open_doors_file(folder: Path) -> Path:
    """Return the file in which a cluster's hub says where it listens on TCP (`OpenDoors`)."""
    return folder / "doors.json"


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
    """Write a file of mode 0600; a reader sees the old one or the new one, never a part.

    Raises
    ------
    ClusterError
        Others can put files into its folder.
    """
    _check_parent(path)
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
        It or its folder belongs to somebody else or is open to others, or it is not what was
        expected.
    """
    try:
        return msgspec.json.decode(_read_private(path), type=kind, dec_hook=_from_text)
    except FileNotFoundError:
        raise
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ClusterError(msg) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise ClusterError(msg) from None


def _check_parent(path: Path) -> None:
    """Refuse a folder in which others can exchange files."""
    status = path.parent.stat()
    theirs = status.st_uid not in {0, os.getuid()}
    if theirs or (status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
        msg = f"{path.parent} is open to others, who could exchange {path.name}; refusing to use it"
        raise ClusterError(msg)


def _read_private(path: Path) -> bytes:
    _check_parent(path)
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
    """Write a value for `write_private`, secret keys included."""
    return msgspec.json.encode(value, enc_hook=_as_text)


def from_dict(content: dict[str, Any], kind: type[T]) -> T:
    """Read what stands in a file that `write_private` wrote.

    Raises
    ------
    msgspec.ValidationError
        It is something else.
    """
    return msgspec.convert(content, kind, dec_hook=_from_text)


def _as_text(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    msg = f"{type(value).__name__} does not go into files"
    raise TypeError(msg)


def _from_text(kind: type, text: object) -> Secret:
    if kind is Secret and isinstance(text, str):
        return Secret(text)
    msg = f"{kind.__name__} does not come from files"
    raise TypeError(msg)
