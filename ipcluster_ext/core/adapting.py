"""Rules for a cluster that has as many engines as its work asks for, between bounds.

More are started when tasks have had to wait for a moment and would not be through soon: so many
that they would be, by what has been done lately, but not more than there are tasks. Engines that
have had nothing to do for long are stopped. Where engines that were started do not come, it takes
longer and longer until others are.
"""

from collections import deque
from collections.abc import Callable
from itertools import islice
from math import ceil, inf

from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.retirement import Retirement
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.parts import Bounds
from ipcluster_ext.protocol.status import EngineStatus

LOOK_EVERY = 0.5
"""How often work is looked at, in seconds, while there is some."""
SHORT_FOR = 1.0
"""For so many seconds there have to be more tasks than engines before others are started."""
SOON = 5.0
"""What will be done within so many seconds needs no more engines."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Engines that were started have so long to come before others are, in seconds."""

MOST_LOOKED_AT = 200
"""So many of an engine's tasks are counted; it is never given many more that take long."""


def wanted(engines: int, load: int, rate: float, most: int) -> int:
    """Return how many engines would have all that is to be done done soon.

    Parameters
    ----------
    engines
        How many there are, or are on their way.
    load
        How many tasks are to be done.
    rate
        How many were done in a second, lately.
    most
        How many engines there may be.
    """
    enough = engines if rate <= 0 else ceil(engines * load / rate / SOON)
    if load <= engines or (rate > 0 and enough <= engines):
        return engines
    return max(engines, min(load if rate <= 0 else enough, load, most))


class Adapting:
    """Starts engines and stops them as there is work.

    Parameters
    ----------
    state
        The hub's tables; nothing here is to be called while its `bounds` are not set.
    retirement
        The rules for engines that are too many.
    start
        Starts so many engines; returns why not, empty if all is well.
    """

    def __init__(self, state: State, retirement: Retirement, start: Callable[[int], str]) -> None:
        self._state = state
        self._retirement = retirement
        self._start = start
        self._begun: float | None = None
        self._done: deque[tuple[float, int]] = deque()
        self._short_since: float | None = None
        self._pause = FIRST_PAUSE
        self._not_before = 0.0
        self._ready_then = 0
        self._refused = False
        self._look_at = 0.0
        self.deadline: float | None = None

    def begin(self, bounds: Bounds | None) -> None:
        """Have other bounds, and look at everything anew."""
        self._state.bounds = bounds
        self._done.clear()
        self._begun = self._short_since = None
        self._pause, self._not_before, self._look_at = FIRST_PAUSE, 0.0, 0.0

    def look(self, now: float) -> None:
        """Start and stop what has become due; after any batch of events."""
        if now < self._look_at:
            self.deadline = self._look_at if self.deadline is None else self.deadline
            return
        self._look_at = self.deadline = now + LOOK_EVERY
        state = self._state
        if not state.recovered.settled:
            return
        if self._begun is None:
            self._begun = now
        staying = [engine for engine in state.engines.values() if not engine.leaving]
        load = self._load(staying)
        missing = self._missing(len(staying) + state.on_their_way, staying, load, now)
        if missing > 0:
            self._grow(missing, staying, now)
        idle = self._stop_idle(staying, now)
        if load <= len(staying) and missing <= 0:
            self.deadline = None if idle == inf else max(idle, self._look_at)

    def _load(self, staying: list[Engine]) -> int:
        """Return how many tasks are to be done, those for one engine counting as one."""
        return len(self._state.queue) + sum(map(_load_of, staying))

    def _missing(self, engines: int, staying: list[Engine], load: int, now: float) -> int:
        """Return how many engines there should be besides those that there are."""
        bounds = self._state.bounds
        if bounds is None:
            return 0
        if engines < bounds.minimum:
            return bounds.minimum - engines
        if load <= engines:
            self._short_since = None
            self._done.clear()
            return 0
        rate = self._rate(staying, now)
        if self._short_since is None:
            self._short_since = now
        if engines and now < self._short_since + SHORT_FOR:
            return 0
        return wanted(engines, load, rate, bounds.maximum) - engines

    def _rate(self, staying: list[Engine], now: float) -> float:
        """Return how many tasks were done in a second, lately."""
        done = sum(engine.ended for engine in staying)
        if self._done and done < self._done[-1][1]:  # engines have gone
            self._done.clear()
        self._done.append((now, done))
        while len(self._done) > 2 and self._done[1][0] <= now - SOON:
            self._done.popleft()
        since, before = self._done[0]
        return (done - before) / (now - since) if now > since else 0.0

    def _grow(self, count: int, staying: list[Engine], now: float) -> None:
        """Start engines, unless those that were started last are still to come."""
        if now < self._not_before:
            return
        ready = sum(engine.status is EngineStatus.READY for engine in staying)
        came = ready > self._ready_then or not self._not_before
        self._pause = FIRST_PAUSE if came else min(2 * self._pause, LONGEST_PAUSE)
        self._ready_then, self._not_before = ready, now + self._pause
        self._done.clear()
        refused = self._start(count)
        if refused and not self._refused:
            self._state.notify(f"there is work for more engines, but {refused}")
        self._refused = bool(refused)

    def _stop_idle(self, staying: list[Engine], now: float) -> float:
        """Stop what has had nothing to do for long; return when the next will be due."""
        bounds = self._state.bounds
        spare = 0 if bounds is None else len(staying) - bounds.minimum
        if bounds is None or spare <= 0 or len(self._state.queue):
            return inf
        begun = now if self._begun is None else self._begun
        at = {e: max(begun, e.progress) + bounds.idle_timeout for e in staying if _is_idle(e)}
        due = sorted((engine for engine, when in at.items() if when <= now), reverse=True)[:spare]
        self._retirement.begin(due)
        later = [when for when in at.values() if when > now]
        return min(later, default=inf) if spare > len(due) else inf


def _load_of(engine: Engine) -> int:
    tasks = list(islice(engine.unfinished.values(), MOST_LOOKED_AT))
    anywhere = sum(task.target is None for task in tasks if not _awaits(task))
    return anywhere + any(task.target is not None for task in tasks)


def _awaits(task: Task) -> bool:
    return task.spec.options is not None and task.spec.options.awaits


def _is_idle(engine: Engine) -> bool:
    return engine.status is EngineStatus.READY and not engine.work_count
