"""The functions that the measured systems run: importable by name in every process."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

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


def call_with_name(function: Callable[[Value], float], name: str) -> float:
    """Call a function with what was pushed to this engine, an IPython kernel, under a name."""
    # Only here, so that the other systems' workers need not carry IPython.
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        message = "not in an IPython kernel"
        raise RuntimeError(message)
    return function(shell.user_ns[name])
