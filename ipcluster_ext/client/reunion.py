"""How a client goes on with a hub that was started again.

Such a hub knows what had been written down, which is what was acknowledged. So it hears, in this
order: who this is; which values in shared memory are held; which tasks have ended although their
coming was not acknowledged; whatever else was not, as far as somebody still waits for it; questions
that were not answered; what it has made in shared memory; and which tasks have not ended here.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from msgspec import structs

from ipcluster_ext.client.lending import holding
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.questions import Questions
from ipcluster_ext.errors import ClientError, HubGone, ProtocolError
from ipcluster_ext.protocol.frames import Frame, frames_described, frames_of
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import (
    Awaiting,
    ClientHello,
    Holding,
    Lent,
    Message,
    Over,
    Resubmit,
    Submit,
    SubmitEach,
    Watch,
)
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.channel import Channel, Said

TROUBLED_FOR = 1.5
"""A first connection that has not been made after so long, for a known reason, is given up."""
PING_EVERY = 2.0
SILENT_AFTER = 2 * PING_EVERY
"""A hub that was not heard for so many seconds may be gone."""
HUB_BACK_WITHIN = 30.0
"""And for so many, it is, even if somebody is there who could start another."""
LINK_BACK_WITHIN = 20 * 60.0
"""One on another host may be cut off as well, and be back after so many seconds."""

IsOpen = Callable[[TaskId], bool]
"""Tells whether somebody waits for a task."""
EndOf = Callable[[TaskId], Outcome | None]
"""Returns how a task ended, None if that is not known."""
_Part = tuple[Message, Sequence[Frame]]


class Reunion(Questions):
    """The part of a connection that outlives its hub.

    Parameters
    ----------
    hello
        The client's greeting.
    channel, name, host
        As for `Hearing`.
    alive
        Tells whether the process that keeps the cluster running still does.
    far
        Whether there is a network between this client and its hub.
    """

    def __init__(
        self,
        hello: ClientHello,
        channel: Channel,
        *,
        name: str,
        host: str,
        alive: Callable[[], bool],
        far: bool,
    ) -> None:
        super().__init__(hello.client, channel, name=name, host=host)
        self._hello = hello
        self._alive = alive
        self._far = far
        self._obituary: Callable[[], str] = str
        self._looked_at = time.monotonic()
        self._heard_at = channel.heard_at
        self._silent_for = 0.0

    @abstractmethod
    def _flush(self) -> None:
        """Send the submissions that wait for others."""

    def _hear_hub(self) -> None:
        """Take what the hub has said."""
        try:
            for messages, frames in self._channel.receive():
                self.hear(messages, iter(frames))
        except ProtocolError as error:
            self._give_up(ClientError(f"the hub at {self.name} cannot be understood: {error}"))
            self._channel.close()
        if self._channel.reborn:
            self._begin_again()

    def _hear_express(self) -> None:
        """Take what an engine has said by the short way."""
        with self._lock:
            outcome = self.express.hear()
            if self.express.urgent:
                self._flush()
        if outcome is not None:
            self._settle([outcome])

    @abstractmethod
    def close(self) -> None:
        """Leave the hub."""

    @abstractmethod
    def check(self) -> None:
        """Refuse to go on where nothing can be asked any more."""

    def wait_for_welcome(self, timeout: float) -> None:
        """Wait until the hub has answered.

        Raises
        ------
        HubGone
            It did not within so many seconds, or somebody else is in its place.
        ClientError
            It refused this client.
        """
        began = time.monotonic()
        while not self._welcomed.wait(min(timeout, TROUBLED_FOR / 10)):
            silent_for, reason = time.monotonic() - began, self._channel.trouble
            if silent_for >= timeout or (reason and silent_for >= TROUBLED_FOR):
                self.close()
                raise HubGone(self.name, silent_for, reason)
        self.check()

    @property
    def hub_is_away(self) -> bool:
        """Whether the hub may have died, and another one not be here as yet."""
        channel = self._channel
        silent_for = time.monotonic() - channel.heard_at
        unheard = channel.heard_at < channel.connected_at or silent_for > SILENT_AFTER
        return self._estranged or not channel.connected or unheard

    def _look_for_hub(self, now: float) -> None:
        """Give up where there is no hub and none will come.

        Time counts as silence only while somebody listened: not while this process slept.
        """
        passed, self._looked_at = now - self._looked_at, now
        if self._channel.heard_at != self._heard_at:
            self._heard_at, self._silent_for = self._channel.heard_at, 0.0
        else:
            self._silent_for += min(passed, PING_EVERY)
        if not self._channel.connected and not self._alive():
            self._give_up(self._bereaved())
        elif self._silent_for > self._patience and self._welcomed.is_set():
            reason = ""
            if not self._channel.connected:
                waited = f"no other has taken its place within {self._silent_for:.0f} s"
                reason = self._channel.trouble or waited
            self._give_up(HubGone(self.name, self._silent_for, reason))

    def _bereaved(self) -> HubGone:
        """Make the error that says that there is no hub, and nobody to start one."""
        because = self._obituary()
        gone = "the cluster's processes are gone"
        return HubGone(self.name, 0.0, f"{gone}: {because}" if because else gone)

    @property
    def _patience(self) -> float:
        return LINK_BACK_WITHIN if self._far else HUB_BACK_WITHIN

    def _begin_again(self) -> None:
        """Go on with a hub that knows nothing of this conversation."""
        with self._lock:
            self.express.rest()
            self._flush()
            self._estranged = self._welcomed.is_set()
            self._channel.begin_again(self._reintroduce)

    def _reintroduce(self, unheard: list[Said]) -> list[Said]:
        """Return what to say to it; `unheard` is what the hub before may have missed."""
        hello = structs.replace(self._hello, again=self._estranged)
        said: list[Said] = [([hello], ())]
        if self._estranged and (held := self._lending.held):
            message, frames = holding(held)  # before it is learnt that nobody waits for those tasks
            said.append(([message], frames))
        if over := ended_since(unheard, self._is_open, self._end_of):
            said.append((over, ()))
        said += wanted_still(unheard, self._is_open)
        asked = {getattr(message, "request", 0) for messages, _ in said for message in messages}
        open_questions = [
            ([question], ()) for number, question in self._requests.open if number not in asked
        ]
        said += wanted_still(open_questions, self._is_open)
        if self._estranged:
            firsts, counts = self.pending.said_ranges()
            if lent := self.blobs.lent:  # when all who need those have been named
                said.append(([Lent(lent)], ()))
            said.append(([*self._words.granted.values(), Awaiting(firsts, counts)], ()))
        if wishes := self.feeds.wishes:
            said.append(([*wishes], ()))
        return said

    def _note_said(self, messages: Sequence[Message]) -> None:
        """Note which tasks the hub has been told of, and keep what they depend on."""
        for message in messages:
            match message:
                case Submit():
                    self.pending.said(message.items[0].id, len(message.items))
                    self._lending.keep(message.spec, message.items)
                case SubmitEach():
                    count = len(message.engines)
                    self.pending.said(message.item.id, count)
                    self._lending.keep(message.spec, [message.item], count)
                case Resubmit():
                    self.pending.said(message.first, len(message.ids))
                case _:
                    continue

    def _is_open(self, task: TaskId) -> bool:
        return self.pending.owner(task) is not None

    def _end_of(self, task: TaskId) -> Outcome | None:
        owner = self.submitted.owner(task)
        return None if owner is None else owner.outcome(task)


def wanted_still(unheard: Iterable[Said], is_open: IsOpen) -> list[Said]:
    """Return what is to be said again.

    What a hub that is new to a client hears anyway is not, greetings among it, and neither are
    submissions of tasks that have ended: they would run twice.

    Parameters
    ----------
    unheard
        What was said, in order.
    is_open
        Tells which tasks have not ended.
    """
    again: list[Said] = []
    for messages, frames in unheard:
        rest = iter(frames)
        kept: list[Message] = []
        kept_frames: list[Frame] = []
        for message in messages:
            own = list(islice(rest, frames_described(message)))
            for part, its_frames in _parts(message, own, is_open):
                kept.append(part)
                kept_frames.extend(its_frames)
        if kept:
            again.append((kept, kept_frames))
    return again


def ended_since(unheard: Iterable[Said], is_open: IsOpen, end_of: EndOf) -> list[Message]:
    """Return what is to be said of tasks that have ended and that the hub may not have recorded.

    Parameters
    ----------
    unheard
        What was said, in order.
    is_open
        Tells which tasks have not ended.
    end_of
        Returns how a task ended, None if nobody here knows it any more.
    """
    over: list[Message] = []
    for messages, _ in unheard:
        for message in messages:
            if isinstance(message, Submit):
                items, targets = message.items, list[EngineId]()
            elif isinstance(message, SubmitEach):
                first, targets = message.item, message.engines
                ids = range(first.id, first.id + len(targets))
                items = [structs.replace(first, id=TaskId(task)) for task in ids]
            else:
                continue
            places = [place for place, item in enumerate(items) if not is_open(item.id)]
            if places:
                own = [targets[place] for place in places] if targets else targets
                over.append(_over(message.spec, [items[place] for place in places], own, end_of))
    return over


def _over(spec: TaskSpec, items: list[TaskItem], targets: list[EngineId], end_of: EndOf) -> Over:
    bare = [TaskItem(item.id, b"", (), item.needs) if item.buffers else item for item in items]
    ends = [end for item in items if (end := end_of(item.id)) is not None]
    return Over(
        spec, bare, [_without_value(end.item) for end in ends], [e.engine for e in ends], targets
    )


def _without_value(item: ResultItem) -> ResultItem:
    """Return how a task ended, its error included, but not what it returned."""
    inline = b"" if item.status is TaskStatus.DONE or item.buffers else item.inline
    return ResultItem(item.id, item.status, item.started, item.completed, inline)


def _parts(message: Message, frames: list[Frame], is_open: IsOpen) -> Iterator[_Part]:
    """Yield what is left of a message."""
    match message:
        case ClientHello() | Awaiting() | Watch() | Holding() | Lent():
            return
        case Submit():
            yield from _submission(message, frames, is_open)
        case SubmitEach():
            first = message.item
            for start, end in _runs(first.id, len(message.engines), is_open):
                item = structs.replace(first, id=TaskId(first.id + start))
                yield SubmitEach(message.spec, item, message.engines[start:end]), frames
        case Resubmit():
            for start, end in _runs(message.first, len(message.ids), is_open):
                ids, new = message.ids[start:end], TaskId(message.first + start)
                yield Resubmit(message.request, ids, new), ()
        case _:
            yield message, frames


def _submission(message: Submit, frames: list[Frame], is_open: IsOpen) -> Iterator[_Part]:
    items = [item for item in message.items if is_open(item.id)]
    if len(items) == len(message.items):
        yield message, frames
    elif items:
        rest = iter(frames)
        own: list[Frame] = []
        for item in message.items:
            its_frames = list(islice(rest, frames_of(item.buffers)))
            if is_open(item.id):
                own.extend(its_frames)
        yield Submit(message.spec, items), own


def _runs(first: TaskId, count: int, is_open: IsOpen) -> Iterator[tuple[int, int]]:
    """Yield where the tasks that have not ended stand, among so many consecutive ones."""
    start: int | None = None
    for place in range(count + 1):
        if place < count and is_open(TaskId(first + place)):
            start = place if start is None else start
        elif start is not None:
            yield start, place
            start = None
