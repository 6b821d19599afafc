"""A client goes on with a hub that was started again; the hub is a script."""

import gc
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ipcluster_ext.client import reunion
from ipcluster_ext.client.connection import Connection
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.errors import HubGone
from ipcluster_ext.protocol.functions import PackedFunction
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Awaiting,
    ClientHello,
    Define,
    Holding,
    Message,
    More,
    Over,
    QueueQuery,
    QueueReply,
    Release,
    Results,
    Steer,
    Submit,
    SubmitEach,
    Welcome,
)
from ipcluster_ext.protocol.parts import Blob, EngineInfo, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import EngineStatus, Kind, TaskStatus
from tests.support.hubs import PATIENCE, Hub
from tests.support.owners import Owner
from tests.support.waiting import wait_until

SPEC = TaskSpec(Kind.APPLY)
MEMORY = memoryview(b"here")


class Play:
    """A client, and the hubs that it meets one after the other.

    Attributes
    ----------
    hub
        The one that there is.
    lives
        Whether the cluster does.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = 1
        self.lives = True
        self.hub = Hub(path, patient=True)
        self.client = Connection(path, name="there", alive=lambda: self.lives, session="s")
        self.hub.hear_until(lambda: bool(self.hub.heard))
        self.welcome(0, 1)
        self.client.wait_for_welcome(PATIENCE)

    def welcome(self, *engines: int) -> None:
        infos = [EngineInfo(EngineId(e), EngineStatus.READY, "here", 100 + e) for e in engines]
        self.hub.say(Welcome(self._boot, "here", "", infos))

    def acknowledge(self) -> None:
        """Have the client learn that what it said is safe."""
        self.hub.ledger.may_acknowledge(self.hub.ledger.received)
        self.hub.send(self.hub.ledger.mention())
        assert self.client.settle(PATIENCE)

    def die(self) -> None:
        self.hub.close()

    def begin_again(self) -> None:
        """Start a hub; it hears what a client says that knew the one before."""
        self._boot += 1
        self.hub = Hub(self._path, self._boot, patient=True)
        self.hub.hear_until(lambda: any(isinstance(m, Awaiting) for m in self.hub.heard))

    def submit(self, count: int = 1) -> tuple[TaskId, Owner, Submit]:
        """Submit tasks."""
        owner = Owner()
        first = self.client.reserve(count, owner)
        message = Submit(SPEC, [TaskItem(TaskId(first + n), b"in") for n in range(count)])
        self.client.say([message])
        return first, owner, message

    def heard(self, count: int) -> list[Message]:
        """Return the first messages that this hub hears."""
        self.hub.hear_until(lambda: len(self.hub.heard) >= count)
        return self.hub.heard

    def end(self, *tasks: int) -> None:
        items = [ResultItem(TaskId(t), TaskStatus.DONE, 1.0, 2.0, b"out") for t in tasks]
        self.hub.say(Results(EngineId(0), items))


@pytest.fixture
def play(folder: Path) -> Iterator[Play]:
    play = Play(folder / "hub.sock")
    yield play
    play.client.close()
    play.die()


def hello(play: Play) -> ClientHello:
    first = play.hub.heard[0]
    assert isinstance(first, ClientHello)
    return first


def test_says_who_it_is_and_what_it_waits_for(play: Play) -> None:
    first, _, _ = play.submit(3)
    play.heard(2)
    play.acknowledge()
    play.end(first + 1)
    wait_until(lambda: len(play.client.pending) == 2)
    play.die()

    play.begin_again()

    again = ClientHello(play.client.client, hello(play).host, hello(play).pid, "s", again=True)
    awaiting = Awaiting([first, TaskId(first + 2)], [1, 1])
    assert play.hub.heard == [again, awaiting]


def test_says_again_what_was_not_acknowledged_and_has_not_ended(play: Play) -> None:
    first, _, message = play.submit(2)
    each = play.client.reserve(2, Owner())
    item = TaskItem(each, b"in")
    function = PackedFunction(b"digest", b"pickle")
    play.client.say([SubmitEach(SPEC, item, [EngineId(0), EngineId(1)])], (), function=function)
    play.heard(4)
    play.end(first, each)
    wait_until(lambda: len(play.client.pending) == 2)
    play.die()

    play.begin_again()

    second = TaskItem(TaskId(each + 1), b"in")
    ends = {task: ResultItem(task, TaskStatus.DONE, 1.0, 2.0, b"") for task in (first, each)}
    assert play.hub.heard[1:] == [
        Over(SPEC, message.items[:1], [ends[first]], [EngineId(0)]),
        Over(SPEC, [item], [ends[each]], [EngineId(0)], [EngineId(0)]),
        Submit(SPEC, message.items[1:]),
        Define(b"digest", b"pickle"),
        SubmitEach(SPEC, second, [EngineId(1)]),
        Awaiting([TaskId(first + 1), TaskId(each + 1)], [1, 1]),
    ]


def test_what_is_submitted_while_there_is_no_hub_is_heard_by_the_next(play: Play) -> None:
    play.die()
    first, owner, message = play.submit(2)

    play.begin_again()
    play.end(first, first + 1)

    assert play.hub.heard[1:] == [message, Awaiting([first], [2])]
    wait_until(lambda: len(owner.ended) == 2)


def test_tasks_that_are_being_made_are_not_waited_for_as_yet(play: Play) -> None:
    making = play.client.reserve(5, Owner())
    play.client.say([Submit(SPEC, [TaskItem(making, b"in")])])
    play.heard(2)
    play.acknowledge()
    play.die()

    play.begin_again()

    assert play.hub.heard[1:] == [Awaiting([making], [1])]


def test_asks_again_what_was_heard_and_not_answered(play: Play) -> None:
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(play.client.request, QueueQuery)
        play.heard(2)
        play.acknowledge()
        play.die()
        play.begin_again()
        play.hub.say(QueueReply(1, 7, {}))

        assert asking.result(PATIENCE).queued == 7
    assert play.hub.heard[1:] == [QueueQuery(1), Awaiting([], [])]


def test_asks_once_what_was_not_heard(play: Play) -> None:
    play.die()
    answer = play.client.ask(lambda number: Steer(number, "start", [], 2))

    play.begin_again()

    assert play.hub.heard[1:] == [Steer(1, "start", [], 2), Awaiting([], [])]
    assert not answer.done()


def test_reminds_streams_of_how_far_their_readers_are(play: Play) -> None:
    first, _, _ = play.submit(1)
    ended, _, _ = play.submit(1)
    play.client.more(first, 32)
    play.client.more(ended, 32)
    play.client.more(first, 64)
    play.heard(6)
    play.end(ended)
    wait_until(lambda: len(play.client.pending) == 1)
    play.acknowledge()
    play.die()

    play.begin_again()

    assert play.hub.heard[1:] == [More(first, 64), Awaiting([first], [1])]


def test_says_which_values_in_shared_memory_somebody_has(play: Play, folder: Path) -> None:
    blobs = folder / "blobs"
    blobs.mkdir()
    items = {}
    answers: list[AsyncResult | None] = []
    for number in range(2):
        answer = AsyncResult(play.client, 1)
        play.client.say([Submit(SPEC, [TaskItem(answer.first, b"in")])])
        (blobs / f"e0x1-{number}").write_bytes(b"12345")
        buffers = (Blob(f"e0x1-{number}", 5), 4)
        item = ResultItem(answer.first, TaskStatus.DONE, 1.0, 2.0, b"out", buffers)
        answer.deliver([Outcome(EngineId(0), item, (b"out", [memoryview(b""), MEMORY]))])
        play.client.disown([answer.first])
        items[number] = item
        answers.append(answer)
    play.heard(3)
    play.acknowledge()
    answers[0] = None
    del answer
    gc.collect()
    play.die()

    play.begin_again()

    heard = [m for m in play.hub.heard[1:] if m != Release([items[0].id])]  # perhaps said before
    assert heard == [Holding([items[1]]), Awaiting([], [])]
    assert answers[1] is not None


def test_lets_go_of_an_outcome_in_shared_memory_that_comes_again(play: Play, folder: Path) -> None:
    first, _, _ = play.submit(1)
    play.heard(2)
    play.end(first)
    wait_until(lambda: len(play.client.pending) == 0)

    buffers = (Blob("e0x1-1", 5),)
    item = ResultItem(first, TaskStatus.DONE, 1.0, 2.0, b"out", buffers)
    play.hub.say(Results(EngineId(0), [item]))
    play.submit(1)

    play.hub.hear_until(lambda: Release([first]) in play.hub.heard)


def test_an_outcome_that_comes_twice_counts_once(play: Play) -> None:
    first, owner, _ = play.submit(2)
    play.heard(2)
    play.acknowledge()
    play.end(first)
    wait_until(lambda: len(owner.ended) == 1)
    play.die()
    play.begin_again()

    play.end(first, first + 1)

    wait_until(lambda: len(play.client.pending) == 0)
    assert [outcome.item.id for outcome in owner.ended] == [first, first + 1]


def test_knows_the_engines_and_the_process_of_the_new_hub(play: Play) -> None:
    play.die()
    play.begin_again()
    before = (play.client.roster.ids, play.client.hub_is_away)

    play.welcome(1, 2)

    wait_until(lambda: not play.client.hub_is_away)
    assert before == ([0, 1], True)
    assert (play.client.roster.ids, play.client.hub_pid) == ([1, 2], 2)


def test_a_hub_may_die_while_it_is_being_told(play: Play) -> None:
    first, _, message = play.submit(2)
    play.heard(2)
    play.die()
    play.begin_again()
    play.die()

    play.begin_again()

    assert hello(play).again
    assert play.hub.heard[1:] == [message, Awaiting([first], [2])]


def test_who_was_never_welcomed_greets_as_before(folder: Path) -> None:
    path = folder / "hub.sock"
    hub = Hub(path)
    client = Connection(path, name="there", alive=lambda: True)
    try:
        hub.hear_until(lambda: bool(hub.heard))
        hub.send(hub.ledger.ping())
        hub.hear()
        hub.close()
        hub = Hub(path, 2)
        hub.hear_until(lambda: bool(hub.heard))
        assert hub.heard == [ClientHello(client.client, client.host, os.getpid(), "")]

        hub.say(Welcome(2, "here", ""))
        client.wait_for_welcome(PATIENCE)
    finally:
        client.close()
        hub.close()


def test_nobody_waits_for_a_hub_that_nobody_could_start_again(play: Play) -> None:
    _, owner, _ = play.submit(1)
    play.heard(2)
    play.lives = False
    play.die()

    wait_until(lambda: owner.error is not None)

    assert isinstance(owner.error, HubGone)
    assert "processes are gone" in str(owner.error)


def test_one_that_does_not_come_back_is_given_up(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reunion, "HUB_BACK_WITHIN", 0.2)
    _, owner, _ = play.submit(1)
    play.heard(2)
    play.die()

    wait_until(lambda: owner.error is not None)

    assert "no other has taken its place" in str(owner.error)


def test_whoever_asks_waits_as_long_as_there_is_no_hub(play: Play) -> None:
    play.die()
    wait_until(lambda: play.client.hub_is_away)
    asked = threading.Event()

    def ask() -> object:
        asked.set()
        return play.client.request(QueueQuery, timeout=0.01)

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask)
        asked.wait(PATIENCE)
        with pytest.raises(TimeoutError):
            asking.result(0.1)
        play.begin_again()
        play.hub.say(QueueReply(1, 3, {}))

        reply = asking.result(PATIENCE)
    assert isinstance(reply, QueueReply)
