from collections.abc import Callable, Hashable, Sequence

import pytest

from ipcluster_ext.engine import news as news_module
from ipcluster_ext.engine.news import GATHER, MOST, MOST_NBYTES, Newsroom
from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Message, News
from ipcluster_ext.transport.blobs import Body
from tests.support.waiting import wait_until

TASK = TaskId(1)


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Bell(Timer):
    """Notes what it is to do, and does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.set_for: list[float] = []

    def set(self, key: Hashable, when: float, call: Callable[[], None]) -> None:
        del key, call
        self.set_for.append(when)


class Stage:
    """A newsroom, and what it has sent."""

    def __init__(self, timer: Timer) -> None:
        self.said: list[list[bytes]] = []
        self.frames: list[Frame] = []
        self.room = Newsroom(self._say, timer)

    def _say(self, messages: Sequence[Message], frames: Sequence[Frame]) -> None:
        self.said.append([news.inline for news in messages if isinstance(news, News)])
        self.frames.extend(frames)

    def tell(self, text: bytes, frames: Sequence[Frame] = ()) -> None:
        sizes = tuple(map(len, frames))
        self.room.tell(TASK, "data", Body(text, sizes, list(frames)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(news_module, "time", clock)
    return clock


@pytest.fixture
def stage(clock: Clock) -> Stage:
    del clock
    return Stage(Bell())


def test_the_first_leaves_at_once(stage: Stage) -> None:
    stage.tell(b"a", [b"frame"])

    assert (stage.said, stage.frames, stage.room.pending) == ([[b"a"]], [b"frame"], False)


def test_what_follows_closely_is_gathered(stage: Stage, clock: Clock) -> None:
    for text in (b"a", b"b", b"c"):
        stage.tell(text)
    assert (stage.said, stage.room.pending) == ([[b"a"]], True)

    clock.now += GATHER * 1.1
    stage.tell(b"d")

    assert (stage.said, stage.room.pending) == ([[b"a"], [b"b", b"c", b"d"]], False)


def test_what_is_gathered_does_not_wait_for_more() -> None:
    stage = Stage(Timer())
    stage.tell(b"a")
    stage.tell(b"b")

    wait_until(lambda: len(stage.said) == 2)

    assert stage.said == [[b"a"], [b"b"]]


def test_many_do_not_wait(stage: Stage) -> None:
    for _ in range(MOST + 2):
        stage.tell(b"x")

    assert [len(batch) for batch in stage.said] == [1, MOST]


def test_much_does_not_wait(stage: Stage) -> None:
    stage.tell(b"a")
    stage.tell(b"b")
    stage.tell(b"c", [bytes(MOST_NBYTES)])

    assert stage.said == [[b"a"], [b"b", b"c"]]


def test_all_is_sent_when_its_task_ends(stage: Stage) -> None:
    stage.tell(b"a")
    stage.tell(b"b")
    stage.room.flush()
    stage.room.flush()

    assert stage.said == [[b"a"], [b"b"]]
