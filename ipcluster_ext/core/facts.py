"""What there is to know of a task, ended or not, under the names that queries use."""

from collections.abc import Callable
from operator import attrgetter

from ipcluster_ext.core.entry import Entry, payload_nbytes
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of, task_text
from ipcluster_ext.protocol.parts import Record
from ipcluster_ext.protocol.status import TaskStatus

_NAMES = {status: status.name.lower() for status in TaskStatus} | {TaskStatus.ASSIGNED: "running"}


class Facts:
    """The facts of one task. What is not known, or has not happened, is None.

    Times are seconds since the epoch.

    Parameters
    ----------
    state
        The hub's tables.
    task
        The task, or what the history has of it.
    """

    __slots__ = ("_entry", "_state", "_task", "id", "spec")

    def __init__(self, state: State, task: Task | Entry) -> None:
        self._state = state
        self._task = task
        self._entry = task if isinstance(task, Entry) else None
        self.id = task.id
        self.spec = task.spec

    @property
    def msg_id(self) -> str:
        """The task's id, as users write it."""
        return task_text(self.id)

    @property
    def client(self) -> ClientId:
        """Its owner's number."""
        return client_of(self.id)

    @property
    def client_uuid(self) -> str:
        """Its owner's number, as it stands in task ids."""
        return self.msg_id.partition("-")[0]

    @property
    def session(self) -> str:
        """Its owner's name."""
        return self._state.history.names.get(self.client, "")

    @property
    def kind(self) -> str:
        """What the engine does: 'apply', 'map', 'execute', ..."""
        return self.spec.kind.name.lower()

    @property
    def label(self) -> str:
        """What the work is called."""
        return self.spec.label

    @property
    def balanced(self) -> bool:
        """Whether the hub chooses its engine."""
        return self.spec.balanced

    @property
    def function(self) -> str:
        """What the function is called."""
        return self.spec.name

    @property
    def status(self) -> TaskStatus:
        """Where it stands; of those that an engine has, only the first is running."""
        task = self._task
        if isinstance(task, Entry):
            return task.item.status
        if task.status is not TaskStatus.ASSIGNED or task.engine is None:
            return task.status
        first = next(iter(self._state.engines[task.engine].unfinished), None)
        return TaskStatus.ASSIGNED if first == task.id else TaskStatus.QUEUED

    @property
    def status_name(self) -> str:
        """Its status, as users write it."""
        return _NAMES[self.status]

    @property
    def engine(self) -> EngineId | None:
        """Who has it, or had it last; or who will."""
        engine = self._task.engine
        return self._task.target if engine is None or engine < 0 else engine

    @property
    def engine_uuid(self) -> str | None:
        """The engine, as a text."""
        return None if self.engine is None else f"engine-{self.engine}"

    @property
    def submitted(self) -> float:
        """When it came; a hub that took over may have heard of it only when it had begun."""
        came, began = self._task.submitted + self._state.place.epoch, self.started
        return came if began is None else min(came, began)

    @property
    def started(self) -> float | None:
        """When it began, by the engine's clock."""
        return (self._entry.item.started or None) if self._entry is not None else None

    @property
    def completed(self) -> float | None:
        """When it ended, by the engine's clock; by the hub's if it never ran."""
        return (self._entry.item.completed or self.received) if self._entry is not None else None

    @property
    def received(self) -> float | None:
        """When the hub learnt how it ended."""
        return self._entry.ended + self._state.place.epoch if self._entry is not None else None

    @property
    def tries(self) -> int:
        """How often it has run, or was about to."""
        return self._task.tries

    @property
    def ename(self) -> str | None:
        """The class of the error that it ended with."""
        return (self._entry.failure[0] or None) if self._entry is not None else None

    @property
    def evalue(self) -> str | None:
        """The text of that error."""
        return (self._entry.failure[1] or None) if self._entry is not None else None

    @property
    def nbytes(self) -> int:
        """How many bytes of payload are kept for it."""
        task = self._task
        return task.nbytes if isinstance(task, Entry) else payload_nbytes(task.item)

    @property
    def kept(self) -> bool:
        """Whether its result can be fetched."""
        return self._entry is not None and self._entry.kept

    @property
    def again(self) -> TaskId:
        """The task that did the same once more; 0 for none."""
        return TaskId(0) if self._entry is None else self._entry.resubmitted

    @property
    def resubmitted(self) -> str | None:
        """The task that did the same once more, as users write it."""
        return task_text(self.again) if self.again else None

    def record(self) -> Record:
        """Make a record of all facts."""
        return Record(
            id=self.id,
            client=self.client,
            session=self.session,
            kind=self.spec.kind,
            function=self.function,
            label=self.label,
            status=self.status,
            engine=self.engine,
            submitted=self.submitted,
            started=self.started or 0.0,
            completed=self.completed or 0.0,
            ended=self.received or 0.0,
            tries=self.tries,
            ename=self.ename or "",
            evalue=self.evalue or "",
            nbytes=self.nbytes,
            kept=self.kept,
            resubmitted=self.again,
            balanced=self.balanced,
            digest=self.spec.function,
        )


KEYS: dict[str, Callable[[Facts], object]] = {
    name: attrgetter(name)
    for name in (
        "msg_id", "client_uuid", "session", "kind", "label", "function", "engine_uuid",
        "submitted", "started", "completed", "received", "tries", "ename", "evalue", "nbytes",
        "kept", "resubmitted", "balanced",
    )
} | {"status": attrgetter("status_name"), "engine_id": attrgetter("engine")}  # fmt: skip
"""What queries may ask for."""
