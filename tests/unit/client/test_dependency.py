import pickle
from typing import Any

import pytest

from ipcluster_ext.client.dependency import Dependency, dependency_of
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.errors import InvalidDependency
from ipcluster_ext.protocol import parts
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, first_task, task_text
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus

CLIENT = ClientId(7)
A, B, C = (first_task(CLIENT, count) for count in (1, 2, 3))
NAMES = [task_text(task) for task in (A, B, C)]
DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED


class Answer:
    """An answer whose tasks have ended as the test says."""

    def __init__(self, ends: dict[TaskId, tuple[TaskStatus, int] | None]) -> None:
        self._tasks = list(ends)
        self._ends = ends

    def count_tasks(self) -> int:
        return len(self._tasks)

    def task_at(self, place: int) -> TaskId:
        return self._tasks[place]

    def outcome_at(self, place: int) -> Outcome | None:
        end = self._ends[self._tasks[place]]
        if end is None:
            return None
        status, engine = end
        item = ResultItem(self._tasks[place], status, 0.0, 0.0, b"")
        return Outcome(EngineId(engine), item, None)


def anything(_task: TaskId) -> bool:
    return True


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        (NAMES[0], {NAMES[0]}),
        ([NAMES[0], NAMES[1]], set(NAMES[:2])),
        ({NAMES[2]}, {NAMES[2]}),
        (Answer({A: None, B: None}), set(NAMES[:2])),
        ([Answer({A: None}), NAMES[2]], {NAMES[0], NAMES[2]}),
        (Dependency(NAMES[1]), {NAMES[1]}),
        ({"dependencies": [NAMES[0]], "all": False}, {NAMES[0]}),
        ((name for name in NAMES), set(NAMES)),
    ],
)
def test_a_dependency_may_be_given_in_any_form(given: Any, ids: set[str]) -> None:
    assert dependency_of(given) == ids


def test_parameters_as_a_dict_are_heeded() -> None:
    found = dependency_of({"dependencies": NAMES, "all": False, "success": False, "failure": True})

    assert found is not None
    assert (found.all, found.success, found.failure) == (False, False, True)


@pytest.mark.parametrize("nothing", [None, [], (), Dependency(), {"dependencies": []}])
def test_nothing_to_wait_for_is_no_dependency(nothing: object) -> None:
    assert dependency_of(nothing) is None


@pytest.mark.parametrize("text", ["", "1", "00000007-", "80000000-1", "00000007-99999999999"])
def test_a_text_that_is_no_task_is_refused(text: str) -> None:
    with pytest.raises(InvalidDependency, match="is not a task id"):
        Dependency([text])


def test_one_that_can_never_be_met_is_refused() -> None:
    with pytest.raises(ValueError, match="success, failure or both"):
        Dependency(NAMES, success=False)


@pytest.mark.parametrize(
    ("parameters", "completed", "failed", "holds", "hopeless"),
    [
        ({}, [], [], False, False),
        ({}, NAMES, [], True, False),
        ({}, NAMES[:2], [], False, False),
        ({}, NAMES[:2], NAMES[2:], False, True),
        ({"all": False}, NAMES[:1], NAMES[1:], True, False),
        ({"all": False}, [], NAMES[:1], False, False),
        ({"all": False}, [], NAMES, False, True),
        ({"failure": True}, NAMES[:1], NAMES[1:], True, False),
        ({"success": False, "failure": True}, [], NAMES, True, False),
        ({"success": False, "failure": True}, NAMES[:1], [], False, True),
        ({"all": False, "success": False, "failure": True}, NAMES[:1], NAMES[1:2], True, False),
        ({"all": False, "success": False, "failure": True}, NAMES, [], False, True),
    ],
)
def test_it_is_checked_against_what_has_ended(
    parameters: dict[str, bool],
    completed: list[str],
    failed: list[str],
    holds: bool,
    hopeless: bool,
) -> None:
    dependency = Dependency(NAMES, **parameters)

    assert dependency.check(completed, failed) is holds
    assert dependency.unreachable(completed, failed) is hopeless


def test_one_on_nothing_holds() -> None:
    assert Dependency().check([])
    assert not Dependency().unreachable([], [])
    assert Dependency(NAMES).check(NAMES)


def test_it_is_made_again_of_its_parameters_and_by_pickle() -> None:
    dependency = Dependency(NAMES, all=False, failure=True)

    for again in (Dependency(**dependency.as_dict()), pickle.loads(pickle.dumps(dependency))):
        assert again == dependency
        assert again.as_dict() == {**dependency.as_dict(), "dependencies": list(again)}


class TestOnTheWire:
    def test_tasks_not_seen_ended_are_left_to_the_hub(self) -> None:
        dependency = Dependency([NAMES[2], Answer({A: None})], all=False)

        assert dependency.on_the_wire(anything) == parts.Dependency((A, C), all=False)

    @pytest.mark.parametrize(
        ("parameters", "met", "unmet", "engines"),
        [
            ({}, 1, 1, (3,)),
            ({"failure": True}, 2, 0, (3, 4)),
            ({"success": False, "failure": True}, 1, 1, (4,)),
        ],
    )
    def test_those_seen_ended_are_judged_here(
        self, parameters: dict[str, bool], met: int, unmet: int, engines: tuple[int, ...]
    ) -> None:
        answer = Answer({A: (DONE, 3), B: (FAILED, 4), C: None})

        told = Dependency(answer, **parameters).on_the_wire(anything)

        assert told == parts.Dependency(
            (C,), met, unmet, tuple(map(EngineId, engines)), **{"all": True, **parameters}
        )

    def test_one_that_no_engine_ran_has_no_engine(self) -> None:
        told = Dependency(Answer({A: (FAILED, -1)}), failure=True).on_the_wire(anything)

        assert (told.met, told.engines) == (1, ())

    def test_what_was_added_later_counts_and_what_was_taken_out_does_not(self) -> None:
        dependency = Dependency(Answer({A: (DONE, 0), B: (DONE, 0)}))
        dependency.discard(NAMES[0])
        dependency.add(NAMES[2])

        assert dependency.on_the_wire(anything) == parts.Dependency((C,), 1, 0, (EngineId(0),))

    def test_tasks_that_cannot_be_are_refused(self) -> None:
        with pytest.raises(InvalidDependency, match=f"there is no task {NAMES[2]}"):
            Dependency(NAMES).on_the_wire(lambda task: task != C)
