"""When an agent whose hub is on another host goes on without it, and when it ends: decisions only.

Nobody there can see whether the hub is gone for good or the link is broken. As long as the hub is
heard, the agent stays. Told to end, by whoever started it, it ends at once. If it has not heard the
hub for long it ends by itself, sooner where whoever started it is gone without a word.
"""

from ipcluster_ext.protocol.process import Patience

THE_END = b"end"
"""A line by which whoever started an agent tells it to end."""
MEETING = 30.0
"""A hub that has never answered is waited for so many seconds."""


class Contact:
    """Follows how long the hub has not been heard.

    Only time in which somebody listened counts: not while this process, or its host, was asleep.

    Parameters
    ----------
    patience
        How long that is borne.
    now
        The time, in seconds of a monotonic clock.
    """

    def __init__(self, patience: Patience, *, now: float) -> None:
        self._patience = patience
        self._asked_at = now
        self._unheard = 0.0
        self._met = False
        self._orphaned = False
        self._told = b""
        self._dismissed = False

    def heard(self) -> None:
        """Note that the hub has given a sign of life."""
        self._met = True
        self._unheard = 0.0

    def asked(self, *, every: float, now: float) -> None:
        """Note that the hub is asked for one; it is asked so often."""
        self._unheard += min(now - self._asked_at, 2 * every)
        self._asked_at = now

    def told(self, data: bytes) -> None:
        """Note what came from whoever started this agent; nothing, if they are gone."""
        if not data:
            self._orphaned = True
            return
        *lines, self._told = (self._told + data).split(b"\n")
        self._dismissed = self._dismissed or THE_END in lines

    @property
    def dismissed(self) -> bool:
        """Whether it was told to end."""
        return self._dismissed

    @property
    def verdict(self) -> str:
        """Why to end now, empty to go on."""
        limit = self._limit
        if not limit or self._unheard < limit:
            return ""
        if not self._met:
            return f"the hub has not answered within {limit:g} s"
        alone = ", and whoever started this agent is gone" if self._orphaned else ""
        return f"the hub has not been heard for {limit:g} s{alone}"

    @property
    def _limit(self) -> float:
        """How long the hub may be silent, in seconds; 0 for ever."""
        patience = self._patience
        limits = [patience.solitude]
        if self._orphaned:
            limits.append(patience.orphanhood)
        if not self._met:
            limits.append(MEETING)
        return min((limit for limit in limits if limit > 0), default=0.0)
