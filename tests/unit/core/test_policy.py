import pytest

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.function import Function
from ipcluster_ext.core.policy import LeastLoad
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.protocol.status import EngineStatus, Kind


def engine_of(number: int, *, load: int = 0) -> Engine:
    agent = Agent(1, "here", Line(PeerId(1), []))
    engine = Engine(EngineId(number), agent, EngineStatus.READY)
    give(engine, load)
    return engine


def give(engine: Engine, load: int) -> None:
    spec, function = TaskSpec(Kind.APPLY), Function(b"")
    engine.unfinished = {
        TaskId(n): Task(TaskId(n), spec, TaskItem(TaskId(n), b""), (), function)
        for n in range(load)
    }


@pytest.fixture
def index() -> LeastLoad:
    return LeastLoad()


def test_without_engines_there_is_none_to_choose(index: LeastLoad) -> None:
    assert index.least() is None


def test_the_engine_with_the_fewest_tasks_is_chosen(index: LeastLoad) -> None:
    for number, load in enumerate((2, 1, 3)):
        index.enter(engine_of(number, load=load))

    least = index.least()

    assert least is not None
    assert least.id == 1


def test_among_equals_the_one_that_was_entered_first_is_chosen(index: LeastLoad) -> None:
    first, second = engine_of(5), engine_of(1)
    index.enter(first)
    index.enter(second)

    assert index.least() is first


def test_an_engine_whose_load_changed_is_chosen_by_its_new_load(index: LeastLoad) -> None:
    one, other = engine_of(0), engine_of(1, load=1)
    index.enter(one)
    index.enter(other)

    give(one, 2)
    index.enter(one)

    assert index.least() is other


def test_an_engine_that_may_not_be_given_work_is_not_chosen(index: LeastLoad) -> None:
    engine = engine_of(0)
    index.enter(engine)

    engine.stalled = True
    index.enter(engine)

    assert index.least() is None
    assert engine not in index


def test_the_index_holds_no_more_than_twice_its_engines_and_a_few(index: LeastLoad) -> None:
    idle, busy = engine_of(0), engine_of(1)
    index.enter(idle)

    for turn in range(10_000):
        give(busy, 1 + turn % 2)
        index.enter(busy)

    assert len(index) <= 70
    assert index.least() is idle
    assert busy in index
