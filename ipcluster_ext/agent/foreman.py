"""The foreman, which starts engines on other hosts, as its agent sees it: a process with a line."""

import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from ipcluster_ext.agent import birth
from ipcluster_ext.agent.birth import Begun
from ipcluster_ext.agent.succession import Succession
from ipcluster_ext.agent.wakeups import wait_for_end
from ipcluster_ext.protocol.foreman import (
    END_OF_FOREMAN,
    Launch,
    More,
    Obeyed,
)
from ipcluster_ext.protocol.process import AgentConfig, as_line, exit_text
from ipcluster_ext.transport import processes

ENDS_WITHIN = 11.0
"""How long it may take to end what it has started, in seconds."""

log = logging.getLogger(__name__)
_decode: Callable[[bytes], Launch | Obeyed] = msgspec.json.Decoder(Launch | Obeyed).decode


def foreman_for(config: AgentConfig, begun: Begun | None = None) -> "ForemanProcess | None":
    """Have engines started on other hosts, if there are to be any.

    Parameters
    ----------
    config
        What the agent was told.
    begun
        The foreman, if it was started ahead.
    """
    if not config.sets or config.reach is not None:
        return None
    return ForemanProcess(config, begun)


class ForemanProcess:
    """Keeps a foreman running.

    Parameters
    ----------
    config
        What the agent was told; the foreman is told the same.
    begun
        The first one, if it runs already.
    """

    def __init__(self, config: AgentConfig, begun: Begun | None = None) -> None:
        self._config = config
        self._succession = Succession(0.0, now=time.monotonic())
        self._pid = 0
        self._to, self._from = -1, -1
        self._count = 0
        self._orders: deque[More] = deque()
        self._pending = b""
        self.deadline: float | None = None
        self._start(begun)

    @property
    def fd(self) -> int:
        """The file descriptor to watch for `hear`, -1 for none; it changes."""
        return self._from

    def is_(self, pid: int) -> bool:
        """Tell whether a process is the foreman that there is now."""
        return bool(pid) and pid == self._pid

    def _start(self, begun: Begun | None = None) -> None:
        if begun is None:
            begun = birth.start_foreman(Path(self._config.folder), b"\n")
        self._pid, self._to, self._from = begun
        self._say(as_line(self._config))
        for order in self._orders:
            self._say(as_line(order))
        os.set_blocking(self._from, False)

    def more(self, engines: str, count: int) -> None:
        """Have it start more engines of a set."""
        self._count += 1
        order = More(set=engines, count=count, number=self._count)
        self._orders.append(order)
        self._say(as_line(order))

    def _say(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # its end is noticed in a moment
            os.write(self._to, line)

    def hear(self) -> list[Launch]:
        """Return what it reports."""
        try:
            data = os.read(self._from, 1 << 16) if self._from >= 0 else b""
        except BlockingIOError:
            return []
        if not data:
            self._hang_up()
        *lines, self._pending = (self._pending + data).split(b"\n")
        said = [_decode(line) for line in lines]
        done = max((each.number for each in said if isinstance(each, Obeyed)), default=0)
        while self._orders and self._orders[0].number <= done:
            self._orders.popleft()
        return [each for each in said if isinstance(each, Launch)]

    def _hang_up(self) -> None:
        """Listen no more: it is gone, and nothing of it is left to be heard."""
        if self._from >= 0:
            os.close(self._from)
        self._from = -1

    def died(self, code: int, *, over: bool) -> None:
        """Have another one follow it, after a while if it dies again and again.

        Parameters
        ----------
        code
            How it died, as in `subprocess`.
        over
            Whether everything ends, and no other one is wanted.
        """
        self._pid = 0
        if self._to >= 0:
            os.close(self._to)
            self._to = -1
        if over:
            return
        now = time.monotonic()
        self._succession.answered()
        delay = self._succession.died(now=now)
        if delay is None:
            log.error("the foreman died too often (%s); it starts no more", exit_text(code))
            return
        log.error("the foreman died: %s; another follows in %g s", exit_text(code), delay)
        self.deadline = now + delay

    def tick(self) -> None:
        """Start another one if that is due."""
        now = time.monotonic()
        if self.deadline is None or now < self.deadline:
            return
        if self._from >= 0:
            self._hang_up()  # whoever watches that has to take notice first
            return
        self.deadline = None
        self._start()
        self._succession.started(now=now)

    def end(self) -> None:
        """Have it end what it has started; `close` waits for that."""
        self.deadline = None
        if self._to >= 0:
            self._say(END_OF_FOREMAN)
            os.close(self._to)
            self._to = -1

    def close(self) -> None:
        """Wait until it has ended."""
        self.end()
        if self._pid:
            processes.signal_one(self._pid, signal.SIGCONT)
            wait_for_end(self._pid, ENDS_WITHIN)
        self._hang_up()
