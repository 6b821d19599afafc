"""Of tasks that fail the frames are kept, within bounds."""

import weakref
from collections.abc import Callable

import pytest

from ipcluster_ext.engine import wreckage
from ipcluster_ext.engine.wreckage import MOST, Wreckage, held_nbytes
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.postmortem import FramesGone


class Held:
    """Something that a frame keeps alive."""


def fails(held: object = None, kind: type[BaseException] = ZeroDivisionError) -> None:
    del held
    raise kind


def keeps(held: object) -> None:
    raise ZeroDivisionError(bool(held))


def failure(function: Callable[..., object] = fails, *args: object) -> BaseException:
    """Call a function that fails; return what it raised, with its frames."""
    try:
        function(*args)
    except BaseException as error:  # noqa: BLE001 - whatever the test has it raise
        return error
    raise AssertionError


@pytest.fixture
def kept() -> Wreckage:
    return Wreckage(EngineId(3))


def name_of(error: BaseException) -> str:
    assert error.__traceback__ is not None
    return error.__traceback__.tb_frame.f_code.co_name


def test_a_failed_tasks_frames_are_kept_without_those_of_the_engine(kept: Wreckage) -> None:
    kept.keep(TaskId(1), failure(), 1)

    assert name_of(kept.find(TaskId(1))) == "fails"


def test_only_the_last_are_kept(kept: Wreckage) -> None:
    for number in range(MOST + 1):
        kept.keep(TaskId(number), failure(), 1)

    assert name_of(kept.find(TaskId(MOST))) == "fails"
    with pytest.raises(FramesGone, match=r"engine 3 does not have .* the last 2 that failed"):
        kept.find(TaskId(0))


def test_of_a_task_that_failed_twice_the_last_time_is_kept(kept: Wreckage) -> None:
    def again() -> None:
        raise KeyError

    kept.keep(TaskId(1), failure(), 1)
    kept.keep(TaskId(1), failure(again), 1)

    assert name_of(kept.find(TaskId(1))) == "again"


def test_what_was_never_there_is_not_found(kept: Wreckage) -> None:
    with pytest.raises(FramesGone, match="restarted, or never had it"):
        kept.find(TaskId(1))


def test_what_is_cleared_is_let_go(kept: Wreckage) -> None:
    held = Held()
    gone = weakref.ref(held)

    kept.keep(TaskId(1), failure(keeps, held), 1)
    del held
    assert gone() is not None

    kept.clear()

    assert gone() is None
    with pytest.raises(FramesGone, match="emptied"):
        kept.find(TaskId(1))


@pytest.mark.parametrize("kind", [MemoryError, type("CudaOutOfMemoryError", (Exception,), {})])
def test_memory_that_ran_out_is_given_back(kept: Wreckage, kind: type[BaseException]) -> None:
    kept.keep(TaskId(1), failure(fails, None, kind), 1)

    with pytest.raises(FramesGone, match="ran out of memory"):
        kept.find(TaskId(1))


def test_frames_that_hold_much_are_not_kept(
    kept: Wreckage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wreckage, "MOST_NBYTES", 1000)

    def holds() -> None:
        much = bytes(2000)
        raise ZeroDivisionError(len(much))

    kept.keep(TaskId(1), failure(holds), 1)

    with pytest.raises(FramesGone, match=r"they hold 2.0 KiB, and up to 1000 bytes are kept"):
        kept.find(TaskId(1))


def test_what_failed_before_its_code_ran_has_no_frames(kept: Wreckage) -> None:
    kept.keep(TaskId(1), failure(), 2)

    with pytest.raises(FramesGone, match="before any of its code ran"):
        kept.find(TaskId(1))


def test_what_several_frames_hold_is_counted_once() -> None:
    numpy = pytest.importorskip("numpy")

    def outer() -> None:
        array = numpy.zeros(1000)
        inner(array)

    def inner(array: object) -> None:
        raise ZeroDivisionError(array is None)

    frames = failure(outer).__traceback__

    assert 8000 <= held_nbytes(frames) < 16000
