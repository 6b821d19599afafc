"""Showing what tasks say while they run, in the cell in which that was asked for.

What comes is gathered for a moment, so that what several engines say alike is shown once, and shown
by a thread of its own: neither who receives nor who waits has to wait for a front end. Nothing is
shown more than some twenty times a second, so that no flood can freeze one.
"""

import logging
import secrets
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.client.hearers import Hearer
from ipcluster_ext.client.metadata import fact_of
from ipcluster_ext.client.outputs import STREAMS, name_of
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.protocol.ids import TaskId

if TYPE_CHECKING:
    from ipcluster_ext.display.cell import Cell
    from ipcluster_ext.display.stories import GroupBy, Said

GATHER = 0.015
"""For so long, in seconds, what follows the first closely is gathered."""
WINDOW = 0.05
"""So much time is between two times that something is shown, at least."""
ASKED_WITHIN = 1.0
"""A question is held back until what came before it is shown, but no longer, in seconds."""
SHARE = 3
"""Showing takes no more than one part in so many of the time."""

log = logging.getLogger(__name__)


class Presenter(Protocol):
    """Shows what tasks say."""

    def show(self, said: "Sequence[Said]") -> None:
        """Show more."""

    def finish(self, said: "Sequence[Said]") -> None:
        """Show the last of it, and what is left."""


class Streaming(Hearer):
    """Shows what an answer's tasks write, display and return, as it comes.

    As a context manager it does so within the block; `follow` has it do so until all have ended.

    Parameters
    ----------
    answer
        Whose output; what has come already is shown first.
    groupby
        'order', 'type' or 'engine'; see `AsyncResult.stream_output`.
    """

    def __init__(self, answer: Answer, groupby: str = "order") -> None:
        from ipcluster_ext.display.cell import Cell
        from ipcluster_ext.display.stories import check

        self._answer = answer
        self._groupby = check(groupby)
        self._cell = Cell.current()
        self._changed = threading.Condition(threading.RLock())
        self._queue: list[Said] = []
        self._seen: dict[tuple[int, str], int] = {}
        self._places = {
            answer.task_at(place): place for place in range(answer.count_tasks())
        }  # fmt: skip
        self._left = set(self._places.values())
        self._thread: threading.Thread | None = None
        self._over = self._hurried = self._showing = False

    def __enter__(self) -> Self:
        with self._changed:
            for source in self._sources():
                source.listen(self)
            self._catch_up()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._end()
        if self._thread is not None:
            self._thread.join()

    def follow(self) -> Self:
        """Show everything until all tasks have ended, without waiting for that."""
        return self.__enter__()

    def _end(self) -> None:
        for source in self._sources():
            source.unlisten(self)
        with self._changed:
            self._catch_up()
            self._over = True
            self._changed.notify_all()

    def _sources(self) -> list[Answer]:
        """Return those who hear of the tasks first."""
        places = range(self._answer.count_tasks())
        roots = (self._answer.root(place)[0] for place in places)
        return list({id(root): root for root in roots}.values())

    def asked(self, task: TaskId) -> bool:
        """Have everything shown before a user is asked something."""
        if task not in self._places:
            return False
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._is_over or not (self._queue or self._showing), ASKED_WITHIN
            )
            self._hurried = False
        return True

    # ------------------------------------------------------------ on the thread that receives

    def wrote(self, task: TaskId, stream: str, text: str) -> None:
        """Have what a task wrote shown."""
        place = self._places.get(task)
        if place is None:
            return
        source, index = self._answer.root(place)
        with self._changed:
            length = source.notes_at(index).lengths[stream]
            if length > self._seen.get((place, stream), 0):
                self._seen[place, stream] = length
                self._say(place, stream, text)

    def told(self, task: TaskId, topic: str, value: Any) -> None:
        """Have what a task displayed shown."""
        place = self._places.get(task)
        if place is None or topic != "display":
            return
        source, index = self._answer.root(place)
        with self._changed:
            events = source.notes_at(index).events
            if events > self._seen.get((place, topic), 0):
                self._seen[place, topic] = events
                self._say(place, topic, value)

    def ended(self, outcomes: Sequence[Outcome], failure: Exception | None) -> None:
        """Have what tasks end with shown."""
        with self._changed:
            for outcome in outcomes:
                if (place := self._places.get(outcome.item.id)) is not None:
                    self._say_end(place)
            self._over = self._over or failure is not None
            self._changed.notify_all()

    def _catch_up(self) -> None:
        """Have shown what has come and was not heard of."""
        for place in range(self._answer.count_tasks()):
            source, index = self._answer.root(place)
            notes = source.notes_at(index)
            for stream in STREAMS:
                begin, text = self._seen.get((place, stream), 0), notes.text(stream)
                if len(text) > begin:
                    self._seen[place, stream] = len(text)
                    self._say(place, stream, text[begin:])
            events, outputs = notes.displayed()
            if events and not self._seen.get((place, "display")):
                self._seen[place, "display"] = events
                for output in outputs:
                    self._say(place, "display", output)
            if source.outcome_at(index) is not None:
                self._say_end(place)

    def _say_end(self, place: int) -> None:
        if place in self._left:
            self._left.discard(place)
            self._say(place, "end", None)

    def _say(self, place: int, kind: str, content: Any) -> None:
        from ipcluster_ext.display.stories import Said

        self._queue.append(Said(place, "", kind, content))
        if self._thread is not None:
            if len(self._queue) == 1:
                self._changed.notify_all()
        elif kind != "end" or self._answer.root(place)[0].shows_values:
            self._thread = threading.Thread(
                target=self._run, name="ipcluster_ext-output", daemon=True
            )
            self._thread.start()

    # ------------------------------------------------------------ on the thread that shows

    def _run(self) -> None:
        presenter = _presenter(self._cell, self._groupby, self._answer.connection.client)
        shown_at = took = 0.0
        try:
            while True:
                said, last = self._next(max(shown_at + WINDOW, shown_at + took * SHARE))
                if last:
                    break
                began = time.monotonic()
                presenter.show(self._named(said))
                shown_at = time.monotonic()
                took = shown_at - began
                self._have_shown()
            presenter.finish(self._named(said))
        except Exception:  # whoever shows it may be the user's: a closed file, to begin with
            log.exception("output is not shown any more")
        for source in self._sources():
            source.unlisten(self)

    def _next(self, not_before: float) -> "tuple[list[Said], bool]":
        """Wait for what is to be shown next; tell whether it is the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_over)
            due = max(time.monotonic() + GATHER, not_before)
            while not (self._is_over or self._hurried) and (left := due - time.monotonic()) > 0:
                self._changed.wait(left)
            said, self._queue = self._queue, []
            self._showing = bool(said)
            return said, self._is_over

    def _have_shown(self) -> None:
        with self._changed:
            self._showing = False
            self._changed.notify_all()

    @property
    def _is_over(self) -> bool:
        return self._over or not self._left

    def _named(self, said: "list[Said]") -> "list[Said]":
        """Say whose each thing is, and what tasks that have ended returned as cells."""
        named: list[Said] = []
        for each in said:
            source, index = self._answer.root(each.source)
            name = name_of(fact_of(source, index, "engine_id"), each.source)
            each = each._replace(name=name)
            named.append(each)
            if each.kind == "end":
                named += self._ending(each)
        return named

    def _ending(self, end: "Said") -> "list[Said]":
        """Return what a task that has ended shows only now."""
        source, index = self._answer.root(end.source)
        outputs, value = source.shown_by(index)
        unsaid = outputs if not self._seen.get((end.source, "display")) else []
        shown = [end._replace(kind="display", content=output) for output in unsaid]
        if value is not None:
            shown.append(end._replace(kind="value", content=value))
        return shown


def _presenter(cell: "Cell", groupby: "GroupBy", client: int) -> Presenter:
    from ipcluster_ext.display.blocks import Blocks
    from ipcluster_ext.display.lines import Lines

    own, named = f"ipcluster-ext-{secrets.token_hex(6)}-", f"ipcluster-ext-{client:x}-"
    if cell.updates and groupby != "order":
        return Blocks(cell, groupby, own=own, named=named)
    return Lines(cell, own=own, named=named)
