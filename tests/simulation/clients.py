"""Scripted clients: they submit tasks, and keep what they are told of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.client.reunion import ended_since, wanted_still
from ipcluster_ext.protocol.frames import Frame, encode_failure, frames_of
from ipcluster_ext.protocol.ids import (
    ClientId,
    EngineId,
    TaskId,
    client_of,
    client_owner,
    first_task,
)
from ipcluster_ext.protocol.messages import (
    Awaiting,
    Bye,
    Cancel,
    Cancelled,
    ClientHello,
    Define,
    Engines,
    Fetch,
    Fetched,
    FreeBlobs,
    Holding,
    Interrupt,
    Lack,
    Lent,
    Message,
    Need,
    Notice,
    Prepare,
    Refused,
    Release,
    Results,
    Steer,
    Steered,
    Submit,
    SubmitEach,
    Supply,
    Welcome,
)
from ipcluster_ext.protocol.parts import Buffers, Failure, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.router import Address
from tests.simulation.engines import frames_for
from tests.simulation.network import Said
from tests.simulation.processes import Process
from tests.simulation.shortway import ShortWay
from tests.simulation.truth import Call, blobs_of, hold
from tests.simulation.wishes import draw_options

if TYPE_CHECKING:
    from tests.simulation.world import World

DONE, LOST = TaskStatus.DONE, TaskStatus.LOST
CLIENTS = 0
"""The hub's door for clients."""
GRACES: tuple[list[float], ...] = ([], [0.05], [0.05, 0.5])


class Client(Process):
    """A client.

    Attributes
    ----------
    mine
        The tasks that it has submitted.
    answers
        The results that it has, with their frames.
    held, lent
        Whose results it holds in shared memory, and the files there that it was not told to free.
    wanted, fetched
        The tasks of whomever that it asked for, less those that it cannot have; and all of them.
    asked
        What it has asked and was not answered, by number.
    short_way
        How it asks engines themselves.
    """

    def __init__(self, world: "World") -> None:
        self.id = ClientId(world.number())
        self.mine: list[TaskId] = []
        self.answers: dict[TaskId, tuple[ResultItem, Sequence[Frame]]] = {}
        self.held: set[TaskId] = set()
        self.let_go: set[TaskId] = set()
        self.lent: set[str] = set()
        self.wanted: set[TaskId] = set()
        self.fetched: set[TaskId] = set()
        self.cancelled: set[TaskId] = set()
        self.asked: dict[int, Message] = {}
        self.halted: set[TaskId] = set()
        self.short_way = ShortWay(self)
        super().__init__(world, Address(CLIENTS, b"c%08x" % self.id), world.number())

    @property
    def greeting(self) -> Message:
        return ClientHello(self.id, "here", 1)

    def begin_again(self, unheard: list[Said]) -> list[Said]:
        said: list[Said] = [([ClientHello(self.id, "here", 1, again=self.welcome)], ())]
        if self.welcome and self.held:
            said.append(self._holding)
        if over := ended_since(unheard, self._waits_for, self._end_of):
            said.append((over, ()))
        said += wanted_still(unheard, self._waits_for)
        asked = {getattr(message, "request", 0) for messages, _ in said for message in messages}
        questions = [question for number, question in self.asked.items() if number not in asked]
        said += wanted_still([([question], ()) for question in questions], self._waits_for)
        if self.welcome:
            tasks = sorted({*self.open, *(self.wanted - self.answers.keys())})
            if self.lent:
                said.append(([Lent(sorted(self.lent))], ()))
            said.append(([Awaiting(tasks, [1] * len(tasks))], ()))
        return said

    @property
    def _holding(self) -> Said:
        """Which values in shared memory it holds."""
        answers = [self.answers[task] for task in sorted(self.held)]
        frames = [frame for _, own in answers for frame in own]
        return [Holding([item for item, _ in answers])], frames

    def _waits_for(self, task: TaskId) -> bool:
        return task not in self.answers and (task in self.wanted or client_of(task) == self.id)

    def _end_of(self, task: TaskId) -> Outcome | None:
        known = self.answers.get(task)
        made = None if known is None else self.world.truth.made.get(known[0].inline)
        where = EngineId(-1) if made is None else made.engine
        return None if known is None else Outcome(where, known[0], None)

    @property
    def open(self) -> list[TaskId]:
        """The tasks of its own that it waits for."""
        return [task for task in self.mine if task not in self.answers]

    @property
    def waits(self) -> bool:
        """Whether it waits for anything."""
        known = self.answers.keys()
        return bool(self.asked or not known >= set(self.mine) or not known >= self.wanted)

    # ------------------------------------------------------------ what it is told

    def took(self, message: Message, frames: Iterator[Frame]) -> None:
        match message:
            case Results():
                for item in message.items:
                    self.told(item, [next(frames) for _ in range(frames_of(item.buffers))])
            case Need():
                self.line.say(Define(message.function, message.function * 30))
            case Lack():
                self._supply(message.ids)
            case FreeBlobs():
                self.world.truth.blobs -= set(message.names)
                self.lent -= set(message.names)
            case Cancelled() | Steered() | Fetched():
                asked = self.asked.pop(message.request, None)
                hold(asked or self.world.truth.hub_deaths, "an answer to no question:", message)
                if isinstance(message, Cancelled):
                    self.cancelled |= set(message.ids)
                elif isinstance(message, Fetched):
                    self.wanted -= message.missing.keys()
            case Welcome() | Engines() | Refused() | Notice():
                return
            case _:
                raise AssertionError(message)

    def told(self, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Take the outcome of a task."""
        task, truth = item.id, self.world.truth
        known = self.answers.get(task)
        if known is not None and task in self.short_way.handed:
            asked = self.short_way.named | self.fetched
            hold(task in asked, "it is told what the hub has from it alone:", task)
            return  # the hub may hear of it too late, or that its engine has died since
        if known is not None or client_of(task) != self.id:
            hold(task in self.fetched or truth.hub_deaths, "it is told twice:", task)
            told = None if known is None else known[0]
            hold(truth.is_same_story(told, item), "it is told another story:", item, told)
            if known is not None:
                if blobs_of(item) and task not in self.held:  # it has dropped that already
                    self.line.say(Release([task]))
                return
        self.answers[task] = item, frames
        if client_of(task) == self.id:
            truth.ended(item, frames)
        elif task not in truth.ends and not (item.status is LOST and task in truth.unheard_of):
            truth.ended(item, frames)  # else its own client has not been heard: nobody knows it
        if item.status is DONE and blobs_of(item) and client_of(task) == self.id:
            self.held.add(task)

    def _supply(self, ids: Sequence[TaskId]) -> None:
        items: list[ResultItem] = []
        frames: list[Frame] = []
        for task in ids:
            answer = None if task in self.let_go else self.answers.get(task)
            if answer is None:
                unknown = encode_failure(Failure("UnknownTask", str(task), ""))
                items.append(ResultItem(task, TaskStatus.LOST, 0.0, 0.0, unknown))
            else:
                items.append(answer[0])
                frames.extend(answer[1] if answer[0].buffers else ())
        self.line.say(Supply(items), frames=frames)

    # ------------------------------------------------------------ what it asks for

    def do(self, what: str) -> None:  # noqa: C901 - one case each
        """Do something of a sort, once the hub has answered."""
        if self.line.gone or self.world.healed:
            return
        if not self.welcome or self.line.stopped is not None:
            self.after(0.1, self.do, what)
            return
        chance = self.world.random
        self.short_way.tell_news()
        match what:
            case "submit":
                self._submit()
            case "prepare":
                self._prepare(b"f" if chance.random() < 0.7 else b"")
            case "cancel":
                wanted = self.open if chance.random() < 0.8 else list(self.world.truth.calls)
                if tasks := self._some(wanted):
                    self._ask(Cancel(tasks, self.world.number()))
            case "interrupt":
                if tasks := self._some(self.open):
                    graces = () if "mild" in self.world.traits else chance.choice(GRACES)
                    self.interrupt(tasks, graces)
            case "fetch":
                if tasks := self._some(list(self.world.truth.calls)):
                    self.wanted |= set(tasks)
                    self.fetched |= set(tasks)
                    self._ask(Fetch(self.world.number(), tasks))
            case "release":
                self.release()
            case "steer":
                self._steer(chance.choice(["restart", "restart", "stop", "start"]))
            case "resize":
                self._steer(chance.choice(["retire", "scale", "scale"]))
            case _:
                raise AssertionError(what)

    def _some(self, tasks: list[TaskId]) -> list[TaskId]:
        return self.world.random.sample(tasks, min(len(tasks), self.world.random.randint(1, 3)))

    def _ask(self, question: Cancel | Interrupt | Fetch | Steer) -> None:
        self.asked[question.request] = question
        if isinstance(question, Cancel | Interrupt):
            self.world.truth.unwanted.update(set(question.ids) & set(self.mine))
        self.line.say(question)

    def _steer(self, action: str) -> None:
        """Have engines stopped or started; a number of them means so many more, or in all."""
        world = self.world
        engines = [] if action == "scale" else [world.any_engine]
        count = world.random.choice((0, 1, 2, 3)) if action == "scale" else 1
        force = action == "scale" and world.random.random() < 0.3
        world.truth.starts += count if action in {"start", "scale"} else 0
        self._ask(Steer(world.number(), action, engines, count, force=force))

    def interrupt(self, tasks: list[TaskId], graces: Sequence[float]) -> None:
        """Stop tasks."""
        self.halted |= set(tasks)
        self._ask(Interrupt(tasks, self.world.number(), list(graces)))

    def release(self) -> None:
        """Hold no result in shared memory any more."""
        held, self.held = self.held, set()
        self.let_go |= held
        if held:
            self.line.say(Release(sorted(held)))

    def _submit(self) -> None:
        world = self.world
        random, truth = world.random, world.truth
        each = [world.any_engine] if world.may("each", 0.5) else None
        spec = self._spec(each=each is not None)
        count = 1 if each else random.choice((1, 1, 2, 3, 5))
        usable = [task for task in self.mine if task not in self.let_go]
        if "popular" in world.traits:
            usable = usable[:2]
        needs = tuple(random.sample(usable, 1)) if usable and world.may("needs", 0.6) else ()
        first = first_task(self.id, len(self.mine))
        known = frozenset(truth.ends) if "key" in world.traits else frozenset()
        items = [self._item(TaskId(first + place), spec, needs) for place in range(count)]
        for item in items:
            truth.calls[item.id] = Call(spec, item, each[0] if each else None, known)
            self.mine.append(item.id)
        alone = "short way" in world.traits and count == 1
        if alone and self.short_way.hand(truth.calls[first]):
            return
        messages: list[Message] = []
        if spec.function and random.random() < (0.1 if "lazy" in world.traits else 0.7):
            messages.append(Define(spec.function, spec.function * 30))
        messages.append(SubmitEach(spec, items[0], each) if each else Submit(spec, items))
        self.line.say(*messages, frames=[frame for item in items for frame in frames_for(item)])

    def _spec(self, *, each: bool) -> TaskSpec:
        world, random = self.world, self.world.random
        function = random.choice((b"", b"f", b"g")) if "functions" in world.traits else b""
        retries = random.choice((0, 1, 2)) if "retries" in world.traits else 0
        restrict = None
        if not each and world.may("restrict", 0.5):
            restrict = (world.any_engine,)
        options = draw_options(world, self)
        return TaskSpec(
            Kind.APPLY, function, retries=retries, balanced=not each, engines=restrict,
            options=options,
        )  # fmt: skip

    def _item(self, task: TaskId, spec: TaskSpec, needs: tuple[TaskId, ...]) -> TaskItem:
        world, kind = self.world, "n"
        if spec.options is not None and spec.options.time_limit:
            kind = world.random.choice("ntg")
        elif not (spec.options and spec.options.key) and world.may("endless", 0.3):
            stubborn = not world.traits.isdisjoint({"graces", "stubborn"})
            kind = world.random.choice("es") if stubborn else "e"
        buffers: Buffers = (4,) if world.may("frames", 0.5) else ()
        if world.may("blobs", 0.3):
            buffers = (*buffers, blob := world.blob(client_owner(self.id)))
            self.lent.add(blob.name)
        return TaskItem(task, b"%s%d" % (kind.encode(), task), buffers, needs)

    def _prepare(self, function: bytes) -> None:
        spec = TaskSpec(Kind.APPLY, function, balanced=False)
        item = TaskItem(first_task(self.id, 0), b"n%d" % self.world.number())
        messages: list[Message] = [Define(function, function * 30)] if function else []
        self.line.say(*messages, Prepare("p", spec, item, []))

    def drop_preparation(self) -> None:
        """Have nothing prepared any more."""
        self._prepare(b"")

    def _reborn(self) -> None:
        self.short_way.tell_news()
        super()._reborn()

    def leave(self) -> None:
        """Say goodbye, and end."""
        self.short_way.tell_news()
        self.line.say(Bye())
        self.end()

    def end(self) -> None:
        """End, in the midst of whatever it was doing."""
        super().end()
        self.short_way.end()
