"""Ctrl-C while messages are being received: noted at once, raised when none can be lost by it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


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
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield lambda: False
        return
    caught: list[FrameType | None] = []

    def note(_signum: int, frame: FrameType | None) -> None:
        caught.append(frame)
        wake()

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(caught)
    finally:
        signal.signal(signal.SIGINT, handler)
        if caught:
            handler(signal.SIGINT, caught[0])
