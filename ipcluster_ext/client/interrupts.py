"""Ctrl-C while messages are being received: noted at once, raised when none can be lost by it."""

import _signal  # type: ignore[import-not-found]  # its public twin takes ten times as long
import threading
from collections.abc import Callable
from signal import SIGINT
from types import FrameType

_SIGINT = int(SIGINT)


class _Deferral:
    """What `deferred_interrupts` returns; a class, as a generator costs three times as much."""

    __slots__ = ("_caught", "_handler", "_wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._handler: Callable[[int, FrameType | None], object] | None = None
        self._caught: list[FrameType | None] = []

    def __enter__(self) -> Callable[[], bool]:
        if threading.get_ident() == threading.main_thread().ident:
            handler = _signal.getsignal(_SIGINT)
            if callable(handler):
                _signal.signal(_SIGINT, self._note)
                self._handler = handler
        return self._interrupted

    def _note(self, _signum: int, frame: FrameType | None) -> None:
        self._caught.append(frame)
        self._wake()

    def _interrupted(self) -> bool:
        return bool(self._caught)

    def __exit__(self, *_: object) -> None:
        handler = self._handler
        if handler is None:
            return
        _signal.signal(_SIGINT, handler)
        if self._caught:
            handler(_SIGINT, self._caught[0])


def deferred_interrupts(wake: Callable[[], None]) -> _Deferral:
    """Hold SIGINT back until a ``with`` block ends, in the main thread.

    Other threads get no `KeyboardInterrupt` anyway, and a handler that is not Python's own to
    call is left alone.

    Parameters
    ----------
    wake
        Makes the block's wait return, so that it can end.

    Returns
    -------
    What to enter; the block gets a function that tells whether an interrupt came.
    """
    return _Deferral(wake)
