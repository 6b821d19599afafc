"""What the hub remembers of tasks that have ended, and what it forgets first."""

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from ipcluster_ext.core.entry import Entry
from ipcluster_ext.core.function import Function
from ipcluster_ext.core.history import History
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.frames import Frame, encode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import (
    Blob,
    Buffers,
    Failure,
    ResultItem,
    TaskItem,
    TaskSpec,
)
from ipcluster_ext.protocol.status import Kind, TaskStatus

DONE, FAILED = TaskStatus.DONE, TaskStatus.FAILED
SPEC = TaskSpec(Kind.APPLY)


class Held(Counter[str]):
    """Counts who holds which blob."""

    def hold(self, names: Iterable[str]) -> None:
        self.update(names)

    def release(self, names: Iterable[str]) -> None:
        self.subtract(names)

    @property
    def now(self) -> dict[str, int]:
        return {name: count for name, count in self.items() if count}


def end(
    history: History,
    number: int,
    *,
    now: float = 0.0,
    request: bytes = b"",
    result: bytes = b"",
    request_buffers: Buffers = (),
    buffers: Buffers = (),
    frames: Sequence[Frame] = (),
    status: TaskStatus = DONE,
    orphan: bool = False,
) -> TaskId:
    """End a task."""
    item = TaskItem(TaskId(number), request, request_buffers)
    task = Task(TaskId(number), SPEC, item, (), Function(b""), submitted=now - 1)
    outcome = ResultItem(TaskId(number), status, 1.0, 2.0, result, buffers)
    history.add(task, outcome, EngineId(3), frames, now, orphan)
    return task.id


def ids(history: History) -> list[int]:
    return sorted(entry.id for entry in history)


def entry_of(history: History, task: int) -> Entry:
    entry = history.get(TaskId(task))
    assert entry is not None
    return entry


class TestAnEndedTask:
    def test_is_remembered_with_its_request_and_its_result(self) -> None:
        history = History()

        end(history, 7, now=5.0, request=b"in", result=b"out")

        entry = entry_of(history, 7)
        assert (entry.request, entry.item) == (
            TaskItem(TaskId(7), b"in"),
            ResultItem(TaskId(7), DONE, 1.0, 2.0, b"out"),
        )
        assert (entry.engine, entry.submitted, entry.ended) == (3, 4.0, 5.0)
        assert (entry.tries, entry.kept, entry.nbytes) == (1, True, 5)

    def test_that_was_never_seen_is_not_known(self) -> None:
        assert History().get(TaskId(1)) is None

    def test_can_be_forgotten(self) -> None:
        history = History()
        for number in range(4):
            end(history, number, result=b"out")

        assert history.forget(map(TaskId, (1, 2, 9))) == 2

        assert (ids(history), history.nbytes) == ([0, 3], 6)

    def test_says_why_it_failed(self) -> None:
        history = History()

        end(
            history,
            1,
            status=FAILED,
            result=encode_failure(Failure("ValueError", "no", "a long text")),
        )

        assert entry_of(history, 1).failure == ("ValueError", "no")

    def test_whose_failure_is_no_failure_has_no_reason(self) -> None:
        history = History()

        end(history, 1, status=FAILED, result=b"nonsense")

        assert entry_of(history, 1).failure == ("", "")


class TestTheLimits:
    def test_the_oldest_leave_first_when_there_are_too_many(self) -> None:
        history = History(most=32)

        for number in range(100):
            end(history, number, now=float(number))
            assert len(history) <= 32

        assert ids(history) == list(range(70, 100))

    def test_hold_for_tasks_with_large_payloads_as_well(self) -> None:
        history = History(most=32)

        for number in range(100):
            end(history, number, now=float(number), buffers=(4,) if number % 3 else ())
            assert len(history) <= 32

        assert len(history) >= 28
        assert min(ids(history)) >= 65

    def test_the_old_are_forgotten_when_somebody_looks(self) -> None:
        history = History(most=16, max_age=10.0)
        for number in range(4):
            end(history, number, now=100.0 + 5 * number, buffers=(4,) if number % 2 else ())

        history.shrink(112.0)

        assert ids(history) == [1, 2, 3]

    def test_small_payloads_leave_before_the_records(self) -> None:
        history = History(most=160, most_nbytes=3200)

        for number in range(160):
            end(history, number, request=b"x" * 50, result=b"y" * 50)
            assert history.nbytes <= 3200

        kept = [entry.id for entry in history if entry.kept and entry.request]
        assert len(history) == 150
        assert kept == list(range(160 - len(kept), 160))
        assert 14 <= len(kept) <= 16

    def test_large_payloads_leave_before_the_records(self) -> None:
        history = History(most_nbytes=2000)

        for number in range(5):
            end(history, number, buffers=(400,), frames=[b"x" * 400])

        assert {entry.id: (entry.kept, list(entry.frames)) for entry in history} == {
            0: (False, []),
            1: (False, []),
            2: (False, []),
            3: (True, [b"x" * 400]),
            4: (True, [b"x" * 400]),
        }

    def test_a_result_that_is_too_large_alone_is_not_kept_and_drives_nobody_out(self) -> None:
        history = History(most_nbytes=2000)
        end(history, 1, buffers=(400,), frames=[b"x" * 400])

        end(history, 2, request=b"small", buffers=(5000,), frames=[b"x" * 5000])

        assert entry_of(history, 1).kept
        assert not entry_of(history, 2).kept
        assert entry_of(history, 2).request is not None

    def test_a_failure_stays_known_without_its_payload(self) -> None:
        history = History(most=160, most_nbytes=0)
        failure = encode_failure(Failure("ValueError", "no", "t" * 1000, b"p" * 1000))

        end(history, 1, status=FAILED, result=failure)

        entry = entry_of(history, 1)
        assert (entry.kept, entry.failure, entry.nbytes) == (False, ("ValueError", "no"), 0)

    def test_an_id_used_twice_does_no_harm(self) -> None:
        history = History(most=16)

        for _ in range(100):
            end(history, 1, result=b"x")
            end(history, 1, buffers=(4,))

        assert history.get(TaskId(1)) is not None
        assert len(history) <= 16


class TestBlobs:
    def test_of_a_result_that_its_client_gets_are_not_kept(self) -> None:
        held = Held()
        history = History(hold=held.hold, release=held.release)

        end(history, 1, request=b"in", buffers=(Blob("e1-1", 5),))

        entry = entry_of(history, 1)
        assert (entry.kept, entry.request is not None, held.now) == (False, True, {})

    def test_of_a_request_are_not_kept_but_its_result_is(self) -> None:
        held = Held()
        history = History(hold=held.hold, release=held.release)

        end(history, 1, result=b"out", request_buffers=(Blob("c1-1", 5),))

        entry = entry_of(history, 1)
        assert (entry.kept, entry.request, held.now) == (True, None, {})

    def test_of_a_result_whose_client_is_gone_are_held(self) -> None:
        held = Held()
        history = History(hold=held.hold, release=held.release)

        end(history, 1, request_buffers=(Blob("c1-1", 5),), buffers=(Blob("e1-1", 5),), orphan=True)

        assert (entry_of(history, 1).kept, history.blobs, held.now) == (True, ["e1-1"], {"e1-1": 1})

    def test_are_let_go_with_the_oldest_when_they_are_too_many(self) -> None:
        held = Held()
        history = History(most_orphan_nbytes=10, hold=held.hold, release=held.release)

        for number in range(4):
            end(history, number, buffers=(Blob(f"e1-{number}", 4),), orphan=True)

        assert held.now == {"e1-2": 1, "e1-3": 1}
        assert len(history) == 4

    def test_are_kept_where_that_is_wanted(self) -> None:
        held = Held()
        history = History(most_blob_nbytes=100, hold=held.hold, release=held.release)

        end(history, 1, request_buffers=(Blob("c1-1", 5),), buffers=(Blob("e1-1", 5),))

        assert held.now == {"c1-1": 1, "e1-1": 1}

    @pytest.mark.parametrize("how", ["forgotten", "old", "too many"])
    def test_are_let_go_with_the_record(self, how: str) -> None:
        held = Held()
        history = History(most=16, max_age=50.0, hold=held.hold, release=held.release)
        end(history, 1, buffers=(Blob("e1-1", 5),), orphan=True)

        match how:
            case "forgotten":
                history.forget([TaskId(1)])
            case "old":
                history.shrink(51.0)
            case _:
                for number in range(2, 20):
                    end(history, number, now=1.0)

        assert (history.get(TaskId(1)), held.now) == (None, {})
