"""A function that tasks call, and how long they take; from that follows how many travel ahead.

How long its tasks took decides how many of them an engine may hold unfinished (its *credit*):
one where they are long, so that none is trapped behind another, and as many as fill `HORIZON`
where they are short, so that they stream. Tasks of up to `ONE_AHEAD` seconds have one travel
ahead, so that an engine need not wait for the hub between two of them.
"""

from dataclasses import dataclass

from ipcluster_ext.core.work import Work

HORIZON = 0.005
ONE_AHEAD = 0.025
MOST_CREDIT = 512
OVERHEAD = 4e-6
_WEIGHT = 0.1
_LONGEST = 1e9


@dataclass(slots=True, eq=False)
class Function:
    """One function.

    Attributes
    ----------
    pickled
        Its pickle; None while the hub does not have it.
    live
        How many tasks use it that have not ended.
    seconds
        Smoothed duration of its tasks; None before the first ended.
    row
        The page of the journal that it stands on.
    work
        What it was called for last.
    """

    digest: bytes
    pickled: bytes | None = None
    live: int = 0
    seconds: float | None = None
    row: int = 0
    work: Work | None = None

    def took(self, seconds: float) -> None:
        """Learn from a task that ended, by a clock that may have jumped meanwhile."""
        if not 0.0 <= seconds < _LONGEST:
            return
        if self.seconds is None:
            self.seconds = seconds
        else:
            self.seconds += _WEIGHT * (seconds - self.seconds)

    @property
    def credit(self) -> int:
        """How many unfinished tasks of this function an engine may hold, at least 1."""
        if self.seconds is None or self.seconds > ONE_AHEAD:
            return 1
        return max(2, min(MOST_CREDIT, int(HORIZON / (max(0.0, self.seconds) + OVERHEAD))))
