"""An engine's end of a passage: what is said there reaches socket files, and comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ipcluster_ext.client import landing
from ipcluster_ext.client.landing import Said, land, take

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without any landing: those of other tests are of loops that are over."""
    monkeypatch.setattr(landing, "_landings", {})


class Kernel:
    """A socket file where whatever is said comes back, in capitals."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.ended = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(landing.PIECE):
            writer.write(data.upper())
            await writer.drain()
            if data == b"quit":
                break
        writer.close()
        self.ended.set()


@asynccontextmanager
async def kernel(path: Path) -> AsyncIterator[Kernel]:
    made = Kernel(path)
    server = await asyncio.start_unix_server(made.answer, made.path)
    try:
        yield made
    finally:
        server.close()


def run(story: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), PATIENCE))


async def next_of(said: AsyncIterator[Said]) -> Said:
    return await anext(said)


async def begin(path: str, data: bytes) -> tuple[AsyncIterator[Said], Said]:
    """Listen, and say something by the first connection; return the stream and its first word."""
    said = land("p")
    reading = asyncio.ensure_future(next_of(said))
    await asyncio.sleep(0)  # so that it listens
    await take("p", 1, path, data)
    return said, await reading


def test_connections_go_on_at_their_socket_files(folder: Path) -> None:
    async def story() -> None:
        async with kernel(folder / "a") as first, kernel(folder / "b") as second:
            said, first_word = await begin(first.path, b"one")
            assert first_word == (1, b"ONE")
            await take("p", 2, second.path, b"two")
            assert await anext(said) == (2, b"TWO")
            await take("p", 1, first.path, b"more")
            assert await anext(said) == (1, b"MORE")

            await take("p", 1, first.path, b"")
            await first.ended.wait()
            assert await anext(said) == (1, b"")
            await take("p", 2, second.path, b"quit")
            assert await anext(said) == (2, b"QUIT")
            assert await anext(said) == (2, b"")
            await said.aclose()  # type: ignore[attr-defined]

    run(story)


def test_where_nobody_listens_a_connection_ends_at_once(folder: Path) -> None:
    async def story() -> None:
        said, first_word = await begin(str(folder / "nothing"), b"one")
        assert first_word == (1, b"")
        await take("p", 1, str(folder / "nothing"), b"")
        await said.aclose()  # type: ignore[attr-defined]

    run(story)


def test_a_stream_that_is_idle_ends_and_connections_wait_for_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "IDLE", 0.05)

    async def story() -> None:
        async with kernel(folder / "a") as there:
            said, first_word = await begin(there.path, b"one")
            assert first_word == (1, b"ONE")
            assert [each async for each in said] == []

            await take("p", 1, there.path, b"two")
            assert [each async for each in land("p")] == [(1, b"TWO")]
            assert not there.ended.is_set()

            last, first_word = await begin(there.path, b"quit")
            assert first_word == (1, b"QUIT")
            assert await anext(last) == (1, b"")
            await last.aclose()  # type: ignore[attr-defined]

    run(story)


def test_connections_that_nobody_listens_to_are_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "IDLE", 0.05)
    monkeypatch.setattr(landing, "FORGOTTEN", 0.05)

    async def story() -> None:
        async with kernel(folder / "a") as there:
            said, first_word = await begin(there.path, b"one")
            assert first_word == (1, b"ONE")
            assert [each async for each in said] == []

            await there.ended.wait()
            await take("p", 1, there.path, b"late")  # is nothing to anybody

    run(story)
