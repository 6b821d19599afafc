"""One life of a hub: its mind and its ports, and the loop that `hub.loop` would be."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ipcluster_ext.core.effects import Effect, Send
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.events import Event, PageRead, Said
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.core.invariants import check
from ipcluster_ext.core.library import Library
from ipcluster_ext.core.state import Place
from ipcluster_ext.hub.ports import Ports
from ipcluster_ext.protocol.frames import decode
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import (
    Done,
    Interrupt,
    Message,
    Ran,
    Results,
    Submit,
    SubmitEach,
)
from ipcluster_ext.protocol.status import TaskStatus
from tests.simulation.network import HERE
from tests.simulation.truth import WrongHistory, hold

if TYPE_CHECKING:
    from ipcluster_ext.transport.router import Router
    from tests.simulation.world import World

LIBRARY_LIMIT = 50
MOST_ROUNDS = 100
MOST_NOTED = 500
"""After so many bytes what is noted at once is written anew, without what holds no more."""


class Life:
    """One life of the hub.

    Parameters
    ----------
    world
        Where it lives.
    first
        Whether there has been no hub before.
    """

    def __init__(self, world: "World", *, first: bool = False) -> None:
        self.world = world
        self.hub = Hub(Place(host=HERE), patience=world.faults.patience)
        self.hub.state.library = Library(LIBRARY_LIMIT)
        boot = world.number()
        self.ports = Ports(cast("Router", world.network), boot, journal=True)
        disk = world.disk
        pages = None if first else sorted(disk.rows.items())
        damaged = self.hub.keep_journal(pages, now=world.agenda.now, sent=disk.sent)
        hold(not damaged, "pages cannot be read")
        self._page = disk.written
        self._due = False
        self._wake_at: float | None = None
        self._turns = 0
        self._settled = self.hub.settled
        world.network.hub_starts(boot)

    def deliver(self) -> None:
        """Have a turn soon: something has come."""
        lag = self.world.faults.lag
        if not lag:
            self.turn()
        elif not self._due:
            self._due = True
            self.world.agenda.after(lag, self._turn_now)

    def _turn_now(self, _: object) -> None:
        self._due = False
        if self.world.life is self:
            self.turn()

    def turn(self) -> None:
        """Handle what has come until now, as the hub's loop does."""
        world, hub, ports = self.world, self.hub, self.ports
        now = world.agenda.now
        events = ports.hear(now)
        happened = bool(events)
        for _ in range(MOST_ROUNDS):
            if "refuse" in world.traits and hub.settled:
                self._note_refusals(events)
            effects = hub.handle(events, now=now)
            if "fetch" in world.traits:
                self._note_losses(effects)
                self._note_submissions(events)
            halts = hub.settled and ("interrupt" in world.traits or "endless" in world.traits)
            halted = self._interrupted(events) if halts else {}
            world.disk.sent += hub.take_sent()
            self._record()
            for task, boot in halted.items():
                world.truth.halted.setdefault(task, (boot, self._page))
            happened = happened or bool(effects)
            events = [*ports.carry(effects), *self._read()]
            if not events:
                events = ports.keep_up(now)
                if not events:
                    break
        else:
            raise WrongHistory("a turn of the hub never ends")
        if hub.settled and not self._settled:
            self._settled = True
            recovered = hub.state.recovered
            near = {agent.boot for agent in world.agents if not agent.far}
            deaf = {engine.id for engine in world.engines if not engine.agent.far}
            world.truth.blind += bool(recovered.agents & near or recovered.peeks.keys() & deaf)
        self._turns += happened
        if happened and self._turns % world.check_every == 0:
            check(hub)
        budget = world.network.budget
        if budget is not None and budget <= 0:
            world.kill_hub()
        else:
            self._set_the_alarm(now)

    def _record(self) -> None:
        """Have written what must outlive this life, and acknowledge what was."""
        hub, disk = self.hub, self.world.disk
        for number, data in hub.take_pages():
            disk.append(number, data)
            self._page = number
        if unneeded := hub.take_unneeded_pages():
            disk.drop(unneeded)
        if len(disk.sent) > MOST_NOTED and self.is_written:
            disk.sent = hub.all_sent()
        self.ports.settle(self._page if hub.settled else None, disk.written)

    @property
    def is_written(self) -> bool:
        """Whether all that it has recorded is on the disk."""
        return self.world.disk.written >= self._page

    def _read(self) -> list[Event]:
        """Read the pages that the core wants to see again."""
        wanted = self.hub.take_wanted_pages()
        return [PageRead(number, self.world.disk.read(number)) for number in wanted]

    def _note_refusals(self, events: Sequence[Event]) -> None:
        """Note which engines refused what, as the hub is about to learn."""
        for event in events:
            for message in event.messages if isinstance(event, Said) else ():
                who = self.hub.state.peers.get(event.peer) if isinstance(event, Said) else None
                if isinstance(message, Done) and isinstance(who, Engine):
                    for item in message.items:
                        if item.status is TaskStatus.REFUSED and self._has(who, item.id):
                            self.world.truth.refused.setdefault(item.id, set()).add(who.id)

    def _note_losses(self, effects: Sequence[Effect]) -> None:
        """Note which tasks somebody is told are lost although no hub has ever heard of them."""
        truth = self.world.truth
        for effect in effects:
            for message in effect.messages if isinstance(effect, Send) else ():
                if isinstance(message, Results):
                    lost = {item.id for item in message.items if item.status is TaskStatus.LOST}
                    truth.unheard_of |= lost - truth.heard_of

    def _note_submissions(self, events: Sequence[Event]) -> None:
        """Note of which tasks the hub has learnt."""
        for event in events:
            for message in event.messages if isinstance(event, Said) else ():
                if isinstance(message, Submit | Ran):
                    self.world.truth.heard_of.update(item.id for item in message.items)
                elif isinstance(message, SubmitEach):
                    first, count = message.item.id, len(message.engines)
                    self.world.truth.heard_of.update(map(TaskId, range(first, first + count)))

    def _has(self, engine: Engine, task: TaskId) -> bool:
        """Tell whether the hub knows that an engine has a task, as the only one or not."""
        rivals = self.hub.state.recovered.rivals
        return task in engine.unfinished or (engine.id, task) in rivals

    def _interrupted(self, events: Sequence[Event]) -> dict[TaskId, int]:
        """Return who alone may begin tasks that were interrupted: the engine that has them now."""
        halted: dict[TaskId, int] = {}
        for event in events:
            for message in event.messages if isinstance(event, Said) else ():
                if isinstance(message, Interrupt):
                    for number in message.ids:
                        task = self.hub.state.tasks.get(number)
                        where = None if task is None or task.engine is None else task.engine
                        boot = 0 if where is None else self.hub.state.engines[where].boot
                        halted.setdefault(number, boot)
        return halted

    @property
    def unheard(self) -> list[Message]:
        """What it has said and nobody has acknowledged."""
        peers = self.ports._by_id.values()  # noqa: SLF001 - nobody else has to know
        wires = [wire for peer in peers for wire in peer.ledger.unheard]
        packets = [decode(header, frame_count=len(frames)) for header, *frames in wires]
        return [message for packet in packets for message in packet.messages]

    def check(self) -> None:
        """Check the hub's tables."""
        check(self.hub)

    def _set_the_alarm(self, now: float) -> None:
        deadline = self.ports.deadline
        mine = self.hub.deadline
        if mine is not None and mine < deadline:
            deadline = mine
        if self._wake_at is None or deadline < self._wake_at:
            self._wake_at = max(deadline, now)
            self.world.agenda.at(self._wake_at, self._wake, self._wake_at)

    def _wake(self, at: float) -> None:
        if self.world.life is self and self._wake_at == at:
            self._wake_at = None
            self.turn()

    @property
    def at_rest(self) -> bool:
        """Whether it has nothing to do."""
        state = self.hub.state
        return not state.tasks and state.recovered.settled

    @property
    def what_is_left(self) -> str:
        """Describe what it has to do."""
        state = self.hub.state
        engines = [(e.id, e.status.name, list(e.unfinished)) for e in state.engines.values()]
        return f"{[(t.id, t.status.name) for t in state.tasks.values()]}, engines {engines}"

    def forget_history(self) -> None:
        """Have the hub forget the tasks that have ended."""
        state = self.hub.state
        history = state.history
        if state.recovered.forget_at is not None:
            state.recovered.forget_at = self.world.agenda.now
        history.forget([entry.id for entry in history])
        self.turn()
