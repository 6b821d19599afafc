import gc
import signal
from typing import TYPE_CHECKING, Any, cast

import pytest

from ipcluster_ext.client.feed import StatusFeed
from ipcluster_ext.client.overseeing import CONTROLS, WatchedClient
from ipcluster_ext.client.picture import ClusterStatus
from ipcluster_ext.client.roster import Roster
from ipcluster_ext.errors import ClientError, HubGone
from ipcluster_ext.protocol.feed import EngineRow, Totals
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import EngineInfo
from ipcluster_ext.protocol.status import EngineStatus

if TYPE_CHECKING:
    from ipcluster_ext.client.connection import Connection


class Feed:
    """What the hub tells, as the test says."""

    def __init__(self) -> None:
        self.latest = ClusterStatus()
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Client:
    """A client of two engines that does what it is asked to, and notes it."""

    cluster_id = "fit"
    closed = False

    def __init__(self) -> None:
        self.roster = Roster()
        ready = EngineStatus.READY
        self.roster.update([EngineInfo(EngineId(n), ready, "here", 100 + n) for n in (0, 1)])
        self.connection = cast("Connection", self)
        self.error: ClientError | None = None
        self.feed = Feed()
        self.asked: list[Any] = []

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    @property
    def ids(self) -> list[EngineId]:
        return self.roster.ids

    def status_feed(self) -> StatusFeed:
        self.check()
        self.asked.append("feed")
        return cast("StatusFeed", self.feed)

    def scale(self, n: int) -> list[EngineId]:
        self.asked.append(n)
        return []

    def restart_engines(self) -> None:
        self.asked.append("restart")

    def send_signal(self, sig: int, *, block: bool) -> None:
        self.asked.append((sig, block))

    def shutdown(self, *, hub: bool, block: bool) -> None:
        self.asked.append((hub, block))


@pytest.fixture
def client() -> Client:
    return Client()


class TestLooking:
    def test_tells_what_the_client_knows_before_the_hub_tells_more(self, client: Client) -> None:
        look = WatchedClient(client).look()

        assert (look.title, look.state, look.controls) == ("cluster fit", "running", CONTROLS)
        assert (look.ready, look.wanted, look.queued, look.done) == (2, 2, None, None)
        assert look.hosts == ("here",)

    def test_tells_what_the_hub_tells_while_somebody_looks(self, client: Client) -> None:
        watched = WatchedClient(client)
        watched.open()
        watched.open()
        rows = (
            EngineRow(EngineId(0), "busy", "here", 1, TaskId(7), "fit", 0.0, 2, 9, 1, 0.5, 2**20),
            EngineRow(EngineId(1), "starting"),
        )
        totals = Totals("starting", 3, 1, 1, 12, 1, 9, 1, 1)
        client.feed.latest = ClusterStatus(1, rows, (), totals)

        look = watched.look()

        assert client.asked == ["feed"]
        assert (look.ready, look.wanted, look.busy, look.queued) == (1, 3, 1, 12)
        assert (look.done, look.failed) == (8, 1)
        busy, starting = look.engines
        assert (busy.task, busy.queued, busy.done, busy.failed) == ("fit", 2, 8, 1)
        assert busy.busy_for is not None
        assert (busy.cpu, busy.memory) == (0.5, 2**20)
        assert (starting.busy, starting.task, starting.busy_for) == (False, "", None)
        watched.close()
        watched.close()
        assert client.feed.closed

    @pytest.mark.parametrize(
        ("error", "trouble"),
        [
            (HubGone("hub", 0.0, "its cluster is being stopped"), ""),
            (HubGone("hub", 0.0, "its agent was killed"), "its agent was killed"),
            (ClientError("no"), "no"),
        ],
    )
    def test_tells_why_a_hub_is_gone_unless_that_was_wished(
        self, client: Client, error: ClientError, trouble: str
    ) -> None:
        client.error = error
        watched = WatchedClient(client)
        watched.open()

        look = watched.look()

        assert (look.state, look.trouble, look.lasting) == ("stopped", trouble, True)

    def test_tells_that_the_client_is_closed_or_gone(self) -> None:
        closed, gone = Client(), Client()
        closed.closed = True
        watched, orphaned = WatchedClient(closed), WatchedClient(gone)
        del gone
        gc.collect()

        assert (watched.look().state, orphaned.look().state) == ("closed", "closed")
        with pytest.raises(ClientError, match="the client is gone"):
            orphaned.stop()


class TestDoing:
    def test_is_done_by_the_client(self, client: Client) -> None:
        watched = WatchedClient(client)

        said = [watched.restart(), watched.interrupt(), watched.stop(), watched.start()]

        assert client.asked == ["restart", (signal.SIGINT, True), (True, True)]
        assert said == ["restarted 2 engines", "interrupted what ran", "stopped", "it runs already"]

    @pytest.mark.parametrize(
        ("n", "said"),
        [
            (5, "starting 3 engines"),
            (2, "there are 2 engines already"),
            (1, "1 engine stops, once it has nothing to do"),
        ],
    )
    def test_of_scaling_says_what_will_become_of_it(
        self, client: Client, n: int, said: str
    ) -> None:
        assert WatchedClient(client).scale(n) == said
        assert client.asked == [n]
