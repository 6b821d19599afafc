"""What the system tells this process, as file descriptors to wait for."""

import os
import select
import signal


class SignalPipe:
    """Signals that end or wake the agent; none of them interrupts what it is doing."""

    WANTED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

    def __init__(self) -> None:
        self.fd, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for signum in self.WANTED:
            signal.signal(signum, lambda *_: None)

    def take(self) -> set[int]:
        """Return which signals have come since the last time."""
        try:
            return set(os.read(self.fd, 65536))
        except BlockingIOError:
            return set()


def end_of(pid: int) -> int | None:
    """Return a file descriptor that becomes readable when a process ends.

    Returns
    -------
    None if there is no such process.
    """
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def wait_for_end(pid: int, seconds: float) -> None:
    """Wait until a process has ended, but no longer than so many seconds."""
    fd = end_of(pid)
    if fd is None:
        return
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll(seconds * 1000)
    os.close(fd)
