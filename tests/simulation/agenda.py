"""Virtual time: what will happen, in the order in which it will."""

import heapq
from collections.abc import Callable
from typing import Any

Act = Callable[[Any], None]
MOST_STEPS = 100_000
"""No history has nearly as many."""


class Agenda:
    """Calls what is due; between two calls no time passes at all, or as much as one likes.

    Attributes
    ----------
    now
        The time, in seconds since the beginning.
    steps
        How many calls there were.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._turn = 0
        self._heap: list[tuple[float, int, Act, Any]] = []

    def at(self, when: float, act: Act, what: object = None) -> None:
        """Have something done at a time; things of one time are done in the order of these calls.

        Parameters
        ----------
        when
            The time; what is in the past is done next.
        act, what
            What to call, and with what.
        """
        self._turn += 1
        heapq.heappush(self._heap, (max(when, self.now), self._turn, act, what))

    def after(self, seconds: float, act: Act, what: object = None) -> None:
        """Have something done so many seconds from now."""
        self._turn += 1
        heapq.heappush(self._heap, (self.now + seconds, self._turn, act, what))

    def run(self, until: float) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, act, what = heapq.heappop(heap)
            self.steps += 1
            if self.steps > MOST_STEPS:
                msg = f"it never ends: {act} with {what}"
                raise AssertionError(msg)
            act(what)
        self.now = until
