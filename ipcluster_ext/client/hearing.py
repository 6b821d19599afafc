"""What a client hears from its hub, brought to those whom it concerns.

Results go to their owners, answers to whoever asked, news of engines to the roster. Nothing here
waits; everything runs on the one thread that receives at the moment (`client.connection`).
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ipcluster_ext.client.definitions import Definitions
from ipcluster_ext.client.dialog import Ask, question_of, questions
from ipcluster_ext.client.feed import Feeds
from ipcluster_ext.client.lending import Lending, supply
from ipcluster_ext.client.news import COMM, INPUT, Take, show_notice, tell
from ipcluster_ext.client.pending import Outcome, Owner, Payload, Pending
from ipcluster_ext.client.requests import Requests
from ipcluster_ext.client.roster import Roster
from ipcluster_ext.client.submitted import Submitted
from ipcluster_ext.client.words import Words
from ipcluster_ext.errors import ClientError, HubGone, ProtocolError
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, TaskId, client_owner
from ipcluster_ext.protocol.messages import (
    Bye,
    Cancelled,
    Define,
    Engines,
    Fetched,
    FreeBlobs,
    Lack,
    Message,
    Need,
    News,
    Notice,
    Output,
    Purged,
    QueueReply,
    Records,
    Redone,
    Refused,
    Results,
    Started,
    Status,
    Steered,
    Welcome,
)
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.transport.blobs import BlobStore
from ipcluster_ext.transport.channel import Channel

if TYPE_CHECKING:
    from ipcluster_ext.client.express import Express

STOPPED = "its cluster is being stopped"
"""Why a hub is gone that has taken leave."""

log = logging.getLogger(__name__)


class Hearing(ABC):
    """The half of a connection that listens.

    Parameters
    ----------
    client
        The client's number.
    channel
        The wire.
    name
        How error messages call the hub.
    host
        This host.

    Attributes
    ----------
    pending, submitted
        What is owed to whom, and what was submitted lately.
    roster
        The engines.
    feeds
        The status feeds.
    blobs
        This host's shared memory, as far as the hub's cluster has any.
    hub_pid, hub_versions
        The hub's process, and its versions of Python and packages.
    express
        Hands calls to engines.
    reader
        Asks the user what tasks want to know; None for the terminal or notebook.
    comm_said
        Takes what widgets say; None where nobody can see any.
    """

    reader: Ask | None = None
    comm_said: Take | None = None

    def __init__(self, client: ClientId, channel: Channel, *, name: str, host: str) -> None:
        self.client = client
        self.name = name
        self.host = host
        self.pending = Pending(client)
        self.roster = Roster()
        self.blobs = BlobStore("", client_owner(client))
        self.hub_pid = 0
        self.hub_versions: dict[str, str] = {}
        self._channel = channel
        self._lock = threading.RLock()
        self._defined = Definitions()
        self.submitted = Submitted()
        self._requests = Requests()
        self.feeds = Feeds()
        self._lending = Lending(self.pending, self.submitted)
        self._words = Words()
        self._welcomed = threading.Event()
        self._estranged = False
        self.express: Express

    @abstractmethod
    def say(self, messages: list[Message], /) -> None:
        """Send messages now."""

    @abstractmethod
    def gather(self, done: Callable[[], bool], deadline: float, /) -> None:
        """Receive on the calling thread until something is done."""

    @abstractmethod
    def count_open(self) -> int:
        """Return how many tasks have not ended."""

    @abstractmethod
    def wake(self) -> None:
        """Have who receives look again, from any thread."""

    @abstractmethod
    def _give_up(self, error: ClientError) -> None:
        """Fail whatever is owed, and everything that is asked from now on."""

    def shares_memory(self) -> bool:
        """Tell whether the hub can read this host's blobs; it sends them on to other hosts."""
        return self.blobs.available

    # ------------------------------------------------------------ who has which answer

    def lend(self, tasks: Iterable[TaskId], owner: Owner) -> None:
        """Note who has the answers of tasks on which other tasks depend.

        The hub may ask for them, as long as that owner lives.
        """
        self._lending.lend(tasks, owner)  # no lock: one insertion into a dict

    def hold(self, task: TaskId, owner: Owner) -> None:
        """Note who has an answer that may lie in shared memory, as long as that owner lives."""
        self._lending.hold(task, owner)

    @abstractmethod
    def release(self, tasks: Sequence[TaskId], /) -> None:
        """Note that nobody has these tasks' answers any more."""

    def adopt(self, tasks: Iterable[TaskId], owner: Owner) -> None:
        """Have the results of tasks that somebody else submitted go to an owner."""
        with self._lock:
            self.pending.adopt(tasks, owner)

    def owner(self, task: TaskId) -> Owner | None:
        """Return who has the answer of a task, or waits for it; None if nobody does here."""
        with self._lock:
            return self.pending.owner(task) or self.submitted.owner(task)

    def forget(self, tasks: Iterable[TaskId] | None) -> None:
        """Remember these tasks, or any, no longer."""
        with self._lock:
            if tasks is None:
                self.submitted.clear()
            else:
                self.submitted.forget(list(tasks))

    def disown(self, tasks: Collection[TaskId]) -> None:
        """Wait for the results of tasks no longer."""
        with self._lock:
            self.pending.forget(tasks)
            let_go = self._lending.let_go(tasks)
        let_go.clear()

    def define_again(self, digests: Iterable[bytes]) -> None:
        """Send the hub those of these functions that are kept here; it may have dropped them."""
        with self._lock:
            known = [(digest, self._defined.get(digest)) for digest in dict.fromkeys(digests)]
        definitions = [Define(digest, pickled) for digest, pickled in known if pickled is not None]
        if definitions:
            self._channel.say([*definitions])

    # ------------------------------------------------------------ what comes

    def hear(self, messages: Sequence[Message], frames: Iterator[Frame]) -> None:
        """Take what the hub says, on the thread that receives.

        Parameters
        ----------
        messages
            The messages, in order.
        frames
            Their frames; consumed.
        """
        outcomes: list[Outcome] = []
        for message in messages:
            if isinstance(message, Results):
                engine = message.engine
                for item in message.items:
                    payload = self._collect(item, frames) if item.buffers else None
                    outcomes.append(Outcome(engine, item, payload))
                continue
            self._settle(outcomes)
            outcomes = []
            if isinstance(message, News):
                owner = self.pending.owner(message.id)
                if owner is not None and not self._words.is_new(message):
                    owner = None
                tell(self._taker(owner, message), message, frames, self.blobs)
            else:
                self._obey(message)
        self._settle(outcomes)

    def _taker(self, owner: Owner | None, news: News) -> Take | None:
        """Return who takes what a task says, None for nobody."""
        if owner is None:
            return None
        if news.topic == COMM:
            return self.comm_said
        if news.topic == INPUT:
            return lambda task, _, value: self._asked(owner, task, value)
        return owner.note_news

    def _asked(self, owner: Owner, task: TaskId, value: Any) -> None:
        """Have the user asked what a task wants to know."""
        questions.add(question_of(self, owner, task, value))

    def _collect(self, item: ResultItem, frames: Iterator[Frame]) -> Payload:
        """Map a result's blobs now: they may be freed once the hub knows that it arrived."""
        if self.pending.owner(item.id) is None and not self._lending.holds(item.id):
            self.release([item.id])  # nobody has it: it comes again, or was given up
        try:
            return self.blobs.collect(item, frames)
        except ProtocolError as error:
            log.warning("task %d: %s", item.id, error)
            return error

    def _settle(self, outcomes: list[Outcome]) -> None:
        if outcomes:
            with self._lock:
                if self.express.awaited == outcomes[0].item.id:
                    self.express.ended(outcomes[0])
                lacked = self._lending.arrived(outcomes)
                deliveries = self.pending.settle(outcomes)
                let_go = self._lending.ended(outcomes)
                self._words.ended(outcomes)
            questions.ended(outcomes)
            self._supply(lacked)
            for owner, group in deliveries:
                owner.deliver(group)
            let_go.clear()

    def _obey(self, message: Message) -> None:
        match message:
            case Output() | Started():
                self._note(message)
            case (
                Cancelled() | Fetched() | Purged() | QueueReply() | Records() | Redone() | Steered()
            ):
                self._requests.answered(message)
            case Engines():
                self.roster.update(message.engines)
            case Status():
                if (wish := self.feeds.hear(message)) is not None:
                    self._channel.say([wish])
            case FreeBlobs():
                self.blobs.recycle(message.names)
            case Notice():
                show_notice(message.text)
            case Welcome():
                self._welcome(message)
            case Bye() | Refused():
                self._dismissed(message)
            case _:
                self._hand_over(message)

    def _hand_over(self, message: Message) -> None:
        """Give the hub what it says that it does not have."""
        match message:
            case Need():
                if (pickled := self._defined.get(message.function)) is not None:
                    self._channel.say([Define(message.function, pickled)])
            case Lack():
                with self._lock:
                    lacked = self._lending.lacked(message.ids)
                self._supply(lacked)
            case _:
                log.warning("unexpected %s from the hub", type(message).__name__)

    def _supply(self, lacked: list[tuple[TaskId, Outcome | None]]) -> None:
        """Give the hub answers that it does not have any more."""
        if lacked:
            shared = self.shares_memory()
            message, frames = supply(lacked, lambda dumped: self.blobs.place(dumped, shared=shared))
            self.blobs.said([message])
            self._channel.say([message], frames)

    def _dismissed(self, message: Bye | Refused) -> None:
        if isinstance(message, Bye):
            self._give_up(HubGone(self.name, 0.0, STOPPED))
        else:
            self._give_up(ClientError(f"the hub at {self.name} refused: {message.reason}"))

    def _note(self, message: Output | Started) -> None:
        """Pass on news of tasks that go on."""
        tasks = [message.id] if isinstance(message, Output) else message.ids
        for task in tasks:
            owner = self.pending.owner(task)
            if owner is None:
                continue
            if isinstance(message, Output):
                if self._words.is_new(message):
                    owner.note_output(task, message.stream, message.text)
            else:
                owner.note_started(task)

    def _welcome(self, message: Welcome) -> None:
        """Meet the hub; one that was started again says what there is when it knows."""
        first = not self._welcomed.is_set()
        if not (first or self._estranged):
            return
        self.hub_pid = message.hub_pid
        self.hub_versions = message.versions
        self.express.allowed = message.express
        if first and message.host == self.host and message.blobs:
            self.blobs = BlobStore(message.blobs, client_owner(self.client))
        self.roster.replace(message.engines)
        self._estranged = False
        self._welcomed.set()
