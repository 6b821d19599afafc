"""What a hub says in its log of those whom it turns away: enough to notice, too little to harm.

Whoever can make a hub write a line for each of his attempts can fill its disk. So there are at
most `LINES_PER_SECOND`, each short and without control characters; the rest are counted.
"""

import logging
import time
from collections.abc import Callable

LINES_PER_SECOND = 10
LONGEST = 200

log = logging.getLogger(__name__)


class Refusals:
    """Counts those who are turned away, and logs some of them.

    Parameters
    ----------
    clock
        A clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        self._clock = clock
        self._since = float("-inf")
        self._said = 0
        self._unsaid = 0

    def note(self, reason: str) -> None:
        """Note that somebody was turned away.

        Parameters
        ----------
        reason
            Why; may hold what that one said.
        """
        self.count += 1
        now = self._clock()
        if now - self._since >= 1.0:
            self._since, self._said = now, 0
        if self._said >= LINES_PER_SECOND:
            self._unsaid += 1
            return
        self._said += 1
        more = f" (and {self._unsaid} not told of before)" if self._unsaid else ""
        self._unsaid = 0
        log.warning("refused: %s%s", printable(reason), more)


def printable(text: str) -> str:
    """Return a text as it may stand in a log: short, in one line."""
    return ascii(text[:LONGEST])[1:-1]
