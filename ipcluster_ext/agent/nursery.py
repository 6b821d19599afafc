"""Where engines come from: forked by the zygote, or started one by one where it cannot fork."""

import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Callable

import msgspec

from ipcluster_ext.protocol.process import (
    Ended,
    EngineConfig,
    Forked,
    FromZygote,
    Unborn,
    Warm,
    as_line,
)
from ipcluster_ext.transport import processes

WINDOW = 16
"""So many engines are ordered before the first is there: neither side can block the other."""
MOST_ZYGOTES = 3
"""After so many dead zygotes engines are started one by one."""
_READ_AT_ONCE = 65536

News = Forked | Unborn | Ended

log = logging.getLogger(__name__)
_decode: Callable[[bytes], FromZygote] = msgspec.json.Decoder(FromZygote).decode


class Nursery:
    """Starts engines' processes.

    Parameters
    ----------
    pid, link
        The zygote, and the line to it; 0 and None for starting it with the first engine.
    start_zygote
        Starts another one.
    """

    def __init__(
        self,
        pid: int,
        link: socket.socket | None,
        start_zygote: Callable[[], tuple[int, socket.socket]],
    ) -> None:
        self._start_zygote = start_zygote
        self._waiting: deque[EngineConfig] = deque()
        self._ordered: dict[int, EngineConfig] = {}
        self._deaths = 0
        self._warm = False
        self._spawning = False
        self._rest = b""
        self.pid = pid
        self._link = link

    @property
    def fd(self) -> int:
        """The line's file descriptor, -1 if there is no zygote."""
        return -1 if self._link is None else self._link.fileno()

    def order(self, config: EngineConfig) -> None:
        """Have an engine started as soon as can be; `hear` tells when it was."""
        if not self.pid and not self._spawning:
            self.pid, self._link = self._start_zygote()
        self._waiting.append(config)

    def hear(self) -> list[News]:
        """Return what became of engines; to be called whenever anything happens."""
        heard: list[News] = []
        for said in self._read():
            if isinstance(said, Warm):
                self._warmed(said)
                continue
            if not isinstance(said, Ended):
                self._ordered.pop(said.boot, None)
            heard.append(said)
        heard.extend(self._pass_on())
        return heard

    def _read(self) -> list[FromZygote]:
        data = b""
        while self._link is not None:
            try:
                part = self._link.recv(_READ_AT_ONCE, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionError:
                part = b""
            if not part:
                self._hang_up()
            data += part
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [_decode(line) for line in lines]

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _warmed(self, said: Warm) -> None:
        self._warm = True
        if said.hostile:
            log.warning("engines cannot be forked and start one by one: %s", said.hostile)
            self._spawning = True

    def _pass_on(self) -> list[Forked | Unborn]:
        """Order what the zygote has room for, or start it here."""
        started: list[Forked | Unborn] = []
        while self._waiting and self._spawning:
            started.append(_spawn(self._waiting.popleft()))
        while self._waiting and self._warm and len(self._ordered) < WINDOW:
            config = self._waiting.popleft()
            self._ordered[config.boot] = config
            self._send(as_line(config))
        return started

    def _send(self, line: bytes) -> None:
        try:
            if self._link is not None:
                self._link.sendall(line)
        except OSError:
            log.debug("the zygote is gone")  # its death is heard of in a moment

    def replace(self, cause: str) -> None:
        """Start another zygote after the death of one; what was ordered is ordered again.

        Parameters
        ----------
        cause
            How it died.
        """
        self._hang_up()
        self._rest = b""
        self._waiting.extendleft(reversed(self._ordered.values()))
        self._ordered.clear()
        if self._spawning:
            return
        self._warm = False
        self._deaths += 1
        if self._deaths >= MOST_ZYGOTES:
            self._warmed(Warm(hostile=f"the zygote died {self._deaths} times, the last: {cause}"))
            return
        log.error("the zygote died (%s); starting another", cause)
        self.pid, self._link = self._start_zygote()

    def close(self) -> None:
        """Start no more; without its line the zygote ends, and its engines with it."""
        self._waiting.clear()
        self._hang_up()


def _spawn(config: EngineConfig) -> Forked | Unborn:
    """Start an engine without a zygote."""
    reader, writer = os.pipe()
    try:
        pid = _start(config.log, reader)
        with contextlib.suppress(BrokenPipeError):  # its end is heard of in a moment
            os.write(writer, as_line(config))
    except OSError as error:
        return Unborn(engine=config.engine, boot=config.boot, reason=str(error))
    finally:
        os.close(reader)
        os.close(writer)
    return Forked(engine=config.engine, boot=config.boot, pid=pid)


def _start(log_file: str, stdin: int) -> int:
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
    output = os.open(log_file, flags, 0o600)
    try:
        return processes.start(
            "ipcluster_ext.engine", stdin=stdin, stdout=output, stderr=output, own_group=True
        )
    finally:
        os.close(output)
