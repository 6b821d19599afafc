"""Calls that are answered at once go straight to an engine, and the hub hears of them later.

A call through the hub costs two messages more, each as much as a short function. So who calls one
function after the other, waits for each answer, has nothing else under way and gets every answer
within `QUICK`, hands what follows to the engine that answered last. The hub is told of what was
answered when there is some of it. It is told at once of a call that takes longer than `NAME_AFTER`,
or that the engine has more to say of; from then on that is a task like any other. After a few such
the next calls go through the hub, which may choose a better engine.
"""

import time
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Message, Ran, Submit
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.channel import Channel
from ipcluster_ext.transport.express import MOST_NBYTES, Link, express_socket, reach

BEGIN_AFTER = 8
"""So many calls have to be answered one after the other as soon as that."""
QUICK = 0.002
NAME_AFTER = 0.0005
PAUSE = 0.5
"""After a pause of so many seconds calls go through the hub again at first."""
REPORT_AFTER = 0.005
"""A call that comes so many seconds after one was answered has the hub told; or else it is told a
little later."""
MOST_UNREPORTED = 64
_MOST = 16
_MISSED = 4
_NOBODY = EngineId(-1)
_NO_TASK = TaskId(0)
_DONE = TaskStatus.DONE
_APPLY = Kind.APPLY


class Express:
    """Hands calls to an engine. Used under its owner's lock.

    Parameters
    ----------
    channel
        On whose thread answers come.
    folder
        The cluster's folder; None where the engines are on other hosts.

    Attributes
    ----------
    allowed
        Whether the hub says that it may be.
    awaited
        The task whose end counts, 0 for none.
    unnamed
        The task that an engine has and of which the hub was not told, with that engine and its
        life; None if there is none.
    urgent
        Whether the hub has to be told of it now.
    engine
        Which one is spoken to.
    fd
        What is readable when something has come; -1 if nobody is spoken to.
    """

    def __init__(self, channel: Channel, folder: Path | None) -> None:
        self._channel = channel
        self._folder = folder
        self._link: Link | None = None
        self._boot = 0
        self._quick = 0
        self._asked_at = self._answered_at = self._oldest = 0.0
        self._answered: list[_Answered] = []
        self.allowed = self.urgent = False
        self.awaited = _NO_TASK
        self.unnamed: tuple[TaskSpec, TaskItem, EngineId, int] | None = None
        self._handed: tuple[TaskSpec, TaskItem, EngineId, int] | None = None
        self.engine = _NOBODY
        self.fd = -1

    # ------------------------------------------------------------ calls

    @property
    def hands(self) -> bool:
        """Whether the next call is handed over."""
        return self._quick >= BEGIN_AFTER and self._boot != 0

    def hand(self, spec: TaskSpec, item: TaskItem) -> bool:
        """Hand a call to the engine that answered the last ones, if it may and can be.

        Parameters
        ----------
        spec, item
            A call whose caller waits for it, and for nothing else.

        Returns
        -------
        Whether it is there, to be done there unless the hub says otherwise.
        """
        if not self.allowed or not _is_plain(spec, item):
            self.rest()
            return False
        now = time.monotonic()
        self.awaited, self._asked_at = item.id, now
        if now - self._answered_at > PAUSE:
            self._quick = 0
        if self._link is None or not self.hands or not self._link.hand(spec, item):
            return False
        self.unnamed = self._handed = (spec, item, self.engine, self._boot)
        return True

    def ended(self, outcome: Outcome) -> None:
        """Note that the awaited call has ended."""
        now = time.monotonic()
        self.awaited = _NO_TASK
        self._answered_at = now
        if outcome.item.status is not _DONE or now - self._asked_at > QUICK:
            self._quick = max(0, self._quick - _MISSED)
            return
        self._quick = min(self._quick + 1, _MOST)
        if self._link is None and self._quick >= BEGIN_AFTER and self._folder is not None:
            self.engine = outcome.engine
            self._meet(self._folder)

    def rest(self) -> None:
        """Have the next calls go through the hub, behind what else it was told."""
        self._quick = 0
        self.awaited = _NO_TASK

    # ------------------------------------------------------------ what the hub is told

    def is_due(self, now: float) -> bool:
        """Tell whether the hub should be told by now of what was answered."""
        answered = self._answered
        return bool(answered) and (
            now - self._oldest > REPORT_AFTER or len(answered) >= MOST_UNREPORTED
        )

    @property
    def has_news(self) -> bool:
        """Whether there is anything that the hub was not told."""
        return bool(self._answered) or self.unnamed is not None

    def take_answered(self) -> list[Message]:
        """Return what was answered and the hub was not told."""
        news: list[Message] = []
        answered, self._answered = self._answered, []
        for (spec, engine), group in groupby(answered, lambda each: (each.spec, each.engine)):
            calls = list(group)
            items, outcomes = [call.item for call in calls], [call.outcome for call in calls]
            news.append(Ran(spec, items, outcomes, engine))
        return news

    def take_news(self) -> list[Message]:
        """Return whatever the hub was not told; the engine hears first that it will be."""
        news = self.take_answered()
        self.urgent = False
        if self.unnamed is not None:
            spec, item, engine, boot = self.unnamed
            self.unnamed = None
            if self._link is not None:
                self._link.name(item.id)
            news.append(Submit(spec, [item], engine, boot))
        return news

    # ------------------------------------------------------------ the engine

    def _meet(self, folder: Path) -> None:
        """Reach the engine; it is there when it has said so."""
        self._link = reach(express_socket(folder, self.engine))
        if self._link is None:
            self._folder = None  # it is on another host, or serves too many
        elif not self._link.is_ours:
            self.close()
        else:
            self.fd = self._link.fd
            self._channel.watch(self.fd)

    def hear(self) -> Outcome | None:
        """Return what the engine has said, if that is an answer."""
        link, outcome = self._link, None
        if link is None:
            return None
        if not self._boot:
            self._boot = link.hear_greeting()
        else:
            try:
                told = link.take_told()
            except msgspec.MsgspecError:
                told, link.is_open = None, False
            if isinstance(told, ResultItem):
                outcome = Outcome(self.engine, told, None)
                self._note(told)
            elif told is not None:
                self.urgent = self.unnamed is not None and self.unnamed[1].id == told
        if not link.is_open:
            self._leave()
        return outcome

    def _note(self, outcome: ResultItem) -> None:
        """Note an answer, of which the hub is to be told; at once if it was told of the call."""
        if self._handed is None or self._handed[1].id != outcome.id:
            return
        spec, item, engine, _ = self._handed
        self.urgent = self.unnamed is None
        self._handed = self.unnamed = None
        if not self._answered:
            self._oldest = time.monotonic()
        self._answered.append(_Answered(spec, item, engine, outcome))

    def _leave(self) -> None:
        """Speak to the engine no longer."""
        link, self._link = self._link, None
        self._boot, self.fd = 0, -1
        self.urgent = self.unnamed is not None
        self.rest()
        if link is not None:
            self._channel.unwatch(link.fd)
            link.close()

    def close(self) -> None:
        """Hand over nothing any more."""
        self.allowed = False
        if self._link is not None:
            self._link.close()
            self._link, self.fd = None, -1


class _Answered(NamedTuple):
    """A call of which the hub was not told."""

    spec: TaskSpec
    item: TaskItem
    engine: EngineId
    outcome: ResultItem


def _is_plain(spec: TaskSpec, item: TaskItem) -> bool:
    """Tell whether a task is a call that any engine may do in its turn, and a short one."""
    return (
        spec.options is None
        and spec.engines is None
        and spec.balanced
        and spec.kind is _APPLY
        and not item.buffers
        and not item.needs
        and len(item.inline) <= MOST_NBYTES
    )
