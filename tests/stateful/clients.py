"""Scripted clients: they submit tasks, and keep what they are told of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from ipcluster_ext.protocol.feed import EngineRow, WorkRow
from ipcluster_ext.protocol.frames import Frame, decode_failure, encode_failure, frames_of
from ipcluster_ext.protocol.ids import (
    ClientId,
    EngineId,
    TaskId,
    client_of,
    client_owner,
    first_task,
    task_text,
)
from ipcluster_ext.protocol.messages import (
    Bye,
    Cancel,
    Cancelled,
    ClientHello,
    Define,
    Engines,
    Fetch,
    Fetched,
    FreeBlobs,
    Interrupt,
    Lack,
    Message,
    More,
    Need,
    News,
    Notice,
    Output,
    Prepare,
    Purge,
    Purged,
    Refused,
    Release,
    Resubmit,
    Results,
    Started,
    Status,
    Steer,
    Steered,
    Submit,
    SubmitEach,
    Supply,
    Watch,
    Welcome,
)
from ipcluster_ext.protocol.parts import (
    Buffers,
    Dependency,
    EngineInfo,
    Failure,
    Options,
    ResultItem,
    Retry,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import EngineStatus, Kind, TaskStatus
from tests.stateful.world import PICKLES, Call, Process, World, blobs_of, frames_for

DONE = TaskStatus.DONE

Picture = tuple[int, dict[EngineId, EngineRow], dict[int, WorkRow]]
"""The number of the last status, and what it has shown."""


@dataclass(frozen=True)
class Wish:
    """What a task asks for; numbers choose among the tasks that its client has.

    Attributes
    ----------
    early
        Whether the client says to know nothing of how the others ended.
    """

    after: tuple[int, ...] = ()
    follow: tuple[int, ...] = ()
    every: bool = True
    success: bool = True
    failure: bool = False
    early: bool = False
    retry: Retry | None = None
    time_limit: float = 0.0
    expires: float = 0.0
    patience: float = 0.0
    priority: int = 0
    gpu: bool = False
    key: str = ""
    awaits: bool = False


class Client(Process):
    """A client.

    Attributes
    ----------
    mine
        The tasks that it has submitted.
    answers
        The frames of the results that it has, and the engines that they are from.
    held
        Whose results it holds in shared memory.
    let_go
        Whose results it held there.
    watching, watched
        Which feeds it wants, and what it was shown, for each of those that it ever did.
    """

    def __init__(self, world: World) -> None:
        self.id = ClientId(world.number())
        self.count = 0
        self.needs: list[bytes] = []
        self.lacking: list[TaskId] = []
        self.asked: dict[int, type[Message]] = {}
        self.known: dict[EngineId, EngineInfo] = {}
        self.cancelled: set[TaskId] = set()
        self.mine: list[TaskId] = []
        self.answers: dict[TaskId, tuple[list[Frame], EngineId]] = {}
        self.held: set[TaskId] = set()
        self.let_go: set[TaskId] = set()
        self.fetched: dict[TaskId, ResultItem] = {}
        self.wanted: set[TaskId] = set()
        self.repeats: dict[int, list[TaskId]] = {}
        self.watched: dict[int, Picture] = {}
        self.watching: set[int] = set()
        super().__init__(world)

    @property
    def greeting(self) -> Message:
        return ClientHello(self.id, "here", 1)

    def took(self, message: Message, frames: Iterator[Frame]) -> None:  # noqa: C901 - one case each
        match message:
            case Results():
                for item in message.items:
                    taken = [next(frames) for _ in range(frames_of(item.buffers))]
                    self._told(item, taken, message.engine)
            case Welcome() | Engines():
                for info in message.engines:
                    self.known[info.id] = info
                    if info.status is EngineStatus.STOPPED:
                        del self.known[info.id]
            case FreeBlobs():
                self.world.blobs -= set(message.names)
            case Need():
                self.needs.append(message.function)
            case Lack():
                self.lacking += message.ids
            case News():
                taken = [next(frames) for _ in range(frames_of(message.buffers))]
                assert taken == [b"new"]
                assert client_of(message.id) == self.id
                gone = {b.name for b in message.buffers if not isinstance(b, int)}
                assert gone <= self.world.blobs, "the blob of some news was freed too early"
                self.say(More(message.id, 1))
            case Status():
                self._watched(message)
            case Output() | Started() | Refused() | Notice():
                pass
            case _:
                self._answered(message)

    def _answered(self, message: Message) -> None:
        match message:
            case Cancelled() | Steered() | Fetched() | Purged():
                assert isinstance(message, self.asked.pop(message.request))
            case _:
                raise AssertionError(message)
        match message:
            case Cancelled():
                self.cancelled |= set(message.ids)
            case Fetched():
                new = self.repeats.pop(message.request, [])
                for task in new if message.missing else ():
                    self.world.retries.pop(task, None)
                    self.mine.remove(task)
            case _:
                pass

    def _watched(self, status: Status) -> None:
        """Fold what has changed into the picture of a feed."""
        number, engines, work = self.watched.get(status.request, (0, {}, {}))
        if status.number == 1:
            number, engines, work = 0, {}, {}
        assert status.number == number + 1, "a status is missing"
        told = (status.engines, status.gone, status.work, status.past, status.totals)
        assert status.number == 1 or any(told), "it is told that nothing has changed"
        for gone in status.gone:
            engines.pop(gone, None)  # it may have come and gone since the last time
        for past in status.past:
            work.pop(past, None)
        engines.update({row.id: row for row in status.engines})
        work.update({row.number: row for row in status.work})
        self.watched[status.request] = status.number, engines, work

    def watch(self, request: int, interval: float) -> None:
        """Ask for the status feed, or end it."""
        self.say(Watch(request, interval))
        self.watching.discard(request)
        if interval:
            self.watching.add(request)

    def _told(self, item: ResultItem, frames: list[Frame], engine: EngineId) -> None:
        world = self.world
        if item.status is DONE:
            world.check_payload(item, frames)
            assert blobs_of(item) <= world.blobs, "its result's blob was freed too early"
        known = world.results.get(item.id)
        if client_of(item.id) != self.id or item.id in self.wanted:
            assert item.id in self.wanted, "it did not ask for that"
            assert known is None or known == item, "it is told another story"
            self.fetched[item.id] = item
            if client_of(item.id) != self.id or known is not None:
                return
        self._ended(item, frames, engine)

    def _ended(self, item: ResultItem, frames: list[Frame], engine: EngineId) -> None:
        world = self.world
        assert item.id not in world.results, "it has two results"
        assert item.status.ended
        world.results[item.id] = item
        self.answers[item.id] = frames, engine
        if item.status is DONE and blobs_of(item):
            self.held.add(item.id)
        call, runs = world.calls[item.id], world.runs[item.id]
        if call.inherits:
            return
        match item.status:
            case TaskStatus.DONE | TaskStatus.FAILED:
                assert runs >= 1
                world.check_payload(item, frames)
            case TaskStatus.CANCELLED:
                assert runs == 0 or world.retries[item.id], "it was cancelled after it had begun"
            case _:
                ename = decode_failure(item.inline).ename
                unbegun = runs == 0 and item.id not in world.excused | world.targets.keys()
                assert not (ename == "EngineLost" and unbegun), "it was lost unbegun"

    # ------------------------------------------------------------ what it asks for

    def request(self, answer: type[Message]) -> int:
        """Return the number of a request that will be answered so."""
        number = self.world.number()
        self.asked[number] = answer
        return number

    @property
    def usable(self) -> list[TaskId]:
        """The tasks whose values it can pass on."""
        return [task for task in self.mine if task not in self.let_go]

    def choose(self, numbers: Sequence[int]) -> tuple[TaskId, ...]:
        """Choose some of the tasks whose values it can pass on, the latest first."""
        usable = self.usable[::-1]
        chosen = [usable[number % len(usable)] for number in numbers if usable]
        return tuple(dict.fromkeys(chosen))

    def _new(self, count: int, call: Call) -> list[TaskId]:
        first = first_task(self.id, self.count)
        self.count += count
        ids = [TaskId(first + place) for place in range(count)]
        self.world.retries.update(dict.fromkeys(ids, call.spec.retries))
        self.world.calls.update(dict.fromkeys(ids, call))
        self.mine += ids
        return ids

    def submit(
        self,
        count: int,
        spec: TaskSpec,
        *,
        with_blob: bool,
        each_of: Sequence[EngineId] | None = None,
        define: bool = False,
        needs: Sequence[int] = (),
        wish: Wish | None = None,
    ) -> None:
        """Submit tasks, balanced or one for each of some engines."""
        if define and spec.function:
            self.define(spec.function)
        blobs: Buffers = (self.world.blob(client_owner(self.id)),) if with_blob else ()
        needed = self.choose(needs)
        if wish is not None:
            spec = msgspec.structs.replace(spec, options=self.options(wish))
        call = Call(spec, needed, self._done_before(spec))
        ids = self._new(len(each_of or range(count)), call)
        items = [TaskItem(task, b"%04d" % (task % 1000), (4, *blobs), needed) for task in ids]
        message: Message = Submit(spec, items)
        if each_of is not None:
            items = [TaskItem(ids[0], b"same", (4, *blobs), needed)]
            message = SubmitEach(spec, items[0], list(each_of))
            self.world.targets.update(zip(ids, each_of, strict=True))
        self.say(message, frames=[frame for item in items for frame in frames_for(item)])

    def _done_before(self, spec: TaskSpec) -> frozenset[TaskId]:
        """Return the tasks of the same key whose outcome the hub has to remember."""
        key = "" if spec.options is None else spec.options.key
        results, calls = self.world.results, self.world.calls
        if not key:
            return frozenset()
        same = [task for task, call in calls.items() if call.options.key == key]
        told = [results[task] for task in same if task in results]
        return frozenset(i.id for i in told if i.status is DONE and not blobs_of(i))

    def options(self, wish: Wish) -> Options:
        """Make a task's options."""
        return Options(
            wish.retry,
            time_limit=wish.time_limit,
            expires=wish.expires,
            priority=wish.priority,
            resources=(("gpu", 1.0),) if wish.gpu else (),
            key=wish.key,
            after=self._dependency(wish, wish.after),
            follow=self._dependency(wish, wish.follow),
            patience=wish.patience,
            awaits=wish.awaits,
        )

    def _dependency(self, wish: Wish, numbers: Sequence[int]) -> Dependency | None:
        chosen = self.choose(numbers)
        if not chosen:
            return None
        results = self.world.results
        ended = [] if wish.early else [task for task in chosen if task in results]
        good = [t for t in ended if (wish.success if results[t].status is DONE else wish.failure)]
        engines = tuple(dict.fromkeys(e for t in good if (e := self.answers[t][1]) >= 0))
        return Dependency(
            tuple(task for task in chosen if task not in ended),
            len(good), len(ended) - len(good), engines, wish.every, wish.success, wish.failure,
        )  # fmt: skip

    def answer(self) -> None:
        """Send the functions and the values that the hub asked for."""
        needs, self.needs = self.needs, []
        for digest in needs:
            self.define(digest)
        lacking, self.lacking = self.lacking, []
        if lacking:
            items = [self._value(task) for task in lacking]
            frames = [f for item in items if item.buffers for f in self.answers[item.id][0]]
            self.say(Supply(items), frames=frames)

    def _value(self, task: TaskId) -> ResultItem:
        item = self.world.results.get(task)
        if item is None or task not in self.answers or task in self.let_go:
            unknown = Failure("UnknownTask", task_text(task), "")
            return ResultItem(task, TaskStatus.LOST, 0.0, 0.0, encode_failure(unknown))
        return item

    def release(self) -> None:
        """Hold no result in shared memory any more."""
        held, self.held = self.held, set()
        self.let_go |= held
        if held:
            self.say(Release(sorted(held)))

    def cancel(self, ids: Sequence[TaskId]) -> None:
        """Take tasks back."""
        self.say(Cancel(list(ids), self.request(Cancelled)))

    def interrupt(self, ids: Sequence[TaskId], graces: Sequence[float]) -> None:
        """Stop tasks."""
        mine = [task for task in ids if client_of(task) == self.id]
        self.say(Interrupt(mine, self.request(Cancelled), list(graces)))

    def steer(self, action: str, engines: Sequence[EngineId], count: int = 0) -> None:
        """Steer engines."""
        self.say(Steer(self.request(Steered), action, list(engines), count))

    def fetch(self, ids: Sequence[TaskId]) -> None:
        """Ask for the outcomes of tasks, whoever submitted them."""
        self.wanted |= set(ids)
        self.say(Fetch(self.request(Fetched), list(ids)))

    def purge(self, ids: Sequence[TaskId]) -> None:
        """Have tasks forgotten."""
        names = [task_text(task) for task in ids]
        query = msgspec.json.encode({"msg_id": {"$in": names}})
        self.say(Purge(self.request(Purged), query))

    def resubmit(self, ids: Sequence[TaskId]) -> None:
        """Have tasks run once more."""
        request = self.request(Fetched)
        new: list[TaskId] = []
        for task in ids:
            old = self.world.calls[task]
            options = old.spec.options
            if options is not None:
                options = msgspec.structs.replace(
                    options, key="", after=None, follow=None, patience=0.0
                )
            spec = msgspec.structs.replace(old.spec, options=options)
            [repeat] = self._new(1, Call(spec, old.needs))
            new.append(repeat)
            if task in self.world.targets:
                self.world.targets[repeat] = self.world.targets[task]
        self.repeats[request] = new
        self.say(Resubmit(request, list(ids), new[0]))

    def define(self, function: bytes) -> None:
        """Send a function."""
        self.say(Define(function, PICKLES[function]))

    def prepare(self, name: str, function: bytes, engines: Sequence[EngineId]) -> None:
        """Have every engine run something before anything else; nothing, without a function."""
        spec = TaskSpec(Kind.APPLY, function, balanced=False)
        item = TaskItem(first_task(self.id, 0), b"prep", (4,))
        self.say(Prepare(name, spec, item, list(engines)), frames=[b"prep"])

    def leave(self, chance: Random, *, politely: bool) -> None:
        """End, with or without a word."""
        if politely:
            self.say(Bye())
        self.end(chance)
        self.world.clients.remove(self)


def spec_of(
    function: bytes, retries: int, engines: Sequence[EngineId] | None, *, balanced: bool
) -> TaskSpec:
    """Make what the tasks of a submission have in common."""
    restriction = None if engines is None else tuple(engines)
    return TaskSpec(Kind.APPLY, function, retries=retries, engines=restriction, balanced=balanced)
