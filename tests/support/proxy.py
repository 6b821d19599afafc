"""A reverse proxy: ``python -m tests.support.proxy PORT TARGET PREFIX``.

It answers 404 to what is not below the prefix, and hands everything else to the server as it is.
Each request is asked for on a connection of its own, except that an upgrade to a WebSocket leaves
both ends to themselves.
"""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

_NOT_HERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_PIECE = 65536


class Proxy:
    """Serves one server below one prefix."""

    def __init__(self, target: int, prefix: str) -> None:
        self._target = target
        self._prefix = prefix.encode()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve a browser's connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            _, path, _ = head.split(b" ", 2)
            if path.startswith(self._prefix):
                await self._hand_over(_alone(head), reader, writer)
            else:
                writer.write(_NOT_HERE)
        writer.close()

    async def _hand_over(self, head: bytes, reader: StreamReader, writer: StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        back.write(head)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, back))
            group.create_task(_pass_on(there, writer))


def _alone(head: bytes) -> bytes:
    """Have the connection end with its request, unless it becomes a WebSocket."""
    lines = head.split(b"\r\n")
    if any(line.lower().startswith(b"upgrade:") for line in lines):
        return head
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([kept[0], b"Connection: close", *kept[1:]])


async def _pass_on(source: StreamReader, sink: StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await source.read(_PIECE):
            sink.write(piece)
            await sink.drain()
    sink.close()


async def main(port: int, target: int, prefix: str) -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(Proxy(target, prefix).serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
