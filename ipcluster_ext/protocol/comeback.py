"""What is said anew to a hub that was started again, beside who one is and what one has to do.

They are part of the wire as `protocol.messages` describes it.
"""

import msgspec

from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="t"):
    """A message; its tag is its number on the wire."""


class Awaiting(_Message, frozen=True, tag=75):
    """Tell a hub that was started again which tasks' outcomes a client still waits for.

    They are ``counts[n]`` consecutive ids from ``firsts[n]``. Said after whatever the hub before
    had not acknowledged: an outcome that is known comes again, a task that nobody knows is lost.
    """

    firsts: list[TaskId]
    counts: list[int]


class Holding(_Message, frozen=True, tag=84):
    """From a client: it has the answers of these tasks, whose values lie in shared memory.

    What travels beside them follows in order. They are needed until it says `Release`.
    """

    items: list[ResultItem]


class Lent(_Message, frozen=True, tag=85):
    """From a client or an engine: blobs that it has made, and was not told to free.

    The hub before this one may have said so, and was not heard.
    """

    names: list[str]


class Over(_Message, frozen=True, tag=86):
    """From a client: tasks that have ended, although the hub may not know that they came.

    They are never to run. ``items`` are without what travels beside them; ``ends`` say how those
    ended of which the client still knows it, without values, and ``engines`` who ran each;
    ``targets`` for which engines the tasks were, if not for any.
    """

    spec: TaskSpec
    items: list[TaskItem]
    ends: list[ResultItem]
    engines: list[EngineId]
    targets: list[EngineId] = []


class Ran(_Message, frozen=True, tag=9):
    """Calls that an engine has answered to their client by the short way, and the answers."""

    spec: TaskSpec
    items: list[TaskItem]
    outcomes: list[ResultItem]
    engine: EngineId
