"""What processes are told when they are started, and what the zygote and its agent say.

A process reads its configuration as one line of JSON from its standard input: nothing of it
appears in the list of processes. The zygote and its agent go on talking in such lines.
"""

import signal
from typing import Literal, Self, TypeVar, get_args

import msgspec

from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.keys import KeyPair, TcpAddress, key_as_text, key_from_text
from ipcluster_ext.protocol.parts import Bounds
from ipcluster_ext.protocol.shares import NOTHING_SAID, WHOLE, Share, Shares

T = TypeVar("T")

PolicyName = Literal["leastload", "lru", "plainrandom", "twobin", "weighted", "pure"]
"""How the hub chooses engines, under ipyparallel's names; see `core.policies`."""
POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)


END_OF_HUB = b"end\n"
"""What an agent that ends in good order writes to its hub's lifeline before it closes that."""


HUB_MISCONFIGURED = 78
"""The exit code of a hub that cannot be as it is told to; another would not fare better."""


HUB_UNREACHABLE = 69
"""The exit code of an agent that found no hub at any of the addresses."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of JSON."""


class Patience(_Line, frozen=True):
    """How long it is borne that an engine does not answer; all in seconds.

    Attributes
    ----------
    quiet
        After so long it gets no more work, and users are told that it does not respond.
    lease
        An engine that the hub has not answered for so long begins no task.
    handover
        After so long, which is longer than that, what it has not begun is given to others.
    silence
        After so long it is killed, and started again; 0 for never, as long as its process lives.
    host_silence
        A host that is not the hub's own, and of which nothing has been heard for so long, is given
        up: its engines are lost. It is taken back when it is heard; 0 for waiting for ever.
    solitude
        An agent there that has not heard the hub for so long ends, with its engines.
    orphanhood
        The same, once whoever started that agent is gone without having told it to end.
    """

    quiet: float = 4.0
    lease: float = 10.0
    handover: float = 12.0
    silence: float = 0.0
    host_silence: float = 60.0
    solitude: float = 300.0
    orphanhood: float = 20.0


PATIENT = Patience()


class TcpConfig(_Line, frozen=True):
    """Where a hub listens on TCP, always encrypted.

    Attributes
    ----------
    ips
        Each an IPv4 address, the name of an interface or of this host, or ``"*"`` for everywhere.
    ports
        For clients, and for engines and agents; 0 for any that is free.
    why
        Why there, for people; empty if somebody has said so.
    """

    ips: list[str]
    ports: tuple[int, int] = (0, 0)
    why: str = ""


class Conduct(_Line, frozen=True):
    """How a hub is to behave, as whoever starts the cluster wishes.

    Attributes
    ----------
    policy
        How it chooses engines.
    hwm
        How many unfinished tasks an engine may have at most; 0 for as many as pay.
    history, history_age
        How many ended tasks it remembers, and for how many seconds.
    patience
        How long it is borne that an engine does not answer.
    tcp
        Where it listens on TCP; None for nowhere.
    """

    policy: PolicyName = "leastload"
    hwm: int = 0
    history: int = 10_000
    history_age: float = 604_800.0
    patience: Patience = PATIENT
    tcp: TcpConfig | None = None


USUAL = Conduct()


class HubConfig(_Line, frozen=True):
    """What the hub is told.

    Attributes
    ----------
    cluster
        The cluster's id.
    folder
        The cluster's folder, of mode 0700; the hub makes its sockets there.
    blobs
        The host's blob folder, empty if there is none.
    journal
        The file that keeps what must outlive this process; empty for none.
    first
        Whether the cluster has had no hub before.
    conduct
        How it is to behave.
    """

    cluster: str
    folder: str
    blobs: str
    journal: str = ""
    first: bool = False
    conduct: Conduct = USUAL


class ClientDoor(_Line, frozen=True):
    """How tasks on another host submit tasks: the hub's door for clients, and keys to it.

    Attributes
    ----------
    port
        The door, at the address at which the agent has found the hub.
    keys
        Those of all clients on that host. They open no other door, and no longer than the agent's
        own.
    """

    port: int
    keys: KeyPair


class Reach(_Line, frozen=True):
    """How an agent on another host reaches the hub, and as what it comes.

    Attributes
    ----------
    addresses
        Where the hub may be found, to be tried in this order.
    port
        The door for engines and agents.
    server
        The hub's public key.
    keys
        Those of this agent and its engines.
    clients
        How tasks of its engines become clients; None if they may not.
    set
        The set of engines that it is part of: what a profile calls it.
    capacity
        How many engines it may have at most; 0 for as many as are wanted.
    closed
        Whether it has those engines only with which it came, and ends with the last of them, as in
        a batch job.
    once
        Whether an engine that dies is not started again, as where it is a rank among others.
    search_for
        How long the hub is looked for at all of them, in seconds: it may just be starting.
    """

    addresses: list[str]
    port: int
    server: str
    keys: KeyPair
    clients: ClientDoor | None = None
    set: str = ""
    capacity: int = 0
    closed: bool = False
    once: bool = False
    search_for: float = 20.0

    def at(self, address: str) -> TcpAddress:
        """Return the whole address, if the hub is found at one of them."""
        return TcpAddress(host=address, port=self.port, server=self.server, keys=self.keys)

    def for_clients(self, address: str) -> TcpAddress | None:
        """Return that of the door for clients; None if tasks of these engines may not be any."""
        door = self.clients
        if door is None:
            return None
        return TcpAddress(host=address, port=door.port, server=self.server, keys=door.keys)

    def through(self, clients: int, engines: int) -> Self:
        """Return the same by a tunnel that begins at these ports of the agent's own host."""
        door = self.clients and msgspec.structs.replace(self.clients, port=clients)
        return msgspec.structs.replace(self, addresses=["127.0.0.1"], port=engines, clients=door)


class AgentConfig(_Line, frozen=True):
    """What a host agent is told.

    Attributes
    ----------
    cluster, folder, blobs, conduct
        As for the hub; the agent deletes both folders in the end. One on another host makes its
        own, and is told none.
    count
        How many engines to start.
    owner
        The process with which the cluster dies; 0 if it lives until it is stopped.
    cwd
        The engines' working directory.
    sys_path
        Where engines look for modules, after the standard library and before what is installed.
    resources
        What each engine has, by name; for those that are started without saying so.
    shares
        What each may use of its host.
    hub_silence
        A hub that has answered nothing for so many seconds, although it lives, is killed, and
        another takes its place.
    reach
        How to reach the hub, if that is on another host; else this agent starts it.
    first
        The id that its first engine is to have, the others follow; None for whatever is free.
        "rank" is for agents that are started side by side, as by ``mpiexec``: each has the ids
        that follow from its place among them.
    sets
        The sets of engines on other hosts, which this agent has a foreman start.
    location
        Where those hosts find the hub; its own addresses if empty.
    bounds
        How many engines there are to be as there is work; None if that is for users to say.
    """

    cluster: str
    folder: str
    blobs: str
    count: int
    conduct: Conduct = USUAL
    owner: int = 0
    cwd: str = ""
    sys_path: list[str] = []
    resources: dict[str, float] = {}
    shares: Shares = WHOLE
    hub_silence: float = 20.0
    reach: Reach | None = None
    first: int | Literal["rank"] | None = None
    sets: list[EngineSet] = []
    location: list[str] = []
    bounds: Bounds | None = None


class EngineConfig(_Line, frozen=True):
    """What an engine is told.

    Attributes
    ----------
    engine
        Its id, the same in all its lives.
    boot
        A random number for this life.
    agent
        The number of its agent.
    parent
        The process of its agent; an engine that was not forked ends with it.
    folder, blobs, cwd, sys_path
        As for the agent; no blobs where the hub is on another host.
    box
        The file of its black box (`transport.blackbox`).
    log
        The file that takes what is written to its file descriptors 1 and 2.
    resources
        What it has, by name.
    share
        What it may use of its host.
    lease
        If the hub has not answered for so many seconds it begins no task.
    hub
        Where the hub is, if that is on another host; else there is a socket file in the folder.
    """

    engine: EngineId
    boot: int
    agent: int
    parent: int
    folder: str
    blobs: str
    box: str
    log: str
    cwd: str = ""
    sys_path: list[str] = []
    resources: dict[str, float] = {}
    share: Share = NOTHING_SAID
    lease: float = PATIENT.lease
    hub: TcpAddress | None = None


class Warm(_Line, frozen=True, tag="warm"):
    """The zygote is ready to fork, or says why engines have to be started one by one."""

    hostile: str = ""


class Forked(_Line, frozen=True, tag="forked"):
    """The zygote has forked an engine."""

    engine: EngineId
    boot: int
    pid: int


class Unborn(_Line, frozen=True, tag="unborn"):
    """An engine's process could not be made."""

    engine: EngineId
    boot: int
    reason: str


class Ended(_Line, frozen=True, tag="ended"):
    """A forked engine ended; ``code`` as in `subprocess`: negative numbers are signals.

    It used so many ``seconds`` of CPU time, and ``nbytes`` of memory at most.
    """

    pid: int
    code: int
    seconds: float = 0.0
    nbytes: int = 0


FromZygote = Warm | Forked | Unborn | Ended


def as_line(said: msgspec.Struct) -> bytes:
    """Write a line of JSON for a process that reads it from a pipe, secret keys included."""
    return msgspec.json.encode(said, enc_hook=key_as_text) + b"\n"


def from_line(line: bytes, kind: type[T]) -> T:
    """Read a line that `as_line` wrote.

    Raises
    ------
    msgspec.DecodeError
        It is something else.
    """
    return msgspec.json.decode(line, type=kind, dec_hook=key_from_text)


def exit_text(code: int) -> str:
    """Write how a process ended, as ``"killed by SIGKILL"`` or ``"exit code 3"``.

    Parameters
    ----------
    code
        As in `subprocess`: negative numbers are signals.
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
