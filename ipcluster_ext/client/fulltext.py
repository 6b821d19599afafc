"""All that a task printed, fetched from where it is kept: a file on its engine's host."""

from importlib import import_module
from typing import Any

from ipcluster_ext.client.answer import Answer
from ipcluster_ext.client.metadata import fact_of
from ipcluster_ext.errors import ClientError, EngineError
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.functions import pack
from ipcluster_ext.protocol.ids import EngineId, TaskId, task_text
from ipcluster_ext.protocol.messages import Submit
from ipcluster_ext.protocol.parts import Options, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind

PASSED_ON = 1024 * 1024
"""What is no longer than so many characters was passed on whole (see `engine.streams`)."""
PIECE = 4 * 1024 * 1024
"""So many bytes are fetched at once."""
_STREAMS = ("stdout", "stderr")


def full_text(answer: Answer, place: int, stream: str, timeout: float | None) -> str:
    """Return all that a task wrote to a stream.

    Parameters
    ----------
    answer, place
        The task, with the answer that it came with.
    stream
        'stdout' or 'stderr'.
    timeout
        How long to wait for each piece, in seconds; None for ever.

    Raises
    ------
    ValueError
        There is no such stream.
    ClientError
        Some of it is nowhere any more, or the client is closed.
    TimeoutError
        The engine does not answer in time.
    """
    if stream not in _STREAMS:
        msg = f"stream must be 'stdout' or 'stderr', not {stream!r}"
        raise ValueError(msg)
    text = answer.notes_at(place).text(stream)
    engine = fact_of(answer, place, "engine_id")
    if engine is None or len(text) < PASSED_ON // 2:
        return text
    try:
        kept = _fetch(answer, EngineId(engine), answer.task_at(place), stream, timeout)
    except EngineError as error:
        if len(text) <= PASSED_ON:
            return text
        reason = f"engine {engine} had all of it, and is gone: {error}"
        raise _lost(answer, place, stream, reason) from None
    if kept is not None:
        return kept
    if len(text) <= PASSED_ON:
        return text
    reason = f"engine {engine} has deleted it to make room for what was printed later"
    raise _lost(answer, place, stream, reason)


def _lost(answer: Answer, place: int, stream: str, reason: str) -> ClientError:
    task = task_text(answer.task_at(place))
    return ClientError(f"the middle of task {task}'s {stream} cannot be had any more; {reason}")


def _fetch(
    answer: Answer, engine: EngineId, task: TaskId, stream: str, timeout: float | None
) -> str | None:
    """Fetch all of a text, piece by piece; None if its engine has no file of it."""
    pieces: list[bytes] = []
    start = 0
    while True:
        piece = _ask(answer, engine, (task, stream, start, PIECE), timeout)
        if piece is None:
            return None
        pieces.append(piece)
        start += len(piece)
        if len(piece) < PIECE:
            return b"".join(pieces).decode()


def _ask(answer: Answer, engine: EngineId, args: tuple[Any, ...], timeout: float | None) -> Any:
    """Have `_read` run on an engine, beside the task that this may be doing."""
    connection = answer.connection
    function = pack(_read)
    host = connection.host if connection.blobs.available else ""
    spec = TaskSpec(
        Kind.APPLY,
        function.digest,
        host,
        engines=(engine,),  # as if balanced: what is sent to an engine directly waits for its turn
        options=Options(awaits=True),
        name=function.name,
    )
    asked = Answer(connection, 1, single=True)
    item = TaskItem(asked.first, dump((args, {})).stream)
    connection.say([Submit(spec, [item])], function=function, attended=True)
    if not asked.wait_until(asked.done, timeout):
        msg = f"engine {engine} has not sent what its task printed within {timeout} s"
        raise TimeoutError(msg)
    value, error = asked.value_at(0)
    if error is not None:
        raise error
    return value


async def _read(task: int, stream: str, start: int, nbytes: int) -> bytes | None:
    """Read a piece of a text, on its engine; a coroutine, as these wait for no other task."""
    context = import_module("ipcluster_ext.engine.context")
    piece: bytes | None = context.read_output(task, stream, start, nbytes)
    return piece
