"""An engine goes on with a hub that was started again; the hub is a script, and so is the work."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from ipcluster_ext.engine.functions import Functions
from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.engine.lease import Lease
from ipcluster_ext.engine.resolver import Resolver
from ipcluster_ext.engine.wire import Wire
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, first_task
from ipcluster_ext.protocol.messages import (
    Done,
    EngineHello,
    Forget,
    Halt,
    InputReply,
    Message,
    More,
    Pong,
    Recall,
    Returned,
    Run,
    Values,
    Waiting,
    Welcome,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blackbox import BlackBox, begun_in, hold
from ipcluster_ext.transport.blobs import BlobStore
from ipcluster_ext.transport.channel import CLOCK, Channel
from tests.support.hubs import PATIENCE, Hub
from tests.support.waiting import wait_until

SPEC = TaskSpec(Kind.APPLY)
LAST = TaskId(1)
"""A task that ends the engine's work."""
MINE = first_task(ClientId(1), 0)
"""Tasks of a client come after it; those before are the hub's own."""
HELLO = EngineHello(EngineId(0), 7, 1, "here", 10)
M = TypeVar("M", bound=Message)


class Orders:
    """Notes which values are to be kept."""

    def __init__(self) -> None:
        self.kept: list[set[TaskId]] = []

    def obey(
        self, order: Values | Forget | Halt | More | InputReply, frames: Iterator[Frame]
    ) -> None: ...

    def at_once(self, spec: TaskSpec) -> bool:
        del spec
        return False

    def begin(self, assignments: list[Assignment], may: Callable[[], bool]) -> bool:
        return may() and not assignments

    def keep_only(self, values: Iterable[TaskId]) -> None:
        self.kept.append(set(values))

    def ask_again(self) -> None: ...


class Play:
    """An engine whose tasks end when the test says so, and the hubs that it meets.

    Attributes
    ----------
    begun
        The tasks that it has begun, in order.
    lane
        Those that it has not.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "hub.sock"
        self._boot = 1
        self.hub = Hub(self._path, patient=True)
        channel = Channel(self._path, identity=b"engine", boot=7)
        self.lane, self.orders = Lane(channel.wake), Orders()
        blobs = BlobStore("", "e0x7")
        self._channel, self.box = channel, BlackBox(folder / "box")
        self.wire = Wire(
            channel,
            HELLO,
            Functions({}, Resolver({}, blobs)),
            blobs,
            orders=self.orders,
            lane=self.lane,
            box=self.box,
            lease=Lease(channel, self.box, 10.0),
        )
        self.begun: list[TaskId] = []
        self._may_end = threading.Semaphore(0)
        self._working = threading.Thread(target=self._work)
        self._working.start()
        self.wire.start()
        self.hub.hear_until(lambda: bool(self.hub.heard))
        self.hub.say(Welcome(1, "here", ""))

    def _work(self) -> None:
        while True:
            assignment = self.lane.next(self.wire.catch_up, self.wire.wait_for_work)
            task = assignment.item.id
            if task == LAST:
                return
            self.begun.append(task)
            self._may_end.acquire()
            self.lane.finish(ResultItem(task, TaskStatus.DONE, 1.0, 2.0, b"out"), ())

    def run(self, *tasks: int, needs: tuple[int, ...] = ()) -> None:
        """Have it do tasks, and wait until it has begun the first."""
        mine = tuple(TaskId(need) for need in needs)
        self.hub.say(Run(SPEC, [TaskItem(TaskId(task), b"in", (), mine) for task in tasks]))

    def end(self, count: int = 1) -> None:
        """Let tasks end."""
        before = len(self.begun)
        for _ in range(count):
            self._may_end.release()
        wait_until(lambda: len(self.begun) >= before + count or self.lane.empty)

    def heard(self, kind: type[M], count: int = 1) -> list[M]:
        """Hear until so many messages of a type have come."""

        def found() -> list[M]:
            return [message for message in self.hub.heard if isinstance(message, kind)]

        self.hub.hear_until(lambda: len(found()) >= count)
        return found()

    def acknowledge(self) -> None:
        """Have the engine learn that whatever it said is safe."""

        def is_safe() -> bool:
            self.hear_all()
            self.hub.ledger.may_acknowledge(self.hub.ledger.received)
            self.hub.send(self.hub.ledger.mention())
            return self._channel.unacked == 0

        wait_until(is_safe)

    def end_out_of_turn(self, task: int) -> None:
        """Do a task out of its turn, and say how it ended."""
        place = self.box.enter(TaskId(task))
        self.lane.add(ResultItem(TaskId(task), TaskStatus.DONE, 1.0, 2.0, b"out"), (), place)
        self.wire.flush()

    @property
    def out_of_turn(self) -> tuple[TaskId, ...]:
        """What the black box says of tasks out of turn."""
        return begun_in(self._path.with_name("box")).others

    def hold(self) -> None:
        """Have it begin nothing more until the hub answers."""
        hold(self._path.with_name("box"))

    def ask_until(self, condition: Callable[[], bool]) -> None:
        """Have it ask the hub whether it is there, and hear the answers."""

        def asked() -> bool:
            self._channel.ping()
            self.hear_all()
            return condition()

        wait_until(asked)

    def hear_all(self) -> None:
        """Hear what has come."""
        while self.hub.socket.poll(0):
            self.hub.hear()

    def another_hub(self) -> EngineHello:
        """Have another hub take the place of the one that died; return what it is told first."""
        self._boot += 1
        self.hub = Hub(self._path, self._boot, patient=True)
        return self.heard(EngineHello)[0]

    def close(self) -> None:
        self.lane.put([Assignment(SPEC, TaskItem(LAST, b""), ())])
        for _ in range(100):
            self._may_end.release()
        self._channel.wake()
        self._working.join(PATIENCE)
        assert not self._working.is_alive()
        self._channel.close()
        self._channel.release()
        self.hub.close()
        self.box.close()


@pytest.fixture
def play(folder: Path) -> Iterator[Play]:
    play = Play(folder)
    yield play
    play.close()


def began(play: Play, *tasks: int) -> None:
    wait_until(lambda: play.begun == list(tasks))


def test_it_claims_what_it_runs_and_what_waits(play: Play) -> None:
    play.run(11, 12, 13)
    began(play, 11)
    play.hub.close()

    hello = play.another_hub()

    assert (hello.again, hello.held, hello.boot) == (True, [11, 12, 13], 7)


def test_it_claims_and_says_again_what_ended_and_may_not_have_been_heard(play: Play) -> None:
    play.run(11, 12, 13)
    began(play, 11)
    play.end()
    began(play, 11, 12)
    play.heard(Done)
    play.hub.close()

    hello = play.another_hub()

    assert hello.held == [11, 12, 13]
    [done] = play.heard(Done)
    assert [item.id for item in done.items] == [11]


def test_what_was_acknowledged_is_told_no_more(play: Play) -> None:
    play.run(11, 12)
    began(play, 11)
    play.end()
    began(play, 11, 12)
    play.heard(Done)
    play.acknowledge()
    play.hub.close()

    hello = play.another_hub()

    assert hello.held == [12]
    assert not [message for message in play.hub.heard if isinstance(message, Done)]


def test_what_ended_out_of_turn_has_begun_until_that_is_acknowledged(play: Play) -> None:
    play.end_out_of_turn(21)
    play.heard(Done)
    said = play.out_of_turn
    play.acknowledge()

    wait_until(lambda: play.out_of_turn == ())
    assert said == (21,)


def test_what_ended_out_of_turn_has_begun_until_the_next_hub_acknowledges_that(play: Play) -> None:
    play.end_out_of_turn(21)
    play.heard(Done)
    play.hub.close()
    play.another_hub()
    play.end_out_of_turn(22)
    play.heard(Done, 2)
    said_again = play.out_of_turn
    play.acknowledge()

    wait_until(lambda: play.out_of_turn == ())
    assert set(said_again) == {21, 22}


def test_it_works_on_while_there_is_no_hub(play: Play) -> None:
    play.run(11, 12, 13)
    began(play, 11)
    play.hub.close()
    play.end(2)
    began(play, 11, 12, 13)

    hello = play.another_hub()

    assert hello.held == [11, 12, 13]
    play.heard(Done)
    wait_until(lambda: ended(play) == [11, 12])


def ended(play: Play) -> list[TaskId]:
    play.hear_all()
    said = [message for message in play.hub.heard if isinstance(message, Done)]
    return [item.id for message in said for item in message.items]


def test_it_goes_on_with_what_the_new_hub_says(play: Play) -> None:
    play.run(11)
    began(play, 11)
    play.hub.close()
    play.another_hub()

    play.hub.say(Welcome(2, "here", ""))
    play.run(21)
    play.end(2)

    began(play, 11, 21)
    wait_until(lambda: ended(play) == [11, 21])


def test_what_it_gave_back_is_not_claimed_nor_given_back_again(play: Play) -> None:
    play.run(11, 12, 13)
    began(play, 11)
    play.hub.say(Recall(1))
    assert play.heard(Returned) == [Returned([TaskId(13)])]
    play.hub.close()

    hello = play.another_hub()

    assert hello.held == [11, 12]
    assert not [message for message in play.hub.heard if isinstance(message, Returned)]


def test_it_has_not_what_it_had_not_begun_when_it_was_held(play: Play) -> None:
    begun, waiting, preparation = MINE + 1, MINE + 2, 12
    play.run(begun, waiting, preparation)
    began(play, begun)
    play.hold()
    play.hub.close()

    hello = play.another_hub()
    play.hub.say(Welcome(2, "here", ""))
    play.end()

    assert hello.held == [begun, preparation]
    began(play, begun, preparation)


def test_it_has_everything_once_the_hub_has_let_it_go(play: Play) -> None:
    begun, waiting = MINE + 1, MINE + 2
    play.run(begun, waiting)
    began(play, begun)
    play.hold()
    assert play.wire.lease.is_held
    play.ask_until(lambda: not play.wire.lease.is_held)
    play.hub.close()

    hello = play.another_hub()

    assert hello.held == [begun, waiting]


def test_it_says_how_many_tasks_wait_if_some_do(play: Play) -> None:
    play.run(11)
    began(play, 11)
    play.wire.waits.inside(1, 5, 0)
    play.wire.waits.aside(2)
    play.heard(Waiting, 2)
    play.hub.close()

    play.another_hub()

    assert play.heard(Waiting) == [Waiting(3, 5, 0)]


def test_it_keeps_the_values_that_its_tasks_need(play: Play) -> None:
    play.run(11, needs=(3, 4))
    play.run(12, needs=(4, 5))
    began(play, 11)
    play.end()
    began(play, 11, 12)
    play.heard(Done)
    play.hub.close()

    play.another_hub()

    assert play.orders.kept == [{4, 5}]


def test_answers_of_a_hub_that_has_not_welcomed_it_do_not_prolong_its_lease(play: Play) -> None:
    play.run(11)
    began(play, 11)
    play.hub.close()
    play.another_hub()
    before = play.wire.lease.until

    play.hub.send(play.hub.ledger.mention(Pong(0, CLOCK() + 100.0, 0)))
    play.hub.say(Run(SPEC, [TaskItem(TaskId(12), b"in")]))
    wait_until(lambda: not play.lane.empty)
    unwelcome = play.wire.lease.until
    play.hub.say(Welcome(2, "here", ""))

    assert unwelcome == before
    wait_until(lambda: play.wire.lease.until > before + 50.0)
