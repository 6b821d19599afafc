"""Which tasks ran when and where, for those who watch that.

Nothing is noted on the way of a task: the history has all that is needed, and what it has got
since the last time is read from its end, while somebody watches and no longer. A watcher has an
allowance of spans a second. While there is plenty of it, each task is a span; after that, a task is
counted to the span before it, if that is alike and next to it on the same engine. What cannot be,
when the allowance is used up, is left out, and counted.
"""

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from ipcluster_ext.core.entry import Entry
from ipcluster_ext.core.history import History
from ipcluster_ext.protocol.feed import Span, Spans
from ipcluster_ext.protocol.status import TaskStatus

if TYPE_CHECKING:
    from ipcluster_ext.protocol.ids import EngineId

RATE = 400.0
"""So many spans a second a watcher is told in the long run,"""
BURST = 1000.0
"""and so many at once."""
PAST = 300.0
"""Who begins to watch is told of the last seconds, as far as the history goes back."""
NEXT_TO = 0.01
"""Tasks between which there is less than so many seconds can be told as one span."""
MOST_KEPT = 2000
"""So many spans wait for a watcher that does not listen."""
_MOST_TITLE = 80


class SpanLog:
    """What one watcher has not been told."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._allowance = BURST
        self._titles: dict[str, int] = {}
        self._spans: list[Span] = []
        self._last: dict[EngineId, int] = {}
        self._left_out = 0

    def __bool__(self) -> bool:
        return bool(self._spans or self._left_out)

    def read(self, history: History, now: float) -> None:
        """Take what has ended since the last time."""
        first = self._at is None
        since = now - PAST if self._at is None else self._at
        self._allowance = min(BURST, self._allowance + (now - since) * RATE)
        self._at = now
        found = history.since(since)
        self._take(sorted(islice(found, int(BURST)) if first else found, key=_end))

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            item = entry.item
            if item.started <= 0.0 or item.completed < item.started or entry.engine < 0:
                continue  # it never ran, or died with its engine
            if entry.spec.aside:
                continue
            title = self._number(entry)
            failed = item.status is not TaskStatus.DONE
            span = Span(entry.engine, title, item.started, item.completed, failed)
            if self._allowance < BURST / 2 and self._join(span):
                continue
            if self._allowance >= 1.0 and len(self._spans) < MOST_KEPT:
                self._allowance -= 1.0
                self._last[entry.engine] = len(self._spans)
                self._spans.append(span)
            else:
                self._left_out += 1

    def _join(self, span: Span) -> bool:
        """Count a task to the span before it on its engine; tell whether that can be."""
        place = self._last.get(span.engine)
        if place is None:
            return False
        last = self._spans[place]
        alike = (last.title, last.failed) == (span.title, span.failed)
        if not (alike and -NEXT_TO < span.began - last.ended < NEXT_TO):
            return False
        self._spans[place] = Span(
            span.engine, span.title, last.began, span.ended, span.failed, last.count + 1
        )
        return True

    def _number(self, entry: Entry) -> int:
        spec = entry.spec
        title = (spec.label or spec.name or spec.kind.name.lower())[:_MOST_TITLE]
        return self._titles.setdefault(title, len(self._titles))

    def tell(self) -> Spans:
        """Return what has not been told; from now on it has been."""
        told = Spans(list(self._titles), self._spans, self._left_out)
        self._titles, self._spans, self._last, self._left_out = {}, [], {}, 0
        return told


def _end(entry: Entry) -> float:
    return entry.item.completed
