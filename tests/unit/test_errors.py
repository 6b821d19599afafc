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
    CompositeError,
    EngineError,
    EngineLost,
    ForkedClientError,
    HubGone,
    IpclusterError,
    NoEnginesRegistered,
    NoSuchEngine,
    ProtocolError,
    RemoteError,
    SerializationError,
    StartupError,
    TaskAborted,
    UnknownTask,
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
    (UnknownTask("text"), "text"),
    (EngineError("text"), "text"),
    (
        EngineLost(3, "killed by SIGKILL"),
        "engine 3 was lost while it had this task (killed by SIGKILL); the task may have run. "
        "Use a view made by load_balanced_view(retries=1) if it may run again",
    ),
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
    (RemoteError("ValueError", "no", "Traceback", 3), "[engine 3] ValueError: no"),
    (RemoteError("ValueError", "", "Traceback"), "ValueError"),
    (
        CompositeError("apply f", [RemoteError("ValueError", "no", "", 0), KeyError("x")]),
        "apply f: 2 failed\n  [engine 0] ValueError: no\n  'x'",
    ),
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


def test_a_missing_engine_is_an_index_error_too() -> None:
    with pytest.raises(IndexError):
        raise NoSuchEngine(9, [])


class TestRemoteError:
    def test_it_tells_its_engine_under_ipyparallels_name(self) -> None:
        assert RemoteError("E", "", "", 3).engine_info == {"engine_id": 3}

    def test_its_traceback_is_shown_as_lines_below_a_headline(self) -> None:
        error = RemoteError("E", "no", "Traceback\n  line 1", 3)

        assert error._render_traceback_() == [
            "--- raised on engine 3 ---",
            "Traceback",
            "  line 1",
        ]

    def test_without_a_traceback_it_shows_its_text(self) -> None:
        error = RemoteError("E", "no", "")

        assert error._render_traceback_() == [
            "--- raised on an engine ---",
            "E: no",
        ]


class TestCompositeError:
    @pytest.fixture
    def error(self) -> CompositeError:
        failed = [
            RemoteError("E", str(number), f"Traceback {number}", number) for number in range(6)
        ]
        return CompositeError("apply f", failed)

    def test_it_shows_the_first_errors_and_counts_the_others(self, error: CompositeError) -> None:
        assert str(error).splitlines() == [
            "apply f: 6 failed",
            "  [engine 0] E: 0",
            "  [engine 1] E: 1",
            "  [engine 2] E: 2",
            "  [engine 3] E: 3",
            "  ... and 2 more",
        ]

    def test_it_keeps_all_errors_in_order(self, error: CompositeError) -> None:
        assert [one.evalue for one in error.elist if isinstance(one, RemoteError)] == list("012345")

    def test_one_of_its_errors_can_be_raised(self, error: CompositeError) -> None:
        with pytest.raises(RemoteError, match="E: 5"):
            error.raise_exception(5)

    def test_an_error_that_is_not_there_cannot_be_raised(self, error: CompositeError) -> None:
        with pytest.raises(IndexError):
            error.raise_exception(6)

    def test_it_shows_the_tracebacks_of_the_first_errors(self) -> None:
        error = CompositeError("apply f", [RemoteError("E", "0", "Traceback", 0), KeyError("x")])

        assert error.render_traceback() == [
            "apply f: 2 failed",
            "",
            "Traceback",
            "  -> [engine 0] E: 0",
            "--- 'x'",
        ]
