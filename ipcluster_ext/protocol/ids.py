"""Identities: who is who on the wire, and how a task is called.

A task's id is made by its client, before anybody else has seen the task: the client's own
random number in the upper 32 bits, a counter in the lower. Ids of one call are consecutive, so
that a batch of them is one addition, and ids hash and compare as fast as integers do.
"""

import re
from typing import Annotated, NewType

from msgspec import Meta

COUNTER_BITS = 32
CLIENT_ID_LIMIT = 1 << 31
LAST_TASK = (CLIENT_ID_LIMIT << COUNTER_BITS) - 1

ClientId = NewType("ClientId", int)
EngineId = NewType("EngineId", int)
TaskId = NewType("TaskId", Annotated[int, Meta(ge=0, le=LAST_TASK)])
"""A task's id; others than those that a client can make are refused as they come in."""

_TEXT = re.compile(r"([0-7][0-9a-f]{7})-([0-9]{1,10})")


def first_task(client: ClientId, count_before: int) -> TaskId:
    """Return the id of a client's next task.

    Parameters
    ----------
    client
        The client's number, 0 < client < 2**31.
    count_before
        How many ids the client has used up.
    """
    return TaskId((client << COUNTER_BITS) + count_before)


def client_of(task: TaskId) -> ClientId:
    """Return the client that made the task."""
    return ClientId(task >> COUNTER_BITS)


def client_owner(client: ClientId) -> str:
    """Return how the names of a client's blobs begin."""
    return f"c{client:x}"


def engine_owner(engine: EngineId, boot: int) -> str:
    """Return how the names of an engine's blobs begin, in one life of it."""
    return f"e{engine}x{boot:x}"


def owner_of_blob(name: str) -> str:
    """Return how all blobs of the process that made this one begin."""
    return name.partition("-")[0]


def task_text(task: TaskId) -> str:
    """Write a task id as users see it, as ``'1f3a09bc-17'``."""
    return f"{task >> COUNTER_BITS:08x}-{task & 0xFFFFFFFF}"


def parse_task(text: str) -> TaskId:
    """Read a task id as `task_text` writes it.

    Raises
    ------
    ValueError
        The text is not a task id.
    """
    match = _TEXT.fullmatch(text)
    count = int(match[2]) if match else 0
    if match is None or count >> COUNTER_BITS:
        msg = f"{text!r} is not a task id; task ids look like '1f3a09bc-17'"
        raise ValueError(msg)
    return TaskId((int(match[1], 16) << COUNTER_BITS) + count)
