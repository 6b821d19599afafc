"""Tasks that clients hand to this engine by themselves, and the answers that go back so.

A client that is answered soon tells the hub of its call when that is over; the hub need not hear of
it from here. Of a task that the client has named to the hub meanwhile, and of one that is not done
by a short answer, the hub hears here all that it hears of others. So what was answered last is kept
until the client says something else: either that it has named just that task, or nothing of it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.express import MOST_NBYTES, Link, express_socket, listen

if TYPE_CHECKING:
    import socket

MOST_LINKS = 256
"""So many clients are served; the hub serves the others."""

_DONE = TaskStatus.DONE


class _Client:
    """A client that hands over tasks.

    Attributes
    ----------
    link
        The way to it.
    answer
        What it was answered last, until that may be forgotten.
    place
        Where the black box notes that task.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.answer: ResultItem | None = None
        self.place = 0


class Express:
    """Takes tasks from clients, on the thread that receives.

    Parameters
    ----------
    channel
        Whose thread that is.
    folder
        The cluster's folder; None where no client can be on this host.
    engine, boot
        This engine, and this life of it.
    box
        Notes which tasks have begun.
    came
        Called with a task that has come.
    known
        Called with an answer to a task that the hub knows of after all, and its place in the box.

    Attributes
    ----------
    door
        Where they come; None before the hub knows this engine, and where none can.
    clients
        Those that there are, by their file descriptors.
    handed
        Who waits for the tasks that came like this and have not ended.
    came
        All that came like this and have not ended: the hub may not have heard of them.
    unsaid
        Those of them that the hub has to be told of before anything else about them.
    """

    def __init__(
        self,
        channel: Channel,
        folder: Path | None,
        engine: EngineId,
        boot: int,
        *,
        box: BlackBox,
        came: Callable[[Assignment], None],
        known: Callable[[ResultItem, int], None],
    ) -> None:
        self._channel = channel
        self._boot = boot
        self._box = box
        self._on_task = came
        self._known = known
        self.door: socket.socket | None = None
        self.clients: dict[int, _Client] = {}
        self.handed: dict[TaskId, _Client] = {}
        self.came: set[TaskId] = set()
        self.unsaid: list[TaskId] = []
        self._path = None if folder is None else express_socket(folder, engine)

    def open(self) -> None:
        """Let clients come: the hub knows this engine, and so whatever they say of it."""
        path, self._path = self._path, None
        self.door = self.door if path is None else listen(path)
        if path is not None and self.door is not None:
            self._channel.watch(self.door.fileno())

    # ------------------------------------------------------------ on the thread that receives

    def hear(self, ready: Iterable[int]) -> int:
        """Take what has come at these file descriptors; return how many of them are ours."""
        ours = 0
        for fd in ready:
            client = self.clients.get(fd)
            if client is not None:
                self._take_from(client)
                ours += 1
            elif self.door is not None and fd == self.door.fileno():
                self._meet(self.door)
                ours += 1
        return ours

    def drain(self) -> None:
        """Take whatever has come."""
        for client in list(self.clients.values()):
            self._take_from(client)

    def _meet(self, door: "socket.socket") -> None:
        """Welcome who has come to the door."""
        try:
            peer, _ = door.accept()
        except OSError:
            return  # gone again, or no descriptor is left: the hub is there for all
        peer.settimeout(0)
        link = Link(peer)
        if len(self.clients) >= MOST_LINKS or not link.is_ours:
            link.close()
            return
        self.clients[link.fd] = _Client(link)
        self._channel.watch(link.fd)
        link.greet(self._boot)

    def _take_from(self, client: _Client) -> None:
        link = client.link
        try:
            while (asked := link.take_asked()) is not None:
                if isinstance(asked, tuple):
                    self._forget_answer(client)
                    spec, item = asked
                    self.handed[item.id] = client
                    self.came.add(item.id)
                    self._on_task(Assignment(spec, item, ()))
                else:
                    self._is_named(client, TaskId(asked))
        except msgspec.MsgspecError:
            link.is_open = False
        if not link.is_open:
            self._forget_answer(client)
            self._channel.unwatch(link.fd)
            del self.clients[link.fd]
            link.close()

    def _forget_answer(self, client: _Client) -> None:
        """Forget what a client was answered that has not named it to the hub, and never will."""
        if client.answer is not None:
            client.answer = None
            self._box.leave(client.place)

    def _is_named(self, client: _Client, task: TaskId) -> None:
        """Learn that the hub is told of a task: its end is said to that one."""
        if client.answer is not None and client.answer.id == task:
            answer, client.answer = client.answer, None
            self._known(answer, client.place)
        elif self.handed.pop(task, None) is not None:
            self.unsaid.append(task)

    # ------------------------------------------------------------ for who does the tasks

    def refer(self, tasks: Iterable[TaskId]) -> None:
        """Send clients to the hub for tasks, of which there is more to say than a short answer."""
        for task in tasks:
            if (client := self.handed.pop(task, None)) is not None:
                self.unsaid.append(task)
                client.link.name(task)

    def tell(self, outcome: ResultItem, place: int) -> bool:
        """Tell a client how a task has ended, if that is all there is to say.

        Parameters
        ----------
        outcome
            How it ended.
        place
            Where the black box notes it, 0 for nowhere; left from here if the client was told.

        Returns
        -------
        Whether the client was told; else the hub has to be.
        """
        client = self.handed.get(outcome.id)
        if client is None:
            return False
        is_short = not outcome.buffers and len(outcome.inline) <= MOST_NBYTES
        if outcome.status is not _DONE or not is_short or not place:
            self.refer([outcome.id])
            return False
        client.answer, client.place = outcome, place  # first: it may be named at once
        if self.handed.pop(outcome.id, None) is None:
            client.answer = None  # it has been named just now
            return False
        if client.link.tell(outcome):
            self.came.discard(outcome.id)
            return True
        client.answer = None
        self.unsaid.append(outcome.id)
        return False

    def ended(self, outcomes: Iterable[ResultItem]) -> None:
        """Note that the hub was told how tasks have ended."""
        for outcome in outcomes if self.came else ():
            self.came.discard(outcome.id)

    def forget(self, tasks: Iterable[TaskId]) -> None:
        """Note that tasks are not done here after all."""
        for task in tasks:
            if task in self.unsaid:
                self.unsaid.remove(task)
            self.handed.pop(task, None)
            self.came.discard(task)

    def take_unsaid(self) -> list[TaskId]:
        """Return the tasks that the hub has to be told of."""
        unsaid, self.unsaid = self.unsaid, []
        return unsaid
