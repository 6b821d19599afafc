"""Which engines live on this host, what follows from a death, and when: decisions only.

The life of an engine's post, one for each id::

    DUE ──── its time has come ────▶ LAUNCHED ──born──▶ RUNNING ──ended──▶ DUE, or struck off
                               │ stop                      │ stop
                               ▼                           ▼
                       struck off, killed at birth      ENDING ──ended──▶ DUE, or struck off

An engine that dies comes back at once, and later and later if it dies again and again soon after
its start. One that never comes up at all is given up in the end, with what it said last.
"""

import heapq
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import EngineExited
from ipcluster_ext.protocol.process import exit_text

STOP_GRACE = 0.5
"""Between SIGTERM and SIGKILL for an engine that is asked to stop, in seconds."""
END_GRACE = 0.3
"""The same when everything ends."""
STEADY_AFTER = 10.0
"""An engine that lived this long died of something new."""
FREE_DEATHS = 3
"""So many deaths in a row cost no delay."""
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
LONG_ENOUGH, PART_OF_A_LIFE = 0.25, 0.25
"""After a life of so many seconds it waits for such a part of it at most."""
MOST_FAILURES = 5
"""An engine that did not come up so many times in a row is given up."""


class Launch(NamedTuple):
    """Start a process for an engine."""

    engine: EngineId
    boot: int


class Kill(NamedTuple):
    """Send a signal to an engine's process, or to its whole process group."""

    pid: int
    signum: int
    group: bool


Effect = Launch | Kill | EngineExited


class Death(NamedTuple):
    """What is known of an engine's end.

    Attributes
    ----------
    pid
        Its process.
    code
        As in `subprocess`: negative numbers are signals.
    up
        Whether it had come up.
    began, others, ran
        The last task it began in its turn, 0 for none, those out of turn, and the last ones in
        their turn.
    last_words
        The last line of its log.
    details
        What else is known.
    suspicion
        Why it may have been killed, if nobody here did it.
    """

    pid: int
    code: int
    up: bool
    began: TaskId
    last_words: str = ""
    others: tuple[TaskId, ...] = ()
    ran: tuple[TaskId, ...] = ()
    details: str = ""
    suspicion: str = ""


_NOTHING = Death(0, 0, up=False, began=TaskId(0))
"""The end of a life that had not begun."""


class Stage(Enum):
    """Where a post stands."""

    DUE = auto()
    LAUNCHED = auto()
    RUNNING = auto()
    ENDING = auto()


@dataclass(slots=True)
class _Post:
    """An engine id, and the process that has it now.

    Attributes
    ----------
    boot
        The number of this life, or of the last.
    pid
        The process, 0 if there is none or it is not known yet.
    again
        Whether another life follows this one.
    asked
        Whether somebody asked for the end of this life.
    timer
        When the launch (DUE) or the killing (ENDING) is due.
    reason
        What to say of this life's end instead of that it was asked for.
    quick, hasty, failed
        How many lives in a row were short, the first from `quick_since` on; how many were too
        short for any work; how many never came up, the first at `failing_since`.
    """

    engine: EngineId
    boot: int = 0
    stage: Stage = Stage.DUE
    pid: int = 0
    again: bool = True
    asked: bool = False
    reason: str = ""
    launched_at: float = 0.0
    timer: float | None = None
    quick: int = 0
    quick_since: float = 0.0
    hasty: int = 0
    failed: int = 0
    failing_since: float = 0.0


class Roster:
    """The engines of one host.

    Parameters
    ----------
    boots
        Random numbers, one for each life.
    once
        Whether each engine has one life only, unless somebody asks for another.
    """

    def __init__(self, boots: Iterator[int], *, once: bool = False) -> None:
        self._boots = boots
        self._once = once
        self._posts: dict[EngineId, _Post] = {}
        self._by_pid: dict[int, _Post] = {}
        self._timers: list[tuple[float, EngineId]] = []
        self._closing = False

    @property
    def empty(self) -> bool:
        """Whether no engine is here or to come."""
        return not self._posts

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._timers[0][0] if self._timers else None

    @property
    def pids(self) -> Iterable[int]:
        """The processes of engines."""
        return self._by_pid.keys()

    def lives(self) -> list[Launch]:
        """Return the lives of the engines that are here, 0 for one that is between two lives."""
        return [
            Launch(post.engine, 0 if post.stage is Stage.DUE else post.boot)
            for post in self._posts.values()
        ]

    def engine_of(self, pid: int) -> Launch | None:
        """Return which engine a process is, and which life of it."""
        post = self._by_pid.get(pid)
        return None if post is None else Launch(post.engine, post.boot)

    def start(self, engines: Iterable[EngineId], *, now: float) -> list[Effect]:
        """Take on engines under new ids and launch them; ids that are here stay as they are."""
        effects: list[Effect] = []
        for engine in engines:
            if engine not in self._posts and not self._closing:
                post = self._posts[engine] = _Post(engine)
                effects.append(self._launch(post, now))
        return effects

    def _launch(self, post: _Post, now: float) -> Launch:
        post.boot = next(self._boots)
        post.stage = Stage.LAUNCHED
        post.pid = 0
        post.again, post.asked, post.reason = True, False, ""
        post.launched_at = now
        post.timer = None
        return Launch(post.engine, post.boot)

    def born(self, engine: EngineId, boot: int, pid: int, *, now: float) -> list[Effect]:
        """Note the process of a launched engine; one that nobody wants any more is killed."""
        post = self._posts.get(engine)
        if post is None or post.boot != boot or post.stage is not Stage.LAUNCHED:
            return [Kill(pid, signal.SIGKILL, group=True)]
        post.pid = pid
        post.stage = Stage.RUNNING
        self._by_pid[pid] = post
        return [self._end(post, STOP_GRACE, now)] if post.asked else []

    def _end(self, post: _Post, grace: float, now: float) -> Kill:
        post.stage = Stage.ENDING
        self._wake(post, now + grace)
        return Kill(post.pid, signal.SIGTERM, group=False)

    def _wake(self, post: _Post, when: float) -> None:
        post.timer = when
        heapq.heappush(self._timers, (when, post.engine))

    def stop(
        self,
        engines: Iterable[EngineId],
        *,
        again: bool,
        now: float,
        grace: float = STOP_GRACE,
        reason: str = "",
    ) -> list[Effect]:
        """End engines, politely at first; with ``again`` each gets another life.

        Engines that are not here are left out. Who is to stop for good is not restarted. Who is
        ending already is given no more time than was asked for last. ``reason`` is what is said
        of their end, if not that it was asked for.
        """
        posts = [self._posts[engine] for engine in engines if engine in self._posts]
        for post in posts:
            post.reason = post.reason if post.asked else reason
        return self._stop(posts, grace, again=again, now=now)

    def _stop(
        self, posts: Iterable[_Post], grace: float, *, again: bool, now: float
    ) -> list[Effect]:
        effects: list[Effect] = []
        for post in posts:
            post.again = again and (post.again or not post.asked)
            post.asked = True
            if post.stage is Stage.RUNNING:
                effects.append(self._end(post, grace, now))
            elif post.stage is Stage.ENDING:
                if post.timer is not None and now + grace < post.timer:
                    self._wake(post, now + grace)
            elif post.stage is Stage.DUE or (post.stage is Stage.LAUNCHED and not post.again):
                effects.extend(self._follow(post, "stopped on request", _NOTHING, now))
        return effects

    def end_all(self, *, now: float) -> list[Effect]:
        """End every engine for good, and take on no more."""
        self._closing = True
        return self._stop(list(self._posts.values()), END_GRACE, again=False, now=now)

    def signal(self, engines: Iterable[EngineId], signum: int) -> list[Effect]:
        """Pass a signal on to engines that run, as a terminal would: to what they started too."""
        posts = (self._posts.get(engine) for engine in engines)
        return [Kill(post.pid, signum, group=True) for post in posts if post and post.pid]

    def unborn(self, engine: EngineId, boot: int, reason: str, *, now: float) -> list[Effect]:
        """Treat an engine whose process could not be made like one that never came up."""
        post = self._posts.get(engine)
        if post is None or post.boot != boot or post.stage is not Stage.LAUNCHED:
            return []
        cause = f"it could not be started: {reason}"
        return self._bury(post, cause, _NOTHING, now)

    def ended(self, death: Death, *, now: float) -> list[Effect]:
        """Report a death and decide what follows from it; strangers are ignored."""
        post = self._by_pid.pop(death.pid, None)
        return [] if post is None else self._bury(post, exit_text(death.code), death, now)

    def _bury(self, post: _Post, cause: str, death: Death, now: float) -> list[Effect]:
        post.pid = 0
        post.stage = Stage.DUE
        if post.asked:
            wish = post.reason or ("restarted on request" if post.again else "stopped on request")
            cause = wish if death.code >= 0 else f"{wish} ({cause})"
        else:
            if death.suspicion:
                cause = f"{cause}, {death.suspicion}"
            self._count(post, up=death.up, now=now)
            if self._once:
                post.again = False
                cause = f"{cause}; it is one of several that belong together, and has one life"
            elif post.failed >= MOST_FAILURES:
                post.again = False
                cause = _given_up(cause, post, death.last_words, now)
        return self._follow(post, cause, death, now)

    def _count(self, post: _Post, *, up: bool, now: float) -> None:
        """Count the lives that were short, and those that never came up."""
        lasted = now - post.launched_at
        if lasted >= STEADY_AFTER or not post.quick:
            post.quick, post.quick_since = 0, post.launched_at
        post.quick += 1
        post.hasty = 0 if up and lasted >= LONG_ENOUGH else post.hasty + 1
        if up:
            post.failed = 0
            return
        if not post.failed:
            post.failing_since = post.launched_at
        post.failed += 1

    def _follow(self, post: _Post, cause: str, death: Death, now: float) -> list[Effect]:
        if post.asked:
            post.quick = post.hasty = post.failed = 0
        delay = _delay(post, now - post.launched_at)
        report = EngineExited(
            post.engine,
            post.boot,
            cause,
            death.began,
            post.again,
            list(death.others),
            list(death.ran),
            death.details,
            _warning(post, cause, delay, now),
            post.asked,
        )
        if not post.again:
            del self._posts[post.engine]
            return [report]
        if delay:
            self._wake(post, now + delay)
            return [report]
        return [report, self._launch(post, now)]

    def tick(self, *, now: float) -> list[Effect]:
        """Do what has become due."""
        effects: list[Effect] = []
        while self._timers and self._timers[0][0] <= now:
            when, engine = heapq.heappop(self._timers)
            post = self._posts.get(engine)
            if post is None or post.timer != when:
                continue
            post.timer = None
            if post.stage is Stage.DUE:
                effects.append(self._launch(post, now))
            elif post.stage is Stage.ENDING:
                effects.append(Kill(post.pid, signal.SIGKILL, group=True))
        return effects


def _delay(post: _Post, lasted: float) -> float:
    """Return how long an engine waits after a life that lasted so many seconds.

    One that had time for work waits for a small part of that only: whatever kills engines now and
    then shall not keep them from working most of the time. (Would it, those that are left would be
    killed the sooner.)
    """
    if post.hasty > FREE_DEATHS:
        return _growing(post.hasty)
    if post.quick > FREE_DEATHS:
        return min(_growing(post.quick), lasted * PART_OF_A_LIFE)
    return 0.0


def _growing(deaths: int) -> float:
    """Return a delay that doubles with each death in a row."""
    return min(FIRST_DELAY * 2.0 ** min(deaths - FREE_DEATHS - 1, 30), LONGEST_DELAY)


def _warning(post: _Post, cause: str, delay: float, now: float) -> str:
    """Write what users are to be told of a death; not of each, where one follows the other."""
    if post.asked:
        return ""
    if not post.again:
        return f"engine {post.engine} is given up: {cause}"
    if not delay or post.quick & (post.quick - 1):
        return ""
    return (
        f"engine {post.engine} failed {post.quick} times in {now - post.quick_since:.0f} s, the "
        f"last time: {cause}; next try in {delay:.1f} s"
    )


def _given_up(cause: str, post: _Post, last_words: str, now: float) -> str:
    said = f"; its last words: {last_words}" if last_words else ""
    return (
        f"{cause}; it did not come up {post.failed} times in {now - post.failing_since:.1f} s "
        f"and is not started again{said}"
    )
