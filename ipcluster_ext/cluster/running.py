"""One run of a cluster: its folders and its agent, from launch to the last file deleted."""

import contextlib
import os
import time
import weakref
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Self

from msgspec import structs

from ipcluster_ext.cluster.ahead import Program
from ipcluster_ext.cluster.capacity import check_capacity
from ipcluster_ext.cluster.home import make_home, sweep_leftovers
from ipcluster_ext.cluster.keyring import Keyring
from ipcluster_ext.cluster.launchers.attached import AttachedAgent
from ipcluster_ext.cluster.launchers.homeagent import AgentProcess, HomeLauncher, StartedAgent
from ipcluster_ext.cluster.orders import ClusterOrder
from ipcluster_ext.cluster.register import About, register
from ipcluster_ext.errors import ClusterError, StartupError
from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.parts import Bounds
from ipcluster_ext.protocol.process import PATIENT, AgentConfig, Conduct, TcpConfig, exit_text
from ipcluster_ext.protocol.shares import Shares
from ipcluster_ext.transport.homes import Deed, Home
from ipcluster_ext.transport.processes import name_of_this

PATIENCE = PATIENT
"""How long it is borne that engines do not answer, up to the end of patience."""
UP_WITHIN = 30.0
STOP_GRACE, FAR_GRACE = 5.0, 20.0
"""How long the end may take, in seconds: of what is here, and with engines on other hosts."""
_TAIL_LINES = 15
_DYING_WITHIN = 2.0
FAILED = 1
"""The exit code of an agent that has ended its cluster for a reason of its own."""
_LOGS = ("hub.log:", "agent.log:")
"""With these it begins the lines of logs, which follow its own last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a run should be like.

    Attributes
    ----------
    cluster
        Its id.
    count
        How many engines on this host.
    sets
        Those on others.
    location
        Where these find this host; at its own addresses if empty.
    mortal
        Whether it ends with this process.
    conduct
        How the hub is to behave.
    resources
        What each engine has.
    shares
        What each may use of its host.
    cwd, sys_path
        The engines' working folder, and where they look for modules.
    profile
        The profile that it is made from, empty if from none.
    bounds
        How many engines there are to be as there is work.
    """

    cluster: str
    count: int
    mortal: bool
    conduct: Conduct
    resources: dict[str, float]
    shares: Shares
    cwd: str
    sys_path: list[str]
    profile: str = ""
    sets: list[EngineSet] = field(default_factory=list)
    location: list[str] = field(default_factory=list)
    bounds: Bounds | None = None

    @property
    def total(self) -> int:
        """How many engines there are to be in all."""
        return self.count + sum(engines.n or 0 for engines in self.sets)

    @property
    def about(self) -> About:
        """What others may know of it."""
        return About(
            n=self.total,
            launchers=[engines.launcher for engines in self.sets],
            profile=self.profile,
            owner=os.getpid() if self.mortal else 0,
            started_at=time.time_ns() / 1e9,
            started_by=name_of_this(),
            cwd=self.cwd,
        )


def _ahead(config: AgentConfig) -> list[Program]:
    """Return what can be started before the agent has read anything but this."""
    programs: list[Program] = []
    for engines in config.sets:
        from ipcluster_ext.cluster.launchers.registry import find, options_of  # takes a while

        order = ClusterOrder(config, engines, alive=lambda: True)
        launcher = find(engines.launcher)(options_of(engines.launcher, engines.options), order)
        with contextlib.suppress(ClusterError):  # the foreman says it
            programs += launcher.ahead(engines.n or 1)
    return programs


class Run:
    """A cluster that was launched.

    Parameters
    ----------
    home
        Its folders.
    agent
        Its agent.
    mortal
        Whether it is to end with this process, or with this object.
    keyring
        The keys to its doors on TCP, None if it has none.
    sets
        Whether there are engines on other hosts, whose end takes longer.
    """

    def __init__(
        self,
        home: Home,
        agent: AgentProcess,
        *,
        mortal: bool,
        keyring: Keyring | None = None,
        sets: bool = False,
    ) -> None:
        self.home = home
        self.agent = agent
        self.sets = sets
        self._untold: tuple[StartedAgent, AgentConfig] | None = None
        self._grace = FAR_GRACE if sets else STOP_GRACE
        self._keyring = keyring
        self._creator = os.getpid()
        self._finalizer = (
            weakref.finalize(self, _end, home, agent, self._creator, self._grace)
            if mortal
            else None
        )

    @classmethod
    def begin(cls, wish: Wish, launcher: HomeLauncher) -> Self:
        """Make the folders and start the agent, which waits for `tell`.

        Raises
        ------
        ClusterError
            A cluster of this id is running.
        StartupError
            There cannot be so many engines here.
        """
        check_capacity(wish.total)
        sweep_leftovers()
        home = make_home(wish.cluster)
        config = AgentConfig(
            cluster=home.cluster,
            folder=str(home.folder),
            blobs=home.blobs,
            count=wish.count,
            conduct=wish.conduct,
            owner=os.getpid() if wish.mortal else 0,
            cwd=wish.cwd,
            sys_path=wish.sys_path,
            resources=wish.resources,
            shares=wish.shares,
            sets=wish.sets,
            location=wish.location,
            bounds=wish.bounds,
        )
        try:
            agent = launcher.start(home.folder, cold=not wish.count, ahead=_ahead(config))
            run = cls(home, agent, mortal=wish.mortal, sets=bool(wish.sets))
            run._untold = agent, config
            register(home.folder, wish.about)
            home.hand_over(agent.pid)
        except BaseException:
            home.sweep()
            raise
        return run

    def tell(self, tcp: TcpConfig | None) -> None:
        """Tell the agent what its cluster is to be: it starts all the rest.

        Parameters
        ----------
        tcp
            Where its hub is to listen for other hosts, if it is.
        """
        if self._untold is None:
            return
        (agent, config), self._untold = self._untold, None
        if tcp is not None:
            self._keyring = Keyring.new(self.home.folder, location=next(iter(config.location), ""))
        agent.tell(structs.replace(config, conduct=structs.replace(config.conduct, tcp=tcp)))

    @classmethod
    def attach(cls, deed: Deed, *, sets: bool) -> Self:
        """Take hold of a cluster that runs already, and was perhaps started elsewhere.

        Parameters
        ----------
        deed
            Where it is.
        sets
            Whether it has engines on other hosts.

        Raises
        ------
        ClusterError
            It has ended.
        """
        home = deed.home
        agent = AttachedAgent(deed.agent_pid, deed.agent_started, home.folder / "agent.log")
        return cls(home, agent, mortal=False, keyring=Keyring.of(home.folder), sets=sets)

    @property
    def obituary(self) -> str:
        """Why the agent has ended, in its words; empty while it runs, and if it was told to."""
        if self.agent.poll() != FAILED:
            return ""
        lines = takewhile(lambda line: not line.startswith(_LOGS), self.agent.logs().splitlines())
        return next(iter(list(lines)[-1:]), "")

    @property
    def alive(self) -> bool:
        """Whether the agent runs."""
        return self.agent.poll() is None

    def wait_until_up(self) -> None:
        """Wait until clients can connect.

        Raises
        ------
        StartupError
            Something did not start; nothing is left.
        """
        try:
            up = self.agent.wait_until_up(UP_WITHIN)
            reason = "it ended"
        except TimeoutError as error:
            up, reason = False, str(error)
        if not up:
            raise self.failure("the cluster", reason)
        if self._keyring is not None:
            self._keyring.give_out(self.home.deed(self.agent.pid))

    def rotate_keys(self) -> None:
        """Have the hub admit new keys only, and give those out.

        Raises
        ------
        ClusterError
            It does not listen on TCP, or takes no notice.
        """
        if self._keyring is None:
            msg = "the cluster has no keys: it was started without ip=, for this host alone"
            raise ClusterError(msg)
        self._keyring.rotate(self.home.deed(self.agent.pid))

    def failure(self, what: str, reason: str) -> StartupError:
        """Stop everything, and return the error that tells why, with what the processes said."""
        code = self.agent.wait(_DYING_WITHIN if reason == "it ended" else 0.0)
        if code is not None:
            reason = f"{reason} with {exit_text(code)}"
        said = self._engine_output()
        self.stop()
        return StartupError(what, reason, "\n".join(filter(None, (self.agent.logs(), said))))

    def _engine_output(self) -> str:
        """Return the last lines of the logs in the folder, each once."""
        lines: dict[str, str] = {}
        for log in sorted(self.home.folder.glob("*.log")):
            for line in _tail(log):
                lines.setdefault(line, f"{log.name}: {line}")
        return "\n".join(list(lines.values())[-4 * _TAIL_LINES :])

    def stop(self) -> None:
        """End every process and delete every file; in a fork of the starting process, nothing."""
        if self._finalizer is not None:
            self._finalizer.detach()
        _end(self.home, self.agent, self._creator, self._grace)


def _end(home: Home, agent: AgentProcess, creator: int, grace: float) -> None:
    """Stop a run, but not from a fork of the process that launched it."""
    if os.getpid() == creator:
        agent.stop(grace)
        home.sweep()


def _tail(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    except OSError:
        return []
