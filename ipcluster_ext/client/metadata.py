"""Facts about tasks: where and when they ran, what they wrote, what became of them.

They are put together when somebody asks, out of what the answer has: a task nobody asks about
costs nothing.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.protocol.ids import EngineId, task_text
from ipcluster_ext.protocol.status import TaskStatus


class Metadata(dict[str, Any]):
    """Facts about one task: a dict whose keys are attributes, too.

    Keys are ``msg_id``, ``label``, ``state`` ('queued', 'running', 'done', 'failed', 'cancelled'
    or 'lost'), ``status`` (in ipyparallel's words: 'ok', 'error' or 'aborted'), ``engine_id`` and
    ``engine_uuid``, ``submitted`` and ``received`` (by this computer's clock), ``started`` and
    ``completed`` (by the engine's), ``after``, ``follow``, ``stdout``, ``stderr``, ``outputs``,
    ``data``, ``progress``, ``execute_input``, ``execute_result``, ``error``, ``is_broadcast`` and
    ``is_coalescing``. What is not known yet is None, or empty.

    Examples
    --------
    >>> ar = rc[0].apply_async(pow, 2, 3)
    >>> ar.get(), ar.metadata.status, ar.metadata["engine_id"]
    (8, 'ok', 0)
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            msg = f"a task's metadata has no field {name!r}; fields: {', '.join(self)}"
            raise AttributeError(msg, name=name, obj=self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self})


def metadata_of(answer: Answer, place: int) -> Metadata:
    """Put the facts about one of an answer's tasks together."""
    return Metadata({name: fact(*answer.root(place)) for name, fact in FACTS.items()})


def fact_of(answer: Answer, place: int, name: str) -> Any:
    """Return one fact about one of an answer's tasks.

    Raises
    ------
    KeyError
        There is no such fact.
    """
    return FACTS[name](*answer.root(place))


def _engine(answer: Answer, place: int) -> EngineId | None:
    outcome = answer.outcome_at(place)
    if outcome is not None and outcome.engine >= 0:
        return outcome.engine
    return answer.engines[place] if place < len(answer.engines) else None


def _uuid(answer: Answer, place: int) -> str | None:
    engine = _engine(answer, place)
    return None if engine is None else f"engine-{engine}"


_WORDS = {
    TaskStatus.DONE: "ok",
    TaskStatus.FAILED: "error",
    TaskStatus.LOST: "error",
    TaskStatus.CANCELLED: "aborted",
}


def _status(answer: Answer, place: int) -> str | None:
    outcome = answer.outcome_at(place)
    return None if outcome is None else _WORDS[outcome.item.status]


def _state(answer: Answer, place: int) -> str:
    outcome = answer.outcome_at(place)
    if outcome is not None:
        return outcome.item.status.name.lower()
    return "running" if answer.has_begun(place) else "queued"


def _started(answer: Answer, place: int) -> datetime | None:
    outcome = answer.outcome_at(place)
    return None if outcome is None else _moment(outcome.item.started)


def _completed(answer: Answer, place: int) -> datetime | None:
    outcome = answer.outcome_at(place)
    return None if outcome is None else _moment(outcome.item.completed)


def _moment(seconds: float | None) -> datetime | None:
    """Make a time of seconds since the epoch; what the hub ends has begun at no time."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _error(answer: Answer, place: int) -> BaseException | None:
    return None if _status(answer, place) in {None, "ok"} else answer.value_at(place)[1]


FACTS: dict[str, Callable[[Answer, int], Any]] = {
    "msg_id": lambda answer, place: task_text(answer.task_at(place)),
    "label": lambda answer, _: answer.label,
    "state": _state,
    "status": _status,
    "engine_id": _engine,
    "engine_uuid": _uuid,
    "submitted": lambda answer, _: _moment(answer.sent_at()),
    "started": _started,
    "completed": _completed,
    "received": lambda answer, place: _moment(answer.received_at(place)),
    "after": lambda answer, _: answer.facts.get("after", []),
    "follow": lambda answer, _: answer.facts.get("follow", []),
    "stdout": lambda answer, place: answer.notes_at(place).text("stdout"),
    "stderr": lambda answer, place: answer.notes_at(place).text("stderr"),
    "outputs": lambda answer, place: answer.shown_by(place)[0],
    "data": lambda answer, place: answer.notes_at(place).data,
    "progress": lambda answer, place: answer.notes_at(place).progress,
    "execute_input": lambda answer, _: answer.facts.get("execute_input"),
    "execute_result": lambda answer, place: answer.shown_by(place)[1],
    "error": _error,
    "is_broadcast": lambda answer, _: answer.facts.get("is_broadcast", False),
    "is_coalescing": lambda answer, _: answer.facts.get("is_coalescing", False),
}
"""How each fact is found; an answer's attributes of these names are described in `facts`."""

Moment = datetime | Iterable[datetime | None] | None
Choice = Callable[[Iterable[datetime]], datetime]


def seconds_between(start: Moment, end: Moment, start_key: Choice, end_key: Choice) -> float:
    """Return the seconds from one of some moments to one of others.

    Raises
    ------
    ValueError
        A moment is not known yet.
    """
    return (_chosen(end, end_key) - _chosen(start, start_key)).total_seconds()


def _chosen(given: Moment, choose: Choice) -> datetime:
    several = [given] if given is None or isinstance(given, datetime) else list(given)
    known = [moment for moment in several if moment is not None]
    if not known or len(known) < len(several):
        msg = "not all of these times are known yet; wait for the result first"
        raise ValueError(msg)
    return choose(known)
