import pickle

import pytest

from ipcluster_ext.client.failure import error_of, rebuild
from ipcluster_ext.errors import (
    ClientClosed,
    DependencyTimeout,
    EngineLost,
    ImpossibleDependency,
    InvalidDependency,
    NoEnginesRegistered,
    NoSuchEngine,
    PoisonTask,
    RemoteError,
    SerializationError,
    TaskAborted,
    TaskExpired,
    TaskInterrupted,
    TaskTimeout,
    UnknownTask,
)
from ipcluster_ext.protocol.composite import CompositeError
from ipcluster_ext.protocol.exceptions import dump_error
from ipcluster_ext.protocol.frames import encode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import Failure, ResultItem
from ipcluster_ext.protocol.status import TaskStatus

FACTS = ("Name", "text", "Traceback", 3)


def outcome(failure: Failure, status: TaskStatus = TaskStatus.FAILED) -> ResultItem:
    return ResultItem(TaskId(1), status, 0.0, 0.0, encode_failure(failure))


def failure(pickled: bytes) -> Failure:
    return Failure("Name", "text", "Traceback", pickled, EngineId(3))


class Odd(Exception):
    """Has a constructor of its own."""

    def __init__(self, place: str, number: int) -> None:
        super().__init__(f"{place} is {number}")
        self.place = place


class Proud(Exception):
    """Says itself how it is pickled."""

    def __init__(self, place: str, *, number: int) -> None:
        super().__init__(place)
        self.number = number

    def __reduce__(self) -> tuple[object, ...]:
        return proud, (self.args[0], self.number)


def proud(place: str, number: int) -> Proud:
    return Proud(place, number=number)


class Strange(type):
    """Makes classes from which none can be derived."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, object]) -> "Strange":
        if bases != (Exception,):
            raise ValueError("no heirs")
        return super().__new__(cls, name, bases, body)


class Heirless(Exception, metaclass=Strange):
    """Cannot be derived from."""


class TestAnExceptionThatWasRaised:
    @pytest.mark.parametrize(
        "original",
        [
            ZeroDivisionError("x"),
            KeyError("a", 1),
            FileNotFoundError(2, "gone", "file"),
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
            MemoryError(),
            TimeoutError("x"),
            ExceptionGroup("two", [ValueError("x"), Odd("here", 1)]),
            SerializationError("it", "no"),
            Odd("here", 3),
            Proud("here", number=3),
        ],
        ids=repr,
    )
    def test_is_of_its_class_and_a_remote_error(self, original: Exception) -> None:
        error = error_of(outcome(failure(dump_error(original))))

        assert isinstance(error, RemoteError)
        assert isinstance(error, type(original))
        assert type(error).__name__ == type(original).__name__
        assert str(error) == "[engine 3] Name: text"
        assert vars(original).items() <= vars(error).items()
        assert type(error.__cause__) is type(original)
        if not isinstance(original, ExceptionGroup):
            assert error.args == original.args

    def test_keeps_what_is_not_in_its_dict(self) -> None:
        error = rebuild(FileNotFoundError(2, "gone", "file"), FACTS)

        assert isinstance(error, FileNotFoundError)
        assert (error.errno, error.strerror, error.filename) == (2, "gone", "file")

    @pytest.mark.parametrize(
        "original",
        [
            SystemExit(3),
            KeyboardInterrupt(),
            GeneratorExit(),
            BaseException("x"),
            StopIteration(5),
            StopAsyncIteration(),
        ],
        ids=repr,
    )
    def test_is_plain_if_it_directs_whoever_raises_it(self, original: BaseException) -> None:
        error = rebuild(original, FACTS)

        assert type(error) is RemoteError
        assert error.__cause__ is original

    def test_is_plain_if_its_class_has_no_heirs(self) -> None:
        original = Heirless("x")

        assert type(rebuild(original, FACTS)) is RemoteError

    @pytest.mark.parametrize("pickled", [b"", b"nonsense", pickle.dumps(5)])
    def test_is_plain_if_it_did_not_arrive(self, pickled: bytes) -> None:
        error = error_of(outcome(failure(pickled)))

        assert type(error) is RemoteError
        assert (error.ename, error.evalue, error.traceback, error.engine) == FACTS

    def test_that_came_from_another_engine_is_of_its_first_class(self) -> None:
        first = rebuild(KeyError("a"), FACTS)

        second = rebuild(first, ("KeyError", "'a'", "", 5))

        assert isinstance(second, KeyError)
        assert (second.engine, type(second.__cause__)) == (5, KeyError)

    def test_may_be_of_many_engines(self) -> None:
        error = rebuild(CompositeError("all", [KeyError("a")]), FACTS)

        assert type(error) is RemoteError
        assert isinstance(error.__cause__, CompositeError)

    @pytest.mark.parametrize(
        "original", [KeyError("a"), OSError(5, "x"), Odd("here", 3), Proud("here", number=3)]
    )
    def test_can_be_pickled(self, original: Exception) -> None:
        error = rebuild(original, FACTS)

        copy = pickle.loads(pickle.dumps(error))

        assert type(copy) is type(error)
        assert (copy.args, str(copy), copy.traceback) == (error.args, str(error), error.traceback)
        assert vars(copy) == vars(error)
        assert copy.__cause__ is not None
        assert copy.__cause__.args == original.args

    def test_of_one_class_are_of_one_class(self) -> None:
        assert type(rebuild(KeyError("a"), FACTS)) is type(rebuild(KeyError("b"), FACTS))


class TestATaskThatDidNotEnd:
    def test_because_it_was_cancelled_is_aborted(self) -> None:
        error = error_of(outcome(Failure("TaskAborted", "", ""), TaskStatus.CANCELLED))

        assert type(error) is TaskAborted

    def test_because_it_was_cancelled_may_say_why(self) -> None:
        error = error_of(outcome(Failure("TaskAborted", "because", ""), TaskStatus.CANCELLED))

        assert (type(error), str(error)) == (TaskAborted, "because")

    @pytest.mark.parametrize(
        "kind",
        [
            ClientClosed,
            DependencyTimeout,
            ImpossibleDependency,
            InvalidDependency,
            NoEnginesRegistered,
            NoSuchEngine,
            TaskExpired,
            TaskInterrupted,
            TaskTimeout,
            UnknownTask,
        ],
    )
    def test_for_a_reason_of_the_hubs_says_what_the_hub_says(
        self, kind: type[BaseException]
    ) -> None:
        error = error_of(outcome(Failure(kind.__name__, "because", ""), TaskStatus.LOST))

        assert (type(error), str(error)) == (kind, "because")
        assert str(pickle.loads(pickle.dumps(error))) == "because"

    def test_because_it_kills_engines_is_a_poison(self) -> None:
        lost = Failure("PoisonTask", "exit code 1", "", engine=EngineId(3))

        error = error_of(outcome(lost, TaskStatus.LOST))

        assert isinstance(error, PoisonTask)
        assert (error.engine, error.cause) == (3, "exit code 1")

    def test_for_a_reason_unknown_here_is_lost(self) -> None:
        error = error_of(
            outcome(Failure("News", "because", "", engine=EngineId(3)), TaskStatus.LOST)
        )

        assert isinstance(error, EngineLost)
        assert error.cause == "because"

    def test_because_its_engine_died_is_lost_with_the_cause(self) -> None:
        lost = Failure("EngineLost", "killed by SIGKILL", "", engine=EngineId(3))

        error = error_of(outcome(lost, TaskStatus.LOST))

        assert isinstance(error, EngineLost)
        assert (error.engine, error.cause) == (3, "killed by SIGKILL")

    def test_because_there_is_no_such_engine_says_so(self) -> None:
        text = "there is no engine 9; engines: 0, 1"

        error = error_of(outcome(Failure("NoSuchEngine", text, ""), TaskStatus.LOST))

        assert isinstance(error, NoSuchEngine)
        assert str(error) == text

    def test_because_there_is_no_engine_at_all_says_what_to_do(self) -> None:
        error = error_of(outcome(Failure("NoEnginesRegistered", "", ""), TaskStatus.LOST))

        assert isinstance(error, NoEnginesRegistered)
        assert "start some" in str(error)
