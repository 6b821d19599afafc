"""The hub's mind: events in, effects out; nothing here knows a socket, a clock or chance.

`Hub.handle` takes a batch of events and returns what is to be done about them. It holds no rule
itself: rules for tasks are in `core.tasks`, for those who come and go in `core.roll`, for who
gets what in `core.dispatch`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from ipcluster_ext.core.absent import RECOVERING
from ipcluster_ext.core.chance import Chance
from ipcluster_ext.core.dispatch import Dispatcher
from ipcluster_ext.core.effects import Effect
from ipcluster_ext.core.elsewhere import all_sent
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import (
    CaughtUp,
    Delivered,
    Event,
    Heard,
    Lags,
    Left,
    PageRead,
    PeerId,
    Said,
    Silent,
)
from ipcluster_ext.core.feed import Feed
from ipcluster_ext.core.history import MAX_AGE, MOST
from ipcluster_ext.core.interventions import Interventions
from ipcluster_ext.core.journal import Posted, Written
from ipcluster_ext.core.lagging import Lagging
from ipcluster_ext.core.policies import make_policy
from ipcluster_ext.core.records import Records
from ipcluster_ext.core.recovery import Recovery
from ipcluster_ext.core.roll import Roll
from ipcluster_ext.core.sent import encode
from ipcluster_ext.core.silence import Silence
from ipcluster_ext.core.state import Client, Place, State
from ipcluster_ext.core.story import Chapter
from ipcluster_ext.core.talk import Talk
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_owner, engine_owner
from ipcluster_ext.protocol.labour import Full
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Awaiting,
    Bye,
    Cancel,
    ClientHello,
    Define,
    Done,
    EngineExited,
    EngineHello,
    Fetch,
    Glimpse,
    HistoryQuery,
    Holding,
    InputReply,
    Interrupt,
    Launched,
    Lent,
    Message,
    More,
    News,
    Output,
    Over,
    Peeked,
    Prepare,
    Purge,
    QueueQuery,
    Ran,
    Redo,
    Refused,
    Release,
    Resubmit,
    Retried,
    Returned,
    Signalled,
    Started,
    Steer,
    Submit,
    SubmitEach,
    Supply,
    Took,
    Undefine,
    Vitals,
    Waiting,
    Watch,
    Withdraw,
)
from ipcluster_ext.protocol.process import PATIENT, Patience, PolicyName

_LATER = (
    Cancel, Interrupt, Steer, QueueQuery, HistoryQuery, Fetch, Resubmit, Purge, Withdraw, Redo,
    Retried,
)  # fmt: skip
"""What can only be done when it is known which tasks there are and have begun, and where agents."""


class Hub:
    """Everything the hub decides.

    Parameters
    ----------
    place
        Where it runs; told to whoever greets it.
    policy
        How it chooses engines, see `core.policies`.
    hwm
        How many unfinished tasks an engine may have at most; 0 for as many as pay.
    seed
        Where chance begins.
    most_remembered, remembered_for
        How many ended tasks it remembers, and for how many seconds.
    patience
        How long it bears that an engine does not answer.
    """

    def __init__(
        self,
        place: Place | None = None,
        *,
        policy: PolicyName = "leastload",
        hwm: int = 0,
        seed: int = 1,
        most_remembered: int = MOST,
        remembered_for: float = MAX_AGE,
        patience: Patience = PATIENT,
    ) -> None:
        chance = Chance(seed)
        self.state = State(
            place or Place(),
            chance=chance,
            index=make_policy(policy, chance),
            most_remembered=most_remembered,
            remembered_for=remembered_for,
        )
        self.state.express = policy == "leastload" and not hwm
        self._tasks = Tasks(self.state)
        self._recovery = Recovery(self.state, self._tasks)
        self._roll = Roll(self.state, self._tasks, self._recovery)
        self._records = Records(self.state, self._tasks)
        self._interventions = Interventions(self.state, self._tasks, self._records)
        self._dispatcher = Dispatcher(self.state, self._tasks, hwm)
        self._silence = Silence(self.state, self._tasks, patience)
        self._lagging = Lagging(self.state, self._tasks.ends)
        self._talk = Talk(self.state, self._lagging)
        self._feed = Feed(self.state)

    def handle(self, events: Sequence[Event], *, now: float) -> list[Effect]:
        """Take what happened, and decide.

        Parameters
        ----------
        events
            What happened since the last call, in order; may be empty, when a deadline passed.
        now
            The hub's monotonic clock, in seconds.

        Returns
        -------
        What is to be done, one `Send` per destination at most.
        """
        self.state.now = now
        for event in events:
            self._happened(event, now)
        if self.state.recovered.forget_at is not None:
            if self._recovery.look(now):
                self._roll.welcome()
                self._grant_wishes(now)
            elif self.state.recovered.unwelcomed:
                self._roll.welcome(now)
        if self.state.recovered.replaced or self.state.recovered.newcomers:
            self._roll.admit_newcomers(now)
        for agent in self._silence.hopeless(now):
            self._roll.give_up(agent, now)
        self._silence.look(now)
        if self.state.bounds is not None:
            self._roll.steering.adapting.look(now)
        self._tasks.follow_up(now)
        self._dispatcher.run(now)
        while self._tasks.ends.verdicts:  # of tasks that were refused as hopeless
            self._tasks.follow_up(now)
            self._dispatcher.run(now)
        self._look_around(events, now)
        if not self.state.tasks:
            self.state.tasks.clear()  # a dict that was large keeps its table until then
        return self.state.take_effects()

    def _look_around(self, events: Sequence[Event], now: float) -> None:
        """Do what follows for functions, for those who come and go, and for those who watch."""
        self._forget_functions()
        if self.state.retiring:
            self._roll.steering.retirement.look()
        if self.state.restaffed:
            self._record_staff()
        if self.state.laggards:
            self._lagging.go_on()
        if self._talk.asking:
            self._talk.look()
        if self._feed.on:
            self._feed.look(events, now)

    def _happened(self, event: Event, now: float) -> None:
        match event:
            case Said():
                frames = iter(event.frames)
                for message in event.messages:
                    self._said(event.peer, message, frames, now)
            case Delivered():
                self.state.received(event.token)
            case Left():
                self._roll.left(event.peer, event.reason, now)
            case Silent() | Heard():
                self._silence.heed(event, now)
            case Lags() | CaughtUp() | PageRead():
                self._lagging.heed(event)
            case _:
                assert_never(event)

    @property
    def settled(self) -> bool:
        """Whether it is known what follows from all that was said, and has been recorded.

        A hub that takes over from another does not know that before everybody is back.
        """
        return self.state.recovered.is_over

    @property
    def far_agents(self) -> list[PeerId]:
        """The agents on other hosts: they do not see by themselves that the hub has ended."""
        return [agent.line.peer for agent in self.state.agents.values() if agent.far]

    @property
    def deadline(self) -> float | None:
        """When `handle` wants to be called even if nothing happens, by the same clock."""
        state, soonest = self.state, self._dispatcher.deadline
        for at in (
            state.timers.deadline, self._silence.deadline, self._tasks.withdrawals.deadline,
            self._recovery.deadline if state.recovered.forget_at is not None else None,
            self._lagging.deadline if state.laggards else None,
            self._feed.deadline if self._feed.on else None,
            self._roll.steering.adapting.deadline if state.bounds is not None else None,
        ):  # fmt: skip
            if at is not None and (soonest is None or at < soonest):
                soonest = at
        return soonest

    def keep_journal(
        self,
        pages: Iterable[tuple[int, Sequence[Frame]]] | None,
        *,
        now: float,
        sent: bytes = b"",
    ) -> int:
        """Record from now on what must outlive this hub, and take over from the one before.

        Parameters
        ----------
        pages
            What that left behind, perhaps nothing: numbers and bytes, as `take_pages` returned
            them. None for a hub that is the first, and waits for nobody to come back.
        now
            The hub's monotonic clock, in seconds; it goes on from one hub to the next.
        sent
            What `take_sent` returned to the one before, all of it.

        Returns
        -------
        How many pages could not be read.
        """
        found = list(pages or ())
        self.state.journal.open(after=max((number for number, _ in found), default=0))
        return self._recovery.read(found, now, sent) if pages is not None else 0

    def take_pages(self) -> list[Written]:
        """Return the pages to be written since the last time: numbers and bytes."""
        return self.state.journal.take(self.state.now)

    def take_sent(self) -> bytes:
        """Return what is to be noted before anything else is done, since the last time.

        It tells the next hub which tasks are with engines on other hosts.
        """
        if not self.state.sent:
            return b""
        sent, self.state.sent = self.state.sent, []
        return encode(sent)

    def all_sent(self) -> bytes:
        """Return all that `take_sent` has returned and that still holds."""
        return encode(all_sent(self.state))

    def take_wanted_pages(self) -> list[int]:
        """Return the numbers of pages to be read (`PageRead`), since the last time."""
        wanted, self.state.wanted_pages = self.state.wanted_pages, []
        return wanted

    def take_unneeded_pages(self) -> list[int]:
        """Return the numbers of the pages that may be erased, since the last time."""
        return self.state.journal.take_unneeded()

    def announce(self, text: str) -> None:
        """Have every client show its user a sentence, with the next batch."""
        self.state.notify(text)

    def story(self, task: TaskId) -> list[Chapter]:
        """Tell what is remembered of a task, the oldest first."""
        return self.state.log.story(task)

    def _said(self, peer: PeerId, message: Message, frames: Iterator[Frame], now: float) -> None:
        who = self.state.peers.get(peer)
        if isinstance(message, Bye):
            self._roll.left(peer, "it said goodbye", now)
        elif isinstance(who, Engine):
            self._engine_said(who, peer, message, frames, now)
        elif isinstance(who, Client):
            self._client_said(who, message, frames, now)
        elif isinstance(who, Agent):
            self._agent_said(who, message, now)
        else:
            self._stranger_said(peer, message, now)

    def _agent_said(self, agent: Agent, message: Message, now: float) -> None:
        if isinstance(message, EngineExited):
            self._roll.engine_exited(agent, message, now)
        elif isinstance(message, Peeked):
            if message.mark == RECOVERING:
                self._recovery.absent.peeked(message)
            else:
                self._silence.peeked(message, now)
        elif isinstance(message, Vitals):
            self._feed.measured(agent, message)
        elif isinstance(message, Full):
            self._feed.nearly_full(agent, message)
        elif isinstance(message, Signalled):
            self._roll.steering.signals.sent(agent, message.mark)
        elif isinstance(message, Launched) and not agent.far:
            self._roll.hosts.reported(message)

    def _stranger_said(self, peer: PeerId, message: Message, now: float) -> None:
        if peer in self.state.dismissed:
            return
        match message:
            case ClientHello():
                self._roll.client(peer, message, now)
                self._talk.client_came(message.client)
            case EngineHello():
                self._roll.engine(peer, message, now)
            case AgentHello():
                self._roll.agent(peer, message, now)
            case _:
                self.state.line(peer).say(Refused("the first message has to be a greeting"))
                self.state.dismiss(peer)

    def _client_said(
        self, client: Client, message: Message, frames: Iterator[Frame], now: float
    ) -> None:
        if not self.settled and isinstance(message, _LATER):
            self.state.recovered.wishes.append((client.id, message))
            return
        match message:
            case Submit() | Ran():
                self._submitted(client, message, frames, now)
            case SubmitEach():
                self._tasks.submit_each(client, message, frames, now)
            case Define():
                self._tasks.define(message.function, message.inline, now)
            case Cancel():
                self._tasks.withdrawals.cancel(client, message)
            case Interrupt():
                self._tasks.withdrawals.interrupt(client, message)
            case Supply():
                self._tasks.supply(message.items, frames)
            case Release() | Holding():
                self._recovery.keeping.heed(client, message, frames)
            case Prepare():
                self._tasks.prepare_all(client, message, frames, now)
            case _:
                self._client_asked(client, message, now)

    def _submitted(
        self, client: Client, message: Submit | Ran, frames: Iterator[Frame], now: float
    ) -> None:
        if isinstance(message, Submit):
            self._tasks.submit(client, message, frames, now)
        else:
            self._tasks.handovers.ran(client, message, now)

    def _client_asked(self, client: Client, message: Message, now: float) -> None:
        match message:
            case Steer():
                self._roll.steering.steer(client, message)
            case QueueQuery():
                self._records.loads(client, message)
            case HistoryQuery():
                self._records.query(client, message, now)
            case Purge():
                self._records.purge(client, message)
            case Resubmit():
                self._records.resubmit(client, message, now)
            case Fetch():
                self._records.fetch(client, message)
            case Awaiting():
                self._recovery.client_waits(client, message)
            case Over():
                self._recovery.are_over(client, message)
            case _:
                self._client_follows(client, message, now)

    def _client_follows(self, client: Client, message: Message, now: float) -> None:
        """Heed a client that follows what goes on, and may act on it."""
        match message:
            case More():
                self._talk.grant(client, message)
            case InputReply():
                self._talk.answer(client, message)
            case Watch():
                self._feed.watch(client, message)
            case Lent():
                self._recovery.keeping.lent(client_owner(client.id), message.names)
            case Withdraw():
                self._interventions.withdraw(client, message)
            case Redo():
                self._interventions.redo(client, message, now)
            case Retried():
                self._interventions.note_retried(message)
            case _:
                self.state.stale += 1

    def _grant_wishes(self, now: float) -> None:
        """Do what clients asked for while not everybody was back."""
        wishes, self.state.recovered.wishes = self.state.recovered.wishes, []
        for client_id, message in wishes:
            if (client := self.state.clients.get(client_id)) is not None:
                self._client_said(client, message, iter(()), now)

    def _engine_said(
        self, engine: Engine, peer: PeerId, message: Message, frames: Iterator[Frame], now: float
    ) -> None:
        if engine.line is None or engine.line.peer != peer:
            self.state.stale += 1
            return
        match message:
            case Done():
                self._tasks.done(engine, message, frames, now)
            case Returned():
                self._tasks.returned(engine, message, now)
            case Took():
                self._tasks.handovers.took(engine, message.ids)
            case Output() | Started() | Glimpse() | News():
                self._talk.hear(engine, message, frames)
            case Waiting():
                self._tasks.waiting(engine, message)
            case Lent():
                owner = engine_owner(engine.id, engine.boot)
                self._recovery.keeping.lent(owner, message.names)
            case _:
                self.state.stale += 1

    def _record_staff(self) -> None:
        """Record which engines there are to be, where that has changed."""
        state = self.state
        for agent in sorted(state.restaffed, key=lambda agent: agent.id):
            if agent.id in state.agents:
                wanted = {engine: state.engines[engine].wanted for engine in sorted(agent.engines)}
                retiring = [engine for engine in wanted if state.engines[engine].retiring]
                posted = Posted(
                    agent.id, wanted, EngineId(state.next_engine), retiring,
                    agent.far, agent.set_name, agent.host,
                )  # fmt: skip
                state.journal.posted(posted)
        state.restaffed.clear()

    def _forget_functions(self) -> None:
        evicted = self.state.library.evict()
        if not evicted:
            return
        for function in evicted:
            self.state.journal.release(function.row)
        gone = [function.digest for function in evicted]
        for engine in self.state.engines.values():
            if engine.line is not None and (known := [d for d in gone if d in engine.known]):
                engine.known.difference_update(known)
                engine.line.say(Undefine(known))
