"""Agents on this host: each is held by a file descriptor, so no other process is taken for it."""

import os
import select
import signal
import weakref
from contextlib import suppress

from ipcluster_ext.cluster.launchers.homeagent import AgentProcess

_KILLED_WITHIN = 2.0


class HeldAgent(AgentProcess):
    """An agent on this host, whoever has started it.

    Parameters
    ----------
    pid
        Its process.

    Raises
    ------
    ProcessLookupError
        There is none.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._end = os.pidfd_open(pid)
        weakref.finalize(self, os.close, self._end).atexit = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    def poll(self) -> int | None:
        """Return what `wait` does, at once."""
        return self.wait(0.0)

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

    def has_ended(self, timeout: float | None) -> bool:
        """Wait until it has ended, no longer than so many seconds; tell whether it has."""
        return readable(self._end, timeout)


def readable(fd: int, timeout: float | None) -> bool:
    """Wait until a file descriptor is readable or ended; False if the time was up first."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))
