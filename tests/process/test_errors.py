"""What a task raised, as its client meets it."""

import os
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.notebooks import cell
from tests.support.tasks import fail


class OddError(Exception):
    """Cannot be made of its own arguments."""

    def __init__(self, place: str, number: int) -> None:
        super().__init__(f"{place} is {number}")
        self.place = place
        self.number = number


class LockedError(Exception):
    """Cannot be pickled."""

    def __init__(self) -> None:

        super().__init__("locked")
        self.lock = threading.Lock()


class TestErrors:
    def test_are_of_the_class_that_was_raised_and_remote_errors(self, rc: ipp.Client) -> None:
        for kind in (ZeroDivisionError, ArithmeticError, ipp.RemoteError, ipp.IpclusterError):
            with pytest.raises(kind):
                rc[1].apply_sync(divide, 1, 0)

    def test_tell_where_they_come_from(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.RemoteError) as caught:
            rc[1].apply_sync(divide, 1, 0)

        error = caught.value
        assert (error.ename, error.evalue, error.engine) == (
            "ZeroDivisionError", "division by zero", 1,
        )  # fmt: skip
        assert str(error) == "[engine 1] ZeroDivisionError: division by zero"
        assert error.engine_info == {"engine_id": 1}
        assert "in divide" in error.traceback
        assert "return a / b" in error.traceback
        assert "ipcluster_ext/engine" not in error.traceback
        assert type(error.__cause__) is ZeroDivisionError

    def test_tell_what_caused_them(self, rc: ipp.Client) -> None:
        code = """
            def fail():
                try:
                    {}["a"]
                except KeyError as error:
                    raise RuntimeError("outer") from error
        """
        with pytest.raises(RuntimeError) as caught:
            rc[0].apply_sync(cell(code)["fail"])

        assert isinstance(caught.value, ipp.RemoteError)
        assert "KeyError: 'a'" in caught.value.traceback
        assert "direct cause" in caught.value.traceback

    def test_of_the_system_keep_their_number(self, rc: ipp.Client) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            rc[0].apply_sync(os.stat, "/nowhere/at/all")

        assert (caught.value.errno, caught.value.filename) == (2, "/nowhere/at/all")
        assert caught.value.strerror == "No such file or directory"

    def test_keep_their_arguments_and_attributes(self, rc: ipp.Client) -> None:
        with pytest.raises(KeyError) as missing:
            rc[0].apply_sync(fail, KeyError, "a", 1)
        with pytest.raises(UnicodeDecodeError) as undecoded:
            rc[0].apply_sync(bytes.decode, b"\xff", "utf-8")

        assert missing.value.args == ("a", 1)
        assert (undecoded.value.start, undecoded.value.object) == (0, b"\xff")

    def test_keep_their_notes(self, rc: ipp.Client) -> None:
        code = """
            def fail():
                error = ValueError("x")
                error.add_note("a note")
                raise error
        """
        with pytest.raises(ValueError, match="x") as caught:
            rc[0].apply_sync(cell(code)["fail"])

        assert caught.value.__notes__ == ["a note"]

    def test_of_a_class_with_a_constructor_of_its_own_keep_their_class(
        self, rc: ipp.Client
    ) -> None:
        with pytest.raises(OddError) as caught:
            rc[0].apply_sync(fail, OddError, "here", 3)

        error = caught.value
        assert isinstance(error, ipp.RemoteError)
        assert (error.place, error.number, error.args) == ("here", 3, ("here is 3",))

    def test_of_a_class_of_the_notebook_keep_their_class(self, rc: ipp.Client) -> None:
        names = cell("""
            class Broken(Exception):
                def __init__(self, part, *, cost): super().__init__(part); self.cost = cost
            def fail(): raise Broken("wheel", cost=5)
        """)
        with pytest.raises(names["Broken"]) as caught:
            rc[0].apply_sync(names["fail"])

        assert (caught.value.args, caught.value.cost) == (("wheel",), 5)

    def test_in_groups_can_be_told_apart(self, rc: ipp.Client) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            rc[0].apply_sync(fail_twice)

        assert isinstance(caught.value, ipp.RemoteError)
        assert [type(error) for error in caught.value.exceptions] == [ValueError, OSError]

    def test_that_cannot_be_pickled_are_plain(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.RemoteError) as caught:
            rc[0].apply_sync(fail, LockedError)

        assert (caught.value.ename, caught.value.evalue) == ("LockedError", "locked")
        assert "in fail" in caught.value.traceback

    def test_of_a_class_that_is_unknown_here_are_plain(
        self, rc: ipp.Client, tmp_path: Path
    ) -> None:
        (tmp_path / "only_there.py").write_text("class Unheard(Exception): pass\n")
        rc[0].execute(f"import sys; sys.path.insert(0, {str(tmp_path)!r})", block=True)

        with pytest.raises(ipp.RemoteError) as caught:
            rc[0].execute("import only_there; raise only_there.Unheard('of')", block=True)

        assert (caught.value.ename, caught.value.evalue) == ("Unheard", "of")

    def test_that_say_time_is_up_are_not_mistaken_for_ours(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(fail, TimeoutError, "theirs")

        error = result.exception(10)
        assert isinstance(error, TimeoutError)
        assert isinstance(error, ipp.RemoteError)
        assert str(error) == "[engine 0] TimeoutError: theirs"

    def test_are_the_same_however_they_are_asked_for(self, rc: ipp.Client) -> None:
        for view, count in ((rc[0], 1), (rc[:2], 2)):
            result = view.apply_async(divide, 1, 0)
            with pytest.raises(ipp.RemoteError) as first:
                result.get(10)
            with pytest.raises(ipp.RemoteError) as second:
                result.result(10)

            assert first.value is second.value
            assert result.exception() is first.value
            assert len(getattr(first.value, "errors", [1])) == count

    def test_can_be_pickled(self, rc: ipp.Client) -> None:
        for kind, args in (
            (ZeroDivisionError, ("x",)), (OSError, (28, "full")), (OddError, ("here", 3)),
            (LockedError, ()), (KeyboardInterrupt, ()),
        ):  # fmt: skip
            error = rc[0].apply_async(fail, kind, *args).exception(10)
            assert isinstance(error, ipp.RemoteError)

            copy = pickle.loads(pickle.dumps(error))

            assert type(copy) is type(error)
            assert str(copy) == str(error)
            assert (copy.args, copy.traceback) == (error.args, error.traceback)

    def test_can_be_sent_to_an_engine_and_back(self, rc: ipp.Client) -> None:
        error = rc[0].apply_async(fail, OddError, "here", 3).exception(10)
        several = rc[:2].apply_async(divide, 1, 0).exception(10)

        back, both = rc[1].apply_async(lambda *all: all, error, several).get(10)

        assert isinstance(back, OddError)
        assert (back.place, str(back)) == ("here", str(error))
        assert isinstance(both, ipp.CompositeError)
        assert [getattr(error, "engine", None) for error in both.errors] == [0, 1]

    def test_raised_again_on_another_engine_are_of_their_class(self, rc: ipp.Client) -> None:
        error = rc[0].apply_async(divide, 1, 0).exception(10)

        again = rc[1].apply_async(reraise, error).exception(10)

        assert isinstance(again, ZeroDivisionError)
        assert getattr(again, "engine", None) == 1

    def test_of_several_engines_are_collected(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.CompositeError) as caught:
            rc[:].set_flags(label="fit").apply_sync(divide, 1, 0)

        error = caught.value
        assert [getattr(each, "engine", None) for each in error.errors] == [0, 1, 2, 3]
        assert {type(each).__name__ for each in error.errors} == {"ZeroDivisionError"}
        assert str(error).splitlines() == [
            "fit: 4 failed", "  [engines 0-3] ZeroDivisionError: division by zero",
        ]  # fmt: skip
        with pytest.raises(ZeroDivisionError, match="engine 2"):
            error.raise_exception(2)

    def test_of_one_engine_among_several_are_raised_as_they_are(self, rc: ipp.Client) -> None:
        with pytest.raises(ZeroDivisionError, match="engine 2"):
            rc[:].execute("1 / (engine_id - 2)", block=True)

    def test_stand_among_the_values_if_asked(self, rc: ipp.Client) -> None:
        result = rc[:].execute("1 / (engine_id - 2)")

        values = result.get(10, return_exceptions=True)

        assert [type(value).__name__ for value in values] == [
            "NoneType", "NoneType", "ZeroDivisionError", "NoneType",
        ]  # fmt: skip

    def test_while_waiting_are_not_mistaken_for_the_tasks(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(result.connection, "attend", lambda *_: fail(KeyboardInterrupt))

            with pytest.raises(KeyboardInterrupt):
                result.exception(10)


def divide(a: int, b: int) -> float:
    """Return a / b."""
    return a / b


def fail_twice() -> None:
    """Raise a group."""
    raise ExceptionGroup("two", [ValueError("x"), OSError(5, "y")])


def reraise(error: BaseException) -> None:
    """Raise an exception that came as an argument."""
    raise error


class TestAChunkThatFailed:
    def test_keeps_what_was_computed_before(self, rc: ipp.Client) -> None:
        for result in (
            rc.load_balanced_view().map_async(invert, range(-2, 4), chunksize=4),
            rc[:2].map_async(lambda x, y: invert(x) + y, range(-2, 4), [0] * 6),
        ):
            values = result.get(10, return_exceptions=True)

            assert values[:2] == [-0.5, -1.0]
            kinds = [type(value).__name__ for value in values[2:]]
            split = kinds.index("float")
            assert kinds[:split] == ["ZeroDivisionError", *["TaskAborted"] * (split - 1)]
            with pytest.raises(ZeroDivisionError) as caught:
                result.get()
            assert caught.value.__notes__ == ["raised for item 2 of the map"]
            error: Any = caught.value
            assert error.traceback.count("in invert") == 1
            assert "ipcluster_ext/engine" not in error.traceback

    def test_is_tried_again_from_the_item_that_failed(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(invert, range(-2, 4), chunksize=4)
        result.wait(10)

        whole = result.retry_failed(lambda x: 1 / x if x else None)

        assert whole.get(10) == [-0.5, -1.0, None, 1.0, 0.5, 1 / 3]
        again: Any = next(source for source, _ in whole.sources if source is not result)
        assert len(again) == 2

    def test_that_raises_stop_iteration_is_not_cut_short(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(next, [iter([1]), iter([])], chunksize=2)

        with pytest.raises(ipp.RemoteError) as caught:
            result.get(10)
        assert caught.value.ename == "StopIteration"

    def test_of_large_values_has_its_error_in_their_place(self, rc: ipp.Client) -> None:
        result = rc[0].map_async(lambda x: bytes(2**21) if x else 1 / x, [1, 0])

        found = result.get(10, return_exceptions=True)

        assert [type(value).__name__ for value in found] == ["ZeroDivisionError"] * 2


def invert(number: int) -> float:
    """Return 1 / number."""
    return 1 / number
