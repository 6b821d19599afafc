"""What processes are told when they are started, and what the zygote and its agent say.

A process reads its configuration as one line of JSON from its standard input: nothing of it
appears in the list of processes. The zygote and its agent go on talking in such lines.
"""

import signal
from typing import Literal, get_args

import msgspec

from ipcluster_ext.protocol.ids import EngineId

PolicyName = Literal["leastload", "lru", "plainrandom", "twobin", "weighted", "pure"]
"""How the hub chooses engines, under ipyparallel's names; see `core.policies`."""
POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)


END_OF_HUB = b"end\n"
"""What an agent that ends in good order writes to its hub's lifeline before it closes that."""


HUB_MISCONFIGURED = 78
"""The exit code of a hub that cannot be as it is told to; another would not fare better."""


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
    """

    quiet: float = 4.0
    lease: float = 10.0
    handover: float = 12.0
    silence: float = 0.0


PATIENT = Patience()


class TcpConfig(_Line, frozen=True):
    """Where a hub listens on TCP, always encrypted.

    Attributes
    ----------
    ip
        An IPv4 address, the name of an interface or of this host, or ``"*"`` for everywhere.
    ports
        For clients, and for engines and agents; 0 for any that is free.
    """

    ip: str
    ports: tuple[int, int] = (0, 0)


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
    conduct
        How it is to behave.
    """

    cluster: str
    folder: str
    blobs: str
    journal: str = ""
    conduct: Conduct = USUAL


class AgentConfig(_Line, frozen=True):
    """What a host agent is told.

    Attributes
    ----------
    cluster, folder, blobs, conduct
        As for the hub; this agent starts the hub, and deletes both folders in the end.
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
    hub_silence
        A hub that has answered nothing for so many seconds, although it lives, is killed, and
        another takes its place.
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
    hub_silence: float = 20.0


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
        As for the agent.
    box
        The file of its black box (`transport.blackbox`).
    log
        The file that takes what is written to its file descriptors 1 and 2.
    resources
        What it has, by name.
    lease
        If the hub has not answered for so many seconds it begins no task.
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
    lease: float = PATIENT.lease


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
