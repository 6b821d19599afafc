import asyncio
import concurrent.futures
import pickle

import pytest

from ipcluster_ext.client.stream import AsyncStream
from ipcluster_ext.errors import ProtocolError
from tests.support.wires import Wire, error, value


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def stream(wire: Wire) -> AsyncStream:
    return AsyncStream(wire.connection)


def send(stream: AsyncStream, number: int, item: object) -> None:
    """Have an item arrive, as the pickle that it is."""
    stream.note_news(stream.first, "item", (pickle.dumps((number, item)), []))


class TestReadingAStream:
    def test_yields_items_while_the_task_goes_on(self, stream: AsyncStream) -> None:
        send(stream, 0, "a")
        send(stream, 1, "b")
        assert [next(stream), next(stream)] == ["a", "b"]
        send(stream, 2, "c")
        value(stream, 0, None)

        assert list(stream) == ["c"]
        assert list(stream) == []

    def test_waits_for_items(self, stream: AsyncStream) -> None:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            reading = pool.submit(list, stream)
            for number in range(5):
                send(stream, number, number)
            value(stream, 0, None)

            assert reading.result(10) == [0, 1, 2, 3, 4]

    def test_raises_the_error_after_the_items_and_once(self, stream: AsyncStream) -> None:
        send(stream, 0, "a")
        error(stream, 0, KeyError("b"))

        assert next(stream) == "a"
        with pytest.raises(KeyError):
            next(stream)
        assert list(stream) == []

    def test_yields_nothing_twice_where_a_task_began_anew(self, stream: AsyncStream) -> None:
        for number in (0, 1, 0, 1, 2):
            send(stream, number, number)
        value(stream, 0, None)

        assert list(stream) == [0, 1, 2]

    def test_goes_on_after_an_item_that_was_lost(self, stream: AsyncStream) -> None:
        stream.note_news(stream.first, "item", ProtocolError("gone"))
        send(stream, 1, "b")
        value(stream, 0, None)

        with pytest.raises(ProtocolError):
            next(stream)
        assert list(stream) == ["b"]

    def test_leaves_the_event_loop_to_others(self, stream: AsyncStream) -> None:
        async def produce() -> None:
            for number in range(3):
                await asyncio.sleep(0)
                send(stream, number, number)
            value(stream, 0, None)

        async def consume() -> list[object]:
            producing = asyncio.create_task(produce())
            found = [item async for item in stream]
            await producing
            return found

        assert asyncio.run(consume()) == [0, 1, 2]

    def test_keeps_other_news(self, stream: AsyncStream) -> None:
        stream.note_news(stream.first, "data", {"a": 1})

        assert stream.data == {"a": 1}


class TestTheWindow:
    def test_moves_with_the_reader(self, wire: Wire, stream: AsyncStream) -> None:
        for number in range(64):
            send(stream, number, number)
        assert wire.granted == []
        for _ in range(31):
            next(stream)
        assert wire.granted == []
        next(stream)
        assert wire.granted == [(stream.first, 32)]
        for _ in range(32):
            next(stream)
        assert wire.granted == [(stream.first, 32), (stream.first, 64)]

    def test_is_told_again_to_an_engine_that_begins_anew(
        self, wire: Wire, stream: AsyncStream
    ) -> None:
        for number in [*range(64), *range(65)]:
            send(stream, number, number)

        assert [next(stream) for _ in range(65)] == list(range(65))
        assert wire.granted == [(stream.first, 32), (stream.first, 64)] + [(stream.first, 64)] * 2

    def test_does_not_matter_to_items_that_came_twice(
        self, wire: Wire, stream: AsyncStream
    ) -> None:
        for number in [*range(20), *range(20)]:
            send(stream, number, number)
        value(stream, 0, None)
        wire.granted.clear()

        assert list(stream) == list(range(20))
        assert wire.granted == []  # it has ended

    def test_is_open_for_whoever_waits_for_the_end(self, wire: Wire, stream: AsyncStream) -> None:
        for number in range(40):
            send(stream, number, number)

        assert not stream.wait(0.01)

        assert wire.granted == [(stream.first, 40)]
        for number in range(40, 72):
            send(stream, number, number)
        assert wire.granted == [(stream.first, 40), (stream.first, 72)]
        value(stream, 0, None)
        assert stream.get() == list(range(72))

    def test_stays_as_it_is_for_whoever_looks(self, wire: Wire, stream: AsyncStream) -> None:
        for number in range(40):
            send(stream, number, number)

        assert not stream.wait(0)
        assert wire.granted == []


class TestTheEndOfAStream:
    def test_can_be_awaited(self, stream: AsyncStream) -> None:
        async def ask() -> object:
            return await stream

        send(stream, 0, "a")
        value(stream, 0, None)

        assert asyncio.run(ask()) == ["a"]

    def test_comes_with_closing_it(self, wire: Wire, stream: AsyncStream) -> None:
        send(stream, 0, "a")
        with stream:
            send(stream, 1, "b")
            assert next(stream) == "a"
        send(stream, 2, "c")
        error(stream, 0, KeyboardInterrupt("stopped"))  # type: ignore[arg-type]

        assert wire.interrupted == [([stream.first], [])]
        assert list(stream) == []

    def test_that_has_come_is_not_asked_for(self, wire: Wire, stream: AsyncStream) -> None:
        value(stream, 0, None)
        stream.close()
        stream.close()

        assert wire.interrupted == []

    def test_with_an_error_is_its_answer(self, stream: AsyncStream) -> None:
        send(stream, 0, "a")
        error(stream, 0, KeyError("b"))

        assert isinstance(stream.exception(), KeyError)
        with pytest.raises(KeyError):
            stream.get()
        assert isinstance(stream.get(return_exceptions=True), KeyError)
