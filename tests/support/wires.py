"""A client's wire that goes nowhere: outcomes come when the test says so."""

import json
import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.pending import Outcome, Owner, Pending
from ipcluster_ext.client.roster import Roster
from ipcluster_ext.protocol.exceptions import dump_error
from ipcluster_ext.protocol.frames import encode_failure
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, task_text
from ipcluster_ext.protocol.messages import (
    Cancelled,
    Fetch,
    Fetched,
    HistoryQuery,
    Message,
    Records,
)
from ipcluster_ext.protocol.parts import EngineInfo, Failure, Record, ResultItem
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus

CLIENT = ClientId(7)


class Wire:
    """Notes what a client would have said.

    Attributes
    ----------
    records
        What the hub knows of tasks.
    missing
        The tasks whose outcomes it does not have any more, and why.
    adopted
        Who waits for tasks of others.
    """

    def __init__(self) -> None:
        self.client = CLIENT
        self.pending = Pending(CLIENT)
        self.said: list[Message] = []
        self.interrupted: list[tuple[list[TaskId], list[float]]] = []
        self.granted: list[tuple[TaskId, int]] = []
        self.lent: list[TaskId] = []
        self.released: list[TaskId] = []
        self.held: list[TaskId] = []
        self.records: list[Record] = []
        self.missing: dict[TaskId, str] = {}
        self.adopted: dict[TaskId, Owner] = {}
        self.roster = Roster()
        self.roster.update([EngineInfo(EngineId(0), EngineStatus.READY)])

    def reserve(self, count: int, owner: Owner) -> TaskId:
        """Make ids."""
        return self.pending.reserve(count, owner)

    def attend(self, done: Callable[[], bool], deadline: float | None) -> bool:
        """Leave receiving to another thread."""
        del done, deadline
        return False

    def check_waiting(self) -> None:
        """Allow to wait."""

    def say(self, messages: list[Message]) -> None:
        """Note messages."""
        self.said += messages

    def request(self, make: Callable[[int], Message]) -> Cancelled | Fetched | Records:
        """Note a question; answer what the hub knows, or that it was too late."""
        message = make(1)
        self.said.append(message)
        match message:
            case HistoryQuery():
                wanted = json.loads(message.query)["msg_id"]["$in"]
                return Records(1, [each for each in self.records if task_text(each.id) in wanted])
            case Fetch():
                return Fetched(1, self.missing)
            case _:
                return Cancelled(1, [])

    def adopt(self, tasks: Iterable[TaskId], owner: Owner) -> None:
        """Note who waits for tasks of others."""
        self.adopted.update(dict.fromkeys(tasks, owner))

    def disown(self, tasks: Iterable[TaskId]) -> None:
        """Note that nobody does any more."""
        for task in tasks:
            del self.adopted[task]

    def interrupt(self, tasks: list[TaskId], graces: Sequence[float] = ()) -> list[TaskId]:
        """Note a wish."""
        self.interrupted.append((tasks, list(graces)))
        return []

    def more(self, task: TaskId, count: int) -> None:
        """Note a grant."""
        self.granted.append((task, count))

    def lend(self, tasks: Iterable[TaskId], owner: Owner) -> None:
        """Note what is lent."""
        del owner
        self.lent += tasks

    def hold(self, task: TaskId, owner: Owner) -> None:
        """Note what may lie in shared memory."""
        del owner
        self.held.append(task)

    def release(self, tasks: Sequence[TaskId]) -> None:
        """Note what is not held any more."""
        self.released += tasks

    @property
    def connection(self) -> Connection:
        """Itself, as what it stands for."""
        return cast("Connection", self)


def value(answer: Answer, place: int, returned: Any, engine: int = 0) -> None:
    """Have one of an answer's tasks return."""
    deliver(answer, place, TaskStatus.DONE, pickle.dumps(returned), engine)


def error(answer: Answer, place: int, raised: Exception, engine: int = 0, **facts: Any) -> None:
    """Have one of an answer's tasks raise."""
    name, text = type(raised).__name__, str(raised)
    failure = Failure(name, text, "Traceback", dump_error(raised), EngineId(engine), **facts)
    deliver(answer, place, TaskStatus.FAILED, encode_failure(failure), engine)


def deliver(
    answer: Answer, place: int, status: TaskStatus, payload: bytes, engine: int = 0
) -> None:
    """Have one of an answer's tasks end; it ran from second 1000 to second 1001."""
    item = ResultItem(answer.task_at(place), status, 1000.0, 1001.0, payload)
    answer.deliver([Outcome(EngineId(engine), item, None)])
