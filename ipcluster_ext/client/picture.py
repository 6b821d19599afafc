"""What a cluster looks like, put together from what its hub says of it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipcluster_ext.protocol.feed import EngineRow, Spans, Status, Totals, WorkRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipcluster_ext.protocol.ids import EngineId


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster at one moment. Nothing in it changes.

    Attributes
    ----------
    number
        Which moment: a later one has a higher number; 0 before the hub has said anything.
    engines
        The engines, by id: ``id``, ``state`` ('starting', 'idle', 'busy', 'unresponsive',
        'retiring' or 'dead'), ``host``, ``pid``, ``label`` and ``task`` of what it runs and
        ``since`` when, ``queued``, ``ended`` and ``failed`` tasks, ``cpu``, ``nbytes`` of memory,
        its ``limit``, and the ``reason`` of its last end.
    work
        Maps and calls, the oldest first, those that are over among them: ``title``, ``label``,
        ``name`` and ``kind``; ``client`` and ``session`` of whoever wants it; how many tasks are
        ``done``, ``failed``, ``cancelled``, ``running`` and ``queued``, and how many of those that
        failed were ``retried``; when it ``began`` and ``ended`` (0 if it has not), and the first
        ``error``.
    totals
        The sums: ``state``, ``wanted``, ``ready`` and ``busy`` engines; ``queued``, ``running``,
        ``ended`` and ``failed`` tasks; ``clients``. None if they are not watched.
    spans
        What has ended since the status before, if that is watched, else None: ``spans`` with
        ``engine``, ``title`` (a place in ``titles``), ``began``, ``ended``, ``failed`` and
        ``count``; many short tasks are told as one. ``left_out`` is how many are not told of. The
        first has the last minutes. `StatusFeed.on_change` gets each; who waits may miss some.
    lines
        The last line that each engine's tasks and cells have written, by engine, if that is
        watched; engines that wrote nothing are not in it.

    Examples
    --------
    >>> with rc.status_feed(parts=["totals"]) as feed:
    ...     status = feed.wait()
    >>> status.totals.ready, status.totals.state
    (2, 'ready')
    """

    number: int = 0
    engines: tuple[EngineRow, ...] = ()
    work: tuple[WorkRow, ...] = ()
    totals: Totals | None = None
    spans: Spans | None = None
    lines: "Mapping[EngineId, str]" = field(default_factory=dict)

    def engine(self, engine: int) -> EngineRow | None:
        """Return the row of an engine, None if there is none.

        Examples
        --------
        >>> with rc.status_feed() as feed:
        ...     feed.wait().engine(1).state
        'idle'
        """
        return next((row for row in self.engines if row.id == engine), None)


class Picture:
    """Folds what has changed into what was known.

    Attributes
    ----------
    status
        What is known.
    """

    def __init__(self) -> None:
        self._engines: dict[EngineId, EngineRow] = {}
        self._work: dict[int, WorkRow] = {}
        self._totals: Totals | None = None
        self._lines: Mapping[EngineId, str] = {}
        self._last = 0
        self.status = ClusterStatus()

    def fold(self, message: Status) -> bool:
        """Take what has changed.

        Returns
        -------
        Whether nothing is missing before it. If there is, it is passed over, and the feed has to
        be asked for again.
        """
        if message.number == 1:
            self._engines, self._work, self._totals, self._lines = {}, {}, None, {}
        elif message.number != self._last + 1:
            return False
        self._last = message.number
        for engine in message.gone:
            self._engines.pop(engine, None)
        for number in message.past:
            self._work.pop(number, None)
        self._engines.update((row.id, row) for row in message.engines)
        self._work.update((row.number, row) for row in message.work)
        if message.totals is not None:
            self._totals = message.totals
        if message.lines:
            lines = {**self._lines, **message.lines}
            self._lines = {engine: line for engine, line in lines.items() if line}
        self.status = ClusterStatus(
            self.status.number + 1,
            tuple(self._engines[engine] for engine in sorted(self._engines)),
            tuple(self._work[number] for number in sorted(self._work)),
            self._totals,
            message.spans,
            self._lines,
        )
        return True
