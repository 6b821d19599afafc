"""From what travels to a task's arguments, and from its outcome to what travels."""

import time
from collections.abc import Sequence
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from msgspec import structs

from ipcluster_ext.engine.failures import MOST_PICKLED, describe
from ipcluster_ext.engine.resolver import MARK, Resolver
from ipcluster_ext.engine.wreckage import Wreckage
from ipcluster_ext.errors import IpclusterError, SerializationError
from ipcluster_ext.protocol.buffers import dump, load
from ipcluster_ext.protocol.frames import Frame, encode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import ResultItem, TaskItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.blobs import BlobStore, Body

_RESULT = "the result"
_AWAIT = (
    "the function returned a coroutine and nobody awaits it; submit a function that is "
    "defined with 'async def', or have yours end with 'return asyncio.run(...)'"
)
_LIST = (
    "the function returned a generator; view.stream() sends what it yields, and "
    "'return list(...)' all of it at once"
)
_STREAM = (
    "the function returned an asynchronous generator; view.stream() sends what one yields "
    "that is defined with 'async def'"
)
_REMEDIES = {CoroutineType: _AWAIT, GeneratorType: _LIST, AsyncGeneratorType: _STREAM}


class CellFailed(IpclusterError):
    """A cell raised; carries the traceback that IPython made of it."""

    def __init__(self, error: BaseException, rendered: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.rendered = rendered


class ChunkFailed(IpclusterError):
    """An item of a chunk raised; carries what those before it returned."""

    def __init__(self, error: BaseException, values: list[Any]) -> None:
        super().__init__(str(error))
        self.error = error
        self.values = values


class Outcomes:
    """Unpickles what tasks are called with, and pickles what becomes of them.

    Parameters
    ----------
    engine
        The engine's id.
    blobs
        Its access to shared memory.
    host
        Its host; a task from the same host gets large results through shared memory.
    resolver
        Makes something of stand-ins.

    Attributes
    ----------
    wreckage
        What failed tasks leave.
    clock
        The time of day at the zero of `time.monotonic`.
    """

    def __init__(self, engine: EngineId, blobs: BlobStore, host: str, resolver: Resolver) -> None:
        self._engine = engine
        self._blobs = blobs
        self._host = host
        self._resolver = resolver
        self.wreckage = Wreckage(engine)
        self.clock = time.time_ns() / 1e9 - time.monotonic()

    def payload(self, item: TaskItem, frames: Sequence[Frame]) -> Any:
        """Unpickle what a task is called with.

        Raises
        ------
        Exception
            Whatever unpickling raises.
        """
        if not item.buffers:
            if MARK not in item.inline:
                return load(item.inline, ())
            return self._resolver.load(item.inline, ())
        return self._resolver.load(*self._blobs.collect(item, iter(frames)))

    def body(self, value: object, host: str, *, what: str = _RESULT) -> Body:
        """Pickle a value for somebody on a host.

        ``what`` is how an error message calls it.

        Raises
        ------
        SerializationError
            It cannot be pickled; what would make a value and is none tells what to do.
        """
        try:
            dumped = dump(value, what=what)
        except SerializationError:
            refuse_promises(value)
            raise
        return self._blobs.place(dumped, shared=host == self._host)

    def failure(self, error: BaseException, *, skip: int, task: TaskId | None = None) -> Body:
        """Pickle what a task raised, without its outermost frames, which are ours.

        Where its ``task`` is given, the frames are kept for a debugger.
        """
        cause, outer = error, skip
        if isinstance(error, CellFailed):
            cause, outer = error.error, 1
            failure = describe(error.error, self._engine, rendered=error.rendered)
        elif isinstance(error, ChunkFailed):
            cause, outer = error.error, 1
            failure = structs.replace(
                describe(error.error, self._engine),
                item=len(error.values),
                values=_small(error.values),
            )
        else:
            skip = 0 if isinstance(error, SerializationError) else skip
            failure = describe(error, self._engine, skip=skip)
        if task is not None:
            self.wreckage.keep(task, cause, outer)
        return Body(encode_failure(failure), (), [])

    def result(
        self, task: TaskId, status: TaskStatus, started: float, completed: float, body: Body
    ) -> ResultItem:
        """Write an outcome down; the times are by `time.monotonic`."""
        clock = self.clock
        return ResultItem(
            task, status, started + clock, completed + clock, body.inline, body.buffers
        )


def _small(values: list[Any]) -> bytes:
    """Pickle values; empty where that is impossible, or they are more than go with a failure."""
    try:
        stream, buffers = dump(values)
    except SerializationError:
        return b""
    return b"" if buffers or len(stream) > MOST_PICKLED else stream


def refuse_promises(value: object) -> None:
    """Refuse a coroutine or generator, or a list of them.

    Raises
    ------
    SerializationError
        It is one; the message tells what to do instead.
    """
    values = value if isinstance(value, list) else [value]
    for kind, remedy in _REMEDIES.items():
        found = [part for part in values if isinstance(part, kind)]
        for part in found:
            if isinstance(part, CoroutineType):
                part.close()  # or Python would complain that it was never awaited
        if found:
            raise SerializationError(_RESULT, remedy)
