"""The engine's wire: the main thread receives while it has nothing to do, else the I/O thread.

So a short task costs no change of threads, and aborts, recalls and signs of life never wait for
user code (unless that holds the interpreter lock): when a task takes longer than `STEP_IN_AFTER`,
the I/O thread takes over until the main thread is idle again.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ipcluster_ext.engine.endings import Endings
from ipcluster_ext.engine.express import Express
from ipcluster_ext.engine.functions import Functions
from ipcluster_ext.engine.holdings import Holdings
from ipcluster_ext.engine.lacking import Lacking
from ipcluster_ext.engine.lane import Assignment, Lane
from ipcluster_ext.engine.lease import Lease
from ipcluster_ext.engine.obedience import Orders
from ipcluster_ext.engine.streams import Written
from ipcluster_ext.engine.waits import Waits
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
    Glimpse,
    Halt,
    InputReply,
    Lent,
    Message,
    More,
    News,
    Output,
    Recall,
    Refused,
    Returned,
    Run,
    Started,
    Took,
    Undefine,
    Values,
    Welcome,
)
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.transport.baton import Baton
from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.blobs import BlobStore
from ipcluster_ext.transport.channel import Channel, Said

STEP_IN_AFTER = 0.02
WATCHING = 0.002
BUSY = 0.05
IDLE = 2.0
GREETING = 0.5
REFUSED_EXIT = 3

log = logging.getLogger(__name__)


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
        Tells whether they may begin.
    folder
        The cluster's folder, if clients may be on this host.

    Attributes
    ----------
    express
        Where clients hand over tasks by themselves.
    words
        Passes on what tasks say while they run.
    waits
        Tells how many of them wait.
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
        lease: Lease,
        folder: Path | None = None,
    ) -> None:
        self._channel = channel
        self._early: list[Assignment] = []
        self.lease = lease
        self._hello = hello
        self._functions = functions
        self._blobs = blobs
        self._holdings = Holdings()
        self.words = Words(self._say_words, hello.boot)
        self._saying = threading.Lock()
        self._telling = threading.RLock()
        self.waits = Waits(lambda messages: channel.say(messages))
        self._lacking = Lacking(functions, lane)
        self.express = Express(
            channel, folder, hello.engine, hello.boot,
            box=box, came=self._handed_over, known=self._known_now,
        )  # fmt: skip
        self._endings = Endings(channel, box)
        self._greeted = False
        self._pinged_at = 0.0
        self._told: TaskId | None = None
        self._orders = orders
        self.lane = lane
        self._baton = Baton(channel.wake)
        self._resume = threading.Event()
        self._parked = False
        self._idle = False
        self._begun = 0
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
                done = Done(finished.items)
                self._blobs.said([done])
                self._say([done], finished.frames)
                self._holdings.ended(finished.items)
                self.express.ended(finished.items)
            if finished.places:
                self._endings.add(finished.places)
            self._endings.look()

    def _say(self, messages: list[Message], frames: Sequence[Frame] = ()) -> None:
        """Say something, once the hub has been told of the tasks that clients handed over."""
        with self._telling:
            if self.express.unsaid:
                messages = [Took(self.express.take_unsaid()), *messages]
            self._channel.say(messages, frames)

    def _handed_over(self, assignment: Assignment) -> None:
        """Take a task that its client has handed over."""
        self._holdings.came(assignment.spec, [assignment.item])
        self.lane.put([assignment])

    def _known_now(self, answer: ResultItem, place: int) -> None:
        """Tell the hub how a task ended that it hears of although its client was answered."""
        with self._saying:
            self._say([Took([answer.id]), Done([answer], told=True)])
            self._endings.add([place])

    def answer(self, outcome: ResultItem, place: int) -> bool:
        """Tell a client how a task ended that it has handed over; False if the hub has to be."""
        told = self.express.tell(outcome, place)
        if told:
            self._holdings.ended([outcome])
        return told

    def set_aside(self, assignment: Assignment) -> bool:
        """Have a task that was handed over wait for its function; False if that is here."""
        lacks = self._lacking.keep(assignment)
        if lacks:
            self.express.refer([assignment.item.id])
        return lacks

    def _say_words(self, messages: list[Message], frames: Sequence[Frame]) -> None:
        self._blobs.said(messages)
        if self.express.handed:
            self.express.refer({m.id for m in messages if isinstance(m, Output | News)})
        self._say(messages, frames)

    def say_written(self, written: Sequence[Written]) -> None:
        """Pass on what tasks wrote."""
        self.words.say([Output(task, stream, text) for task, stream, text in written])

    def say_glimpse(self, written: Written) -> None:
        """Let those who watch see the end of what a task wrote that is not passed on yet."""
        self._channel.say([Glimpse(*written)])

    def say_started(self, tasks: Sequence[TaskId]) -> None:
        """Say that tasks have been running for a while."""
        by_client: dict[ClientId, list[TaskId]] = {}
        for task in tasks:
            by_client.setdefault(client_of(task), []).append(task)
        self._say([Started(ids) for ids in by_client.values()])

    def wake(self) -> None:
        """Have who waits look again, from any thread."""
        self._channel.wake()

    def catch_up(self) -> None:
        """Say the finished results and hear what has come, between two tasks."""
        self.flush()
        if not self.lane.empty and self._baton.try_take():
            try:
                self._receive()
                self.express.drain()
            finally:
                self._baton.give()

    def wait_for_work(self) -> None:
        """Receive until there is a task, on the main thread."""
        self._baton.take()
        self._idle = True
        try:
            while self.lane.empty:
                if self._greeted:
                    self._look_after(None)  # now, and not when a task has come
                    self._hear_next(IDLE)
                else:
                    self._step(GREETING)
        finally:
            self._work_again()

    def renew_lease(self) -> None:
        """Wait, on the main thread, until the hub has answered and so tasks may begin."""
        self._baton.take()
        self._idle = True
        try:
            self.lease.renew(self._step)
        finally:
            self._work_again()

    def _work_again(self) -> None:
        """Have the I/O thread receive if the main thread is busy for long."""
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
            self._work_again()

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
        self._hear_next(timeout)
        self._look_after(seen)

    def _hear_next(self, timeout: float) -> None:
        ready = self._channel.wait(timeout)
        if not ready:
            self._channel.acknowledge()
        elif self.express.hear(ready) == len(ready):
            return
        self._receive()

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
        elif self._endings:
            with self._saying:
                self._endings.look()
        self.lease.look()
        if self._early and self.lease.holds:
            early, self._early = self._early, []
            self._begin_at_once(early)

    def _begin_at_once(self, assignments: list[Assignment]) -> None:
        """Begin tasks that wait for no turn, or keep them until the hub has answered."""
        if not self._orders.begin(assignments, lambda: self.lease.holds):
            self._early.extend(assignments)
            self._channel.ping()

    def _begin_again(self) -> None:
        """Go on with a hub that was started again."""
        self.lease.estranged = self._greeted
        with self._saying:
            self._channel.begin_again(self._reintroduce)
            self._endings.said_again()
        if self._greeted:
            self._orders.ask_again()

    def _reintroduce(self, unheard: list[Said]) -> list[Said]:
        if not self._greeted:
            return [([self._hello], ())]
        self.express.drain()  # the hub before was told of what has come, and counts on it
        self.express.take_unsaid()  # the greeting says that
        lacking = self._lacking.clear()  # and not of these, which it has not: they never begin
        self._holdings.given_back(lacking)
        self.express.forget(lacking)
        if self.lease.is_held:
            self._leave_to_others()
        said = self._holdings.introduction(self._hello, unheard)
        self._orders.keep_only(self._holdings.needed)
        if self.waits:
            said.append(([self.waits.told], ()))
        if lent := self._blobs.lent:
            said.append(([Lent(lent)], ()))
        return said

    def _leave_to_others(self) -> None:
        """Drop what has not begun, and a hub has given away of whose welcome nothing was heard."""
        tasks = self._holdings.of_clients - self.express.came
        early = {assignment.item.id for assignment in self._early} & tasks
        self._early = [each for each in self._early if each.item.id not in early]
        self._holdings.given_back([*self.lane.drop(tasks), *early])

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
        if current is not None and current == seen and self._should_tell(current):
            self._told = current
            self._say([Started([current])])
        if self._ping():
            self._blobs.trim()
        if not self._greeted:
            self._channel.mention(self._hello)

    def _should_tell(self, task: TaskId) -> bool:
        return task != self._told and task not in self.express.handed  # that its client names

    def _ping(self) -> bool:
        """Ask the hub every now and then whether it is there; tell whether that was done."""
        now = time.monotonic()
        if now - self._pinged_at < min(IDLE, self.lease.seconds / 4):
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
                self._lacking.came(message.function)
            case Undefine():
                for digest in message.functions:
                    self._functions.forget(digest)
            case Recall():
                self._give_back(self.lane.take_back(message.count, self.express.came))
            case Drop():
                self.express.drain()  # what is to be dropped may not have been read
                self._give_back(self._dropped(message.ids) + self._missing(message))
            case Values() | Forget() | Halt() | More() | InputReply():
                self._orders.obey(message, frames)
            case FreeBlobs():
                self._blobs.recycle(message.names)
            case Welcome():
                self._greeted, self.lease.estranged = True, False
                self.express.open()
            case Refused():
                log.error("the hub refused this engine: %s", message.reason)
                os._exit(REFUSED_EXIT)
            case _:
                log.warning("unexpected %s from the hub", type(message).__name__)

    def _give_back(self, tasks: list[TaskId]) -> None:
        self._channel.say([Returned(tasks)])
        self._holdings.given_back(tasks)
        self.express.forget(tasks)

    def _missing(self, message: Drop) -> list[TaskId]:
        """Name the tasks that are not here, if that is to be told."""
        return [i for i in message.ids if message.handed and not self._holdings.has(i)]

    def _dropped(self, ids: Sequence[TaskId]) -> list[TaskId]:
        """Take back those of these tasks that have not begun."""
        early = [each.item.id for each in self._early if each.item.id in ids]
        if early:
            self._early = [each for each in self._early if each.item.id not in early]
        return self.lane.drop(ids) + early + self._lacking.drop(ids)
