"""Payloads that do harm: each spoils its own task, at most, and the next one is right."""

import asyncio
import concurrent.futures
import contextlib
import functools
import inspect
import io
import os
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, NoReturn, Self

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started

TYPED_WITHIN = 5.0
"""A deadline, not a figure: the errors come at once."""


def error_of(result: ipp.AsyncResult) -> BaseException:
    """Return what came of a task instead of a value."""
    error = result.exception(TYPED_WITHIN)
    assert error is not None
    return error


def go_on(client: ipp.Client, pid: int) -> None:
    """Check that engine 0 is the process that it was, and does its next task right."""
    assert client[0].apply_async(os.getpid).get(TYPED_WITHIN) == pid
    assert client[0].apply_async(pow, 2, 10).get(TYPED_WITHIN) == 1024


@pytest.fixture
def rc(four: ipp.Client) -> ipp.Client:
    """Return the module's client."""
    return four


@pytest.fixture
def pid(rc: ipp.Client) -> int:
    """Return the process of engine 0, which has to survive."""
    found: int = rc[0].apply_sync(os.getpid)
    return found


# ------------------------------------------------------------ classes of evil


class Reducing:
    """Does something when it is pickled."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act

    def __reduce__(self) -> Any:
        return self.act()


class Made:
    """Pickles well, and does something when it is unpickled."""

    def __init__(self, act: Callable[..., Any], *args: object) -> None:
        self.act = act
        self.args = args

    def __reduce__(self) -> Any:
        return self.act, self.args


class WithState:
    """Raises when its state is asked for."""

    def __init__(self) -> None:
        self.kept = 1

    def __getstate__(self) -> NoReturn:
        raise LookupError("no state")


class TakesNoState:
    """Raises when its state is given back."""

    def __init__(self) -> None:
        self.kept = 1

    def __setstate__(self, state: object) -> NoReturn:
        raise LookupError("no state wanted")


class Holder:
    """Holds something."""

    def __init__(self, held: object) -> None:
        self.held = held


class Rude:
    """Raises whenever it is looked at."""

    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError("not to be compared")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> NoReturn:
        raise RuntimeError("not to be shown")

    def __bool__(self) -> NoReturn:
        raise RuntimeError("neither true nor false")

    def __len__(self) -> NoReturn:
        raise RuntimeError("not to be counted")


class Undying:
    """Raises when it is deleted."""

    def __del__(self) -> None:
        raise RuntimeError("not to be deleted")


def throw(kind: type[BaseException], *args: object) -> NoReturn:
    """Raise."""
    raise kind(*args)


def nested(depth: int) -> list[Any]:
    """Nest a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def made_here(value: Callable[[], object]) -> object:
    """Return what a function makes, on the engine."""
    return value()


# ------------------------------------------------------------ results that cannot be pickled


def _open_file() -> object:
    return io.FileIO(os.devnull)


def _a_socket() -> object:
    return socket.socket()


def _two_level() -> object:
    return Holder({"a": [1, Holder(threading.Lock())]})


UNPICKLABLE: dict[str, tuple[Callable[[], object], str]] = {
    "a lock": (threading.Lock, "lock"),
    "a generator": (lambda: (n for n in range(3)), "list"),
    "an open file": (_open_file, "FileIO"),
    "a socket": (_a_socket, "socket"),
    "a thread": (threading.Thread, "lock"),
    "a frame": (inspect.currentframe, "frame"),
    "a weak reference": (lambda: weakref.ref(Holder), "weakref|ReferenceType"),
    "a lock deep inside": (_two_level, "held.*item 'a'.*item 1.*held"),
    "a closure over a lock": (lambda: functools.partial(print, threading.Lock()), "lock"),
    "nesting without end": (lambda: nested(100_000), "recursion"),
    "raises in __reduce__": (lambda: Reducing(lambda: throw(LookupError, "mine")), "mine"),
    "recurses in __reduce__": (lambda: Reducing(lambda: nested_call(0)), "recursion"),
    "raises in __getstate__": (WithState, "no state"),
    "reduces to too little": (lambda: Reducing(lambda: (int,)), "reduce|tuple"),
    "reduces to a number": (lambda: Reducing(lambda: 17), "reduce|must"),
    "reduces to what cannot be called": (lambda: Reducing(lambda: (17, ())), "callable"),
    "reduces to an unknown name": (lambda: Reducing(lambda: "nowhere_at_all"), "nowhere_at_all"),
}


def nested_call(depth: int) -> object:
    """Recurse without end."""
    return nested_call(depth + 1)


@pytest.mark.parametrize("name", UNPICKLABLE)
def test_a_result_that_cannot_be_pickled_says_why(rc: ipp.Client, pid: int, name: str) -> None:
    make, hint = UNPICKLABLE[name]

    error = error_of(rc[0].apply_async(made_here, make))

    assert isinstance(error, ipp.SerializationError)
    with pytest.raises(ipp.SerializationError, match=rf"(?s)\[engine 0\].*the result.*({hint})"):
        raise error
    go_on(rc, pid)


@pytest.mark.parametrize(
    "kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, BaseException]
)
def test_a_result_that_wants_more_than_to_fail_when_pickled_only_fails(
    rc: ipp.Client, pid: int, kind: type[BaseException]
) -> None:
    error = error_of(rc[0].apply_async(lambda: Reducing(lambda: throw(kind, 3))))

    assert isinstance(error, ipp.RemoteError)
    assert kind.__name__ in f"{error.ename}: {error.evalue}"
    go_on(rc, pid)


# ------------------------------------------------------------ results that cannot be unpickled


def _in_a_broken_way() -> object:
    return TakesNoState()


UNLOADABLE: dict[str, tuple[Callable[[], object], type[BaseException]]] = {
    "raises": (lambda: Made(int, "no number"), ValueError),
    "raises in __setstate__": (_in_a_broken_way, LookupError),
    "recurses": (lambda: Made(nested_call, 0), RecursionError),
    "exits": (lambda: Made(sys.exit, 3), SystemExit),
    "interrupts": (lambda: Made(throw, KeyboardInterrupt), KeyboardInterrupt),
    "is cancelled": (lambda: Made(throw, asyncio.CancelledError), asyncio.CancelledError),
    "stops": (lambda: Made(throw, StopIteration), StopIteration),
    "raises what is no Exception": (lambda: Made(throw, BaseException, "bad"), BaseException),
}


@pytest.mark.parametrize("name", UNLOADABLE)
def test_a_result_that_cannot_be_unpickled_is_an_error_of_its_owner(
    rc: ipp.Client, pid: int, name: str
) -> None:
    make, kind = UNLOADABLE[name]

    result = rc[0].apply_async(made_here, make)
    beside = rc[0].apply_async(pow, 2, 5)

    error = error_of(result)
    assert kind.__name__ in f"{type(error).__name__}: {error}"
    if kind is not KeyboardInterrupt:  # which is the user's own, as far as anybody can tell
        assert isinstance(error, Exception), "it would end the client, and not the task"
    assert beside.get(TYPED_WITHIN) == 32
    go_on(rc, pid)


# ------------------------------------------------------------ arguments


@pytest.mark.parametrize("name", UNLOADABLE)
def test_an_argument_that_cannot_be_unpickled_is_an_error_of_the_task(
    rc: ipp.Client, pid: int, name: str
) -> None:
    make, kind = UNLOADABLE[name]

    error = error_of(rc[0].apply_async(type, make()))

    assert isinstance(error, ipp.RemoteError)
    assert error.ename == kind.__name__
    go_on(rc, pid)


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        (threading.Lock(), "lock"),
        (Holder({"a": (1, threading.Lock())}), "held.*item 'a'.*item 1"),
        (Reducing(lambda: throw(LookupError, "mine")), "mine"),
        (WithState(), "no state"),
    ],
    ids=["a lock", "a lock inside", "raises in __reduce__", "no state"],
)
def test_an_argument_that_cannot_be_pickled_is_told_here(
    rc: ipp.Client, argument: object, hint: str
) -> None:
    for view in (rc[0], rc.load_balanced_view()):
        with pytest.raises(ipp.SerializationError, match=rf"an argument.*{hint}"):
            view.apply_async(type, argument)
    assert rc.outstanding == set()


def test_an_argument_that_kills_when_it_is_unpickled_costs_its_engine_only(
    started: Started,
) -> None:
    client = started.client

    error = error_of(client[0].apply_async(type, Made(os._exit, 3)))

    assert isinstance(error, ipp.EngineLost)
    assert error.cause == "exit code 3"
    assert client[:].apply_async(pow, 2, 3).get(TYPED_WITHIN) == [8, 8]


def test_objects_that_raise_when_they_are_looked_at_come_and_go(rc: ipp.Client, pid: int) -> None:
    result = rc[0].apply_async(lambda rude: [rude, Rude()], Rude())

    assert [type(value).__name__ for value in result.get(TYPED_WITHIN)] == ["Rude", "Rude"]
    go_on(rc, pid)


def test_objects_that_raise_when_they_are_deleted_are_deleted(rc: ipp.Client, pid: int) -> None:
    names = rc[0].apply_async(lambda: type(Undying()).__name__).get(TYPED_WITHIN)

    assert names == "Undying"
    go_on(rc, pid)


# ------------------------------------------------------------ exceptions


class NeedsTwo(Exception):
    """Takes other arguments than it passes on."""

    def __init__(self, one: int, *, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.one = one
        self.two = two


class Carries(Exception):
    """Carries something."""

    def __init__(self, load: object) -> None:
        super().__init__("carries")
        self.load = load


class Unmakable(Exception):
    """Cannot be unpickled."""

    def __reduce__(self) -> Any:
        return throw, (LookupError, "not again")


class Ending(Exception):
    """Ends the process that unpickles it, if it can."""

    def __reduce__(self) -> Any:
        return sys.exit, (3,)


class Slotted(Exception):
    """Keeps what it has in slots."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        super().__init__("slotted")
        self.kept = 1


class Final(BaseException):
    """Is no `Exception`."""


class Meta(type):
    """Makes classes that do not like to be looked at."""

    def __instancecheck__(cls, instance: object) -> bool:
        return bool(throw(LookupError, "of whom?"))


class Odd(Exception, metaclass=Meta):
    """Cannot be asked whether it is one."""


class Shy(Exception):
    """Does not like to be looked at."""

    def __str__(self) -> str:
        raise SystemExit(1)

    __repr__ = __str__


def raise_local() -> NoReturn:
    """Raise what is defined nowhere else."""

    class Local(Exception):
        pass

    raise Local("here")


def raise_with_two() -> NoReturn:
    """Raise what takes other arguments than it passes on."""
    raise NeedsTwo(1, two=2)


def raise_chained() -> NoReturn:
    """Raise from what cannot be pickled."""
    error = NeedsTwo(1, two=2)
    error.__cause__ = Carries(threading.Lock())
    raise error


def raise_circle() -> NoReturn:
    """Raise what was caused by itself."""
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def raise_group() -> NoReturn:
    """Raise several at once, one of which cannot be pickled."""
    raise ExceptionGroup("several", [ValueError(1), Carries(threading.Lock()), NeedsTwo(1, two=2)])


def raise_deep(depth: int) -> NoReturn:
    """Raise far down."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), depth + 1000))
    if depth == 0:
        raise OverflowError("at the bottom")
    raise_deep(depth - 1)


RAISED: dict[str, tuple[Callable[[], object], str]] = {
    "with required arguments": (raise_with_two, "NeedsTwo: 1 and 2"),
    "that carries a lock": (lambda: throw(Carries, threading.Lock()), "Carries: carries"),
    "caused by what cannot travel": (raise_chained, "NeedsTwo: 1 and 2"),
    "in a circle": (raise_circle, "ValueError: first"),
    "several at once": (raise_group, r"ExceptionGroup: several \(3 sub-exceptions\)"),
    "that cannot be unpickled": (lambda: throw(Unmakable, "once"), "Unmakable: once"),
    "that exits when it is unpickled": (lambda: throw(Ending, "once"), "Ending: once"),
    "with slots": (lambda: throw(Slotted), "Slotted: slotted"),
    "that is no Exception": (lambda: throw(Final, "end"), "Final: end"),
    "of a class of its own": (lambda: throw(Odd, "odd"), "Odd: odd"),
    "that cannot be looked at": (lambda: throw(Shy), "Shy: .*raised SystemExit"),
    "of a local class": (raise_local, "Local: here"),
    "of recursion": (lambda: nested_call(0), "RecursionError: maximum recursion"),
    "far down": (lambda: raise_deep(9000), "OverflowError: at the bottom"),
    "50 MB long": (lambda: throw(ValueError, "x" * 50_000_000), "ValueError: x+.*left out"),
    "halves of pairs": (lambda: throw(ValueError, "a\udc80"), r"ValueError: a\\udc80"),
    "by exiting": (lambda: sys.exit(3), "SystemExit: 3"),
    "by exiting with a text": (lambda: sys.exit("a text"), "SystemExit: a text"),
    "by Ctrl-C": (lambda: throw(KeyboardInterrupt), "KeyboardInterrupt"),
    "by a generator's end": (lambda: throw(GeneratorExit), "GeneratorExit"),
    "by an iterator's end": (lambda: throw(StopIteration, 3), "StopIteration: 3"),
    "by a loop's cancellation": (lambda: throw(asyncio.CancelledError), "CancelledError"),
    "by a future's cancellation": (
        lambda: throw(concurrent.futures.CancelledError),
        "CancelledError",
    ),
    "as the hub would": (lambda: throw(ipp.EngineLost, 7, "mine"), "EngineLost: engine 7 was lost"),
    "as the client would": (lambda: throw(ipp.TaskAborted, "mine"), "TaskAborted: mine"),
    "as the timer would": (lambda: throw(ipp.TaskTimeout, "mine"), "TaskTimeout: mine"),
    "a warning": (lambda: throw(UserWarning, "soft"), "UserWarning: soft"),
    "what codecs raise": (lambda: b"\xff".decode(), "UnicodeDecodeError"),
    "what a missing file is": (lambda: os.stat("/nowhere"), "FileNotFoundError"),  # noqa: PTH116
    "too little memory": (lambda: bytearray(1 << 60), "MemoryError"),
}


@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_task_raises_is_told_in_its_own_words(
    rc: ipp.Client, pid: int, name: str
) -> None:
    act, said = RAISED[name]

    error = error_of(rc[0].apply_async(made_here, act))

    assert isinstance(error, ipp.RemoteError)
    assert isinstance(error, Exception)
    with pytest.raises(ipp.RemoteError, match=rf"(?s)\[engine 0\] {said}"):
        raise error
    assert len(str(error)) + len(error.traceback) < 200_000
    go_on(rc, pid)


def test_a_long_traceback_shows_both_its_ends(rc: ipp.Client) -> None:
    error = error_of(rc[0].apply_async(raise_branching, 3000))

    assert isinstance(error, ipp.RemoteError)
    lines = error.traceback.splitlines()
    assert any("in raise_branching" in line for line in lines[:10])
    assert "frames left out" in error.traceback
    assert any("raise OverflowError" in line for line in lines[-5:])
    assert len(error.traceback) < 70_000


def raise_branching(depth: int) -> NoReturn:
    """Raise far down, by ways that Python does not recognise as the same."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 2 * depth + 1000))
    if depth <= 0:
        raise OverflowError("at the bottom")
    if depth % 2:
        raise_branching(depth - 1)
    else:
        raise_otherwise(depth - 1)
    raise AssertionError


def raise_otherwise(depth: int) -> NoReturn:
    """Be the other way."""
    raise_branching(depth)


def test_an_exception_keeps_what_it_can(rc: ipp.Client) -> None:
    error = error_of(rc[0].apply_async(raise_with_two))

    assert isinstance(error, NeedsTwo)
    assert (error.one, error.two) == (1, 2)


# ------------------------------------------------------------ ends


ENDS: dict[str, tuple[Callable[[], object], str]] = {
    "leaves": (lambda: os._exit(3), "exit code 3"),
    "aborts": (os.abort, "killed by SIGABRT"),
    "ends itself": (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL"),
    "asks itself to end": (lambda: os.kill(os.getpid(), signal.SIGTERM), "exit code 0"),
    "gives up all its files": (lambda: os.closerange(3, 4096), ""),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_task_that_ends_its_engine_is_lost_with_it(started: Started, name: str) -> None:
    act, cause = ENDS[name]
    client = started.client
    before = client[0].apply_sync(os.getpid)

    error = error_of(client[0].apply_async(made_here, act))

    assert isinstance(error, ipp.EngineLost)
    assert cause in error.cause
    assert client[0].apply_async(os.getpid).get(TYPED_WITHIN) != before
    assert client[1].apply_async(pow, 2, 3).get(TYPED_WITHIN) == 8


# ------------------------------------------------------------ surroundings


def close_streams() -> str:
    """Close what is printed to, down to the descriptors."""
    for stream in (sys.stdout, sys.stderr):
        stream.close()
    for fd in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.close(fd)
    return "closed"


def raise_in_a_thread() -> str:
    """Raise where nobody catches it."""
    thread = threading.Thread(target=throw, args=(SystemError, "in a thread"))
    thread.start()
    thread.join()
    return "joined"


def set_the_traps() -> str:
    """Have Python call what raises."""
    sys.excepthook = lambda *_: throw(SystemError, "in a hook")
    sys.unraisablehook = lambda _: throw(SystemError, "in a hook")
    threading.excepthook = lambda _: throw(SystemError, "in a hook")
    return "set"


HARMLESS: dict[str, tuple[Callable[[], object], object]] = {
    "closes its streams": (close_streams, "closed"),
    "raises in a thread": (raise_in_a_thread, "joined"),
    "sets traps": (set_the_traps, "set"),
    "prints halves of pairs": (lambda: print("a\udc80", end=""), None),  # noqa: T201
    "returns halves of pairs": (lambda: "a\udc80", "a\udc80"),
    "changes its name": (lambda: setattr(sys, "argv", [None]), None),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_a_task_does_to_its_process_hurts_nobody(rc: ipp.Client, pid: int, name: str) -> None:
    act, value = HARMLESS[name]

    assert rc[0].apply_async(made_here, act).get(TYPED_WITHIN) == value
    go_on(rc, pid)


class Unbounded:
    """Is iterable without end."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        return 1


def test_what_is_returned_is_not_iterated_over(rc: ipp.Client, pid: int) -> None:
    assert type(rc[0].apply_async(Unbounded).get(TYPED_WITHIN)).__name__ == "Unbounded"
    go_on(rc, pid)
