"""Ctrl-C while messages are being received: noted at once, raised when none can be lost by it."""

import _signal  # type: ignore[import-not-found]  # its public twin takes ten times as long
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGINT
from types import FrameType

_SIGINT = int(SIGINT)


@contextmanager
def deferred_interrupts(wake: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Hold SIGINT back until the block ends, in the main thread.

    Other threads get no `KeyboardInterrupt` anyway, and a handler that is not Python's own to
    call is left alone.

    Parameters
    ----------
    wake
        Makes the block's wait return, so that it can end.

    Yields
    ------
    A function that tells whether an interrupt came.
    """
    handler = _signal.getsignal(_SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield lambda: False
        return
    caught: list[FrameType | None] = []

    def note(_signum: int, frame: FrameType | None) -> None:
        caught.append(frame)
        wake()

    _signal.signal(_SIGINT, note)
    try:
        yield lambda: bool(caught)
    finally:
        _signal.signal(_SIGINT, handler)
        if caught:
            handler(_SIGINT, caught[0])
