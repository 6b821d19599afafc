"""Waiting on file descriptors: asleep, or awake for a moment where an answer is about to come.

To be woken costs a thread some 20 µs, as much as all that the hub does with a short message. So
while messages come one by one and each soon after the last, as in a conversation, whoever waits
looks again and again for `LOOK_FOR` before it goes to sleep. A few looks in vain, or messages
that come in numbers, end that: the processor belongs to those who compute.
"""

from collections.abc import Callable
from os import sched_yield
from time import perf_counter
from typing import Protocol

LOOK_FOR = 100e-6
"""How long to look before going to sleep, in seconds."""
BEGIN_AFTER = 6
"""So many messages have to come as soon as that, one after the other."""
_MOST = 12
_MISSED = 4

Ready = list[tuple[int, int]]


class Poll(Protocol):
    """What of an epoll object is needed."""

    def poll(self, timeout: float, /) -> Ready:
        """Wait for so many seconds at most."""


class Lookout:
    """Waits on an epoll object.

    Parameters
    ----------
    poll
        What to wait on.
    clock
        A clock in seconds.
    """

    def __init__(self, poll: Poll, clock: Callable[[], float] = perf_counter) -> None:
        self._poll = poll
        self._clock = clock
        self._hope = 0

    def wait(self, timeout: float, *, talking: bool) -> Ready:
        """Wait until something is ready, or for so many seconds.

        Parameters
        ----------
        timeout
            In seconds.
        talking
            Whether what came last was one message, and from the other side than the one before.

        Returns
        -------
        File descriptors, and what they are ready for.
        """
        if not talking:
            self._hope = 0
            return self._poll.poll(timeout)
        until = self._clock() + min(timeout, LOOK_FOR)
        if self._hope >= BEGIN_AFTER:
            if ready := self._look(until):
                self._hope = min(self._hope + 1, _MOST)
                return ready
            self._hope -= _MISSED
            return self._poll.poll(timeout)
        ready = self._poll.poll(timeout)
        self._hope = self._hope + 1 if self._clock() < until else 0
        return ready

    def _look(self, until: float) -> Ready:
        """Look until something is ready, or the time is up."""
        poll, clock = self._poll.poll, self._clock
        while not (ready := poll(0)) and clock() < until:
            sched_yield()  # whoever is about to answer may need this very processor
        return ready
