import pickle
import threading

import pytest

from ipcluster_ext.protocol.exceptions import Travelling, dump_error, parts_of


class Odd(Exception):
    """Has a constructor of its own."""

    def __init__(self, place: str, number: int) -> None:
        super().__init__(f"{place} is {number}")
        self.place = place


class Misleading(ValueError):
    """Can be made of its own arguments, and says something else then."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no such name: {name}")


class Keyed(OSError):
    """Takes what it passes on in another form."""

    def __init__(self, *, path: str) -> None:
        super().__init__(2, "gone", path)


class Made(Exception):
    """Is made by a method of its own."""

    def __new__(cls, *, kind: int) -> "Made":
        made = super().__new__(cls, "made")
        made.kind = kind
        return made

    def __init__(self, *, kind: int) -> None:
        del kind

    kind: int


class Proud(Exception):
    """Says itself how it is pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Proud, ("by itself",)


class Stateful(Exception):
    """Says itself what its state means."""

    seen: object = None

    def __setstate__(self, state: object) -> None:
        self.seen = state


EXAMPLES: list[BaseException] = [
    ValueError(),
    KeyError("a", 1),
    OSError(28, "full"),
    FileNotFoundError(2, "gone", "a", None, "b"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
    SyntaxError("bad", ("file", 1, 2, "text")),
    ModuleNotFoundError("no module", name="nowhere", path="/p"),
    StopIteration(3),
    SystemExit(3),
    MemoryError(),
    Odd("here", 3),
    Misleading("x"),
    Keyed(path="/nowhere"),
    Made(kind=5),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
@pytest.mark.parametrize("way", ["alone", "wrapped"])
def test_an_exception_comes_back_as_it_was(error: BaseException, way: str) -> None:
    error.add_note("a note")

    pickled = dump_error(error) if way == "alone" else pickle.dumps(Travelling(error))
    back = pickle.loads(pickled)

    assert type(back) is type(error)
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))
    for name in ("errno", "filename", "filename2", "name", "path", "start", "lineno", "code"):
        assert getattr(back, name, None) == getattr(error, name, None)


def test_exceptions_inside_others_come_back_as_well() -> None:
    error = ExceptionGroup("two", [Odd("here", 3), ValueError(Keyed(path="/x"))])

    back = pickle.loads(dump_error(error))

    assert [str(inner) for inner in back.exceptions] == [str(inner) for inner in error.exceptions]
    assert type(back.exceptions[1].args[0]) is Keyed


@pytest.mark.parametrize(("error", "args"), [(Proud("x"), ("by itself",)), (Stateful("x"), ("x",))])
def test_a_class_that_knows_how_to_be_pickled_is_asked(error: Exception, args: tuple[str]) -> None:
    assert parts_of(error) is None

    back = pickle.loads(dump_error(error))

    assert (type(back), back.args) == (type(error), args)


def test_nothing_can_travel_as_well() -> None:
    assert pickle.loads(pickle.dumps(Travelling(None))) is None


def test_what_cannot_be_pickled_is_not() -> None:
    with pytest.raises(TypeError, match="lock"):
        dump_error(ValueError(threading.Lock()))
