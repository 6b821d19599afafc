"""A tunnel to a cluster on a host that ssh reaches: its door for clients, in a folder on this one.

The door there is a socket file, and so is the one here, in a folder of this user's own: nothing
listens on a port, neither there nor here.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec

from ipcluster_ext.cluster.launchers.sshwords import (
    NO_PROGRAM,
    SshOptions,
    arguments,
    command_line,
    verdict,
)
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import (
    ConnectionFile,
    client_socket,
    connection_file,
    to_json,
    write_private,
)
from ipcluster_ext.transport.processes import start_of
from ipcluster_ext.transport.thishost import host_identity

UP = "up"
"""What is written there as soon as the connection is made."""
ANSWERS_WITHIN = 30.0
"""How long the other host may take to say where its cluster is, in seconds."""
ENDS_WITHIN = 2.0
_STAY = f"echo {UP}; exec cat >/dev/null"
"""What runs there: it ends with this process, whatever happens to that."""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where a cluster has its door for clients, on its own host.

    Attributes
    ----------
    cluster
        The cluster's id.
    socket
        The socket file.
    """

    cluster: str
    socket: str


class NotThere(ClusterError):
    """No such cluster is running on the other host."""


def door_there(options: SshOptions, host: str, cluster: str, *, none_there: int) -> Door:
    """Ask another host where a cluster of this user has its door.

    Parameters
    ----------
    options
        What ``ssh`` is told, and which Python is to be asked.
    host
        Which host.
    cluster
        The cluster's id; the only one that runs there if empty.
    none_there
        The exit code with which it says that there is none.

    Raises
    ------
    NotThere
        It does not run there, or none does, or several do and none was named.
    ClusterError
        The host cannot be asked, or there is no such Python or package there.
    """
    python = options.python or "python3"
    asked = [python, "-P", "-m", "ipcluster_ext", "connect", "--where", *filter(None, [cluster])]
    words = arguments(options, host, command_line(asked, options.environment), None)
    try:
        said = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWERS_WITHIN,
        )
    except FileNotFoundError:
        msg = f"there is no program {options.program!r} here"
        raise ClusterError(msg) from None
    except subprocess.TimeoutExpired:
        msg = f"host {host} has not answered within {ANSWERS_WITHIN:g} s"
        raise ClusterError(msg) from None
    if said.returncode == none_there:
        msg = f"host {host}: {said.stderr.strip().removeprefix('ipcluster-ext: ')}"
        raise NotThere(msg)
    if said.returncode:
        why = _reason(options, host, said.returncode, said.stderr)
        msg = f"host {host}: {why}"
        raise ClusterError(msg)
    try:
        return msgspec.json.decode(said.stdout.strip().rpartition("\n")[2], type=Door)
    except msgspec.DecodeError:
        msg = f"host {host} has not said where its cluster is, but {said.stdout[-200:]!r}"
        raise ClusterError(msg) from None


def forwarding(options: SshOptions, host: str, here: Path, there: str) -> list[str]:
    """Return the arguments with which ``ssh`` makes a tunnel for one socket file.

    Parameters
    ----------
    options, host
        What it is told, and where to go.
    here, there
        The socket files on both sides.
    """
    words = arguments(options, host, _STAY, None)
    clear = words.index("ClearAllForwardings=yes")
    words[clear] = "ExitOnForwardFailure=yes"
    return [
        *words[: clear + 1],
        *("-o", "StreamLocalBindUnlink=yes", "-o", "ControlPath=none"),
        *("-L", f"{here}:{there}"),
        *words[clear + 1 :],
    ]


def _reason(options: SshOptions, host: str, code: int, said: str) -> str:
    """Say why ``ssh`` has ended."""
    python = options.python or "python3"
    if code == NO_PROGRAM:
        return f"there is no Python {python!r} there; --python names another"
    return verdict(host=host, python=python, code=code, said=said, up=False).reason


class Tunnel:
    """A tunnel to one cluster; to be closed.

    Parameters
    ----------
    options
        What ``ssh`` is told.
    host
        Which host.
    door
        Where the cluster is there.

    Attributes
    ----------
    file
        The connection file for clients on this host; they can connect while the tunnel is open.
    """

    def __init__(self, options: SshOptions, host: str, door: Door) -> None:
        self._options, self._host, self._door = options, host, door
        self._folder = Path(tempfile.mkdtemp(prefix="ipcluster-ext-"))
        self._program: subprocess.Popen[str] | None = None
        self._errors = self._folder / "ssh.err"
        self.file = connection_file(self._folder)
        write_private(self.file, to_json(self.card))

    @property
    def card(self) -> ConnectionFile:
        """What stands in the connection file: this process keeps the way to the cluster."""
        pid = os.getpid()
        return ConnectionFile(
            cluster=self._door.cluster,
            folder=str(self._folder),
            agent_pid=pid,
            agent_started=start_of(pid) or 0,
            host=host_identity(),
        )

    def open(self) -> None:
        """Make the connection, once more if it has ended.

        Raises
        ------
        ClusterError
            It cannot be made; says why.
        """
        self._hang_up()
        here = client_socket(self._folder)
        words = forwarding(self._options, self._host, here, self._door.socket)
        with self._errors.open("wb") as errors:
            self._program = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        if not any(line.strip() == UP for line in self._program.stdout or ()):
            code = self._program.wait()
            said = self._errors.read_text(errors="replace")
            msg = f"host {self._host}: {_reason(self._options, self._host, code, said)}"
            raise ClusterError(msg)

    def wait(self) -> str:
        """Wait until the connection ends, and return why it has."""
        if self._program is None:
            return "it was not made"
        code = self._program.wait()
        said = self._errors.read_text(errors="replace")
        verdict_ = verdict(host=self._host, python="", code=code, said=said, up=True)
        return verdict_.reason

    def _hang_up(self) -> None:
        program, self._program = self._program, None
        if program is None:
            return
        for pipe in (program.stdin, program.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            program.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()

    def close(self) -> None:
        """End the connection, and delete the files."""
        self._hang_up()
        shutil.rmtree(self._folder, ignore_errors=True)
