"""An agent on a host that is not its hub's: what it is told, how it finds the hub, where it lives.

It is configured by one line of JSON on its standard input, which is its lifeline from then on, or
in a file (`python -m ipcluster_ext.agent --config FILE`). It starts no hub.
"""

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from ipcluster_ext.agent import tether
from ipcluster_ext.agent.agent import Agent, new_number
from ipcluster_ext.agent.contact import Contact
from ipcluster_ext.agent.leavings import sweep
from ipcluster_ext.agent.nursery import Nursery
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.protocol.process import HUB_UNREACHABLE, AgentConfig, Patience, Reach, from_line
from ipcluster_ext.transport import processes
from ipcluster_ext.transport.files import (
    ConnectionFile,
    far_client_file,
    read_private,
    to_json,
    write_private,
)
from ipcluster_ext.transport.homes import Home, camp, camper
from ipcluster_ext.transport.sockets import ground
from ipcluster_ext.transport.thishost import host_identity

STDIN = "-"
NUMBER = "number"
"""The file in an agent's folder that says by which number the hub knows it."""
MISCONFIGURED = 78
"""The exit code of an agent that cannot be as it is told to; another would not fare better."""
KNOCK_FOR = 3.0
"""An address that does not answer is given up after so many seconds."""
_TRY_AGAIN = 0.5
_LEAVES_WITHIN = 5.0
_LONGEST = 1_000_000
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")

StartZygote = Callable[[], tuple[int, socket.socket]]


class FarHub:
    """The hub on another host, as its agent sees it: heard or not.

    Parameters
    ----------
    patience
        How long it is borne that it is not.
    lifeline
        The file descriptor by which whoever started this agent may tell it to end; -1 for none.

    Attributes
    ----------
    fd
        The lifeline as long as it is there, else -1.
    deadline
        When `tick` has something to do: whenever the hub is asked, so never by itself.
    """

    deadline: float | None = None

    def __init__(self, patience: Patience, lifeline: int = -1) -> None:
        self._contact = Contact(patience, now=time.monotonic())
        self.fd = lifeline

    def is_(self, pid: int) -> bool:
        """Tell whether a process is the hub: that is on another host."""
        del pid
        return False

    def answered(self) -> None:
        """Note that the hub has given a sign of life."""
        self._contact.heard()

    def asked(self, *, every: float) -> None:
        """Note that the hub is asked for a sign of life; it is asked so often."""
        self._contact.asked(every=every, now=time.monotonic())

    def listen(self) -> bool:
        """Hear what the lifeline says, which is readable; tell whether that is to end."""
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            data = b""
        self._contact.told(data)
        if not data:
            self.fd = -1
        return self._contact.dismissed

    def tick(self) -> str:
        """Return why to end, empty if all is well."""
        return self._contact.verdict

    def buried(self) -> None:
        """Do nothing: the hub is not this agent's child."""

    def died(self, code: int) -> str:
        """Do nothing, likewise."""
        del code
        return ""

    def close(self, within: float) -> None:
        """Do nothing: the hub goes on."""
        del within


def main(
    source: str,
    start_zygote: StartZygote,
    *,
    name: str = "",
    zygote: tuple[int, socket.socket] | None = None,
) -> int:
    """Run an agent whose hub is on another host.

    Parameters
    ----------
    source
        The file that configures it, ``"-"`` for the first line of its standard input.
    start_zygote
        Starts the process that engines are forked from.
    name
        What its folder is to be called; if an agent lives there already, that one goes on, and
        this process holds its lifeline.
    zygote
        Such a process, if there is one already.

    Returns
    -------
    The exit code.
    """
    if name and (code := _hold_on(name)) is not None:
        return code
    try:
        config, reach = configuration(source)
        first = first_id(config, os.environ)
    except (ClusterError, OSError, ValueError) as error:
        _complain(MISCONFIGURED, str(error))
    try:
        address = find(likeliest_first(reach, os.environ.get("SSH_CONNECTION", "")))
    except ClusterError as error:
        _complain(HUB_UNREACHABLE, str(error))
    before = _number_in(ground() / name) if name else 0
    home = camp(name or f"{config.cluster[:7]}-{secrets.token_hex(4)}")
    nursery = _nursery(home, start_zygote, zygote)
    try:
        _let_tasks_submit(config.cluster, reach.for_clients(address), home.folder)
        hub, lifeline = reach.at(address), 0 if source == STDIN else -1
        return _run(config, hub, home, first, nursery, lifeline=lifeline, instead_of=before)
    finally:
        sweep(home.blobs, str(home.folder))


def _run(
    config: AgentConfig,
    hub: TcpAddress,
    home: Home,
    first: int | None,
    nursery: Nursery,
    *,
    lifeline: int,
    instead_of: int,
) -> int:
    reach = config.reach
    if reach is not None and config.first == "rank":  # what it is one of ends with any of it
        reach = msgspec.structs.replace(reach, closed=True, once=True)
    config = msgspec.structs.replace(
        config, folder=str(home.folder), blobs=home.blobs, reach=reach, first=first, owner=0
    )
    far = FarHub(config.conduct.patience, lifeline)
    number = new_number()
    Path(config.folder, NUMBER).write_text(f"{number}\n")
    return Agent(config, nursery, far, at=hub, number=number, instead_of=instead_of).run()


def _let_tasks_submit(cluster: str, door: TcpAddress | None, folder: Path) -> None:
    """Write what tasks need to be clients: their engines' keys open no door for clients.

    It is worth something as long as this process runs, and is deleted with the folder.
    """
    if door is None:
        return
    pid = os.getpid()
    card = ConnectionFile(
        cluster=cluster,
        folder="",
        agent_pid=pid,
        agent_started=processes.start_of(pid) or 0,
        host=host_identity(),
        tcp=door,
    )
    write_private(far_client_file(folder), to_json(card))


def _number_in(folder: Path) -> int:
    """Return the number of the agent that was killed in a folder, 0 for none.

    That one, and all that it had started, is ended by the time that the folder is used again.
    """
    try:
        return int((folder / NUMBER).read_text())
    except (OSError, ValueError):
        return 0


def _nursery(
    home: Home, start_zygote: StartZygote, zygote: tuple[int, socket.socket] | None
) -> Nursery:
    """Make the nursery; what comes out of it can be found by the folder that it names."""
    os.environ[processes.CLUSTER_VARIABLE] = str(home.folder)
    pid, link = zygote or start_zygote()
    return Nursery(pid, link, start_zygote)


def _hold_on(name: str) -> int | None:
    """Be the lifeline of an agent that lives here already; None if there is none.

    One that is about to end is waited for.
    """
    deadline = time.monotonic() + _LEAVES_WITHIN
    while agent := camper(name):
        code = tether.hold(agent)
        if code is not None or time.monotonic() >= deadline:
            return code
    return None


def _complain(code: int, text: str) -> NoReturn:
    sys.stderr.write(f"the agent cannot start: {text}\n")
    raise SystemExit(code)


def configuration(source: str) -> tuple[AgentConfig, Reach]:
    """Read what the agent is told, and how it reaches the hub.

    Parameters
    ----------
    source
        A file of mode 0600 and this user's own, or ``"-"``.

    Raises
    ------
    ClusterError
        The file is open to others, or what was read is no such configuration.
    OSError
        The file cannot be read.
    """
    config = _from_stdin() if source == STDIN else read_private(Path(source), AgentConfig)
    if config.reach is None:
        msg = "its configuration does not say how to reach the hub ('reach')"
        raise ClusterError(msg)
    return config, config.reach


def _from_stdin() -> AgentConfig:
    line = sys.stdin.buffer.raw.readline(_LONGEST)  # type: ignore[union-attr]
    try:
        return from_line(line, AgentConfig)
    except msgspec.DecodeError as error:
        msg = f"no configuration came from its standard input: {error}"
        raise ClusterError(msg) from None


def first_id(config: AgentConfig, environment: Mapping[str, str]) -> int | None:
    """Return the id that the agent's first engine is to have, None for whatever is free.

    Raises
    ------
    ClusterError
        It follows from the agent's rank, and nobody has said which that is.
    """
    if config.first != "rank":
        return config.first
    for name in _RANKS:
        rank = environment.get(name, "")
        if rank.isdecimal():
            return int(rank) * config.count
    msg = f"it is to be one of several, and none of {', '.join(_RANKS)} says which"
    raise ClusterError(msg)


def likeliest_first(reach: Reach, connection: str) -> Reach:
    """Put the address first by which the connection has come, on which this agent was started.

    Parameters
    ----------
    reach
        Where the hub may be.
    connection
        What ``$SSH_CONNECTION`` says: the other end's address and port, and this one's.
    """
    came_from = connection.partition(" ")[0]
    addresses = sorted(reach.addresses, key=lambda address: address != came_from)
    return msgspec.structs.replace(reach, addresses=addresses)


def find(reach: Reach, *, knock_for: float = KNOCK_FOR) -> str:
    """Return the first address at which somebody answers.

    Raises
    ------
    ClusterError
        Nobody does; says what happened at each.
    """
    deadline = time.monotonic() + reach.search_for
    while True:
        answers = _answers(reach.addresses, reach.port, knock_for)
        found = next((address for address, trouble in answers.items() if not trouble), None)
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            where = "; ".join(f"{a}:{reach.port}: {trouble}" for a, trouble in answers.items())
            msg = (
                f"{socket.gethostname()} cannot reach the hub ({where or 'no address was given'}); "
                "look at firewalls, or choose another address or a tunnel"
            )
            raise ClusterError(msg)
        time.sleep(_TRY_AGAIN)


def _answers(addresses: Sequence[str], port: int, timeout: float) -> dict[str, str]:
    """Knock until somebody answers; tell what was wrong where nobody did."""
    answers: dict[str, str] = {}
    for address in addresses:
        try:
            socket.create_connection((address, port), timeout).close()
        except OSError as error:
            answers[address] = error.strerror or str(error)
        else:
            answers[address] = ""
            break
    return answers
