"""An engine's end of a passage, by which front ends of another host enter it. Engines import this.

A passage carries what is said on connections, as bytes: they end at a socket file of one host and
go on from here, to the socket file of the engine's kernel. All of it happens on the thread for
coroutines, so no task is waited for.
"""

import asyncio
from collections.abc import AsyncIterator

IDLE = 60.0
"""Where nothing is said for so many seconds the stream ends, and is begun anew: an engine that is
to go has nothing to wait for then."""
FORGOTTEN = 30.0
"""After so many seconds without a stream nobody comes any more, and connections are closed."""
PIECE = 64 * 1024
_MOST = 64
"""So many pieces wait to be carried at most; the kernel's end has to wait then."""

Said = tuple[int, bytes]
"""On which connection, and what; nothing if it has ended."""


class Landing:
    """Where connections go on.

    Parameters
    ----------
    name
        The passage's.

    Attributes
    ----------
    said
        What the engine's kernel says.
    """

    def __init__(self, name: str) -> None:
        self.said: asyncio.Queue[Said] = asyncio.Queue(_MOST)
        self._name = name
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._readers: dict[int, asyncio.Task[None]] = {}
        self._end: asyncio.TimerHandle | None = None

    def want(self) -> None:
        """Note that somebody listens."""
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def leave(self, *, after: float) -> None:
        """Close everything after so many seconds, unless somebody listens again."""
        self._end = asyncio.get_running_loop().call_later(after, self._close)

    def _close(self) -> None:
        _landings.pop(self._name, None)
        for reader in self._readers.values():
            reader.cancel()
        for writer in self._writers.values():
            writer.close()

    async def take(self, number: int, socket: str, data: bytes) -> None:
        """Say something to the kernel on a connection, which begins with that; nothing ends it."""
        writer = self._writers.get(number)
        try:
            if writer is None and data:
                reader, writer = await asyncio.open_unix_connection(socket)
                self._writers[number] = writer
                self._readers[number] = asyncio.create_task(self._read(number, reader))
            if writer is None:
                return
            if data:
                writer.write(data)
                await writer.drain()
            else:
                writer.close()
        except OSError:
            await self.said.put((number, b""))

    async def _read(self, number: int, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(PIECE):
                await self.said.put((number, data))
        except OSError:  # it is over, as if it had ended in good order
            data = b""
        del self._readers[number]
        self._writers.pop(number).close()
        await self.said.put((number, data))


_landings: dict[str, Landing] = {}


async def land(name: str) -> AsyncIterator[Said]:
    """Yield what the engine's kernel says to those who come by a passage, until that is idle."""
    landing = _landings.setdefault(name, Landing(name))
    landing.want()
    after = 0.0
    try:
        while True:
            try:
                said = await asyncio.wait_for(landing.said.get(), IDLE)
            except TimeoutError:
                after = FORGOTTEN
                return
            yield said
    finally:
        landing.leave(after=after)


async def take(name: str, number: int, socket: str, data: bytes) -> None:
    """Say something to the engine's kernel, on a connection of a passage."""
    landing = _landings.get(name)
    if landing is not None:
        await landing.take(number, socket, data)
