"""An agent that another process has started, on this host."""

from pathlib import Path

from ipcluster_ext.cluster.launchers.held import HeldAgent
from ipcluster_ext.cluster.launchers.local import UNKNOWN_CODE
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.files import tail
from ipcluster_ext.transport.processes import start_of

_TAIL = 16384


class AttachedAgent(HeldAgent):
    """An agent that runs already; its exit code is not to be had.

    Parameters
    ----------
    pid, started
        Its process, and when that started (clock ticks since boot).
    log
        The file that it writes to.

    Raises
    ------
    ClusterError
        It has ended.
    """

    def __init__(self, pid: int, started: int, log: Path) -> None:
        try:
            super().__init__(pid)
        except ProcessLookupError:
            raise _gone(pid) from None
        self._log = log
        if start_of(pid) != started:  # looked at once that process is held
            raise _gone(pid)

    def wait(self, timeout: float | None) -> int | None:
        """Wait until it has ended, no longer than so many seconds; return -255 if it has."""
        return UNKNOWN_CODE if self.has_ended(timeout) else None

    def wait_until_up(self, timeout: float) -> bool:
        """Return whether it runs: it was up before anybody could attach to it."""
        del timeout
        return self.poll() is None

    def logs(self) -> str:
        """Return the last lines of its log; empty once it has deleted that."""
        return tail(self._log, _TAIL)


def _gone(pid: int) -> ClusterError:
    return ClusterError(f"the cluster has ended: its agent, process {pid}, does not run any more")
