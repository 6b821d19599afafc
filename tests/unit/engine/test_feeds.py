import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ipcluster_ext.engine.feeds import RESUMED, WINDOW, Aside, Feed, Feeds
from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.engine.news import Newsroom
from ipcluster_ext.engine.outcomes import Outcomes
from ipcluster_ext.engine.resolver import Resolver
from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.errors import SerializationError
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Message, News
from ipcluster_ext.protocol.parts import Options, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind
from ipcluster_ext.transport.blackbox import BlackBox, begun_in
from ipcluster_ext.transport.blobs import BlobStore

TASK = TaskId(7)
STREAM = Assignment(TaskSpec(Kind.STREAM, options=Options(time_limit=1.0)), TaskItem(TASK, b""), [])


class Stage:
    """Feeds, what they sent, and the lane of those that go on."""

    def __init__(self, box: Path) -> None:
        self.items: list[tuple[int, Any]] = []
        self.aside: list[int] = []
        self.woken = 0
        self.lane = Lane(lambda: None)
        self.path = box
        self.box = BlackBox(box)
        blobs = BlobStore("", "e0x1")
        self.news = Newsroom(self._say, Timer())
        self.feeds = Feeds(
            Outcomes(EngineId(0), blobs, "here", Resolver({}, blobs)),
            self.news,
            Interrupts(lambda: None, lambda: None),
            lane=self.lane,
            box=self.box,
            wake=self._wake,
            on_aside=self.aside.append,
        )

    def _say(self, messages: Sequence[Message], frames: Sequence[Frame]) -> None:
        del frames
        self.items += [load(news.inline, ()) for news in messages if isinstance(news, News)]

    def _wake(self) -> None:
        self.woken += 1

    def sent(self) -> list[Any]:
        """Return the items that were sent, which are numbered."""
        self.news.flush()
        assert [number for number, _ in self.items] == list(range(len(self.items)))
        return [value for _, value in self.items]

    def run(self, feed: Feed) -> int | None:
        """Go on with a stream; None if it was put aside."""
        try:
            return self.feeds.run(feed)
        except Aside:
            return None

    @property
    def resumed(self) -> list[Assignment]:
        """Those that are to go on."""
        taken: list[Assignment] = []
        while (assignment := self.lane.take(lambda _: False)) is not None:
            taken.append(assignment)
        return taken


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path / "box")
    yield stage
    assert stage.feeds.get(TASK) is None
    assert stage.aside[-1:] in ([], [0])
    for place in stage.lane.take_finished().places:
        stage.box.leave(place)
    assert begun_in(stage.path).others == ()
    stage.box.close()


def catching(notes: list[str]) -> Iterator[int]:
    try:
        for number in range(10**6):
            try:
                yield number
            except TimeoutError:
                notes.append("warned")
                yield -1
                return
    finally:
        notes.append("ended")


def test_items_are_sent_while_there_is_room(stage: Stage) -> None:
    feed = stage.feeds.begin(STREAM, range(3))

    assert stage.run(feed) == 3
    assert stage.sent() == [0, 1, 2]


def test_a_stream_without_room_is_put_aside_and_goes_on_with_more(stage: Stage) -> None:
    feed = stage.feeds.begin(STREAM, range(WINDOW + 2))
    first = stage.run(feed)
    assert (first, len(stage.sent()), stage.aside) == (None, WINDOW, [1])

    stage.feeds.more(TASK, 10)

    [again] = stage.resumed
    assert (again.item, again.spec.options, stage.woken) == (TaskItem(TASK, RESUMED), None, 1)
    assert stage.run(feed) == WINDOW + 2
    assert stage.sent() == list(range(WINDOW + 2))
    assert stage.aside == [1, 0]


def test_a_stream_that_is_put_aside_goes_on_once(stage: Stage) -> None:
    feed = stage.feeds.begin(STREAM, range(WINDOW + 2))
    stage.run(feed)

    stage.feeds.more(TASK, 1)
    stage.feeds.more(TASK, 5)

    assert len(stage.resumed) == 1
    assert stage.run(feed) == WINDOW + 2


def test_what_its_reader_has_taken_may_be_said_twice(stage: Stage) -> None:
    feed = stage.feeds.begin(STREAM, range(WINDOW + 20))
    stage.run(feed)
    stage.feeds.more(TASK, 10)
    [_] = stage.resumed
    stage.run(feed)

    stage.feeds.more(TASK, 10)

    assert (stage.resumed, len(stage.sent())) == ([], WINDOW + 10)
    stage.feeds.more(TASK, 21)
    assert stage.run(feed) == WINDOW + 20


def test_room_that_was_made_before_is_used(stage: Stage) -> None:
    feed = stage.feeds.begin(STREAM, range(WINDOW + 2))
    stage.feeds.more(TASK, 5)

    assert stage.run(feed) == WINDOW + 2
    assert (stage.aside, stage.resumed) == ([], [])


def test_the_black_box_knows_it_until_its_end_is_said(stage: Stage) -> None:
    feed = stage.feeds.begin(STREAM, range(WINDOW + 1))
    stage.run(feed)
    stage.feeds.more(TASK, 5)
    stage.run(feed)

    assert begun_in(stage.path).others == (TASK,)


def test_what_is_wanted_is_thrown_into_one_that_is_put_aside(stage: Stage) -> None:
    notes: list[str] = []
    feed = stage.feeds.begin(STREAM, catching(notes))
    stage.run(feed)

    found = stage.feeds.want(TASK, TimeoutError())

    assert (found, len(stage.resumed)) == (True, 1)
    assert stage.run(feed) is None  # it yields once more, and has no room for the end
    stage.feeds.more(TASK, 5)
    assert stage.run(feed) == WINDOW + 1
    assert notes == ["warned", "ended"]
    assert stage.sent()[-1] == -1


def test_what_it_does_not_catch_ends_it(stage: Stage) -> None:
    notes: list[str] = []
    feed = stage.feeds.begin(STREAM, catching(notes))
    stage.run(feed)
    stage.feeds.want(TASK, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        stage.run(feed)

    assert notes == ["ended"]


def test_what_is_wanted_ends_what_is_no_generator(stage: Stage) -> None:
    feed = stage.feeds.begin(STREAM, range(WINDOW * 2))
    stage.run(feed)
    stage.feeds.want(TASK, TimeoutError())

    with pytest.raises(TimeoutError):
        stage.run(feed)


def test_a_stream_that_runs_is_not_for_here_to_stop(stage: Stage) -> None:
    feed = stage.feeds.begin(STREAM, range(3))

    assert not stage.feeds.want(TASK, TimeoutError())
    assert not stage.feeds.want(TaskId(99), TimeoutError())
    stage.feeds.more(TaskId(99), 1)
    stage.run(feed)


def test_a_generator_whose_item_cannot_be_pickled_is_closed(stage: Stage) -> None:
    notes: list[str] = []

    def locks() -> Iterator[Any]:
        try:
            yield threading.Lock()
        finally:
            notes.append("ended")

    feed = stage.feeds.begin(STREAM, locks())

    with pytest.raises(SerializationError, match="an item of the stream"):
        stage.feeds.run(feed)
    assert notes == ["ended"]


async def count(numbers: int) -> AsyncIterator[int]:
    for number in range(numbers):
        await asyncio.sleep(0)
        yield number


def test_a_stream_on_a_loop_waits_there(stage: Stage) -> None:
    async def main() -> int:
        task = asyncio.ensure_future(stage.feeds.run_async(STREAM, count(WINDOW + 5)))
        for _ in range(10 * WINDOW):
            await asyncio.sleep(0)
        assert (len(stage.sent()), task.done()) == (WINDOW, False)
        stage.feeds.more(TASK, 5)
        return await task

    assert asyncio.run(main()) == WINDOW + 5
    assert stage.sent() == list(range(WINDOW + 5))
    assert stage.aside == []
