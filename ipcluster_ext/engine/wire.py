"""The engine's wire: the main thread receives while it has nothing to do, else the I/O thread.

So a short task costs no change of threads, and aborts, recalls and signs of life never wait for
user code (unless that holds the interpreter lock): when a task takes longer than `STEP_IN_AFTER`,
the I/O thread takes over until the main thread is idle again.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from ipcluster_ext.engine.functions import Functions
from ipcluster_ext.engine.holdings import Holdings
from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.engine.streams import Written
from ipcluster_ext.engine.words import Words
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, frames_of
from ipcluster_ext.protocol.ids import ClientId, TaskId, client_of
from ipcluster_ext.protocol.messages import (
    Define,
    Done,
    Drop,
    EngineHello,
    Forget,
    FreeBlobs,
    Halt,
    InputReply,
    Message,
    More,
    Output,
    Recall,
    Refused,
    Returned,
    Run,
    Started,
    Undefine,
    Values,
    Waiting,
    Welcome,
)
from ipcluster_ext.protocol.parts import TaskSpec
from ipcluster_ext.protocol.process import PATIENT
from ipcluster_ext.transport.baton import Baton
from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.blobs import BlobStore
from ipcluster_ext.transport.channel import CLOCK, Channel, Said

STEP_IN_AFTER = 0.02
WATCHING = 0.002
BUSY = 0.05
IDLE = 2.0
GREETING = 0.5
RENEWING = 0.1
REFUSED_EXIT = 3
_NOTHING_INSIDE: tuple[int, int | None, int] = (0, None, 0)

log = logging.getLogger(__name__)


class Orders(Protocol):
    """Does what the hub says about tasks that need more than their turn."""

    def obey(
        self, order: Values | Forget | Halt | More | InputReply, frames: Iterator[Frame]
    ) -> None:
        """Do what the hub says; the order's frames are consumed."""

    def at_once(self, spec: TaskSpec) -> bool:
        """Tell whether such tasks begin as they come and wait for no turn."""

    def begin(self, assignments: list[Assignment], may: Callable[[], bool]) -> bool:
        """Begin such tasks if they may, which is asked at last; tell whether they have begun."""

    def keep_only(self, values: Iterable[TaskId]) -> None:
        """Drop the values of all other tasks than these."""

    def ask_again(self) -> None:
        """Ask users once more what is open, by a hub that does not know it."""


class Wire:
    """Joins the channel to the lane.

    Parameters
    ----------
    channel
        To the hub.
    hello
        The engine's greeting.
    functions
        Where definitions go.
    blobs
        Where blobs come back to.
    orders
        Whom to tell what concerns neither.
    lane
        Where tasks go.
    box
        Notes which have begun.
    lease
        How long tasks may begin after the hub was asked whether it is there, and answered.

    Attributes
    ----------
    words
        Passes on what tasks say while they run.
    leased_until
        When that is over, by `CLOCK`. The hub gives what has not begun to other engines if it has
        not heard of this one for longer.
    """

    def __init__(
        self,
        channel: Channel,
        hello: EngineHello,
        functions: Functions,
        blobs: BlobStore,
        *,
        orders: Orders,
        lane: Lane,
        box: BlackBox,
        lease: float = PATIENT.lease,
    ) -> None:
        self._channel = channel
        self._lease = lease
        self._early: list[Assignment] = []
        self.leased_until = CLOCK() + lease
        self._hello = hello
        self._functions = functions
        self._blobs = blobs
        self._holdings = Holdings()
        self.words = Words(channel.say, hello.boot)
        self._saying = threading.Lock()
        self._greeted = self._estranged = False
        self._pinged_at = 0.0
        self._told: TaskId | None = None
        self._orders = orders
        self.lane = lane
        self._box = box
        self._baton = Baton(channel.wake)
        self._resume = threading.Event()
        self._parked = False
        self._idle = False
        self._begun = 0
        self._inside = _NOTHING_INSIDE
        self._aside = 0
        self._thread = threading.Thread(target=self._run, name="ipcluster_ext-io", daemon=True)

    def start(self) -> None:
        """Greet the hub and begin to receive."""
        self._channel.mention(self._hello)
        self._thread.start()

    def flush(self) -> None:
        """Say the finished results, from any thread."""
        with self._saying:
            finished = self.lane.take_finished()
            if finished.items:
                self._channel.say([Done(finished.items)], finished.frames)
                self._holdings.ended(finished.items)
        for place in finished.places:
            self._box.leave(place)

    def say_written(self, written: Sequence[Written]) -> None:
        """Pass on what tasks wrote."""
        self.words.say([Output(task, stream, text) for task, stream, text in written])

    def say_started(self, tasks: Sequence[TaskId]) -> None:
        """Say that tasks have been running for a while."""
        by_client: dict[ClientId, list[TaskId]] = {}
        for task in tasks:
            by_client.setdefault(client_of(task), []).append(task)
        self._channel.say([Started(ids) for ids in by_client.values()])

    def say_waiting(self, inside: int, above: int | None, unsuited: int) -> None:
        """Tell the hub how many tasks wait for tasks of their own.

        Parameters
        ----------
        inside
            How many.
        above
            Only tasks of a higher priority are begun for the time being; None for any.
        unsuited
            How many of those in the lane are not.
        """
        self._inside = (inside, above, unsuited)
        self._say_waiting()

    def say_aside(self, count: int) -> None:
        """Tell the hub how many streams wait for their readers."""
        self._aside = count
        self._say_waiting()

    def _say_waiting(self) -> None:
        self._channel.say([self._waiting])

    @property
    def _waiting(self) -> Waiting:
        inside, above, unsuited = self._inside
        return Waiting(inside + self._aside, above, unsuited)

    def wake(self) -> None:
        """Have who waits look again, from any thread."""
        self._channel.wake()

    def catch_up(self) -> None:
        """Say the finished results and hear what has come, between two tasks."""
        self.flush()
        if not self.lane.empty and self._baton.try_take():
            try:
                self._receive()
            finally:
                self._baton.give()

    def wait_for_work(self) -> None:
        """Receive until there is a task, on the main thread."""
        self._baton.take()
        self._idle = True
        try:
            while self.lane.empty:
                self._step(IDLE if self._greeted else GREETING)
        finally:
            self._idle = False
            self._baton.give()
            if self._parked:
                self._resume.set()

    def renew_lease(self) -> None:
        """Wait, on the main thread, until the hub has answered and so tasks may begin."""
        self._baton.take()
        self._idle = True
        try:
            while CLOCK() > self.leased_until:
                self._channel.ping()
                self._step(RENEWING)
        finally:
            self._idle = False
            self._baton.give()
            if self._parked:
                self._resume.set()

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Receive, on the main thread in the midst of a task, until something is the case.

        Parameters
        ----------
        ready
            Tells whether it is; asked again after whatever comes, and after `Channel.wake`.
        timeout
            How long to wait at most, in seconds.
        """
        began = now = time.monotonic()
        self.flush()
        self._baton.take()
        self._idle = True
        try:
            while not ready() and (left := began + timeout - now) > 0:
                self._step(min(left, self._timeout()), tell=now - began >= STEP_IN_AFTER)
                now = time.monotonic()
        finally:
            self._idle = False
            self._baton.give()
            if self._parked:
                self._resume.set()

    def _run(self) -> None:
        """Receive whenever the main thread has been busy with one task for a while."""
        while not self._channel.closed:
            seen = self.lane.current
            self._rest()
            self._ping()
            idle_or_quick = self.lane.current is None or self.lane.current != seen
            if idle_or_quick and self._channel.connected:
                continue
            if not self._baton.try_take():
                continue
            try:
                while not self._baton.wanted and not self._channel.closed:
                    self._step(self._timeout())
            finally:
                self._baton.give()

    def _rest(self) -> None:
        """Let a while pass; once nothing has happened for a while, wait until something does."""
        begun = self.lane.begun
        if begun != self._begun or not self._idle:
            self._begun = begun
            self._resume.wait(STEP_IN_AFTER)
            return
        self._parked = True
        if self._idle:
            self._resume.wait()
        self._parked = False
        self._resume.clear()

    def _step(self, timeout: float, *, tell: bool = True) -> None:
        """Wait for what comes, for so many seconds at most, and do what it says.

        ``tell`` says that a task that runs has done so for a while.
        """
        seen = self.lane.current if tell else None
        if not self._channel.wait(timeout):
            self._channel.acknowledge()
        self._receive()
        self._look_after(seen)

    def _receive(self) -> None:
        """Do what has come says."""
        try:
            for messages, frames in self._channel.receive():
                self._hear(messages, iter(frames))
        except ProtocolError:
            log.exception("the hub sent what this engine does not understand")
            os._exit(REFUSED_EXIT)
        if self._channel.reborn:
            self._begin_again()
        if not self._estranged:
            self.leased_until = max(self.leased_until, self._channel.answered + self._lease)
        if self._early and self._is_leased():
            early, self._early = self._early, []
            self._begin_at_once(early)

    def _begin_at_once(self, assignments: list[Assignment]) -> None:
        """Begin tasks that wait for no turn, or keep them until the hub has answered."""
        if not self._orders.begin(assignments, self._is_leased):
            self._early.extend(assignments)

    def _is_leased(self) -> bool:
        """Tell whether tasks may begin."""
        return CLOCK() <= self.leased_until

    def _begin_again(self) -> None:
        """Go on with a hub that was started again.

        It may have given to others what this engine has, and says so together with its welcome:
        no answer to a ping counts before that.
        """
        self._estranged = self._greeted
        with self._saying:
            self._channel.begin_again(self._reintroduce)
        if self._greeted:
            self._orders.ask_again()

    def _reintroduce(self, unheard: list[Said]) -> list[Said]:
        if not self._greeted:
            return [([self._hello], ())]
        said = self._holdings.introduction(self._hello, unheard)
        self._orders.keep_only(self._holdings.needed)
        if self._aside or self._inside != _NOTHING_INSIDE:
            said.append(([self._waiting], ()))
        return said

    def _timeout(self) -> float:
        if self.lane.watched:
            return WATCHING
        return BUSY if self.lane.busy else IDLE

    def _look_after(self, seen: TaskId | None) -> None:
        """Do what the main thread, busy with a task, may have left undone."""
        lane = self.lane
        if lane.watched:
            if lane.unsaid:
                self.flush()
            else:
                lane.watched = False
        current = lane.current
        if current is not None and current == seen and current != self._told:
            self._told = current
            self._channel.say([Started([current])])
        if self._ping():
            self._blobs.trim()
        if not self._greeted:
            self._channel.mention(self._hello)

    def _ping(self) -> bool:
        """Ask the hub every now and then whether it is there; tell whether that was done."""
        now = time.monotonic()
        if now - self._pinged_at < min(IDLE, self._lease / 4):
            return False
        self._pinged_at = now
        self._channel.ping()
        return True

    def _hear(self, messages: Sequence[Message], frames: Iterator[Frame]) -> None:
        assignments: list[Assignment] = []
        for message in messages:
            if isinstance(message, Run):
                spec = message.spec
                self._holdings.came(spec, message.items)
                at_once = spec.options is not None and self._orders.at_once(spec)
                taken: list[Assignment] = [] if at_once else assignments
                for item in message.items:
                    own = [next(frames) for _ in range(frames_of(item.buffers))]
                    taken.append(Assignment(spec, item, own))
                if at_once:
                    self._begin_at_once(taken)
                continue
            if assignments:
                self.lane.put(assignments)
                assignments = []
            self._obey(message, frames)
        if assignments:
            self.lane.put(assignments)

    def _obey(self, message: Message, frames: Iterator[Frame]) -> None:
        match message:
            case Define():
                self._functions.define(message.function, message.inline)
            case Undefine():
                for digest in message.functions:
                    self._functions.forget(digest)
            case Recall():
                self._give_back(self.lane.take_back(message.count))
            case Drop():
                self._give_back(self._dropped(message.ids))
            case Values() | Forget() | Halt() | More() | InputReply():
                self._orders.obey(message, frames)
            case FreeBlobs():
                self._blobs.recycle(message.names)
            case Welcome():
                self._greeted, self._estranged = True, False
            case Refused():
                log.error("the hub refused this engine: %s", message.reason)
                os._exit(REFUSED_EXIT)
            case _:
                log.warning("unexpected %s from the hub", type(message).__name__)

    def _give_back(self, tasks: list[TaskId]) -> None:
        self._channel.say([Returned(tasks)])
        self._holdings.given_back(tasks)

    def _dropped(self, ids: Sequence[TaskId]) -> list[TaskId]:
        """Take back those of these tasks that have not begun."""
        early = [each.item.id for each in self._early if each.item.id in ids]
        if early:
            self._early = [each for each in self._early if each.item.id not in early]
        return self.lane.drop(ids) + early
