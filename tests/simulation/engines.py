"""Scripted engines: they run tasks, in turn or aside, and check what they are given."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ipcluster_ext.protocol.frames import Frame, encode_failure, frames_of
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_of, engine_owner
from ipcluster_ext.protocol.labour import mark_of
from ipcluster_ext.protocol.messages import (
    Define,
    Done,
    Drop,
    EngineHello,
    Forget,
    FreeBlobs,
    Halt,
    Message,
    More,
    Recall,
    Refused,
    Returned,
    Run,
    Undefine,
    Values,
    Waiting,
    Welcome,
)
from ipcluster_ext.protocol.parts import Buffers, Failure, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.process import PATIENT
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.router import Address
from tests.simulation.network import Said
from tests.simulation.processes import Process
from tests.simulation.truth import NONE, THE_HUB, Made, blobs_of, hold

if TYPE_CHECKING:
    from tests.simulation.agents import Agent

DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED
AGAIN, REFUSED = TaskStatus.AGAIN, TaskStatus.REFUSED
Entry = tuple[TaskSpec, TaskItem]
VOID = (EngineHello, Returned, Waiting)
"""What is not to be said again to another hub: it asked for none of it."""
ENGINES = 1
"""The hub's door for engines and agents."""
LEASE = PATIENT.lease
PINGING = 2.0
RENEWING = 0.1
UNSAID = 0.0005
"""How long the result of a short task is kept back."""


class Engine(Process):
    """One life of an engine.

    Attributes
    ----------
    lane
        What it has not begun.
    running, suspended
        What it runs, and what waits meanwhile for tasks of its own.
    aside
        The coroutines that it has begun.
    early
        Coroutines that came while it had to begin none.
    box, ran, out_of_turn
        The last task it began in its turn, all those, and those that it began otherwise: what its
        black box names before it looks whether it may.
    values
        The values of other tasks that it has.
    unsaid
        Outcomes that it keeps back for a moment.
    estranged
        Whether another hub has not welcomed it yet: no answer to a ping counts before that.
    ended
        The tasks that it has ended, or refused.
    prepared, sent_preparations
        What it was prepared with, and the marks of all that it was sent of the kind.
    """

    def __init__(self, agent: "Agent", number: EngineId, boot: int) -> None:
        self.agent = agent
        self.id = number
        self.box = NONE
        self.ran: list[TaskId] = []
        self.leased_until = agent.world.agenda.now + LEASE
        self.early: list[Entry] = []
        self.running: Entry | None = None
        self.suspended: list[Entry] = []
        self.aside: dict[TaskId, Entry] = {}
        self.out_of_turn: list[TaskId] = []
        self.lane: deque[Entry] = deque()
        self.functions: set[bytes] = set()
        self.values: dict[TaskId, ResultItem] = {}
        self.unsaid: list[tuple[ResultItem, list[Frame]]] = []
        self.ended: set[TaskId] = set()
        self.prepared: set[bytes] = set()
        self.sent_preparations: list[bytes] = []
        self.renewing = self.estranged = False
        self.resources = {"gpu": 1.0} if number % 2 else {}
        super().__init__(agent.world, Address(ENGINES, b"e%d-%x" % (number, boot)), boot)
        self.after(PINGING, self._ping)

    @property
    def greeting(self) -> Message:
        return EngineHello(self.id, self.boot, self.agent.boot, "here", 1, "", self.resources)

    @property
    def begun(self) -> list[Entry]:
        """What it has begun."""
        running = [] if self.running is None else [self.running]
        return [*self.suspended, *running, *self.aside.values()]

    def begin_again(self, unheard: list[Said]) -> list[Said]:
        self.estranged = self.welcome
        needed = {need for _, item in [*self.begun, *self.early, *self.lane] for need in item.needs}
        self.values = {need: value for need, value in self.values.items() if need in needed}
        held = [item.id for said, _ in unheard for each in said if isinstance(each, Done)
                for item in each.items]  # fmt: skip
        held += [item.id for item, _ in self.unsaid]
        held += [item.id for _, item in [*self.begun, *self.early, *self.lane]]
        hello = EngineHello(
            self.id, self.boot, self.agent.boot, "here", 1, "", self.resources, again=True,
            held=held, prepared=self.sent_preparations,
        )  # fmt: skip
        waiting: list[Said] = [([Waiting(len(self.suspended))], ())] if self.suspended else []
        rest: list[Said] = []
        for messages, frames in unheard:
            kept = [message for message in messages if not isinstance(message, VOID)]
            if kept:
                rest.append((kept, frames))
        return [([hello], ()), *rest, *waiting]

    def _ping(self, _: object) -> None:
        self.line.ping()
        self.after(PINGING, self._ping)

    @property
    def may_begin(self) -> bool:
        """Whether the hub has answered lately."""
        if not self.estranged:
            self.leased_until = max(self.leased_until, self.line.ledger.answered + LEASE)
        return self.world.agenda.now <= self.leased_until

    # ------------------------------------------------------------ what it is told

    def took(self, message: Message, frames: Iterator[Frame]) -> None:  # noqa: C901 - one case each
        match message:
            case Run():
                self._run(message, frames)
            case Define():
                self.functions.add(message.function)
            case Recall():
                balanced = [item.id for spec, item in self.lane if spec.balanced]
                self._give_back(balanced[max(0, len(balanced) - message.count) :])
            case Drop():
                there = [item.id for _, item in [*self.lane, *self.early]]
                self._give_back([task for task in there if task in message.ids])
                for entry in self.begun:
                    if entry[1].id in message.ids and entry[1].id in self.world.truth.ends:
                        self.after(1.0, self.finish, entry)  # nobody would stop it
            case Halt():
                self._halt(message.ids)
            case Values():
                self._keep(message.items, frames)
            case Forget():
                self._forget(message.ids)
            case Undefine():
                self.functions -= set(message.functions)
            case FreeBlobs():
                self.world.truth.blobs -= set(message.names)
            case Refused():
                self.agent.kill(self.id, again=True)
            case Welcome():
                self.estranged = False
            case More():
                return
            case _:
                raise AssertionError(message)

    def _run(self, message: Run, frames: Iterator[Frame]) -> None:
        spec = message.spec
        hold(not spec.function or spec.function in self.functions, "a function did not come first")
        for item in message.items:
            taken = [next(frames) for _ in range(frames_of(item.buffers))]
            hold(taken == frames_for(item), "the frames of a task are another's:", item.id)
            hold(self.values.keys() >= set(item.needs), "a value did not come first:", item.id)
            if client_of(item.id) == THE_HUB:
                self.sent_preparations.append(mark_of(message.spec, item))
            self.lane.append((spec, item))
        if spec.options is not None and spec.options.awaits:
            self.early += [entry for entry in self.lane if entry[0] is spec]
            self.lane = deque(entry for entry in self.lane if entry[0] is not spec)
        self.look()

    def _keep(self, items: list[ResultItem], frames: Iterator[Frame]) -> None:
        for item in items:
            taken = [next(frames) for _ in range(frames_of(item.buffers))]
            once = item.id not in self.values or self.world.truth.hub_deaths
            hold(once, "a value came twice:", item.id)
            self.world.truth.check_payload(item, taken)
            self.values[item.id] = item

    def _forget(self, ids: list[TaskId]) -> None:
        for task in ids:
            known = self.values.pop(task, None)
            hold(known or self.world.truth.hub_deaths, "it never had that value:", task)
        for _, item in [*self.lane, *self.early, *self.begun]:
            hold(self.values.keys() >= set(item.needs), "a value was dropped too early:", item.id)

    def _give_back(self, ids: list[TaskId]) -> None:
        self.lane = deque(entry for entry in self.lane if entry[1].id not in ids)
        self.early = [entry for entry in self.early if entry[1].id not in ids]
        self.world.truth.suspects.update(ids)
        self.line.say(Returned(ids))

    def _halt(self, ids: list[TaskId]) -> None:
        """Interrupt tasks; stubborn ones go on nevertheless."""
        for entry in self.begun:
            if entry[1].id in ids and not entry[1].inline.startswith((b"s", b"g")):
                self._end(entry, FAILED)

    # ------------------------------------------------------------ what it does

    def look(self, _: object = None) -> None:
        """Begin what is to be begun, as far as it is idle and may."""
        while self.early and self.may_begin:
            self._begin(self.early.pop(0), aside=True)
        while self.running is None and self.lane:
            task = self.lane[0][1].id
            if self.suspended:
                self._note_out_of_turn(task)
            else:
                self.box = task
                self.ran.append(task)
            if not self.may_begin:
                self.world.truth.suspects.add(task)  # its black box names it already
                break
            self._begin(self.lane.popleft(), aside=False)
        if (self.early or self.lane) and not self.may_begin and not self.renewing:
            self.renewing = True
            self._renew()

    def _renew(self, _: object = None) -> None:
        """Ask whether the hub is there, until it is."""
        self.renewing = not self.may_begin
        if self.renewing:
            self.line.ping()
            self.after(RENEWING, self._renew)
        else:
            self.look()

    def _note_out_of_turn(self, task: TaskId) -> None:
        if task not in self.out_of_turn:
            self.out_of_turn.append(task)

    def _begin(self, entry: Entry, *, aside: bool) -> None:
        spec, item = entry
        world, task = self.world, item.id
        if aside:
            self._note_out_of_turn(task)
        if client_of(task) != THE_HUB and world.refuses(item, self):
            self.ended.add(task)
            world.truth.suspects.add(task)
            no = encode_failure(Failure("UnmetDependency", f"{task}:{world.number()}", ""))
            done = ResultItem(task, REFUSED, 0.0, 0.0, no)
            world.truth.made[no] = Made(done, [], self.id)
            world.truth.contested.add(task)
            self.unsaid.append((done, []))
            self.flush()
            return
        world.truth.begins(self, spec, item)
        if client_of(task) == THE_HUB:
            hold(item.inline not in self.prepared, "it is prepared twice:", self.id, item.inline)
            self.prepared.add(item.inline)
        for need in item.needs:
            for name in blobs_of(self.values[need]):
                kept = name in world.truth.blobs or world.truth.hub_deaths  # see `Truth.ended`
                hold(kept, "a value's blob was freed too early:", need)
        if aside:
            self.aside[task] = entry
        else:
            self.running = entry
        seconds = world.duration(spec, item)
        if seconds is not None:
            self.after(seconds, self.finish, entry)

    def finish(self, entry: Entry) -> None:
        """End a task that has taken its time, or have it wait for others."""
        if not any(other is entry for other in self.begun):
            return
        if entry is self.running:
            if self.world.may("nested", 0.3):
                self.suspended.append(entry)
                self.running = None
                self.line.say(Waiting(len(self.suspended)))
                self.after(0.1, self.finish, entry)
                self.look()
                return
        elif entry in self.suspended and (self.running or entry is not self.suspended[-1]):
            self.after(0.05, self.finish, entry)
            return
        self._end(entry, self.world.outcome(*entry))

    def _end(self, entry: Entry, status: TaskStatus) -> None:
        spec, item = entry
        world, task = self.world, item.id
        self._leave(entry)
        self.ended.add(task)
        retry = None if spec.options is None else spec.options.retry
        if status is AGAIN and (retry is None or not retry.judge):
            status = FAILED
        number = world.number()
        inline = b"%d:%d" % (task, number)
        if status is not DONE:
            inline = encode_failure(Failure("OSError", f"{task}:{number}", ""))
        buffers: Buffers = ()
        frames: list[Frame] = []
        if world.may("frames", 0.5):
            buffers, frames = (3,), [b"%03d" % (number % 1000)]
        if status is DONE and world.may("blobs", 0.5):
            buffers = (*buffers, world.blob(engine_owner(self.id, self.boot)))
        took = 0.0001 if "short" in world.traits else 1.0
        done = ResultItem(task, status, 9.0, 9.0 + took, inline, buffers)
        world.truth.made[inline] = Made(done, frames, self.id)
        if status is not DONE:
            world.truth.contested.add(task)
        self.unsaid.append((done, frames))
        if "unsaid" in world.traits and self.lane:
            self.after(UNSAID, self.flush)
        else:
            self.flush()
        self.look()

    def _leave(self, entry: Entry) -> None:
        task = entry[1].id
        if self.aside.pop(task, None) is not None:
            return
        if self.running is entry:
            self.running = None
        else:
            self.suspended.remove(entry)
            self.line.say(Waiting(len(self.suspended)))

    def flush(self, _: object = None) -> None:
        """Say what it has kept back."""
        unsaid, self.unsaid = self.unsaid, []
        if unsaid:
            self._say_done(unsaid)

    def _say_done(self, outcomes: list[tuple[ResultItem, list[Frame]]]) -> None:
        items = [item for item, _ in outcomes]
        self.line.say(Done(items), frames=[frame for _, own in outcomes for frame in own])


def frames_for(item: TaskItem) -> list[Frame]:
    """Return the frames that belong to a task."""
    return (
        [b"%04d" % (item.id % 10000)] if item.buffers and isinstance(item.buffers[0], int) else []
    )
