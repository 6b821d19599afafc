"""An agent that another process has started, on this host."""

import os
import select
import signal
import weakref
from contextlib import suppress
from pathlib import Path

from ipcluster_ext.cluster.launchers.base import AgentProcess
from ipcluster_ext.cluster.launchers.local import UNKNOWN_CODE
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.transport.processes import start_of

_TAIL = 16384
_KILLED_WITHIN = 2.0


class AttachedAgent(AgentProcess):
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
        self._pid = pid
        self._log = log
        try:
            self._end = os.pidfd_open(pid)
        except ProcessLookupError:
            raise _gone(pid) from None
        weakref.finalize(self, os.close, self._end).atexit = False
        if start_of(pid) != started:  # looked at once that process is held
            raise _gone(pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    def poll(self) -> int | None:
        """Return -255 if it has ended, None while it runs."""
        return self.wait(0.0)

    def wait(self, timeout: float | None) -> int | None:
        """Wait until it has ended, no longer than so many seconds."""
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        ended = poll.poll(None if timeout is None else timeout * 1000)
        return UNKNOWN_CODE if ended else None

    def wait_until_up(self, timeout: float) -> bool:
        """Return whether it runs: it was up before anybody could attach to it."""
        del timeout
        return self.poll() is None

    def send_signal(self, signum: int) -> None:
        """Send it a signal; if it has ended, do nothing."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._end, signum)

    def stop(self, grace: float) -> int | None:
        """End it: by SIGTERM, and by SIGKILL after so many seconds."""
        self.send_signal(signal.SIGTERM)
        if self.wait(grace) is None:
            self.send_signal(signal.SIGKILL)
        return self.wait(_KILLED_WITHIN)

    def logs(self) -> str:
        """Return the last lines of its log; empty once it has deleted that."""
        try:
            with self._log.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - _TAIL))
                return log.read().decode(errors="replace")
        except OSError:
            return ""


def _gone(pid: int) -> ClusterError:
    return ClusterError(f"the cluster has ended: its agent, process {pid}, does not run any more")
