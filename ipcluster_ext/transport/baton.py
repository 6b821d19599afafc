"""Two threads, one receiver: who holds the baton reads the channel.

Handing every message from an I/O thread to the thread that waits for it costs a wake-up and a
change of the interpreter lock, about as much as the message's whole way through the hub. So
the thread that waits receives by itself, and the I/O thread steps in only when nobody waits:
at a client, while results are owed and no call blocks; at an engine, when a task takes long.
"""

import contextlib
import ctypes
import os
import select
import threading
from collections.abc import Callable

_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_CLOCK_MONOTONIC = 1


class Baton:
    """Lets the foreground thread take over from the background one at once.

    Parameters
    ----------
    nudge
        Makes the background thread's wait return.
    """

    def __init__(self, nudge: Callable[[], None]) -> None:
        self._nudge = nudge
        self._receiving = threading.Lock()
        self._wanted = 0

    @property
    def wanted(self) -> bool:
        """Whether the background thread should let go."""
        return self._wanted > 0

    def take(self) -> None:
        """Become the receiver, in the foreground."""
        if self._receiving.acquire(blocking=False):
            return
        self._wanted += 1
        self._nudge()
        self._receiving.acquire()
        self._wanted -= 1

    def try_take(self) -> bool:
        """Become the receiver if nobody is."""
        return self._receiving.acquire(blocking=False)

    def give(self) -> None:
        """Be the receiver no longer."""
        self._receiving.release()


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Alarm:
    """Wakes a parked thread after a while, or at once; setting it wakes nobody.

    A Linux timerfd (``timerfd_create(2)``), so that being busy for less than the delay costs
    one system call and no wake-up.

    Parameters
    ----------
    delay
        In seconds, less than one.
    """

    def __init__(self, delay: float) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._timer_fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._timer_fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._after = _Itimerspec(_Timespec(0, 0), _Timespec(0, int(delay * 1e9)))
        self._after_at = ctypes.addressof(self._after)
        self._ringing = threading.RLock()
        self._event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._timer_fd, select.POLLIN)
        self._poll.register(self._event_fd, select.POLLIN)

    @property
    def fd(self) -> int:
        """The timer's file descriptor, readable when it went off; for waits on several."""
        return self._timer_fd

    def clear(self) -> None:
        """Note that it went off, if `fd` was readable."""
        try:
            os.read(self._timer_fd, 8)
        except BlockingIOError:
            return  # set anew meanwhile

    def set(self) -> None:
        """Go off after the delay, counted anew if it had been set before."""
        self._settime(self._timer_fd, 0, self._after_at, None)

    def ring(self) -> None:
        """Go off now; a closed alarm has nobody to wake."""
        with self._ringing:
            if self._event_fd >= 0:
                with contextlib.suppress(BlockingIOError):  # it rings already
                    os.eventfd_write(self._event_fd, 1)

    def wait(self, timeout: float | None = None) -> bool:
        """Park until it goes off, or for so many seconds.

        Returns
        -------
        Whether it went off.
        """
        ready = self._poll.poll(None if timeout is None else timeout * 1000)
        for fd, _ in ready:
            try:
                os.read(fd, 8)
            except BlockingIOError:
                continue
        return bool(ready)

    def close(self) -> None:
        """Give up its file descriptors; nobody may be parked."""
        with self._ringing:  # or somebody writes to whatever gets this descriptor next
            fd, self._event_fd = self._event_fd, -1
            if fd >= 0:
                os.close(self._timer_fd)
                os.close(fd)
