import concurrent.futures
import copy
import inspect
import pickle

import pytest

from ipcluster_ext import errors
from ipcluster_ext.errors import (
    ClientClosed,
    ClientError,
    ClusterError,
    ClusterStopped,
    DependencyTimeout,
    EngineError,
    EngineLost,
    ForeignTask,
    ForkedClientError,
    HubGone,
    ImpossibleDependency,
    InvalidDependency,
    IpclusterError,
    KernelError,
    NoEnginesRegistered,
    NoSuchEngine,
    OptionError,
    OutsideTask,
    PoisonTask,
    ProtocolError,
    PythonMismatch,
    RemoteError,
    SerializationError,
    SoftTimeLimit,
    StartupError,
    TaskAborted,
    TaskExpired,
    TaskInterrupted,
    TaskRejectError,
    TaskTimeout,
    UnknownTask,
    UnmetDependency,
    VersionMismatch,
)

EXAMPLES: list[tuple[IpclusterError, str]] = [
    (IpclusterError("text"), "text"),
    (ProtocolError("too short"), "malformed message: too short"),
    (
        VersionMismatch(1, 2),
        "malformed message: this process speaks protocol version 1, its peer 2; install the same "
        "version of ipcluster_ext on both sides and restart the cluster",
    ),
    (
        PythonMismatch("3.12", "3.13", "engine 3"),
        "this process runs Python 3.12, engine 3 Python 3.13, and functions cannot travel between "
        "them; start both with the same Python",
    ),
    (
        SerializationError("the function 'f'", "no (in item 1)"),
        "the function 'f' cannot be sent to another process: no (in item 1)",
    ),
    (ClusterError("text"), "text"),
    (StartupError("the agent", "exit code 1"), "the agent did not start: exit code 1"),
    (
        StartupError("the agent", "exit code 1", "Traceback\n"),
        "the agent did not start: exit code 1; its last words:\nTraceback\n",
    ),
    (ClusterStopped("text"), "text"),
    (ClientError("text"), "text"),
    (
        HubGone("/run/x", 2.04),
        "the hub at /run/x is gone: no answer for 2.0 s; "
        "start a cluster with ipcluster_ext.Cluster(n=4)",
    ),
    (ClientClosed("text"), "text"),
    (ForkedClientError("text"), "text"),
    (
        OptionError("retires", ["targets", "retries"], "LoadBalancedView"),
        "LoadBalancedView has no option 'retires'; did you mean 'retries'? "
        "Options: retries, targets",
    ),
    (OptionError("x", ["retries"]), "there is no option 'x'; options: retries"),
    (
        ForeignTask("1f3a09bc-17"),
        "task 1f3a09bc-17 is another client's, and nothing here can wait for it; "
        "get its value with client.get_result() and pass that on",
    ),
    (UnknownTask("text"), "text"),
    (SoftTimeLimit(), "the task has reached its soft time limit"),
    (KernelError("text"), "text"),
    (EngineError("text"), "text"),
    (
        EngineLost(3, "killed by SIGKILL"),
        "engine 3 was lost while it had this task (killed by SIGKILL); the task may have run. "
        "Use a view made by load_balanced_view(retries=1) if it may run again",
    ),
    (
        PoisonTask(3, "killed by SIGKILL"),
        "engine 3 was lost while it had this task (killed by SIGKILL), as others were before; "
        "the task is not tried again",
    ),
    (NoSuchEngine(9, [0, 1], "text"), "text"),
    (NoSuchEngine(9, [0, 1]), "there is no engine 9; engines: 0, 1"),
    (NoSuchEngine("nine", []), "there is no engine 'nine'; engines: none"),
    (
        NoSuchEngine(99, range(30)),
        "there is no engine 99; engines: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "
        "16, 17, 18, 19",
    ),
    (
        NoEnginesRegistered(),
        "the cluster has no engine and none is starting; start some with cluster.start_engines(n)",
    ),
    (TaskAborted(), "the task was cancelled before it began"),
    (TaskInterrupted("text"), "text"),
    (TaskTimeout("text"), "text"),
    (TaskExpired("text"), "text"),
    (TaskRejectError("text"), "text"),
    (UnmetDependency("text"), "text"),
    (ImpossibleDependency("text"), "text"),
    (
        OutsideTask("data is published"),
        "data is published inside tasks only, and this code runs in none; call it in a function "
        "that is given to a view, as in view.apply(function)",
    ),
    (InvalidDependency("text"), "text"),
    (DependencyTimeout("text"), "text"),
    (RemoteError("ValueError", "no", "Traceback", 3), "[engine 3] ValueError: no"),
    (RemoteError("ValueError", "", "Traceback"), "ValueError"),
]


def name_of(example: object) -> str:
    return type(example).__name__ if isinstance(example, BaseException) else ""


def test_every_error_has_an_example_here() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    ours = {kind for kind in classes if issubclass(kind, IpclusterError)}

    assert {type(error) for error, _ in EXAMPLES} == ours


def test_the_docstring_draws_every_error() -> None:
    drawn = errors.__doc__ or ""

    assert [name_of(error) for error, _ in EXAMPLES if name_of(error) not in drawn] == []


@pytest.mark.parametrize(("error", "text"), EXAMPLES, ids=name_of)
def test_an_error_says_what_happened(error: IpclusterError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=name_of)
@pytest.mark.parametrize("travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_an_error_keeps_its_facts_when_it_travels(error: IpclusterError, travel: object) -> None:
    assert callable(travel)

    arrived = travel(error)

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert list(map(repr, vars(arrived).values())) == list(map(repr, vars(error).values()))


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (NoSuchEngine(9), (IndexError, EngineError)),
        (OptionError("x", ["y"]), (TypeError, KeyError)),
        (SoftTimeLimit(), (TimeoutError,)),
        (TaskTimeout("text"), (TimeoutError, KernelError)),
        (TaskExpired("text"), (TaskTimeout,)),
        (TaskAborted(), (concurrent.futures.CancelledError, KernelError)),
        (PoisonTask(3, "x"), (EngineLost,)),
        (DependencyTimeout("text"), (ImpossibleDependency, UnmetDependency)),
        (RemoteError("E", "", ""), (KernelError,)),
    ],
    ids=name_of,
)
def test_an_error_can_be_caught_by_its_other_names(
    error: Exception, kinds: tuple[type[BaseException], ...]
) -> None:
    assert [kind for kind in kinds if not isinstance(error, kind)] == []


def test_the_names_of_ipyparallel_are_there() -> None:
    assert errors.IPythonError is IpclusterError
    assert errors.TimeoutError is TimeoutError


class TestRemoteError:
    def test_it_tells_its_engine_under_ipyparallels_name(self) -> None:
        assert RemoteError("E", "", "", 3).engine_info == {"engine_id": 3}

    def test_its_traceback_can_be_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        RemoteError("E", "no", "Traceback\n  line 1", 3).print_traceback()

        assert capsys.readouterr().out == "Traceback\n  line 1\n"
