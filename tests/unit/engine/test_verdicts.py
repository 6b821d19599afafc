import pytest

from ipcluster_ext.engine.verdicts import verdict
from ipcluster_ext.errors import DependencyTimeout, RemoteError, UnmetDependency
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.parts import Options, Retry
from ipcluster_ext.protocol.status import TaskStatus

Classes = tuple[type[BaseException], ...]


class Refused(RemoteError, UnmetDependency):
    """What a task gets from one of its own that was refused everywhere."""


def judged_by(on: Classes, not_on: Classes = ()) -> Options:
    return Options(retry=Retry(judge=dump((on, not_on)).stream))


@pytest.mark.parametrize(
    ("on", "not_on", "error", "status"),
    [
        ((OSError,), (), FileNotFoundError(), TaskStatus.AGAIN),
        ((OSError,), (), ValueError(), TaskStatus.FAILED),
        ((OSError,), (FileNotFoundError,), FileNotFoundError(), TaskStatus.FAILED),
        ((OSError,), (FileNotFoundError,), PermissionError(), TaskStatus.AGAIN),
        ((), (), ValueError(), TaskStatus.AGAIN),
        ((), (ValueError,), ValueError(), TaskStatus.FAILED),
        ((), (), KeyboardInterrupt(), TaskStatus.FAILED),
        ((KeyboardInterrupt,), (), KeyboardInterrupt(), TaskStatus.AGAIN),
    ],
)
def test_the_owner_of_a_task_says_what_is_to_be_tried_again(
    on: Classes, not_on: Classes, error: BaseException, status: TaskStatus
) -> None:
    assert verdict(error, judged_by(on, not_on)) is status


@pytest.mark.parametrize("options", [None, Options(), Options(retry=Retry(backoff=1.0))])
def test_without_a_judge_a_failure_is_a_failure(options: Options | None) -> None:
    assert verdict(ValueError(), options) is TaskStatus.FAILED


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnmetDependency("no such module here"), TaskStatus.REFUSED),
        (DependencyTimeout("of a task of its own"), TaskStatus.FAILED),
        (Refused("UnmetDependency", "not here", ""), TaskStatus.FAILED),
    ],
)
def test_only_what_a_task_itself_misses_is_a_refusal(
    error: BaseException, status: TaskStatus
) -> None:
    assert verdict(error, judged_by(())) in {status, TaskStatus.AGAIN}
    assert verdict(error, None) is status


def test_a_judge_that_cannot_be_asked_leaves_a_note() -> None:
    error = ValueError("why it failed")

    status = verdict(error, Options(retry=Retry(judge=b"nonsense")))

    assert status is TaskStatus.FAILED
    assert [note.partition(":")[0] for note in error.__notes__] == [
        "whether to try again could not be decided"
    ]
