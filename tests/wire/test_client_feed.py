"""What a client does with the status feed of a hub that follows a script."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.feed import StatusFeed
from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.errors import ClientClosed, HubGone
from ipcluster_ext.protocol.feed import EngineRow, FeedPart, Status, Totals, Watch
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.messages import Awaiting, Bye, ClientHello, Welcome
from tests.support.hubs import PATIENCE, Hub
from tests.support.waiting import wait_until

ALL: tuple[FeedPart, ...] = ("engines", "work", "totals")


def status(number: int, queued: int = 0, *, request: int = 1) -> Status:
    """Make a status that says how many tasks are queued."""
    totals = Totals("ready", 1, 1, 0, queued, 0, 0, 0, 1)
    return Status(request, number, [EngineRow(EngineId(0), "idle")], totals=totals)


def queued(seen: ClusterStatus) -> int:
    assert seen.totals is not None
    return seen.totals.queued


class Play:
    """A client, and its hub."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.hub = Hub(path)
        self.client = Connection(path, name="there", alive=lambda: True)
        self.hub.hear_until(lambda: bool(self.hub.heard))
        self.hub.say(Welcome(1, "here", ""))
        self.client.wait_for_welcome(PATIENCE)
        self.hub.heard.clear()

    def feed(self, interval: float = 0.1, parts: tuple[FeedPart, ...] = ALL) -> StatusFeed:
        """Open a feed, of which the hub hears."""
        before = len(self.wishes)
        feed = StatusFeed(self.client, interval, parts)
        self.hears(before + 1)
        return feed

    @property
    def wishes(self) -> list[Watch]:
        return [message for message in self.hub.heard if isinstance(message, Watch)]

    def hears(self, count: int) -> list[Watch]:
        """Return the hub's first wishes."""
        self.hub.hear_until(lambda: len(self.wishes) >= count)
        return self.wishes

    def another_hub(self) -> None:
        self.hub.close()
        self.hub = Hub(self._path, 2)
        self.hub.hear_until(lambda: any(isinstance(m, Awaiting) for m in self.hub.heard))


@pytest.fixture
def play(folder: Path) -> Iterator[Play]:
    play = Play(folder / "hub.sock")
    yield play
    play.client.close()
    play.hub.close()


def test_a_feed_is_asked_for_once(play: Play) -> None:
    feed = play.feed(0.5, ("totals", "work", "totals"))

    assert play.wishes == [Watch(1, 0.5, ("totals", "work"))]
    assert feed.latest == ClusterStatus()


def test_whoever_waits_is_told_of_the_first_status(play: Play) -> None:
    feed = play.feed()
    play.hub.say(status(1, 7))

    seen = feed.wait(timeout=PATIENCE)

    assert (queued(seen), seen.engines) == (7, (EngineRow(EngineId(0), "idle"),))
    assert feed.latest is seen


def test_or_of_one_that_is_new(play: Play) -> None:
    feed = play.feed()
    play.hub.say(status(1, 1))
    first = feed.wait(timeout=PATIENCE)

    play.hub.say(status(2, 2))

    assert queued(feed.wait(first, timeout=PATIENCE)) == 2
    with pytest.raises(TimeoutError, match=r"nothing has changed within 0\.01 s"):
        feed.wait(feed.latest, timeout=0.01)


def test_callbacks_are_called_with_each_until_they_are_not_wanted(play: Play) -> None:
    feed, seen = play.feed(), list[int]()
    stop = feed.on_change(lambda new: seen.append(queued(new)))
    play.hub.say(status(1, 1), status(2, 2))
    wait_until(lambda: len(seen) == 2)

    stop()
    play.hub.say(status(3, 3))
    wait_until(lambda: feed.latest.number == 3)

    assert seen == [1, 2]


def test_a_callback_that_comes_late_is_called_with_what_is_known(play: Play) -> None:
    feed, seen = play.feed(), list[int]()
    play.hub.say(status(1, 5))
    feed.wait(timeout=PATIENCE)

    feed.on_change(lambda new: seen.append(queued(new)))

    assert seen == [5]


def test_one_that_fails_disturbs_nobody(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    feed, seen = play.feed(), list[int]()
    feed.on_change(lambda _: 1 // 0)
    feed.on_change(lambda new: seen.append(queued(new)))

    play.hub.say(status(1, 5))

    wait_until(lambda: seen == [5])
    assert "a callback of a status feed failed" in caplog.text


def test_coroutines_iterate_over_it(play: Play) -> None:
    feed = play.feed()

    async def see(count: int) -> list[int]:
        seen: list[int] = []
        async for new in feed:
            seen.append(queued(new))
            if len(seen) == count:
                break
            play.hub.say(status(len(seen) + 1, 10 * len(seen)))
        return seen

    play.hub.say(status(1, 5))

    assert asyncio.run(see(3)) == [5, 10, 20]


def test_and_stop_when_it_is_closed(play: Play) -> None:
    feed = play.feed()

    async def see() -> list[int]:
        asyncio.get_running_loop().call_later(0.01, feed.close)
        return [queued(new) async for new in feed]

    assert asyncio.run(see()) == []


def test_they_are_told_that_the_hub_is_lost(play: Play) -> None:
    feed = play.feed()

    async def see() -> list[int]:
        return [queued(new) async for new in feed]

    play.hub.say(Bye())

    with pytest.raises(HubGone):
        asyncio.run(see())


def test_a_feed_that_is_closed_is_ended_at_the_hub(play: Play) -> None:
    with play.feed() as feed:
        pass

    assert play.hears(2)[1] == Watch(1, 0.0)
    with pytest.raises(ClientClosed, match="this status feed is closed"):
        feed.wait(timeout=PATIENCE)


@pytest.mark.parametrize(
    "end", [lambda play: play.client.close(), lambda play: play.hub.say(Bye())]
)
def test_it_ends_with_its_client(play: Play, end: Callable[[Play], None]) -> None:
    feed = play.feed()

    end(play)

    wait_until(lambda: feed.closed)
    with pytest.raises((ClientClosed, HubGone)):
        feed.wait(timeout=PATIENCE)
    feed.close()


def test_what_is_missing_has_everything_told_again(play: Play) -> None:
    feed = play.feed()
    play.hub.say(status(1, 1), status(3, 3))

    assert play.hears(2)[1] == feed.wish
    play.hub.say(status(1, 4))

    wait_until(lambda: feed.latest.number == 2)
    assert queued(feed.latest) == 4


def test_the_next_hub_is_asked_at_once(play: Play) -> None:
    feed = play.feed()
    play.hub.say(status(1, 1))
    known = feed.wait(timeout=PATIENCE)

    play.another_hub()
    play.hears(1)
    play.hub.say(status(1, 2))

    assert queued(feed.wait(known, timeout=PATIENCE)) == 2
    assert [type(message) for message in play.hub.heard] == [ClientHello, Awaiting, Watch]


def test_what_was_asked_for_in_between_is_asked_for_once(play: Play) -> None:
    play.hub.close()
    feed = StatusFeed(play.client, 0.1, ALL)

    play.another_hub()

    assert play.hears(1) == [feed.wish]


def test_one_that_nobody_has_any_more_is_ended(play: Play) -> None:
    feed = play.feed()
    del feed
    gc.collect()

    play.hub.say(status(1))

    assert play.hears(2)[1] == Watch(1, 0.0)


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan")])
def test_there_is_no_such_interval(play: Play, interval: float) -> None:
    with pytest.raises(ValueError, match="is no interval"):
        StatusFeed(play.client, interval, ALL)


def test_there_is_no_such_part(play: Play) -> None:
    with pytest.raises(ValueError, match="there is no part 'dreams'; parts: engines, work, totals"):
        StatusFeed(play.client, 0.1, ("dreams",))  # type: ignore[arg-type] # on purpose


def test_a_client_that_is_closed_has_no_feed(play: Play) -> None:
    play.client.close()

    with pytest.raises(ClientClosed):
        StatusFeed(play.client, 0.1, ALL)
