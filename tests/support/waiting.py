"""Waiting in tests: for something to become true, never for a fixed time."""

import time
from collections.abc import Callable

_EVERY = 0.005


def wait_until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Return as soon as a condition holds.

    Parameters
    ----------
    condition
        Asked again and again; whatever is true will do.
    timeout
        In seconds.

    Raises
    ------
    AssertionError
        It does not hold when the time is up.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            msg = f"not within {timeout} s: {getattr(condition, '__name__', condition)}"
            raise AssertionError(msg)
        time.sleep(_EVERY)
