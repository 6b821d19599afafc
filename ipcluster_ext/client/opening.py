"""Outcomes unpickled: what a task returned, or what it raised."""

from typing import Any

from ipcluster_ext.client.failure import error_of
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.errors import ProtocolError, SerializationError
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.ids import task_text
from ipcluster_ext.protocol.status import TaskStatus

Value = tuple[Any, BaseException | None]
"""What a task returned, or what it raised."""


def decode(outcome: Outcome) -> Value:
    """Unpickle an outcome: the value or the error, and None for the other."""
    item = outcome.item
    if isinstance(outcome.payload, ProtocolError):
        return None, outcome.payload
    if item.status is not TaskStatus.DONE:
        return None, error_of(item)
    try:
        if outcome.payload is None:
            return load(item.inline, ()), None
        return load(*outcome.payload), None
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's code
        error.add_note(
            f"raised while the result of task {task_text(item.id)} was unpickled here; "
            f"engine {outcome.engine} had computed it"
        )
        return None, error
    except KeyboardInterrupt:
        raise  # most likely the user's own; whoever asks again gets the value
    except BaseException as error:  # noqa: BLE001 - it would end the program, or the loop
        refused = SerializationError(
            f"the result of task {task_text(item.id)}",
            f"while it was unpickled here it raised {type(error).__name__}: {error}",
        )
        refused.__cause__ = error
        return None, refused
