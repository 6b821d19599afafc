import copy
import json
import pickle

import pytest

from ipcluster_ext.errors import RemoteError, TaskAborted
from ipcluster_ext.protocol.composite import (
    AlreadyDisplayedError,
    CompositeError,
    collect_exceptions,
    unwrap_exception,
    wrap_exception,
)


def remote(evalue: str, engine: int | None = 0) -> RemoteError:
    return RemoteError("E", evalue, f"Traceback {evalue}", engine)


class TestSeveralErrors:
    @pytest.fixture
    def error(self) -> CompositeError:
        return CompositeError("apply f", [remote(str(number), number) for number in range(6)])

    def test_show_the_first_and_count_the_others(self, error: CompositeError) -> None:
        assert str(error).splitlines() == [
            "apply f: 6 failed",
            "  [engine 0] E: 0",
            "  [engine 1] E: 1",
            "  [engine 2] E: 2",
            "  [engine 3] E: 3",
            "  ... and 2 more",
        ]

    @pytest.mark.parametrize(
        ("errors", "line"),
        [
            ([remote("no", n) for n in range(4)], "[engines 0-3] E: no"),
            ([remote("no", n) for n in (0, 2, 3, 7)], "[engines 0, 2-3, 7] E: no"),
            ([remote("no", n) for n in (0, 1, 0)], "[engines 0-1] E: no (3 times)"),
            ([remote("no"), remote("no")], "[engine 0] E: no (2 times)"),
            ([remote("no", None), remote("no", None)], "E: no (2 times)"),
            ([RemoteError("E", "", "", n) for n in (0, 1)], "[engines 0-1] E"),
            ([TaskAborted(), TaskAborted()], "the task was cancelled before it began (2 times)"),
            ([KeyError("x")], "'x'"),
        ],
    )
    def test_that_say_the_same_are_shown_once(self, errors: list[BaseException], line: str) -> None:
        lines = str(CompositeError("f", errors)).splitlines()

        assert lines == [f"f: {len(errors)} failed", f"  {line}"]

    def test_that_say_the_same_count_as_one_of_those_shown(self) -> None:
        error = CompositeError("f", [remote(str(number % 2), number) for number in range(50)])

        assert len(str(error).splitlines()) == 3

    def test_are_all_kept_in_order(self, error: CompositeError) -> None:
        assert [getattr(one, "evalue", None) for one in error.errors] == list("012345")

    def test_are_listed_as_ipyparallel_does(self) -> None:
        error = CompositeError("apply f", [remote("no", 3), KeyError("x")])

        assert error.elist == [
            ("E", "no", "Traceback no", {"engine_id": 3}),
            ("KeyError", "'x'", "", {}),
        ]

    def test_can_be_raised_one_by_one(self, error: CompositeError) -> None:
        with pytest.raises(RemoteError, match="E: 5"):
            error.raise_exception(5)
        with pytest.raises(IndexError):
            error.raise_exception(6)

    def test_show_the_tracebacks_of_the_first(self) -> None:
        errors = [remote("no", 0), remote("no", 1), KeyError("x")]

        assert CompositeError("apply f", errors).render_traceback() == [
            "apply f: 3 failed",
            "",
            "[0-1]: E: no",
            "Traceback no",
            "",
            "KeyError: 'x'",
        ]

    def test_count_the_tracebacks_not_shown(self, error: CompositeError) -> None:
        assert error.render_traceback()[-1] == "... and 2 more"

    def test_print_the_traceback_of_one(
        self, error: CompositeError, capsys: pytest.CaptureFixture[str]
    ) -> None:
        error.print_traceback(2)

        assert capsys.readouterr().out == "Traceback 2\n"

    @pytest.mark.parametrize("travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
    def test_travel_together(self, error: CompositeError, travel: object) -> None:
        assert callable(travel)

        arrived = travel(error)

        assert type(arrived) is CompositeError
        assert (str(arrived), arrived.elist) == (str(error), error.elist)


class TestAnErrorThatWasShown:
    @pytest.mark.parametrize(
        ("original", "text"),
        [
            (remote("no"), "1 error"),
            (CompositeError("f", [remote("no"), remote("no")]), "2 errors"),
        ],
    )
    def test_shows_a_number_only(self, original: RemoteError, text: str) -> None:
        error = AlreadyDisplayedError(original)

        assert (str(error), error._render_traceback_()) == (text, [text])
        assert error.original is original
        assert str(pickle.loads(pickle.dumps(error))) == text


class TestCollecting:
    def test_values_returns_them(self) -> None:
        assert collect_exceptions([1, 2]) == [1, 2]
        assert collect_exceptions({0: 1}) == {0: 1}

    def test_an_error_raises_it(self) -> None:
        error = remote("no")

        with pytest.raises(RemoteError) as caught:
            collect_exceptions({0: 1, 1: error})

        assert caught.value is error

    def test_errors_raises_them_together(self) -> None:
        with pytest.raises(CompositeError, match="raised in: apply") as caught:
            collect_exceptions([remote("0"), 1, remote("2")], "apply")

        assert [getattr(error, "evalue", None) for error in caught.value.errors] == ["0", "2"]


def test_an_exception_can_be_described_and_made_again() -> None:
    try:
        json.loads("{")
    except ValueError:
        described = json.loads(json.dumps(wrap_exception({"engine_id": 3})))

    error = unwrap_exception(described)

    assert str(error).startswith("[engine 3] JSONDecodeError: Expecting property name")
    assert error.traceback.startswith("Traceback")
    assert "JSONDecodeError" in error.traceback.splitlines()[-1]
