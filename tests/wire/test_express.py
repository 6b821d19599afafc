"""The short way between clients and an engine, over real sockets."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ipcluster_ext.client import express as client_express
from ipcluster_ext.client.express import BEGIN_AFTER, QUICK, Express
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.engine.express import MOST_LINKS
from ipcluster_ext.engine.express import Express as EngineExpress
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Message, Ran, Submit
from ipcluster_ext.protocol.parts import Options, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blackbox import BlackBox, begun_in
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.express import MOST_NBYTES, express_socket, listen, reach

if TYPE_CHECKING:
    from ipcluster_ext.engine.lane import Assignment

DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED
SPEC = TaskSpec(Kind.APPLY, b"f")
BOOT = 77
ENGINE = EngineId(3)


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Ends:
    """An engine's end, which does nothing by itself, and a client's."""

    def __init__(self, folder: Path, *, engine: bool = True) -> None:
        self.channels = [
            Channel(folder / "hub.sock", identity=name, boot=1) for name in (b"c", b"e")
        ]
        self.box = BlackBox(folder / "box")
        self.path = folder / "box"
        self.came: list[Assignment] = []
        self.known: list[tuple[ResultItem, int]] = []
        self.engine = EngineExpress(
            self.channels[1], folder, ENGINE, BOOT, box=self.box, came=self.came.append,
            known=lambda answer, place: self.known.append((answer, place)),
        )  # fmt: skip
        if engine:
            self.engine.open()
        self.client = Express(self.channels[0], folder)
        self.client.allowed = True
        self.last = 0

    def call(self, *, took: float = 0.0, clock: Clock | None = None) -> bool:
        """Make a call that is answered by the hub if it is not handed over; tell whether it is."""
        self.last += 1
        handed = self.client.hand(SPEC, TaskItem(TaskId(self.last), b"in"))
        if clock is not None:
            clock.now += took
        if not handed:
            self.client.ended(Outcome(ENGINE, outcome(self.last), None))
        return handed

    def warm_up(self) -> None:
        """Have the client speak to the engine."""
        for _ in range(BEGIN_AFTER):
            assert not self.call()
        self.listen()
        assert self.client.hear() is None

    def close(self) -> None:
        """Close whatever is open."""
        self.client.close()
        for client in self.engine.clients.values():
            client.link.close()
        if self.engine.door is not None:
            self.engine.door.close()
        for channel in self.channels:
            channel.close()
            channel.release()

    def listen(self) -> None:
        """Have the engine take what has come."""
        self.engine.hear(self.channels[1].wait(1.0))

    def answer(self, task: int, status: TaskStatus = DONE) -> bool:
        """End a task at the engine."""
        return self.engine.tell(outcome(task, status), self.box.enter(TaskId(task)))

    @property
    def begun(self) -> tuple[TaskId, ...]:
        """What the black box says of tasks out of turn."""
        return begun_in(self.path).others


def outcome(task: int, status: TaskStatus = DONE) -> ResultItem:
    """Make an outcome."""
    return ResultItem(TaskId(task), status, 1.0, 2.0, b"out")


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    ends = Ends(tmp_path)
    yield ends
    ends.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(client_express, "time", clock)
    return clock


class TestAClient:
    def test_hands_over_what_follows_calls_that_were_answered_soon(self, ends: Ends) -> None:
        ends.warm_up()

        assert ends.call()
        ends.listen()
        assert [each.item.id for each in ends.came] == [ends.last]
        assert ends.came[0].spec == SPEC

    def test_goes_through_the_hub_again_after_calls_that_were_not(
        self, ends: Ends, clock: Clock
    ) -> None:
        ends.warm_up()
        assert ends.call()
        for _ in range(3):
            ends.client.awaited = TaskId(ends.last)
            clock.now += 2 * QUICK
            ends.client.ended(Outcome(ENGINE, outcome(ends.last), None))

        assert not ends.call()

    def test_goes_through_the_hub_again_after_a_pause(self, ends: Ends, clock: Clock) -> None:
        ends.warm_up()
        clock.now += 1.0

        assert not ends.call()

    def test_goes_through_the_hub_again_when_it_has_told_it_something_else(
        self, ends: Ends
    ) -> None:
        ends.warm_up()
        ends.client.rest()

        assert not ends.call()

    @pytest.mark.parametrize(
        ("spec", "item"),
        [
            (TaskSpec(Kind.APPLY, options=Options(priority=1)), TaskItem(TaskId(99), b"")),
            (TaskSpec(Kind.APPLY, engines=(EngineId(0),)), TaskItem(TaskId(99), b"")),
            (TaskSpec(Kind.APPLY, balanced=False), TaskItem(TaskId(99), b"")),
            (TaskSpec(Kind.EXECUTE), TaskItem(TaskId(99), b"")),
            (SPEC, TaskItem(TaskId(99), b"", (100,))),
            (SPEC, TaskItem(TaskId(99), b"", (), (TaskId(1),))),
            (SPEC, TaskItem(TaskId(99), bytes(MOST_NBYTES + 1))),
        ],
    )
    def test_hands_over_nothing_but_short_calls(
        self, ends: Ends, spec: TaskSpec, item: TaskItem
    ) -> None:
        ends.warm_up()

        assert not ends.client.hand(spec, item)
        assert not ends.call()

    def test_tells_the_hub_of_answers_together(self, ends: Ends) -> None:
        ends.warm_up()
        for _ in range(3):
            assert ends.call()
            ends.listen()
            assert ends.answer(ends.last)
            heard = ends.client.hear()
            assert heard is not None
            assert (heard.engine, heard.item) == (ENGINE, outcome(ends.last))

        [news] = ends.client.take_news()
        assert isinstance(news, Ran)
        assert [item.id for item in news.items] == [ends.last - 2, ends.last - 1, ends.last]
        assert [each.id for each in news.outcomes] == [item.id for item in news.items]
        assert not ends.client.has_news

    def test_names_what_takes_a_while_to_the_engine_and_to_the_hub(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        news = ends.client.take_news()
        ends.listen()

        assert news == [Submit(SPEC, [TaskItem(TaskId(ends.last), b"in")], ENGINE, BOOT)]
        assert not ends.answer(ends.last)
        assert ends.engine.take_unsaid() == [ends.last]

    def test_names_what_it_is_sent_to_the_hub_for(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        ends.listen()
        assert not ends.answer(ends.last, FAILED)
        assert ends.client.hear() is None

        assert ends.client.urgent
        assert len(ends.client.take_news()) == 1
        assert ends.engine.take_unsaid() == [ends.last]

    def test_names_a_task_whose_engine_is_gone(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        for client in ends.engine.clients.values():
            client.link.close()
        assert ends.client.hear() is None

        assert ends.client.urgent
        assert ends.client.fd == -1
        [news] = ends.client.take_news()
        assert isinstance(news, Submit)
        assert news.boot == BOOT
        assert not ends.call()

    def test_tells_at_once_of_an_answer_to_what_it_has_just_named(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        ends.listen()
        assert ends.answer(ends.last)
        named: list[Message] = ends.client.take_news()
        assert ends.client.hear() is not None

        assert isinstance(named[0], Submit)
        assert ends.client.urgent
        assert isinstance(ends.client.take_news()[0], Ran)

    def test_without_anybody_to_speak_to_goes_through_the_hub(self, tmp_path: Path) -> None:
        ends = Ends(tmp_path, engine=False)
        for _ in range(2 * BEGIN_AFTER):
            assert not ends.call()
        assert ends.client.fd == -1
        ends.close()

    def test_drops_an_engine_that_says_nonsense(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        ends.listen()
        [client] = ends.engine.clients.values()
        with socket.socket(fileno=os.dup(client.link.fd)) as raw:
            raw.send(b"nonsense that is no outcome")

        assert ends.client.hear() is None
        assert ends.client.fd == -1
        assert ends.client.urgent


class TestAnEngine:
    def test_keeps_an_answer_until_the_client_says_something_else(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        ends.listen()
        assert ends.answer(ends.last)
        kept = ends.begun
        ends.client.hear()
        ends.call()
        ends.listen()

        assert kept == (ends.last - 1,)
        assert ends.begun == ()
        assert not ends.known

    def test_says_how_a_task_ended_that_was_named_too_late(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        ends.listen()
        assert ends.answer(ends.last)
        ends.client.take_news()
        ends.listen()

        [(answer, place)] = ends.known
        assert answer == outcome(ends.last)
        assert ends.begun == (ends.last,)  # until the hub has acknowledged that
        ends.box.leave(place)

    def test_forgets_the_last_answer_of_a_client_that_is_gone(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        ends.listen()
        assert ends.answer(ends.last)
        ends.client.close()
        ends.listen()

        assert ends.begun == ()
        assert not ends.engine.clients

    def test_reads_what_a_client_wrote_before_it_died(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        ends.client.take_news()
        ends.client.close()
        ends.engine.drain()

        assert [each.item.id for each in ends.came] == [ends.last]
        assert ends.engine.take_unsaid() == [ends.last]

    def test_says_more_about_a_task_to_the_hub(self, ends: Ends) -> None:
        ends.warm_up()
        ends.call()
        ends.listen()
        ends.engine.refer([TaskId(ends.last), TaskId(5)])

        assert not ends.answer(ends.last)
        assert ends.engine.take_unsaid() == [ends.last]

    def test_speaks_to_so_many_clients_only(self, ends: Ends, tmp_path: Path) -> None:
        links = [reach(express_socket(tmp_path, ENGINE)) for _ in range(8)]
        for _ in links:
            ends.listen()
        assert all(link is not None and link.hear_greeting() == BOOT for link in links)
        some = next(iter(ends.engine.clients.values()))
        ends.engine.clients.update(dict.fromkeys(range(-MOST_LINKS, 0), some))
        late = reach(express_socket(tmp_path, ENGINE))
        ends.listen()

        assert late is not None
        assert late.hear_greeting() == 0
        assert not late.is_open
        for number in range(-MOST_LINKS, 0):
            del ends.engine.clients[number]
        for link in [*links, late]:
            assert link is not None
            link.close()

    def test_drops_a_client_that_says_nonsense(self, ends: Ends, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as raw:
            raw.connect(str(express_socket(tmp_path, ENGINE)))
            ends.listen()
            raw.send(b"this is no task")
            ends.listen()

        assert not ends.came
        assert not ends.engine.clients


class TestTheSocket:
    def test_is_for_its_user_only(self, ends: Ends, tmp_path: Path) -> None:
        path = express_socket(tmp_path, ENGINE)

        assert path.stat().st_mode & 0o777 == 0o600
        link = reach(path)
        assert link is not None
        assert link.is_ours
        link.close()

    def test_of_an_earlier_life_is_replaced(self, tmp_path: Path) -> None:
        first = listen(tmp_path / "x")
        second = listen(tmp_path / "x")
        assert first is not None
        assert second is not None
        link = reach(tmp_path / "x")
        assert link is not None
        peer, _ = second.accept()
        for each in (first, second, peer):
            each.close()
        link.close()

    def test_is_done_without_where_it_cannot_be(self, tmp_path: Path) -> None:
        assert listen(tmp_path / ("x" * 200)) is None
        assert listen(tmp_path / "missing" / "x") is None

    def test_takes_neither_what_is_too_long_nor_half_of_it(self, tmp_path: Path) -> None:
        door = listen(tmp_path / "x")
        assert door is not None
        link = reach(tmp_path / "x")
        peer, _ = door.accept()
        assert link is not None
        peer.send(os.urandom(200_000))
        with pytest.raises(msgspec.MsgspecError):
            link.take_told()
        peer.close()
        door.close()
        link.close()
