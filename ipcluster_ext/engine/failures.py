"""Exceptions made to travel: as text always, as an object where it can be pickled."""

import io
import traceback
from pathlib import Path
from types import TracebackType

from ipcluster_ext.protocol.exceptions import dump_error
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import Failure
from ipcluster_ext.protocol.text import legible

FIRST_FRAMES, LAST_FRAMES = 50, 150
MOST_FRAMES = FIRST_FRAMES + LAST_FRAMES
MOST_TEXT = 64 * 1024
MOST_PICKLED = 1024 * 1024
_OURS = str(Path(__file__).parents[1]) + "/"


def describe(
    error: BaseException, engine: EngineId, *, rendered: str | None = None, skip: int = 1
) -> Failure:
    """Describe an exception for its client.

    Parameters
    ----------
    error
        What was raised.
    engine
        Where.
    rendered
        Its traceback, if somebody has formatted it already.
    skip
        How many of the outermost frames are ours and not the user's.
    """
    text = rendered if rendered is not None else _render(error, skip)
    return Failure(
        ename=legible(type(error).__name__),
        evalue=legible(shorten(_text_of(error))),
        traceback=legible(shorten(text)),
        pickled=_pickle(error),
        engine=engine,
    )


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001 - str() of a user's exception may raise anything
        return f"<str() of this {type(error).__name__} raised {type(second).__name__}>"


def _render(error: BaseException, skip: int) -> str:
    frames = frames_of_user(error.__traceback__, skip) or _last(error.__traceback__)
    file = io.StringIO()
    try:
        for line in _lines_of(error, frames):
            file.write(line)
    except BaseException as second:  # noqa: BLE001 - formatting calls the user's __str__ and __repr__
        file.write(f"<the traceback cannot be shown: {type(second).__name__}>")
    return file.getvalue().rstrip("\n")


def frames_of_user(frames: TracebackType | None, skip: int) -> TracebackType | None:
    """Leave out the outermost frames: so many, and what follows of this package's own.

    Returns
    -------
    None if nothing is left.
    """
    left = skip
    while frames is not None and (left > 0 or frames.tb_frame.f_code.co_filename.startswith(_OURS)):
        frames, left = frames.tb_next, left - 1
    return frames


def _last(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    return frames


def _lines_of(error: BaseException, frames: TracebackType | None) -> list[str]:
    """Write a traceback; of one that is too long the frames in the middle are left out."""
    depth = sum(1 for _ in traceback.walk_tb(frames))
    most = -MOST_FRAMES if depth <= MOST_FRAMES else -LAST_FRAMES
    kind = type(error)
    lines = list(
        traceback.TracebackException(kind, error, frames, limit=most, compact=True).format()
    )
    if depth > MOST_FRAMES and _TITLE in lines:
        begin = traceback.StackSummary.extract(traceback.walk_tb(frames), limit=FIRST_FRAMES)
        place = len(lines) - lines[::-1].index(_TITLE)
        left_out = f"  [... {depth - MOST_FRAMES} frames left out ...]\n"
        lines[place:place] = [*begin.format(), left_out]
    return lines


_TITLE = "Traceback (most recent call last):\n"


def _pickle(error: BaseException) -> bytes:
    """Pickle an exception; empty where that is impossible or out of proportion."""
    try:
        pickled = dump_error(error)
    except BaseException:  # noqa: BLE001 - pickling runs the user's code, which may raise anything
        return b""
    return pickled if len(pickled) <= MOST_PICKLED else b""


def shorten(text: str, limit: int = MOST_TEXT) -> str:
    """Cut the middle out of a text that is too long."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
