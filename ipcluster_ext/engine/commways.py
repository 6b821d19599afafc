"""What widgets on an engine say to the notebook whose task made them, and hear from it.

A comm belongs to the client whose task opened it, or to the front ends of this engine's own kernel
if a cell of theirs did. What it says while a task of that client runs goes with that task; what it
says at other times (a thread that goes on) waits for the client's next one here. What the notebook
says comes as a task of its own, in turn with all others (`engine.deliveries`).
"""

import threading
from collections.abc import Callable

from ipcluster_ext.engine.capture import Captures
from ipcluster_ext.engine.comms import CommMessage, EngineComm
from ipcluster_ext.engine.current import Current
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.engine.outbox import Outbox, Request
from ipcluster_ext.protocol.ids import ClientId, EngineId, client_of, task_text

TOPIC = "comm"
MOST_LATE = 1000
"""So many messages wait for a client's next task; of more, the oldest are dropped."""


class Comms:
    """Finds the way for what comms say.

    Parameters
    ----------
    engine
        The engine's id.
    current
        Tells which task speaks.
    tell
        Sends news of a task.
    captures
        Fills `Output` widgets.

    Attributes
    ----------
    outbox
        Where front ends of this engine's kernel hear; None as long as there are none.
    visit
        Returns their request that the calling code is done for, ``{}`` if for none.
    remind
        Called when something has to wait for another task.
    """

    def __init__(
        self,
        engine: EngineId,
        current: Current,
        tell: Callable[[Assignment, str, object], None],
        captures: Captures,
    ) -> None:
        self._engine = engine
        self._current = current
        self._tell = tell
        self._captures = captures
        self._lock = threading.Lock()
        self._late: dict[ClientId | None, list[CommMessage]] = {}
        self.outbox: Outbox | None = None
        self.visit: Callable[[], Request] = dict
        self.remind: Callable[[], None] = lambda: None

    def say(self, speaker: EngineComm, message: CommMessage) -> None:
        """Say something: now if its client has a task here, else with its next."""
        assignment = self._current.assignment()
        if message.kind == "comm_open":
            self._belong(speaker, assignment, message)
        if speaker.visited:
            self._publish(message)
            return
        if speaker.output and not self._captures.look(speaker, message):
            return
        here = None if assignment is None else client_of(assignment.item.id)
        speaker.client = here if speaker.client is None else speaker.client
        if assignment is None or here != speaker.client:
            self._put_off(speaker.client, message)
            return
        self.catch_up()
        self._tell(assignment, TOPIC, (self._engine, *message))

    def asked_by(self) -> Request:
        """Return what the calling code is done for, as a message of Jupyter's."""
        request, task = self.visit(), self._current.task()
        if request or task is None:
            return request
        return {"header": {"msg_id": task_text(task)}}

    def _belong(
        self, opened: EngineComm, assignment: Assignment | None, message: CommMessage
    ) -> None:
        opened.visited = bool(self.visit())
        if assignment is not None and not opened.visited:
            opened.client = client_of(assignment.item.id)
        state = message.content["data"].get("state", {})
        opened.output = not opened.visited and state.get("_model_name") == "OutputModel"

    def _publish(self, message: CommMessage) -> None:
        """Say it to the front ends of this engine's own kernel."""
        if self.outbox is not None:
            self.outbox.publish(
                message.kind,
                message.content,
                self.visit(),
                metadata=message.metadata,
                buffers=message.buffers,
                ident=f"comm-{message.content['comm_id']}".encode(),
            )

    def _put_off(self, client: ClientId | None, message: CommMessage) -> None:
        with self._lock:
            late = self._late.setdefault(client, [])
            if not (late and _merged(late[-1], message)):
                late.append(message)
                del late[:-MOST_LATE]
        self.remind()

    def catch_up(self) -> bool:
        """Say, with the task that runs, what has waited for one of its client's.

        Returns
        -------
        Whether anything waits for others.
        """
        assignment = self._current.assignment() if self._late else None
        if assignment is not None:
            with self._lock:
                late = self._late.pop(None, [])
                late += self._late.pop(client_of(assignment.item.id), [])
            for message in late:
                self._tell(assignment, TOPIC, (self._engine, *message))
        return bool(self._late)


def _merged(last: CommMessage, message: CommMessage) -> bool:
    """Put two updates of one widget's state into one, if that is what they are; tell whether."""
    before, after = last.content, message.content
    if last.kind != message.kind or before["comm_id"] != after["comm_id"]:
        return False
    if last.buffers or message.buffers:
        return False
    old, new = before["data"], after["data"]
    if {old.get("method"), new.get("method")} != {"update"}:
        return False
    old["state"] = {**old.get("state", {}), **new.get("state", {})}
    return True
