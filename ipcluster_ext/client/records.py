"""What the hub knows of tasks, as users see it, and queries as users write them."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ipcluster_ext.client.metadata import Metadata
from ipcluster_ext.protocol.ids import EngineId, task_text
from ipcluster_ext.protocol.parts import Record
from ipcluster_ext.protocol.status import TaskStatus

Query = Mapping[str, Any]

_NAMES = {status: status.name.lower() for status in TaskStatus} | {TaskStatus.ASSIGNED: "running"}
_PATTERN = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """What the hub knows of a task.

    Attributes
    ----------
    msg_id
        Its id.
    label, kind, function
        What the work is called, what the engine does ('apply', 'map', 'execute', ...), and what
        the function is called.
    status
        'waiting', 'queued', 'running', 'done', 'failed', 'cancelled' or 'lost'.
    engine_id
        The engine that has it, or had it last; None if none has.
    client_uuid, session
        Whose it is: the number that its id begins with, and a name.
    submitted, started, completed, received
        When it came to the hub, began, ended, and when the hub learnt of that; None where that
        has not happened.
    tries
        How often it has run, or was about to.
    ename, evalue
        Class and text of the error that it ended with; empty if it did not.
    nbytes
        How many bytes are kept of it.
    kept
        Whether `Client.get_result` can return its result.
    resubmitted
        The id of the task that did the same once more, or None.
    balanced
        Whether the hub chose its engine.

    Examples
    --------
    >>> lv.options(label="power").apply_sync(pow, 2, 3)
    8
    >>> [record.status for record in rc.history(label="power")]
    ['done']
    """

    msg_id: str
    label: str
    kind: str
    function: str
    status: str
    engine_id: EngineId | None
    client_uuid: str
    session: str
    submitted: datetime | None
    started: datetime | None
    completed: datetime | None
    received: datetime | None
    tries: int
    ename: str
    evalue: str
    nbytes: int
    kept: bool
    resubmitted: str | None
    balanced: bool

    @property
    def engine_uuid(self) -> str | None:
        """The engine, as a text."""
        return None if self.engine_id is None else f"engine-{self.engine_id}"

    def __repr__(self) -> str:
        named = self.label or self.function
        name = f" {named!r}" if named else ""
        where = "" if self.engine_id is None else f" on engine {self.engine_id}"
        why = f": {self.ename}: {self.evalue}" if self.ename else ""
        return f"<task {self.msg_id}{name}, {self.kind}, {self.status}{where}{why}>"


KEYS = (*TaskRecord.__dataclass_fields__, "engine_uuid")
"""What records hold, and queries may ask for."""


def record_of(record: Record) -> TaskRecord:
    """Make a record readable."""
    text = task_text(record.id)
    ended = record.status.ended
    return TaskRecord(
        msg_id=text,
        label=record.label,
        kind=record.kind.name.lower(),
        function=record.function,
        status=_NAMES[record.status],
        engine_id=record.engine,
        client_uuid=text.partition("-")[0],
        session=record.session,
        submitted=_moment(record.submitted),
        started=_moment(record.started),
        completed=_moment(record.completed) if ended else None,
        received=_moment(record.ended),
        tries=record.tries,
        ename=record.ename,
        evalue=record.evalue,
        nbytes=record.nbytes,
        kept=record.kept,
        resubmitted=task_text(record.resubmitted) if record.resubmitted else None,
        balanced=record.balanced,
    )


_WORDS = {"done": "ok", "failed": "error", "lost": "error", "cancelled": "aborted"}


def metadata_from(record: Record) -> Metadata:
    """Put together what the hub knows of the facts about a task."""
    known = record_of(record)
    return Metadata(
        as_dict(known, None), state=known.status, status=_WORDS.get(known.status)
    )  # fmt: skip


def as_dict(record: TaskRecord, keys: Iterable[str] | None) -> dict[str, Any]:
    """Return facts by name.

    Parameters
    ----------
    record
        The record.
    keys
        Which facts; all if not given. The id is always among them.

    Raises
    ------
    KeyError
        There is no such fact.
    """
    wanted = KEYS if keys is None else ["msg_id", *(key for key in keys if key != "msg_id")]
    for key in wanted:
        if key not in KEYS:
            msg = f"records have no key {key!r}; keys: {', '.join(KEYS)}"
            raise KeyError(msg)
    return {key: getattr(record, key) for key in wanted}


def encode(query: Query) -> bytes:
    """Write a query for the hub; times become seconds since the epoch.

    Raises
    ------
    TypeError
        It holds something that a query cannot hold.
    """
    return json.dumps(dict(query), default=_plain).encode()


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()  # one without a zone is meant by this computer's clock
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day).astimezone().timestamp()
    if isinstance(value, set | frozenset | tuple | range):
        return list(value)
    msg = f"a query cannot hold {value!r}"
    raise TypeError(msg)


def query_of(
    facts: Query, *, since: "datetime | timedelta | None", now: Callable[[], datetime]
) -> dict[str, Any]:
    """Make a query of facts as they are given to ``rc.history``.

    Parameters
    ----------
    facts
        Values by key. A text with ``*``, ``?`` or ``[`` is a pattern, several values are
        alternatives, a dict holds operators, and anything else has to be equal.
    since
        When tasks were submitted at the earliest, or how long ago; None for any time.
    now
        Returns the time.
    """
    query = {key: _wanted(value) for key, value in facts.items()}
    if since is not None:
        earliest = now() - since if isinstance(since, timedelta) else since
        query["submitted"] = {"$gte": earliest}
    return query


def _wanted(value: object) -> object:
    if isinstance(value, str) and not _PATTERN.isdisjoint(value):
        return {"$glob": value}
    if isinstance(value, list | tuple | set | frozenset | range):
        return {"$in": list(value)}
    return value


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
