"""The hub's process, as its agent sees it: started, watched, started again, and ended."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from ipcluster_ext.agent.leavings import excerpt, size_of
from ipcluster_ext.agent.succession import Succession
from ipcluster_ext.agent.wakeups import wait_for_end
from ipcluster_ext.protocol.process import END_OF_HUB, HUB_MISCONFIGURED, exit_text
from ipcluster_ext.transport import processes

log = logging.getLogger(__name__)


class HubProcess:
    """Keeps a hub running.

    Parameters
    ----------
    pid, lifeline
        The first one, started already, and the file descriptor that keeps it alive.
    start
        Starts another.
    output
        The file with what hubs write.
    silence
        For how many seconds one may leave pings unanswered before it is killed.
    """

    def __init__(
        self,
        pid: int,
        lifeline: int,
        *,
        start: Callable[[], tuple[int, int]],
        output: Path,
        silence: float,
    ) -> None:
        self._pid = pid
        self._lifeline = lifeline
        self._start = start
        self._output = output
        self._succession = Succession(silence, now=time.monotonic())
        self._killed = False
        self._written = 0
        self.deadline: float | None = None

    @property
    def fd(self) -> int:
        """A file descriptor to watch: none."""
        return -1

    def listen(self) -> bool:
        """Hear nothing: this agent has an owner, which is watched."""
        return False

    def is_(self, pid: int) -> bool:
        """Tell whether a process is the hub that there is now."""
        return pid == self._pid

    def answered(self) -> None:
        """Note that the hub has given a sign of life."""
        self._succession.answered()

    def asked(self, *, every: float) -> None:
        """Note that the hub is asked for a sign of life; kill it if it has given none for long.

        Parameters
        ----------
        every
            How often it is asked, in seconds.
        """
        self._succession.asked(every=every, now=time.monotonic())
        if self._succession.hangs and self._pid and not self._killed:
            self._killed = True
            log.error("the hub (process %d) does not answer and is killed", self._pid)
            processes.signal_one(self._pid, signal.SIGKILL)

    def buried(self) -> None:
        """Note that the hub's process is gone; no other is to follow."""
        os.close(self._lifeline)
        self._pid, self._lifeline, self._killed = 0, -1, False

    def died(self, code: int) -> str:
        """Decide what follows from the hub's death; the next one is started by `tick`.

        Returns
        -------
        Why there is none, empty if there is.
        """
        cause = "it did not answer and was killed" if self._killed else exit_text(code)
        self.buried()
        if code == HUB_MISCONFIGURED:
            return "the hub cannot be as it was to be; it says why"
        return self._follow(cause)

    def _follow(self, cause: str) -> str:
        now = time.monotonic()
        delay = self._succession.died(now=now)
        if delay is None:
            return f"the hub died {self._succession.account(now=now)}, the last time: {cause}"
        words = excerpt(self._output, self._written).splitlines()
        said = "".join(f"\n    {line}" for line in words)
        log.error("the hub died: %s; another is started in %g s%s", cause, delay, said)
        self.deadline = now + delay
        return ""

    def tick(self) -> str:
        """Start another hub if one is due.

        Returns
        -------
        Why there will be none, empty if all is well.
        """
        now = time.monotonic()
        if self.deadline is None or now < self.deadline:
            return ""
        self.deadline = None
        self._written = size_of(self._output)
        try:
            self._pid, self._lifeline = self._start()
        except OSError as error:  # too many processes, too little memory
            return self._follow(f"it could not be started: {error}")
        self._succession.started(now=now)
        return ""

    def close(self, within: float) -> None:
        """Have the hub end in good order; it is given so many seconds."""
        if not self._pid:
            return
        with contextlib.suppress(BrokenPipeError):  # it is gone
            os.write(self._lifeline, END_OF_HUB)
        os.close(self._lifeline)
        processes.signal_one(self._pid, signal.SIGCONT)
        wait_for_end(self._pid, within)
