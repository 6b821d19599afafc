"""What comms on an engine say: with which task it goes, and what has to wait."""

from collections.abc import Iterator
from typing import Any

import pytest

from ipcluster_ext.engine import comms
from ipcluster_ext.engine.comms import EngineComm, speak_through
from ipcluster_ext.engine.commways import MOST_LATE, Comms
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of, first_task
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind

MINE, THEIRS = first_task(ClientId(1), 1), first_task(ClientId(2), 1)
State = dict[str, Any]


class Now:
    """The task that runs: `engine.current.Current` as comms see it."""

    def __init__(self) -> None:
        self.running: TaskId | None = None

    def task(self) -> TaskId | None:
        return self.running

    def assignment(self) -> Assignment | None:
        if self.running is None:
            return None
        return Assignment(TaskSpec(Kind.APPLY), TaskItem(self.running, b""), ())


class Stage:
    """An engine's comms, and what was told of which task."""

    def __init__(self) -> None:
        self.now = Now()
        self.told: list[tuple[TaskId, str, State]] = []
        self.reminded = 0
        now: Any = self.now
        captures: Any = Nothing()
        self.comms = Comms(EngineId(3), now, self._tell, captures)
        self.comms.remind = self._remind

    def _tell(self, assignment: Assignment, topic: str, value: object) -> None:
        assert topic == "comm"
        said: Any = value
        assert said[0] == 3
        self.told.append((assignment.item.id, said[1], said[2]["data"]))

    def _remind(self) -> None:
        self.reminded += 1

    def open(self, task: TaskId | None, **state: object) -> EngineComm:
        self.now.running = task
        return EngineComm(target_name="jupyter.widget", data={"state": state})


class Nothing:
    """Captures nothing."""

    def look(self, _speaker: EngineComm, _message: object) -> bool:
        return True


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    manager = comms.EngineCommManager()  # type: ignore[no-untyped-call]
    monkeypatch.setattr("comm.get_comm_manager", lambda: manager)
    stage = Stage()
    speak_through(stage.comms.say)
    yield stage
    speak_through(None)


def update(**state: object) -> State:
    return {"method": "update", "state": state}


def test_a_comm_speaks_with_the_task_that_runs(stage: Stage) -> None:
    opened = stage.open(MINE, value=1)
    opened.send(update(value=2))
    assert stage.told == [
        (MINE, "comm_open", {"state": {"value": 1}}),
        (MINE, "comm_msg", update(value=2)),
    ]


def test_another_clients_task_is_no_way_for_it(stage: Stage) -> None:
    opened = stage.open(MINE)
    stage.told.clear()

    stage.now.running = THEIRS
    opened.send(update(value=2))
    assert stage.told == []

    stage.now.running = TaskId(MINE + 5)
    assert not stage.comms.catch_up()
    assert stage.told == [(MINE + 5, "comm_msg", update(value=2))]


def test_what_is_said_between_tasks_comes_first_with_the_next(stage: Stage) -> None:
    opened, other = stage.open(MINE), stage.open(MINE)
    stage.told.clear()
    stage.now.running = None
    opened.send(update(value=1))
    other.send({"method": "custom"})
    assert (stage.told, stage.reminded) == ([], 2)

    stage.now.running = MINE
    opened.send(update(value=2))

    assert [data for _, _, data in stage.told] == [
        update(value=1),
        {"method": "custom"},
        update(value=2),
    ]


def test_changes_of_a_state_that_wait_are_one(stage: Stage) -> None:
    opened = stage.open(MINE)
    stage.told.clear()
    stage.now.running = None
    for value in range(MOST_LATE * 2):
        opened.send(update(value=value))
    opened.send(update(text="end"))

    stage.now.running = MINE
    stage.comms.catch_up()

    last = update(value=MOST_LATE * 2 - 1, text="end")
    assert stage.told == [(MINE, "comm_msg", last)]


def test_what_carries_raw_memory_stays_as_it_is(stage: Stage) -> None:
    opened = stage.open(MINE)
    stage.now.running = None
    opened.send(update(value=1), buffers=[b"1"])
    opened.send(update(value=2), buffers=[b"2"])
    stage.told.clear()
    stage.now.running = MINE
    stage.comms.catch_up()
    assert [data for _, _, data in stage.told] == [update(value=1), update(value=2)]


def test_of_what_waits_in_vain_the_oldest_is_dropped(stage: Stage) -> None:
    opened = stage.open(MINE)
    stage.told.clear()
    stage.now.running = None
    for number in range(MOST_LATE + 5):
        opened.send({"method": "custom", "number": number})
    stage.now.running = MINE
    stage.comms.catch_up()
    assert [data["number"] for _, _, data in stage.told] == list(range(5, MOST_LATE + 5))


def test_a_comm_that_a_thread_opens_belongs_to_whoever_is_next(stage: Stage) -> None:
    opened = stage.open(None)
    stage.now.running = THEIRS
    opened.send(update(value=1))
    assert [(client_of(task), kind) for task, kind, _ in stage.told] == [
        (ClientId(2), "comm_open"),
        (ClientId(2), "comm_msg"),
    ]


def test_code_in_a_task_is_asked_for_by_that_task(stage: Stage) -> None:
    assert stage.comms.asked_by() == {}
    stage.now.running = MINE
    assert set(stage.comms.asked_by()["header"]) == {"msg_id"}


def test_a_process_that_is_no_engine_says_nothing() -> None:
    speak_through(None)
    EngineComm(target_name="jupyter.widget").send(update(value=1))
