"""The contract for whatever starts home agents, the roots of clusters, in `subprocess`'s words.

A home launcher starts one agent. On standard input it reads a line with what is to be started ahead
of everything (see `cluster.ahead`), empty if nothing is, and one with its configuration. It writes
a line to its standard output when the hub has answered it, and ends that output if it never comes
so far. What starts agents on other hosts is a launcher: see `cluster.launchers.contract`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from ipcluster_ext.cluster.ahead import Program
from ipcluster_ext.protocol.process import AgentConfig


class AgentProcess(ABC):
    """A home agent that was started."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Its process id, on its own host."""

    @abstractmethod
    def poll(self) -> int | None:
        """Return its exit code, None while it runs; -255 if that cannot be known."""

    @abstractmethod
    def wait(self, timeout: float | None) -> int | None:
        """Wait until it has ended, no longer than so many seconds; return what `poll` does."""

    @abstractmethod
    def wait_until_up(self, timeout: float) -> bool:
        """Wait until the hub has answered the agent.

        Parameters
        ----------
        timeout
            In seconds.

        Returns
        -------
        True when it has; False if the agent ended.

        Raises
        ------
        TimeoutError
            Neither happened in time.
        """

    @abstractmethod
    def send_signal(self, signum: int) -> None:
        """Send it a signal; if it has ended, do nothing."""

    @abstractmethod
    def stop(self, grace: float) -> int | None:
        """End it and all it has started: politely, and by force after so many seconds."""

    @abstractmethod
    def logs(self) -> str:
        """Return the last lines that it wrote to its standard error."""


class StartedAgent(AgentProcess):
    """A home agent that waits to be told what it is to do."""

    @abstractmethod
    def tell(self, config: AgentConfig) -> None:
        """Tell it what its cluster is to be, once; one that is never told ends with this object."""


class HomeLauncher(ABC):
    """Starts home agents."""

    @abstractmethod
    def start(
        self, folder: Path, *, cold: bool = False, ahead: Sequence[Program] = ()
    ) -> StartedAgent:
        """Start an agent, which waits for `StartedAgent.tell`.

        Parameters
        ----------
        folder
            The cluster's folder.
        cold
            Whether it has no engines of its own at first.
        ahead
            What its foreman starts before everything else.

        Raises
        ------
        OSError
            It cannot be started at all.
        """
