"""Files that only this user may read, written whole or not at all."""

import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.keys import TcpAddress, key_as_text, key_from_text
from ipcluster_ext.transport.processes import start_of
from ipcluster_ext.transport.sockets import LONGEST_SOCKET_NAME, PATH_LIMIT, check_folder
from ipcluster_ext.transport.thishost import host_identity

T = TypeVar("T")
Role = Literal["client", "engine"]


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

    def runs(self) -> bool:
        """Tell whether the cluster's agent is the process it was, as far as can be seen here."""
        return not self.is_here or start_of(self.agent_pid) == self.agent_started


class OpenDoors(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub says of its doors on TCP.

    Attributes
    ----------
    pid, started
        The hub's process, and when it started, so that a recycled pid is not taken for it.
    hosts
        How others reach it, the likeliest first.
    ports
        The doors: for clients, and for engines and agents; the same at all addresses.
    everywhere
        Whether it listens at every address of its host, and not at these only.
    why
        Why there: whose way that is, for people.
    admits
        The digest of the keys it admits: whether it has taken notice of new ones.
    """

    pid: int
    started: int
    hosts: list[str]
    ports: list[int]
    admits: str
    everywhere: bool = False
    why: str = ""

    @property
    def text(self) -> str:
        """Where it listens, for people."""
        where = "every address of its host" if self.everywhere else " and ".join(self.hosts)
        ports = f"port {self.ports[0]} for clients and {self.ports[1]} for engines"
        return f"{where}, {ports}{f' ({self.why})' if self.why else ''}"


def client_socket(folder: Path) -> Path:
    """Return the socket file for clients of a cluster's folder."""
    return folder / "clients.sock"


def engine_socket(folder: Path) -> Path:
    """Return the socket file for engines and agents of a cluster's folder."""
    return folder / "engines.sock"


def connection_file(folder: Path) -> Path:
    """Return the connection file of a cluster's folder."""
    return folder / "client.json"


def far_client_file(folder: Path) -> Path:
    """Return the connection file for clients in the folder of an agent on another host."""
    return folder / "far-client.json"


def engine_file(folder: Path) -> Path:
    """Return the connection file for engines and agents of a cluster's folder."""
    return folder / "engine.json"


def engine_log(folder: Path, engine: int) -> Path:
    """Return the file of a cluster's folder that takes what an engine's process writes."""
    return folder / f"engine-{engine}.log"


def tail(path: Path, nbytes: int) -> str:
    """Return the last bytes of a file as text; nothing if it is not there or cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - nbytes))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


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


def write_private(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Write a file of mode 0600; a reader sees the old one or the new one, never a part.

    Parameters
    ----------
    path, data
        The file, and what is to be in it.
    lasting
        Whether that has to be on the disk before this returns, which may take long; what goes with
        the cluster need not.

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
            if lasting:
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
        return msgspec.json.decode(_read_private(path), type=kind, dec_hook=key_from_text)
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
    return msgspec.json.encode(value, enc_hook=key_as_text)


def from_dict(content: dict[str, Any], kind: type[T]) -> T:
    """Read what stands in a file that `write_private` wrote.

    Raises
    ------
    msgspec.ValidationError
        It is something else.
    """
    return msgspec.convert(content, kind, dec_hook=key_from_text)
