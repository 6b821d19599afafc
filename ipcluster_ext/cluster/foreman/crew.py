"""What a foreman has started, what it reports of it, and what it starts again when: decisions only.

The life of a post, one for each process that was started::

    STARTING ──its agents meet the hub──▶ UP ◀────────────────────────────────┐
        │                                 │                                  │
        └────────────── ends ─────────────┴──▶ FAILED ──its time has come──▶ AGAIN
                                                 │ hopeless, or its kind is not started again
                                                 ▼
                                             given up

What ends is started again after a pause, which grows as long as it does not come up and stay. What
ends because its engines were told to, or everything is to end, has ENDED and stays so.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import structs

from ipcluster_ext.protocol.foreman import Launch, Launches, Stage

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""How long it takes to try again, in seconds: twice as long each time, up to the longest."""
STEADY_AFTER = 60.0
"""What was up for so long has ended for a new reason."""


class Seen(NamedTuple):
    """How a process fares, as its launcher sees it.

    Attributes
    ----------
    code
        Its exit code, None while it runs.
    state
        A few words for people.
    up
        Whether its agents have met the hub; None if that cannot be seen.
    hopeless
        Whether another try would fare no better, once it has ended.
    queued
        Whether it waits for its turn.
    in_order
        Whether it has ended because its engines were told to.
    holds
        Whether its agents end with it.
    output
        The last that it wrote, once it has ended.
    kept
        What its launcher needs to find it again.
    """

    code: int | None
    state: str
    up: bool | None = None
    hopeless: bool = False
    queued: bool = False
    in_order: bool = False
    holds: bool = False
    output: str = ""
    kept: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never changed


class Again(NamedTuple):
    """Start once more what a post stands for."""

    post: int


class Report(NamedTuple):
    """Tell the home agent how a post fares now."""

    launch: Launch


Effect = Again | Report


@dataclass(slots=True)
class _Post:
    """One of the things that were started, through all its lives."""

    launch: Launch
    up_since: float | None = None
    failures: int = 0
    due: float | None = None


class Crew:
    """The posts of a foreman, by numbers.

    Attributes
    ----------
    taken
        The number of the last order for more engines that was carried out, 0 for none.
    """

    def __init__(self) -> None:
        self._posts: dict[int, _Post] = {}
        self._timers: list[tuple[float, int]] = []
        self._next = 0
        self._ending = False
        self.taken = 0

    @property
    def account(self) -> Launches:
        """What is to be written down, so that another foreman finds it."""
        return Launches(launches=self.launches, taken=self.taken)

    def takes(self, number: int) -> bool:
        """Tell whether an order for more is new, and not one that a foreman before carried out."""
        is_new = number > self.taken
        self.taken = max(self.taken, number)
        return is_new

    @property
    def launches(self) -> list[Launch]:
        """How all fare."""
        return [post.launch for post in self._posts.values()]

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._timers[0][0] if self._timers else None

    def begun(self, engines: str, name: str, count: int) -> int:
        """Note that something was started; return the number of its post.

        Parameters
        ----------
        engines
            The name of the set.
        name
            What people call it.
        count
            How many engines are to come of it.
        """
        self._next += 1
        self._posts[self._next] = _Post(Launch(set=engines, name=name, count=count))
        return self._next

    def refused(self, engines: str, name: str, count: int, reason: str) -> list[Effect]:
        """Note that something could not be started at all, and is not tried again."""
        post = self._posts[self.begun(engines, name, count)]
        return self._told(post, stage="failed", state=reason)

    def look(self, number: int, seen: Seen, *, again: bool, now: float) -> list[Effect]:
        """Take note of how a process fares.

        Parameters
        ----------
        number
            Its post.
        seen
            How it fares.
        again
            Whether its kind is started again.
        now
            The time, in seconds of a monotonic clock.
        """
        post = self._posts[number]
        if seen.code is not None:
            return self._over(number, post, seen, again=again, now=now)
        if seen.up and post.up_since is None:
            post.up_since = now
        elif not seen.up:
            post.up_since = None
        if post.up_since is not None and now - post.up_since >= STEADY_AFTER:
            post.failures = 0
        # what cannot be seen keeps the mark of its last failure until engines tell otherwise
        stage: Stage = "up" if seen.up else "starting"
        if seen.up is False and post.failures:
            stage = "again"
        return self._told(post, stage=stage, state=seen.state, seen=seen, kept=seen.kept)

    def _over(
        self, number: int, post: _Post, seen: Seen, *, again: bool, now: float
    ) -> list[Effect]:
        """Note an end, and decide when another life begins."""
        post.up_since = None
        if self._ending or seen.in_order:
            return self._told(post, stage="ended", state=seen.state, seen=seen)
        post.failures += 1
        pause = None if seen.hopeless or not again else _pause(post.failures)
        if pause is not None:
            post.due = now + pause
            heapq.heappush(self._timers, (post.due, number))
        return self._told(
            post,
            stage="failed",
            state=seen.state,
            seen=seen,
            output=seen.output,
            again_in=pause,
            kept={} if pause is None else seen.kept,
        )

    def is_over(self, number: int) -> bool:
        """Tell whether what a post stands for has ended, and is not started again."""
        launch = self._posts[number].launch
        return launch.stage == "ended" or (launch.stage == "failed" and launch.again_in is None)

    def failed_again(self, number: int, reason: str, *, now: float) -> list[Effect]:
        """Note that what was due could not be started."""
        seen = Seen(code=1, state=reason)
        return self._over(number, self._posts[number], seen, again=True, now=now)

    def given_up(self, number: int) -> list[Effect]:
        """Note that what was due is not started again after all."""
        post = self._posts[number]
        before = post.launch
        return self._told(post, stage="failed", state=before.state, output=before.output)

    def end(self) -> None:
        """Start nothing again from now on."""
        self._ending = True
        self._timers.clear()

    def tick(self, *, now: float) -> Iterator[Again]:
        """Return what has become due."""
        while self._timers and self._timers[0][0] <= now:
            due, number = heapq.heappop(self._timers)
            post = self._posts[number]
            if post.due == due:
                post.due = None
                yield Again(number)

    def _told(
        self,
        post: _Post,
        *,
        stage: Stage,
        state: str,
        seen: Seen | None = None,
        output: str = "",
        again_in: float | None = None,
        kept: dict[str, Any] | None = None,
    ) -> list[Effect]:
        """Report how a post fares, if that is new."""
        before = post.launch
        post.launch = Launch(
            set=before.set,
            name=before.name,
            count=before.count,
            stage=stage,
            state=state,
            output=output,
            again_in=again_in,
            queued=seen is not None and seen.queued,
            kept=kept or {},
        )
        if seen is not None and seen.holds and self._all_over(before.set):
            post.launch = structs.replace(post.launch, last=True)
        return [] if post.launch == before else [Report(post.launch)]

    def _all_over(self, engines: str) -> bool:
        """Tell whether nothing of a set runs, or is being started, at the moment."""
        launches = (post.launch for post in self._posts.values())
        return all(each.stage in {"failed", "ended"} for each in launches if each.set == engines)


def _pause(failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    return float(min(FIRST_PAUSE * 2.0 ** min(failures - 1, 30), LONGEST_PAUSE))
