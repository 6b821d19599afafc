"""Scripted engines: they run tasks, one at a time or aside, and check what they are given."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ipcluster_ext.protocol.frames import Frame, encode_failure, frames_of
from ipcluster_ext.protocol.ids import EngineId, TaskId, engine_owner
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
    News,
    Output,
    Recall,
    Refused,
    Returned,
    Run,
    Started,
    Undefine,
    Values,
    Waiting,
    Welcome,
)
from ipcluster_ext.protocol.parts import Buffers, Failure, Options, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import TaskStatus
from tests.stateful.world import NONE, PICKLES, Made, Process, blobs_of, frames_for

if TYPE_CHECKING:
    from tests.stateful.agents import Agent

DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED
AGAIN, REFUSED = TaskStatus.AGAIN, TaskStatus.REFUSED
PLAIN = Options()
Entry = tuple[TaskSpec, TaskItem]


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
    out_of_turn
        Those and what it began while another task was suspended, ended or not: the hub may not
        have heard of it.
    values
        The values of other tasks that it has.
    """

    def __init__(self, agent: "Agent", number: EngineId) -> None:
        self.agent = agent
        self.id = number
        self.box = NONE
        self.running: Entry | None = None
        self.suspended: list[Entry] = []
        self.aside: dict[TaskId, Entry] = {}
        self.out_of_turn: list[TaskId] = []
        self.lane: deque[Entry] = deque()
        self.functions: set[bytes] = set()
        self.values: dict[TaskId, ResultItem] = {}
        super().__init__(agent.world)

    @property
    def greeting(self) -> Message:
        return EngineHello(self.id, self.boot, self.agent.boot, "here", 1, "", dict(self.resources))

    @property
    def resources(self) -> tuple[tuple[str, float], ...]:
        """What it has: every other one is better equipped."""
        return (("gpu", 1.0),) if self.id % 2 else ()

    @property
    def begun(self) -> list[Entry]:
        """What it has begun."""
        running = [] if self.running is None else [self.running]
        return [*self.suspended, *running, *self.aside.values()]

    @property
    def busy(self) -> bool:
        """Whether it has anything to do."""
        return bool(self.lane or self.begun)

    def took(self, message: Message, frames: Iterator[Frame]) -> None:  # noqa: C901 - one case each
        match message:
            case Run():
                for item in message.items:
                    assert not message.spec.function or message.spec.function in self.functions
                    taken = [next(frames) for _ in range(frames_of(item.buffers))]
                    assert taken == frames_for(item)
                    assert set(item.needs) <= set(self.values), "a value did not come first"
                    self.lane.append((message.spec, item))
            case Define():
                assert PICKLES[message.function] == message.inline
                self.functions.add(message.function)
            case Undefine():
                self.functions -= set(message.functions)
            case FreeBlobs():
                self.world.blobs -= set(message.names)
            case Recall():
                balanced = [item.id for spec, item in self.lane if spec.balanced]
                self._give_back(balanced[max(0, len(balanced) - message.count) :])
            case Drop():
                self._give_back([item.id for _, item in self.lane if item.id in message.ids])
            case Halt():
                self._halt(message.ids)
            case Values():
                self._keep(message.items, frames)
            case Forget():
                self._forget(message.ids)
            case Welcome() | Refused() | More():
                pass
            case _:
                raise AssertionError(message)

    def _keep(self, items: list[ResultItem], frames: Iterator[Frame]) -> None:
        for item in items:
            assert item.id not in self.values, "a value came twice"
            assert item.status is DONE
            taken = [next(frames) for _ in range(frames_of(item.buffers))]
            self.world.check_payload(item, taken)
            self.values[item.id] = item

    def _forget(self, ids: list[TaskId]) -> None:
        for task in ids:
            del self.values[task]
        for _, item in [*self.lane, *self.begun]:
            assert set(item.needs) <= set(self.values), "a value was dropped before it was used"

    def _give_back(self, ids: list[TaskId]) -> None:
        self.lane = deque(entry for entry in self.lane if entry[1].id not in ids)
        self.world.given_back(self.boot, ids)
        self.say(Returned(ids))

    def _halt(self, ids: list[TaskId]) -> None:
        """Interrupt tasks; every other one goes on nevertheless."""
        for entry in self.begun:
            if entry[1].id in ids and entry[1].id % 2:
                self._end(entry, FAILED, seconds=0.0, with_blob=False)

    # ------------------------------------------------------------ what it does

    def begin(self, *, refuse: bool = False) -> None:
        """Begin the next task, if it is idle; or refuse it."""
        if self.running is not None or not self.lane:
            return
        entry = spec, item = self.lane.popleft()
        awaits = spec.options is not None and spec.options.awaits
        if awaits or self.suspended:
            self.out_of_turn.append(item.id)
        else:
            self.box = item.id
        if refuse:
            self.world.ended(self.boot, item.id)
            no = encode_failure(Failure("UnmetDependency", "not here", ""))
            self.say(Done([ResultItem(item.id, REFUSED, 0.0, 0.0, no)]))
            return
        self.world.begins(self, spec, item)
        for need in item.needs:
            gone = blobs_of(self.values[need]) - self.world.blobs
            assert not gone, "a value's blob was freed before it was used"
        if awaits:
            self.aside[item.id] = entry
        else:
            self.running = entry

    def suspend(self) -> None:
        """Have the running task wait for tasks of its own."""
        if self.running is not None:
            self.suspended.append(self.running)
            self.running = None
            self.say(Waiting(len(self.suspended)))

    def finish(
        self,
        *,
        well: bool = True,
        seconds: float = 0.0,
        with_blob: bool = False,
        status: TaskStatus | None = None,
    ) -> None:
        """End the running task, if there is one; else what it has begun besides."""
        if status is None:
            status = DONE if well else FAILED
        if self.running is not None:
            self._end(self.running, status, seconds=seconds, with_blob=with_blob)
        elif self.aside:
            entry = next(iter(self.aside.values()))
            self._end(entry, status, seconds=seconds, with_blob=with_blob)
        elif self.suspended:
            self._end(self.suspended[-1], status, seconds=seconds, with_blob=with_blob)

    def _end(self, entry: Entry, status: TaskStatus, *, seconds: float, with_blob: bool) -> None:
        spec, item = entry
        self._leave(entry)
        self.world.ended(self.boot, item.id)
        options = spec.options or PLAIN
        if status is AGAIN and (options.retry is None or not options.retry.judge):
            status = FAILED
        number = self.world.number()
        inline = b"out-%d" % number
        if status is not DONE:
            inline = encode_failure(Failure("OSError", str(number), ""))
        owner = engine_owner(self.id, self.boot)
        buffers: Buffers = (3, self.world.blob(owner)) if with_blob else (3,)
        done = ResultItem(item.id, status, 9.0, 9.0 + seconds, inline, buffers)
        frames: list[Frame] = [b"%03d" % (number % 1000)]
        self.world.made[inline] = Made(done, frames, self.id)
        news: Buffers = (3, self.world.blob(owner)) if with_blob else (3,)
        self.say(News(item.id, "data", b"news", news), frames=[b"new"])
        self.say(Output(item.id, "stdout", "text"), Started([item.id]))
        self.say(Done([done]), frames=frames)

    def _leave(self, entry: Entry) -> None:
        task = entry[1].id
        if self.aside.pop(task, None) is not None:
            return
        if self.running is entry:
            self.running = None
        else:
            self.suspended.remove(entry)
            self.say(Waiting(len(self.suspended)))

    def work(self, steps: int) -> None:
        """Begin and end tasks in turn."""
        for _ in range(steps):
            if self.running is None and self.lane:
                self.begin()
            else:
                self.finish()
