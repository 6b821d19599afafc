"""What follows when the hub dies, and when one that lives counts as dead: decisions only.

A hub that dies is followed by another at once, which goes on where it was. One that dies again
and again soon after its start waits longer and longer; if that does not help, the cluster ends.
"""

from collections import deque

QUICK = 2.0
"""A hub that did not live this long, in seconds, died of what it met when it started."""
FREE_DEATHS = 3
"""So many quick deaths in a row cost no delay."""
FIRST_DELAY = 0.1
"""The first delay after these, in seconds; each that follows is twice as long."""
MOST_DEATHS, WITHIN = 10, 60.0
"""So many deaths within so many seconds are the end of the cluster."""
MOST_AT_FIRST = 5
"""So many are, while no hub has ever answered: somebody waits for the cluster to start."""


class Succession:
    """Follows the lives of a cluster's hubs.

    Parameters
    ----------
    silence
        For how many seconds a hub may leave pings unanswered.
    now
        When the first one was started, in seconds of a monotonic clock.
    """

    def __init__(self, silence: float, *, now: float) -> None:
        self._silence = silence
        self._started_at = now
        self._asked_at = now
        self._unanswered = 0.0
        self._answered = False
        self._quick = 0
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)

    def started(self, *, now: float) -> None:
        """Note that another hub has been started."""
        self._started_at = self._asked_at = now
        self._unanswered = 0.0

    def answered(self) -> None:
        """Note that the hub has given a sign of life."""
        self._answered = True
        self._unanswered = 0.0

    def asked(self, *, every: float, now: float) -> None:
        """Note that the hub is asked for a sign of life.

        Only such time counts as silence in which somebody listened: not while this process, or
        the host, was asleep.

        Parameters
        ----------
        every
            How often it is asked, in seconds.
        now
            The time.
        """
        self._unanswered += min(now - self._asked_at, 2 * every)
        self._asked_at = now

    @property
    def hangs(self) -> bool:
        """Whether the hub has been silent for too long."""
        return self._unanswered >= self._silence

    def died(self, *, now: float) -> float | None:
        """Decide what follows from the death of a hub.

        Returns
        -------
        After how many seconds to start the next; None to end the cluster.
        """
        deaths = self._deaths
        deaths.append(now)
        if len(deaths) == MOST_DEATHS and now - deaths[0] <= WITHIN:
            return None
        if not self._answered and len(deaths) >= MOST_AT_FIRST:
            return None
        self._quick = self._quick + 1 if now - self._started_at < QUICK else 0
        if self._quick <= FREE_DEATHS:
            return 0.0
        return FIRST_DELAY * 2.0 ** (self._quick - FREE_DEATHS - 1)

    def account(self, *, now: float) -> str:
        """Write how often hubs have died lately, as ``"10 times in 7.3 s"``."""
        deaths = self._deaths
        times = "once" if len(deaths) == 1 else f"{len(deaths)} times"
        return f"{times} in {now - deaths[0]:.1f} s" if len(deaths) > 1 else times
