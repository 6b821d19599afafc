"""The contract for whatever starts host agents, in the words of `subprocess`.

A launcher starts one agent with its configuration on standard input. The agent writes a line to
its standard output when the hub has answered it, and ends that output if it never comes so far.
"""

from abc import ABC, abstractmethod

from ipcluster_ext.protocol.process import AgentConfig


class AgentProcess(ABC):
    """A host agent that was started."""

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


class Launcher(ABC):
    """Starts host agents."""

    @abstractmethod
    def start(self, config: AgentConfig) -> AgentProcess:
        """Start an agent.

        Raises
        ------
        OSError
            It cannot be started at all.
        """
