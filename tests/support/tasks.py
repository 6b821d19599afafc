"""Functions that tests have engines run, and what comes of them."""

from pathlib import Path

import ipcluster_ext as ipp
from tests.support.gates import pass_through


def fail(kind: type[BaseException], *args: object) -> None:
    """Raise an exception."""
    raise kind(*args)


def pass_pair(item: tuple[Path, int]) -> object:
    """Wait at a gate; return the number that came with it."""
    return pass_through(*item)


def error_of(result: ipp.AsyncResult, within: float = 30.0) -> BaseException:
    """Wait for a result that is an error; return that."""
    error = result.exception(within)
    assert error is not None
    return error
