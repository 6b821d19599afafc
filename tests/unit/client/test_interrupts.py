import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from ipcluster_ext.client.interrupts import deferred_interrupts


class Waker:
    """Counts how often it was woken."""

    def __init__(self) -> None:
        self.woken = 0

    def __call__(self) -> None:
        self.woken += 1


@pytest.fixture
def wake() -> Waker:
    return Waker()


@pytest.fixture(autouse=True)
def _own_handler() -> Iterator[None]:
    """Leave the handler as it was."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_noted_at_once_and_raised_in_the_end(wake: Waker) -> None:
    seen: list[object] = []

    def interrupt() -> None:
        with deferred_interrupts(wake) as interrupted:
            seen.append(interrupted())
            signal.raise_signal(signal.SIGINT)
            seen.append((interrupted(), wake.woken))

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert seen == [False, (True, 1)]


def test_several_interrupts_are_raised_as_one(wake: Waker) -> None:
    def interrupt() -> None:
        with deferred_interrupts(wake):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert wake.woken == 2


def test_without_an_interrupt_nothing_is_raised(wake: Waker) -> None:
    with deferred_interrupts(wake) as interrupted:
        pass

    assert (interrupted(), wake.woken) == (False, 0)


@pytest.mark.parametrize("raised", [False, True])
def test_the_handler_is_back_afterwards(wake: Waker, raised: bool) -> None:
    called: list[int] = []

    def handler(signum: int, frame: FrameType | None) -> None:
        del frame
        called.append(signum)

    signal.signal(signal.SIGINT, handler)
    with deferred_interrupts(wake):
        if raised:
            signal.raise_signal(signal.SIGINT)
            assert called == []

    assert signal.getsignal(signal.SIGINT) is handler
    assert called == ([signal.SIGINT] if raised else [])


def test_the_handler_is_back_after_an_error(wake: Waker) -> None:
    with pytest.raises(KeyError), deferred_interrupts(wake):
        raise KeyError

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_interrupts_goes_on_to_do_so(wake: Waker) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with deferred_interrupts(wake) as interrupted:
        signal.raise_signal(signal.SIGINT)

    assert (interrupted(), wake.woken) == (False, 0)


def test_other_threads_change_no_handler(wake: Waker) -> None:
    seen: list[object] = []

    def work() -> None:
        with deferred_interrupts(wake) as interrupted:
            seen.append((signal.getsignal(signal.SIGINT), interrupted()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [(signal.default_int_handler, False)]
