"""Scripted engines: they run tasks, in turn or aside, and check what they are given."""

from collections import deque
from collections.abc import Iterator, Sequence
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
    Lent,
    Message,
    More,
    Recall,
    Refused,
    Returned,
    Run,
    Took,
    Undefine,
    Values,
    Waiting,
    Welcome,
)
from ipcluster_ext.protocol.parts import Buffers, Failure, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.process import PATIENT
from ipcluster_ext.protocol.status import TaskStatus
from tests.simulation.network import Said, address_of
from tests.simulation.processes import Process
from tests.simulation.shortway import Way, tell
from tests.simulation.truth import NONE, THE_HUB, Made, blobs_of, hold

if TYPE_CHECKING:
    from tests.simulation.agents import Agent

DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED
AGAIN, REFUSED = TaskStatus.AGAIN, TaskStatus.REFUSED
Entry = tuple[TaskSpec, TaskItem]
VOID = (EngineHello, Took, Returned, Waiting, Lent)
"""What is not to be said again to another hub: it asked for none of it."""
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
    lent
        The files in shared memory that it was not told to free.
    held, seen_held, held_at, let_go
        How many times it was told to begin nothing more; which of them it has seen, and when; and
        for which the hub has answered since.
    estranged
        Whether another hub has not welcomed it yet: no answer to a ping counts before that.
    ended
        The tasks that it has ended, or refused.
    prepared, sent_preparations
        What it was prepared with, and the marks of all that it was sent of the kind.
    ways
        The short ways by which clients reach it.
    handed, came_short
        By which of them those tasks came that it has to answer there, and all that came so.
    unmentioned
        Those of which the hub has to hear before it hears anything else of them.
    lacking
        Those that wait for their function.
    """

    def __init__(self, agent: "Agent", number: EngineId, boot: int) -> None:
        self.agent = agent
        self.id = number
        self.box = NONE
        self.ran: list[TaskId] = []
        self.leased_until = agent.world.agenda.now + LEASE
        self.held = self.let_go = self.seen_held = 0
        self.held_at = 0.0
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
        self.lent: set[str] = set()
        self.prepared: set[bytes] = set()
        self.sent_preparations: list[bytes] = []
        self.ways: list[Way] = []
        self.handed: dict[TaskId, Way] = {}
        self.came_short: set[TaskId] = set()
        self.unmentioned: list[TaskId] = []
        self.lacking: list[Entry] = []
        self.renewing = self.estranged = False
        self.resources = {"gpu": 1.0} if number % 2 else {}
        address = address_of(b"e%d-%x" % (number, boot), far=agent.far)
        super().__init__(agent.world, address, boot, is_away=agent.is_away)
        self.after(PINGING, self._ping)

    @property
    def greeting(self) -> Message:
        return EngineHello(
            self.id, self.boot, self.agent.boot, self.agent.host, 1, "", self.resources
        )

    @property
    def begun(self) -> list[Entry]:
        """What it has begun."""
        running = [] if self.running is None else [self.running]
        return [*self.suspended, *running, *self.aside.values()]

    def begin_again(self, unheard: list[Said]) -> list[Said]:
        self.estranged = self.welcome
        self.drain()
        self.unmentioned.clear()
        self.came_short -= {item.id for _, item in self.lacking}
        self.lacking.clear()
        if not self.may_begin and self.let_go != self.held:
            self._leave_to_others()
        needed = {need for _, item in [*self.begun, *self.early, *self.lane] for need in item.needs}
        self.values = {need: value for need, value in self.values.items() if need in needed}
        held = [item.id for said, _ in unheard for each in said if isinstance(each, Done)
                for item in each.items]  # fmt: skip
        held += [item.id for item, _ in self.unsaid]
        held += [item.id for _, item in [*self.begun, *self.early, *self.lane]]
        hello = EngineHello(
            self.id, self.boot, self.agent.boot, self.agent.host, 1, "", self.resources, again=True,
            held=held, prepared=self.sent_preparations,
        )  # fmt: skip
        waiting: list[Said] = [([Waiting(len(self.suspended))], ())] if self.suspended else []
        rest: list[Said] = []
        for messages, frames in unheard:
            kept = [message for message in messages if not isinstance(message, VOID)]
            if kept:
                rest.append((kept, frames))
        kept_back = {name for item, _ in self.unsaid for name in blobs_of(item)}
        if lent := sorted(self.lent - kept_back):
            waiting.append(([Lent(lent)], ()))
        return [([hello], ()), *rest, *waiting]

    def _leave_to_others(self) -> None:
        """Drop what it has not begun: a hub that has not welcomed it has given that away."""
        kept = self.came_short | {
            item.id for _, item in [*self.lane, *self.early] if client_of(item.id) == THE_HUB
        }
        self.lane = deque(entry for entry in self.lane if entry[1].id in kept)
        self.early = [entry for entry in self.early if entry[1].id in kept]

    def _ping(self, _: object) -> None:
        self.line.ping()
        self.after(PINGING, self._ping)

    @property
    def may_begin(self) -> bool:
        """Whether the hub has answered lately, and since it was told to begin nothing more."""
        now, answered = self.world.agenda.now, self.line.ledger.answered
        if self.held != self.seen_held:
            self.seen_held, self.held_at = self.held, now
        if not self.estranged:
            self.leased_until = max(self.leased_until, answered + LEASE)
            if answered > self.held_at:
                self.let_go = self.seen_held
        return now <= self.leased_until and self.let_go == self.held

    # ------------------------------------------------------------ what it is told

    def took(self, message: Message, frames: Iterator[Frame]) -> None:  # noqa: C901 - one case each
        match message:
            case Run():
                self._run(message, frames)
            case Define():
                self.functions.add(message.function)
                self.lane.extend(self.lacking)
                self.lacking.clear()
                self.look()
            case Recall():
                known = [entry for entry in self.lane if entry[1].id not in self.came_short]
                balanced = [item.id for spec, item in known if spec.balanced]
                self._give_back(balanced[max(0, len(balanced) - message.count) :])
            case Drop():
                self.drain()
                there = [item.id for _, item in [*self.lane, *self.early, *self.lacking]]
                held = {*there, *(item.id for _, item in self.begun)}
                held |= {item.id for item, _ in self.unsaid}
                gone = [task for task in message.ids if message.handed and task not in held]
                self._give_back([task for task in there if task in message.ids] + gone)
                for entry in self.begun:
                    if entry[1].id in message.ids:
                        self._was_dropped(entry)
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
                self.lent -= set(message.names)
            case Refused():
                is_known = self.welcome and self.agent.far
                world = self.world  # perhaps another has its id
                taken = "batch" in world.traits or world.truth.hub_deaths
                hold(not is_known or taken, "an engine that came back is refused:", message)
                self.agent.kill(self.id, again=True)
            case Welcome():
                self.estranged = False
            case More():
                return
            case _:
                raise AssertionError(message)

    def _was_dropped(self, entry: Entry) -> None:
        """End a task that was begun and is not wanted here, if nobody else would."""
        truth, kind = self.world.truth, entry[1].inline[:1]
        if entry[1].id in truth.ends:
            if kind == b"e" and not truth.hub_deaths:
                self.after(0.5, self._has_stopped, entry)
        elif not (self.agent.far and kind in {b"s", b"g"}):  # nobody is told: its host was given up
            return
        self.after(1.0, self.finish, entry)

    def _has_stopped(self, entry: Entry) -> None:
        stopped = not any(other is entry for other in self.begun)
        hold(stopped, "it is dropped and not stopped:", entry[1].id)

    def _run(self, message: Run, frames: Iterator[Frame]) -> None:
        spec = message.spec
        hold(not spec.function or spec.function in self.functions, "a function did not come first")
        begun = {item.id for _, item in self.begun}
        for item in message.items:
            taken = [next(frames) for _ in range(frames_of(item.buffers))]
            hold(item.id not in begun, "it is sent what it still runs:", item.id)
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
            truth = self.world.truth  # what it has, a hub does not know that has given it up
            once = item.id not in self.values or truth.hub_deaths or truth.hosts_missed
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
        self.lacking = [entry for entry in self.lacking if entry[1].id not in ids]
        for task in ids:
            self.handed.pop(task, None)
            self.came_short.discard(task)
        self.unmentioned = [task for task in self.unmentioned if task not in ids]
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
            if task in self.handed and self.lane[0][0].function not in {b"", *self.functions}:
                self.lacking.append(self.lane.popleft())
                self._refer(task)
                continue
            if self.suspended or task in self.came_short:
                self._note_out_of_turn(task)
            else:
                self.box = task
                self.ran.append(task)
            if not self.may_begin:
                early = [item.id for _, item in self.early]  # which came before it, as a hub has it
                self.world.truth.suspects.update([task, *early])  # its black box names it already
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
        refusers = world.truth.refused.get(task, ())
        hold(self.id not in refusers, "it is on an engine that refused it:", task)
        if client_of(task) != THE_HUB and world.refuses(item, self):
            self.ended.add(task)
            world.truth.suspects.add(task)
            no = encode_failure(Failure("UnmetDependency", f"{task}:{world.number()}", ""))
            done = ResultItem(task, REFUSED, 0.0, 0.0, no)
            world.truth.made[no] = Made(done, [], self.id)
            world.truth.contested.add(task)
            self._refer(task)
            self.unsaid.append((done, []))
            self.flush()
            return
        world.truth.begins(self, spec, item)
        if client_of(task) == THE_HUB:
            hold(item.inline not in self.prepared, "it is prepared twice:", self.id, item.inline)
            self.prepared.add(item.inline)
        for need in item.needs:
            for name in blobs_of(self.values[need]):
                kept = name in world.truth.blobs or world.may_be_swept(name)
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
            buffers = (*buffers, blob := world.blob(engine_owner(self.id, self.boot)))
            self.lent.add(blob.name)
        took = 0.0001 if "short" in world.traits else 1.0
        done = ResultItem(task, status, 9.0, 9.0 + took, inline, buffers)
        world.truth.made[inline] = Made(done, frames, self.id)
        if status is not DONE:
            world.truth.contested.add(task)
        if status is DONE and not buffers and task in self.handed:
            way = self.handed.pop(task)
            way.answer = done
            tell(way, done)
            self.look()
            return
        self._refer(task)
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
        self._mention(Done(items), frames=[frame for _, own in outcomes for frame in own])

    # ------------------------------------------------------------ the short way

    def read(self, way: Way) -> None:
        """Read what a client has written."""
        while way.asked:
            asked = way.asked.popleft()
            if isinstance(asked, tuple):
                self._forget_answer(way)
                task = asked[1].id
                self.handed[task] = way
                self.came_short.add(task)
                self.lane.append(asked)
                self.look()
            elif way.answer is not None and way.answer.id == asked:
                self.line.say(Took([asked]), Done([way.answer], told=True))
                way.answer = None
            elif self.handed.pop(asked, None) is not None:
                self.unmentioned.append(asked)

    def drain(self) -> None:
        """Read what all of them have written."""
        for way in self.ways:
            self.read(way)

    def lose(self, way: Way) -> None:
        """Learn that a client has ended."""
        self.read(way)
        self._forget_answer(way)

    def _forget_answer(self, way: Way) -> None:
        if way.answer is not None and way.answer.id in self.out_of_turn:
            self.out_of_turn.remove(way.answer.id)
        way.answer = None

    def _refer(self, task: TaskId) -> None:
        """Send a client to the hub for a task."""
        way = self.handed.pop(task, None)
        if way is not None:
            self.unmentioned.append(task)
            tell(way, task)

    def _mention(self, *messages: Message, frames: Sequence[Frame]) -> None:
        """Say something of tasks, and first of those that the hub may not know."""
        unmentioned, self.unmentioned = self.unmentioned, []
        first = [Took(unmentioned)] if unmentioned else []
        self.line.say(*first, *messages, frames=frames)


def frames_for(item: TaskItem) -> list[Frame]:
    """Return the frames that belong to a task."""
    return (
        [b"%04d" % (item.id % 10000)] if item.buffers and isinstance(item.buffers[0], int) else []
    )
