"""Jobs of a batch system: what is known of each, when to ask again, and what was asked of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

from ipcluster_ext.cluster.launchers.contract import Process
from ipcluster_ext.cluster.launchers.jobfiles import JobFiles
from ipcluster_ext.cluster.launchers.local import UNKNOWN_CODE

Phase = Literal["waits", "runs", "ended"]
_QUICK = 0.25
_MISSED_AT_MOST = 4
"""How often in a row a job may be unknown before it counts as gone: some systems show it late, and
the file with its exit code may reach this host late."""


@dataclass(frozen=True)
class Sight:
    """What a batch system says of a job.

    Attributes
    ----------
    phase
        Whether it waits, runs or has ended.
    text
        The same for people, and why.
    code
        Its exit code, once it has ended and if that is known; negative for a signal.
    hopeless
        Another one like it would fare no better.
    """

    phase: Phase
    text: str
    code: int | None = None
    hopeless: bool = False


SUBMITTED = Sight("waits", "was submitted")


class Cadence:
    """When to ask a batch system again: quickly at first, then every few seconds (pure).

    Parameters
    ----------
    slowest
        The longest pause, in seconds.
    """

    def __init__(self, slowest: float) -> None:
        self._slowest = slowest
        self._pause = 0.0
        self._next = 0.0

    def due(self, now: float) -> bool:
        """Return whether to ask now, and if so put off the next time."""
        if now < self._next:
            return False
        self._pause = min(max(2 * self._pause, _QUICK), self._slowest)
        self._next = now + self._pause
        return True

    def hurry(self, now: float) -> None:
        """Ask in a moment, and quickly from then on: something has been asked for.

        Not at once, so that what else is asked for in this moment goes along.
        """
        self._pause = 0.0
        self._next = min(self._next, now + _QUICK)


class Desk(ABC):
    """What jobs need of their launcher."""

    @abstractmethod
    def look(self) -> None:
        """Learn how all jobs fare, unless that was done a moment ago."""

    @abstractmethod
    def cancel(self, job: "BatchJob", *, force: bool) -> None:
        """Have a job ended: with the others that are to end, at the next look at the latest."""

    @abstractmethod
    def signal(self, job: "BatchJob", signum: int) -> None:
        """Have a job's processes sent a signal."""


class BatchJob(Process):
    """A job of a batch system, or one of an array; what runs in it ends with it.

    Parameters
    ----------
    desk
        Its launcher.
    submission
        The id that the batch system gave to what was submitted.
    job
        The id of this one; the same unless it is one of an array.
    index
        Its place in the array.
    count
        How many engines are to come of it.
    files
        Where it has its script and its log.
    again
        Whether it is to be submitted again if it ends too early.
    """

    holds = True

    def __init__(
        self,
        desk: Desk,
        submission: str,
        job: str,
        *,
        index: int,
        count: int,
        files: JobFiles,
        again: bool = False,
    ) -> None:
        self.name = f"job {job}"
        self.count = count
        self.submission = submission
        self.job = job
        self.index = index
        self.files = files
        self.sight = SUBMITTED
        self.cancelled = False
        self.queued = True
        self._desk = desk
        self._again = again
        self._missed = 0

    @property
    def ended(self) -> bool:
        """Whether it has ended, as far as is known."""
        return self.sight.phase == "ended"

    def poll(self) -> int | None:
        """Return its exit code, None while it waits or runs; -255 if nobody knows that."""
        self._desk.look()
        if not self.ended:
            return None
        return UNKNOWN_CODE if self.sight.code is None else self.sight.code

    def state(self) -> str:
        """Return what the batch system says of it."""
        self._desk.look()
        return self.sight.text

    def send_signal(self, signum: int) -> None:
        """Have the batch system send it a signal; if it does not run, do nothing."""
        if self.sight.phase == "runs":
            self._desk.signal(self, signum)

    def terminate(self) -> None:
        """Cancel it; together with others, so this is done when it is next looked at."""
        if not self.ended:
            self.cancelled = True
            self._desk.cancel(self, force=False)

    def kill(self) -> None:
        """Cancel it by force, as far as the batch system can."""
        if not self.ended:
            self.cancelled = True
            self._desk.cancel(self, force=True)

    def logs(self) -> str:
        """Return the last lines of what it wrote."""
        return self.files.tail(self.index)

    def keep(self) -> dict[str, Any]:
        """Return its ids and where its files are."""
        return {
            "submission": self.submission,
            "job": self.job,
            "index": self.index,
            "count": self.count,
            "folder": str(self.files.folder),
        }

    def see(self, sight: Sight | None, *, system: str) -> None:
        """Take notice of what the batch system says, None if it does not know the job.

        Parameters
        ----------
        sight
            What it says.
        system
            Its name.
        """
        word = self.files.last_word(self.index)
        if sight is not None:
            self._missed = 0
            known = sight.code if sight.code is not None or word is None else word[0]
            self.sight = Sight(sight.phase, sight.text, known, sight.hopeless)
            if self.ended and self.cancelled:
                self.sight = Sight("ended", "was cancelled", known)
        elif self.cancelled:
            self.sight = Sight("ended", "was cancelled", word[0] if word else None)
        elif word is not None and not (word[1] and self._still_asking()):
            self.sight = _last(*word, system=system)
        elif word is None and not self._still_asking():
            self.sight = Sight("ended", f"was ended by {system}, which does not say why")
        self.queued = self.sight.phase == "waits"
        well = self.ended and self.sight.code == 0 and (sight is None or sight.code == 0)
        told = word is not None and bool(word[1])
        self.in_order = well and not told
        over = self.sight.hopeless or self.in_order or not self._again
        self.hopeless = self.ended and over

    @property
    def vanishing(self) -> bool:
        """Whether the batch system does not know it any more, and nobody has said why."""
        word = self.files.last_word(self.index)
        return bool(self._missed) and not self.cancelled and (word is None or bool(word[1]))

    def _still_asking(self) -> bool:
        self._missed += 1
        return self._missed < _MISSED_AT_MOST


def _last(code: int, told: str, *, system: str) -> Sight:
    """Return how a job has ended of which nothing but its script's last word is known."""
    if told:
        return Sight("ended", f"was told to end by {system} (SIG{told})", code)
    how = "has ended" if code == 0 else f"has ended with exit code {code}"
    return Sight("ended", how, code)
