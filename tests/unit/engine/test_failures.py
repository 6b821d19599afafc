import pickle
import threading

import pytest

from ipcluster_ext.engine.failures import (
    FIRST_FRAMES,
    LAST_FRAMES,
    MOST_FRAMES,
    MOST_TEXT,
    describe,
    shorten,
)
from ipcluster_ext.protocol.frames import decode_failure, encode_failure
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.parts import Failure

ENGINE = EngineId(3)


def raised(error: BaseException) -> BaseException:
    """Raise an exception, so that it has a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


class Shy(Exception):
    """Does not like to be looked at."""

    def __init__(self, kind: type[BaseException]) -> None:
        super().__init__()
        self.kind = kind

    def __str__(self) -> str:
        raise self.kind

    def __reduce__(self) -> tuple[object, ...]:
        raise self.kind


class TestADescription:
    def test_says_what_where_and_how(self) -> None:
        failure = describe(raised(KeyError("a")), ENGINE, skip=0)

        assert (failure.ename, failure.evalue, failure.engine) == ("KeyError", "'a'", 3)
        assert failure.traceback.splitlines()[0] == "Traceback (most recent call last):"
        assert "    raise error" in failure.traceback
        assert failure.traceback.endswith("KeyError: 'a'")
        assert pickle.loads(failure.pickled).args == ("a",)

    def test_leaves_out_the_frames_that_are_ours(self) -> None:
        def outer() -> None:
            inner()

        def inner() -> None:
            raise KeyError("a")

        try:
            outer()
        except KeyError as error:
            text = describe(error, ENGINE, skip=1).traceback

        assert "in test_leaves_out" not in text
        assert "in outer" in text
        assert "in inner" in text

    def test_never_leaves_out_the_last_frame(self) -> None:
        assert "in raised" in describe(raised(KeyError("a")), ENGINE, skip=9).traceback

    def test_shows_what_caused_it(self) -> None:
        error = raised(KeyError("a"))
        error.__cause__ = raised(OSError(28, "full"))

        assert "OSError: [Errno 28] full" in describe(error, ENGINE).traceback

    def test_takes_a_traceback_that_was_made_already(self) -> None:
        assert describe(KeyError("a"), ENGINE, rendered="by IPython").traceback == "by IPython"

    def test_of_deep_recursion_is_short(self) -> None:
        def deep(n: int) -> int:
            return deep(n - 1) + 1 if n else 1 // n

        try:
            deep(900)
        except ZeroDivisionError as error:
            text = describe(error, ENGINE).traceback

        assert len(text.splitlines()) < 2 * MOST_FRAMES

    def test_of_frames_that_differ_shows_the_first_and_the_last(self) -> None:
        def one(n: int) -> int:
            return other(n - 1) + 1 if n else 1 // n

        def other(n: int) -> int:
            return one(n) + 1

        try:
            one(400)
        except ZeroDivisionError as error:
            error.__cause__ = raised(KeyError("a"))
            lines = describe(error, ENGINE, skip=0).traceback.splitlines()

        middle = lines.index("  [... 602 frames left out ...]")
        files = [line.startswith("  File ") for line in lines]
        assert sum(files[:middle]) == FIRST_FRAMES + 1
        assert sum(files[middle:]) == LAST_FRAMES
        assert "in test_of_frames_that_differ" in "".join(lines[:middle])
        assert lines[-1] == "ZeroDivisionError: integer division or modulo by zero"

    def test_of_a_long_text_is_cut_in_the_middle(self) -> None:
        failure = describe(raised(ValueError("x" * 5_000_000)), ENGINE)

        assert len(failure.evalue) < MOST_TEXT + 100
        assert "[... 4934464 characters left out ...]" in failure.evalue
        assert len(failure.traceback) < MOST_TEXT + 100
        assert failure.pickled == b""

    def test_of_what_utf8_has_no_form_for_can_be_sent(self) -> None:
        failure = describe(raised(ValueError("a\udc80")), ENGINE)

        assert failure.evalue == "a\\udc80"
        assert decode_failure(encode_failure(failure)) == failure

    @pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
    def test_is_made_of_what_does_not_like_it(self, kind: type[BaseException]) -> None:
        failure = describe(raised(Shy(kind)), ENGINE)

        assert failure.evalue == f"<str() of this Shy raised {kind.__name__}>"
        assert failure.ename == "Shy"
        assert failure.pickled == b""

    def test_of_what_cannot_be_pickled_is_text(self) -> None:
        failure = describe(ValueError(threading.Lock()), ENGINE)

        assert isinstance(failure, Failure)
        assert failure.pickled == b""


@pytest.mark.parametrize(
    ("text", "shortened"),
    [
        ("", ""),
        ("x" * 10, "x" * 10),
        ("abcdefghijkl", "abcde\n[... 2 characters left out ...]\nhijkl"),
    ],
)
def test_a_text_keeps_its_beginning_and_its_end(text: str, shortened: str) -> None:
    assert shorten(text, 10) == shortened
