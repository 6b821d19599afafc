"""What is being worked on: tasks that belong together, counted where they come and end.

Tasks are of one *work* if they are of one client, and have their label, their function and what
is done with it in common. A work is over when all of its tasks have ended; a map begins another
one then, as does whatever comes after a `LULL`. Calls one after the other go on with the same.

Counting is on the way of every task: a work is looked up once for each message that brings tasks
(its function knows the last), and costs one subtraction at the end of each. Whatever else there is
to know of it is found out when somebody looks (`core.feed`).
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from ipcluster_ext.core.entry import Entry
from ipcluster_ext.core.function import Function
from ipcluster_ext.core.work import Key, Work
from ipcluster_ext.protocol.ids import ClientId
from ipcluster_ext.protocol.parts import TaskSpec
from ipcluster_ext.protocol.status import Kind

LULL = 5.0
"""So long after its last task ended, in seconds, a work is over for good."""
MOST_IDLE = 128
MOST_KEPT = 32
"""So many works that are over are remembered."""

_MAPS = frozenset({Kind.MAP, Kind.STARMAP})


class Works:
    """All works that go on, and the last of those that are over.

    Attributes
    ----------
    total, failed
        How many tasks came, and how many of those failed, as far as this hub knows.
    """

    def __init__(self) -> None:
        self._works: dict[Key, Work] = {}
        self._idle: list[Work] = []
        self._past: deque[Work] = deque(maxlen=MOST_KEPT)
        self._last = 0
        self.total = 0
        self.failed = 0

    def __iter__(self) -> Iterator[Work]:
        """Yield those that go on, or did a moment ago, the oldest first."""
        return iter(self._works.values())

    def of(
        self, client: ClientId, spec: TaskSpec, function: Function, now: float, count: int
    ) -> Work:
        """Return the work to which tasks of a client belong, and count so many that came now."""
        work = function.work
        if not (
            work is not None
            and work.client == client
            and work.label == spec.label
            and work.kind is spec.kind
            and (work.live or now - work.ended <= work.lull)
        ):
            work = function.work = self._look_up(client, spec, now)
        work.total += count
        work.live += count
        self.total += 0 if work.aside else count
        return work

    def _look_up(self, client: ClientId, spec: TaskSpec, now: float) -> Work:
        key = client, spec.label, spec.function, spec.kind
        work = self._works.get(key)
        if work is not None:
            if work.live or now - work.ended <= work.lull:
                return work
            del self._works[key]
            self._past.append(work)
        self._last += 1
        lull = -1.0 if spec.kind in _MAPS else LULL
        work = Work(self._last, client, spec.label, spec.name, spec.function, spec.kind, now, lull)
        self._works[key] = work
        work.aside = spec.aside
        return work

    def less(self, work: Work, count: int, now: float) -> None:
        """Learn that so many of those that came were no new ones."""
        work.total -= count
        work.live -= count
        self.total -= 0 if work.aside else count
        if not work.live:
            self.ended(work, now)

    def numbered(self, number: int, client: ClientId) -> Work | None:
        """Return the work of a client that has this number, None if it is not known any more."""
        for work in (*self._works.values(), *self._past):
            if work.number == number:
                return work if work.client == client else None
        return None

    def find(self, client: ClientId, spec: TaskSpec) -> Work | None:
        """Return the work to which a task of a client would belong, if it goes on."""
        work = self._works.get((client, spec.label, spec.function, spec.kind))
        return work if work is not None and work.live else None

    def run_again(self, entry: Entry) -> None:
        """Count a task that failed and is run again, the first time that it is."""
        if entry.has_failed and not entry.is_retried:
            key, submitted, ended = entry.key, entry.submitted, entry.ended
            latest = self._works.get(key)
            known = self._past if latest is None else (latest, *self._past)
            work = next((work for work in known if work.had(key, submitted, ended)), None)
            if work is not None:
                work.retried += 1

    def ended(self, work: Work, now: float) -> None:
        """Learn that none of a work's tasks is left."""
        work.ended = now
        self._idle.append(work)
        if len(self._idle) > MOST_IDLE:
            self._tidy()

    def _tidy(self) -> None:
        """Keep the last of those that are over, and forget the others."""
        mine = self._works
        idle = [w for w in dict.fromkeys(self._idle) if not w.live and mine.get(w.key) is w]
        for work in idle[:-MOST_KEPT]:
            del mine[work.key]
            work.lull = -1.0  # whoever knows it does not go on with it
            self._past.append(work)
        self._idle = idle[-MOST_KEPT:]

    def latest(self, most: int) -> list[Work]:
        """Return those that anybody wants to see: at most so many that go on, and some others.

        Of too many that go on the first half are the oldest, which is where tasks run, and the
        second the youngest.
        """
        going = list(islice((w for w in self if w.live and w.is_shown), most // 2))
        known = set(going)
        young = (w for w in reversed(self._works.values()) if w.live and w.is_shown)
        others = [w for w in islice(young, most - len(going)) if w not in known]
        idle = dict.fromkeys((*self._past, *self._idle))
        over = sorted((w for w in idle if w.is_shown and w.total and not w.live), key=_end)
        return [*over[-MOST_KEPT:], *going, *reversed(others)]


def _end(work: Work) -> tuple[float, int]:
    return work.ended, work.number
