"""What is noted at once of tasks that are sent to other hosts: which life of an engine has each.

It is noted before a task is sent, in few bytes that do not wait for the journal, so that a hub
that is killed loses none of it; `core.elsewhere` says what it is for.
"""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from ipcluster_ext.protocol.ids import EngineId, TaskId

_NOTE = Struct("<QqQQQd")


class Sent(NamedTuple):
    """A task was sent to an engine on another host; or is with none any more, that is -1 then.

    Attributes
    ----------
    boot
        Which life of the engine.
    agent
        The engine's agent.
    tries
        How often the task had been tried in vain.
    at
        When, by the hub's monotonic clock; infinite if a hub has died since then without having
        recorded what the task is: what others record after that does not say so either.
    """

    task: TaskId
    engine: EngineId
    boot: int
    agent: int
    tries: int
    at: float


def encode(notes: Iterable[Sent]) -> bytes:
    """Write notes."""
    return b"".join(_NOTE.pack(*note) for note in notes)


def decode(data: bytes) -> dict[TaskId, Sent]:
    """Read notes, the last one of each task; half a note is passed over.

    Those are left out of tasks that are with no engine any more, and had not been tried before.
    """
    whole = len(data) - len(data) % _NOTE.size
    last: dict[TaskId, Sent] = {}
    for note in _NOTE.iter_unpack(data[:whole]):
        last[note[0]] = Sent(*note)
    return {task: note for task, note in last.items() if note.engine >= 0 or note.tries}
