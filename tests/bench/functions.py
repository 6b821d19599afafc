"""The functions that the measured systems run: importable by name in every process."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

Value = TypeVar("Value")


def noop(item: int) -> int:
    """Return the item, so that a lost or doubled task shows in the results."""
    return item


def noop_without_argument() -> None:
    """Do nothing: the cost of a broadcast alone."""


def process_id() -> int:
    """Tell which process runs the tasks."""
    return os.getpid()


def sleep(seconds: float) -> None:
    """Occupy an engine without occupying a core."""
    time.sleep(seconds)


def identity(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the array as it came."""
    return array


def increment(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add one to every element, in place where the system hands over writable arrays.

    Some systems hand over read-only ones; a user must copy these first, so that copy is part
    of what such a system costs.
    """
    if not array.flags.writeable:
        array = array.copy()
    array += 1
    return array


def total(array: NDArray[np.float64]) -> float:
    """Read every element once: data that was only promised has to arrive now."""
    return float(array.sum())


def successor(item: int) -> int:
    """Return the next number, so that a link that was left out shows."""
    return item + 1


def count_all(*items: int) -> int:
    """Return how many there are."""
    return len(items)


class Made(NamedTuple):
    """An array, when it was ready by the clock of the host, and which process made it."""

    array: NDArray[np.float64]
    at: float
    pid: int


class Arrived(NamedTuple):
    """What became of it: whether it changed processes, how long that took, and its sum."""

    travelled: bool
    transit: float
    read: float
    total: float


def make(nbytes: int) -> Made:
    """Make an array."""
    import numpy as np

    array = np.ones(nbytes // 8)
    return Made(array, time.monotonic(), os.getpid())


def arrive(made: Made) -> Arrived:
    """Read an array."""
    begun = time.monotonic()
    summed = total(made.array)
    read = time.monotonic() - begun
    return Arrived(made.pid != os.getpid(), begun - made.at, read, summed)


def hold_the_lock(seconds: int) -> None:
    """Occupy an engine in C code that never lets go of the interpreter's lock."""
    import ctypes

    ctypes.PyDLL(None).sleep(seconds)


def call_with_name(function: Callable[[Value], float], name: str) -> float:
    """Call a function with what was pushed to this engine, an IPython kernel, under a name."""
    # Only here, so that the other systems' workers need not carry IPython.
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        message = "not in an IPython kernel"
        raise RuntimeError(message)
    return function(shell.user_ns[name])
