"""The zygote: a single-threaded process that has imported everything and forks engines.

It talks with its agent in lines of JSON on its standard input: an `EngineConfig` comes in for
each engine to fork; `Warm`, `Forked` and `Ended` go out. When the line ends, it kills what it has
forked and ends; should it die otherwise, the system kills its children.
"""

import gc
import os
import select
import signal
import socket
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

from ipcluster_ext.engine.birth import no_threads, take_place
from ipcluster_ext.protocol.process import (
    Ended,
    EngineConfig,
    Forked,
    FromZygote,
    Unborn,
    Warm,
    from_line,
)
from ipcluster_ext.transport import processes

_READ_AT_ONCE = 65536


def main() -> NoReturn:
    """Warm up, then fork until the line ends."""
    link = _take_link()
    gc.disable()  # importing leaves little behind: to look for it meanwhile is a sixth of the time
    with no_threads(os.environ):
        hostile = _warm()
    zygote = Zygote(link)
    zygote.say(Warm(hostile=hostile))
    if not hostile:
        gc.collect()
        gc.freeze()  # what all engines share is never written to by their collectors
        gc.enable()
        zygote.run()
    os._exit(0)


def _take_link() -> socket.socket:
    """Move the line away from the standard streams, where anybody may write."""
    link = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return link


def _warm() -> str:
    """Import and build what engines share.

    Returns
    -------
    Why this process must not fork, empty if it may.
    """
    try:
        from ipcluster_ext.engine import app  # its failure is to be reported

        app.warm()
    except Exception as error:  # noqa: BLE001 - user's configuration runs here
        traceback.print_exc()
        return f"warming up failed: {type(error).__name__}: {error}"
    threads = len(list(Path("/proc/self/task").iterdir()))
    return "" if threads == 1 else f"{threads} threads run after warming up"


class Zygote:
    """Forks an engine for each line that comes, and reports their ends.

    Parameters
    ----------
    link
        The line to the agent.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._rest = b""
        self._engines: set[int] = set()
        self._pid = os.getpid()
        self._wake_fd, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._decode = partial(from_line, kind=EngineConfig)

    def say(self, said: FromZygote) -> None:
        """Tell the agent; if it is gone, end."""
        try:
            self._link.sendall(msgspec.json.encode(said) + b"\n")
        except OSError:
            self._end()

    def run(self) -> NoReturn:
        """Fork and reap until the line ends."""
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(self._wake_fd, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if self._wake_fd in ready:
                os.read(self._wake_fd, _READ_AT_ONCE)
                self._reap()
            if self._link.fileno() in ready:
                for line in self._lines():
                    self._fork(self._decode(line))

    def _reap(self) -> None:
        for pid, code, (seconds, nbytes) in processes.reap(self._engines):
            self._engines.discard(pid)
            self.say(Ended(pid=pid, code=code, seconds=seconds, nbytes=nbytes))

    def _lines(self) -> Iterator[bytes]:
        data = self._link.recv(_READ_AT_ONCE)
        if not data:
            self._end()
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from lines

    def _fork(self, config: EngineConfig) -> None:
        try:
            pid = os.fork()
        except OSError as error:  # too many processes, too little memory
            self.say(Unborn(engine=config.engine, boot=config.boot, reason=str(error)))
            return
        if not pid:
            self._become(config)
        self._engines.add(pid)
        self.say(Forked(engine=config.engine, boot=config.boot, pid=pid))

    def _become(self, config: EngineConfig) -> NoReturn:
        """Be an engine, in a fork."""
        try:
            processes.die_with(self._pid)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._link.close()
            os.close(self._wake_fd)
            os.close(self._wake_writer)
            take_place(config)
            from ipcluster_ext.engine import app  # imported already

            app.run(config)
        except BaseException:  # noqa: BLE001 - nothing may return into the zygote's loop
            traceback.print_exc()
        finally:
            os._exit(1)

    def _end(self) -> NoReturn:
        """End, and all engines with it."""
        for pid in self._engines:
            processes.signal_group(pid, signal.SIGKILL)
        os._exit(0)


if __name__ == "__main__":
    main()
