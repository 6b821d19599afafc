"""The client's wire: any thread sends; the thread that waits for an answer receives.

While nobody waits, an I/O thread receives, so that callbacks run and progress is seen; it steps
in `STEP_IN_AFTER` seconds after a submission that nobody waits for.
"""

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ipcluster_ext.client.dialog import questions
from ipcluster_ext.client.express import NAME_AFTER, Express
from ipcluster_ext.client.interrupts import deferred_interrupts
from ipcluster_ext.client.outgoing import Outgoing
from ipcluster_ext.client.pending import Owner
from ipcluster_ext.client.reunion import PING_EVERY, Reunion
from ipcluster_ext.errors import (
    ClientClosed,
    ClientError,
    ForkedClientError,
)
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.functions import PackedFunction
from ipcluster_ext.protocol.ids import CLIENT_ID_LIMIT, ClientId, TaskId
from ipcluster_ext.protocol.keys import TcpAddress
from ipcluster_ext.protocol.messages import (
    Bye,
    Cancel,
    ClientHello,
    Define,
    Message,
    Release,
)
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.transport import pastime
from ipcluster_ext.transport.baton import Alarm, Baton
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.thishost import host_identity

ACK_WITHIN = 0.02
STEP_IN_AFTER = 0.001
PARK = 0.05
NOBODY = 0
"""The number of a request whose answer nobody waits for."""

log = logging.getLogger(__name__)


class Connection(Reunion):
    """A client's conversation with its hub.

    Parameters
    ----------
    path
        The hub's socket file for clients, or its address on TCP.
    name
        How error messages call the hub.
    alive
        Tells whether the process that keeps the cluster running still does.
    obituary
        Tells why it does not, as far as anybody knows.
    session
        What the history calls this client.
    """

    def __init__(
        self,
        path: Path | TcpAddress,
        *,
        name: str,
        alive: Callable[[], bool],
        obituary: Callable[[], str] = str,
        session: str = "",
    ) -> None:
        client = ClientId(secrets.randbelow(CLIENT_ID_LIMIT - 1) + 1)
        identity = f"c{client:08x}".encode()
        channel = Channel(path, identity=identity, boot=secrets.randbelow(2**31 - 1) + 1)
        host = host_identity()
        hello = ClientHello(client, host, os.getpid(), session)
        far = isinstance(path, TcpAddress)
        super().__init__(hello, channel, name=name, host=host, alive=alive, far=far)
        self.express = Express(channel, path.parent if isinstance(path, Path) else None)
        self._obituary = obituary
        self._pid = os.getpid()
        self._error: ClientError | None = None
        self._pinged_at = time.monotonic()
        self._channel.mention(self._hello)
        self._baton = Baton(self._channel.wake)
        self._alarm = Alarm(STEP_IN_AFTER)
        self._channel.watch(self._alarm.fd)
        self._outgoing = Outgoing()
        self._released: deque[TaskId] = deque()
        self._dropped: deque[TaskId] = deque()
        self._foreground = threading.Lock()
        self._parked = False
        self._alarm_set = False
        self._callers: set[int] = set()
        self._ended = self._disposed = self._leaving = False
        self.thread = threading.Thread(target=self._run, name="ipcluster_ext-io", daemon=True)
        self.thread.start()

    # ------------------------------------------------------------ for callers, on any thread

    def check(self) -> None:
        """Refuse to go on where nothing can be asked any more.

        Raises
        ------
        ClientError
            The client is closed, was opened before a fork, or has lost its hub.
        """
        self._check()

    def _check(self) -> None:
        self._check_fork()
        if self._error is not None:
            raise self._error

    def _check_fork(self) -> None:
        if os.getpid() != self._pid:
            msg = "this client was opened before the fork; open a new one in this process"
            raise ForkedClientError(msg)

    def reserve(self, count: int, owner: Owner) -> TaskId:
        """Make ids for tasks whose results go to an owner.

        Raises
        ------
        ClientError
            The client is closed, was opened before a fork, or has lost its hub.
        """
        self._check()
        if self.roster.mismatch is not None:
            raise self.roster.mismatch
        with self._lock:
            first = self.pending.reserve(count, owner)
            self.submitted.add(first, count, owner)
            return first

    def withdraw(self, tasks: list[TaskId]) -> None:
        """Give up tasks that may not all have been sent; those that have not begun never run."""
        self.disown(tasks)
        self.forget(tasks)
        self.say([Cancel(tasks, NOBODY)])

    def submit(
        self,
        spec: TaskSpec,
        item: TaskItem,
        frames: Sequence[Frame],
        function: PackedFunction,
        *,
        attended: bool,
    ) -> None:
        """Send one task, at once or together with those that follow closely.

        ``attended`` says that the caller is going to wait for the answer.
        """
        with self._lock:
            outgoing = self._outgoing
            if self._released:
                outgoing.define(self._release())
            if function.digest not in self._defined.recent and self._defined.add(function):
                outgoing.define(Define(function.digest, function.pickled))
            self.pending.unsaid.pop(item.id, None)
            now = time.monotonic()
            if attended and len(self.pending) == 1 and self.express.hand(spec, item):
                if self.express.is_due(now):
                    self._channel.say(self.express.take_answered())
                return
            if item.needs or spec.options is not None:
                self._lending.keep(spec, [item])
            if self.express.has_news:
                outgoing.tell(self.express.take_news())
            outgoing.add(spec, item, frames)
            if outgoing.due(now, attended=attended):
                self._say_gathered(now)
            if (self._parked or outgoing) and not attended:
                self._have_attended()

    def say(
        self,
        messages: list[Message],
        frames: Sequence[Frame] = (),
        *,
        function: PackedFunction | None = None,
        attended: bool = False,
    ) -> None:
        """Send messages now; a function they need goes first, if the hub does not have it."""
        self._check()
        with self._lock:
            self.express.rest()
            self._flush()
            if self._released:
                messages = [self._release(), *messages]
            if function is not None and self._defined.add(function):
                messages = [Define(function.digest, function.pickled), *messages]
            self.blobs.said(messages)
            self._channel.say(messages, frames)
            self._note_said(messages)
            if self._parked and not attended:
                self._have_attended()

    def release(self, tasks: Sequence[TaskId]) -> None:
        """Note that nobody has these tasks' answers any more; the hub learns it in due course.

        May be called while an object is destroyed, on any thread.
        """
        self._released.extend(tasks)

    def _release(self) -> Release:
        released = self._released
        return Release([released.popleft() for _ in range(len(released))])

    def drop(self, tasks: Iterable[TaskId]) -> None:
        """Note that nobody wants these tasks done; those that have not begun soon never will.

        May be called as `release` may.
        """
        self._dropped.extend(tasks)

    def _drop(self) -> None:
        dropped = self._dropped
        tasks = [dropped.popleft() for _ in range(len(dropped))]
        self._channel.say([Cancel(tasks, NOBODY)])

    def _flush(self) -> None:
        """Send the submissions that wait for others, and what engines were asked directly."""
        if self._outgoing or self.express.has_news:
            with self._lock:
                self._outgoing.tell(self.express.take_news())
                if self._outgoing:
                    self._say_gathered(time.monotonic())

    def _say_gathered(self, now: float) -> None:
        messages, frames = self._outgoing.take(now)
        self.blobs.said(messages)
        self._channel.say(messages, frames)

    def settle(self, timeout: float) -> bool:
        """Wait until the hub has all that was sent; tell whether it has after so many seconds."""
        deadline = time.monotonic() + timeout
        self._flush()
        while self._channel.unacked and self._error is None and time.monotonic() < deadline:
            if not self.attend(lambda: not self._channel.unacked, deadline, soon=True):
                time.sleep(ACK_WITHIN)
        return not self._channel.unacked

    def leave(self) -> None:
        """Close as soon as nothing is owed any more: nobody has the client, but maybe its answers.

        May be called while an object is destroyed, on any thread.
        """
        if len(self.pending):
            self._leaving = True
        else:
            self.close()

    def close(self) -> None:
        """Leave the hub. What is still owed fails with `ClientClosed`. May be called twice."""
        if os.getpid() != self._pid or self._channel.closed:
            return
        msg = (
            "the client is closed; its tasks go on, and another one, "
            "ipcluster_ext.connect(), can get_result() them by id"
        )
        self._flush()
        self._give_up(ClientClosed(msg))
        self._channel.close(Bye())
        self.blobs.trim(everything=True)
        self._alarm.ring()
        if threading.current_thread() is not self.thread:
            self.thread.join()
        self._dispose()

    def _dispose(self) -> None:
        """Give up the file descriptors; if somebody needs them, that one does so in the end."""
        if self._ended and self._baton.try_take():
            if not self._disposed:
                self._disposed = True
                self._alarm.close()
                self.express.close()
                self._channel.release()
            self._baton.give()

    def attend(
        self, done: Callable[[], bool], deadline: float | None, *, soon: bool = False
    ) -> bool:
        """Receive on the calling thread until something is done, and ask the user what is due.

        Parameters
        ----------
        done
            Tells whether it is.
        deadline
            When to give up, by `time.monotonic`; None for never.
        soon
            Whether the hub itself answers, so that a task on an engine that waits begins nothing
            else meanwhile.

        Returns
        -------
        False, at once, if another thread receives in the foreground already.

        Raises
        ------
        KeyboardInterrupt
            The user was asked, and pressed Ctrl-C.
        """
        if soon:
            return self._attend(done, deadline, soon=True)
        while True:
            received = self._attend(lambda: done() or questions.due(), deadline)
            if done() or not questions.due():
                return received
            questions.answer()

    def gather(self, done: Callable[[], bool], deadline: float) -> None:
        """Receive on the calling thread until something is done, and ask nothing."""
        self._attend(done, deadline)

    def count_open(self) -> int:
        """Return how many tasks have not ended."""
        return len(self.pending)

    def wake(self) -> None:
        """Have who receives look again, from any thread."""
        self._channel.wake()

    def _attend(
        self, done: Callable[[], bool], deadline: float | None, *, soon: bool = False
    ) -> bool:
        if os.getpid() != self._pid:
            return False
        if not self.calls_back and (elsewhere := pastime.of_this_thread()) is not None:
            self._flush()
            self._have_attended()
            elsewhere.wait(lambda: done() or self._channel.closed, deadline, soon=soon)
            return True
        if self.calls_back or not self._foreground.acquire(blocking=False):
            return False
        try:
            self._alarm_set = False
            if self._outgoing:
                self._flush()
            with deferred_interrupts(self._channel.wake) as interrupted:
                self._baton.take()
                self._callers.add(threading.get_ident())
                try:
                    while not (done() or interrupted() or self._channel.closed):
                        left = PING_EVERY
                        if deadline is not None:
                            left = min(left, deadline - time.monotonic())
                        self._step(max(0.0, left))
                        if left <= 0:
                            break
                finally:
                    self._callers.discard(threading.get_ident())
                    self._baton.give()
        finally:
            self._foreground.release()
            if self._channel.closed:
                self._dispose()
            if len(self.pending) or len(self._requests):
                self._have_attended()
        return True

    def catch_up(self) -> None:
        """Hear what has come, if nobody receives at the moment."""
        if self._parked:
            self.attend(lambda: False, time.monotonic())

    @property
    def calls_back(self) -> bool:
        """Whether the calling thread runs callbacks at the moment, and so must not wait."""
        return threading.get_ident() in self._callers

    def check_waiting(self) -> None:
        """Refuse to wait where nothing would ever arrive.

        Raises
        ------
        RuntimeError
            The calling thread runs a callback: nothing arrives before that returns.
        ForkedClientError
            This process is a fork of the client's.
        """
        self._check_fork()
        if self.calls_back:
            msg = "a callback must not wait: nothing arrives before it returns"
            raise RuntimeError(msg)

    def _have_attended(self) -> None:
        """Have the I/O thread step in soon, unless somebody waits by then."""
        if not self._alarm_set:
            self._alarm_set = True
            self._alarm.set()

    # ------------------------------------------------------------ on the thread that receives

    def _run(self) -> None:
        """Receive while nobody else does."""
        self._callers.add(threading.get_ident())
        while not self._channel.closed:
            if self._baton.try_take():
                try:
                    self._parked = False
                    while not (self._baton.wanted or self._channel.closed):
                        self._step(PING_EVERY)
                    self._parked = True
                finally:
                    self._baton.give()
            self._alarm.wait(PARK)
            self._alarm_set = False
            self._flush()
        self._ended = True
        self._dispose()

    def _step(self, timeout: float) -> None:
        """Wait for what comes, for so many seconds at most, and hear it."""
        before = self._error
        self._look_after()  # now, while the hub is busy, and not while an answer waits
        if self._error is not before:
            return
        ready = self._wait(timeout)
        short = self.express.fd in ready
        if short:
            self._hear_express()
        if not short or len(ready) > 1:
            self._hear_hub()
        pastime.wake()
        if self._leaving and not len(self.pending):
            self.close()

    def _wait(self, timeout: float) -> list[int]:
        """Wait for what comes, for so many seconds at most; meanwhile, say what is due."""
        owes, hands = self._channel.owes_ack, self.express.unnamed is not None
        if owes:
            timeout = min(timeout, ACK_WITHIN)
        ready = self._channel.wait(min(timeout, NAME_AFTER) if hands else timeout)
        if owes and not ready:
            self._channel.acknowledge()
        if hands and not ready:
            self._flush()  # it takes a while
        if self._alarm.fd in ready:
            self._alarm.clear()
            self._alarm_set = False
            self._flush()
        return ready

    def _look_after(self) -> None:
        now = time.monotonic()
        if self._dropped:
            self._drop()
        if now - self._pinged_at >= PING_EVERY:
            self._pinged_at = now
            if not self._alive():
                self._give_up(self._bereaved())
            if self._welcomed.is_set():
                if self._released:
                    self._channel.say([self._release()])
                self._channel.ping()
                self.blobs.trim()
            else:
                self._channel.mention(self._hello)
        self._look_for_hub(now)

    def _give_up(self, error: ClientError) -> None:
        """Fail whatever is owed, and everything that is asked from now on."""
        if self._error is not None:
            return
        self._error = error
        questions.drop(self)
        with self._lock:
            owners = self.pending.abandon()
            let_go = self._lending.let_go_all()
        outermost = not self.calls_back
        self._callers.add(threading.get_ident())
        for owner in owners:
            owner.fail(error)
        let_go.clear()
        if outermost:
            self._callers.discard(threading.get_ident())
        self._requests.fail(error)
        self.feeds.fail(error)
        self.roster.fail(error)
        self._welcomed.set()
