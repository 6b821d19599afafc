"""A batch of joblib's on an engine, which needs to import no more than this for it."""

import contextlib
from pickle import PickleBuffer
from typing import Any

from ipcluster_ext.integrations.arrays import Shipment


def run(stream: bytes, buffers: list[PickleBuffer], threads: int | None) -> list[Any]:
    """Do a batch.

    Parameters
    ----------
    stream, buffers
        The batch, as it was shipped.
    threads
        How many threads each numerical library may use; None to leave that as it is.

    Raises
    ------
    Gone
        This engine lacks an array that others have.
    Exception
        Whatever the tasks raise.
    """
    batch = Shipment(stream, buffers).open()
    with _limited(threads):
        values: list[Any] = batch()
    return values


def _limited(threads: int | None) -> contextlib.AbstractContextManager[object]:
    """Limit the threads of numerical libraries, where that can be done."""
    if threads is None:
        return contextlib.nullcontext()
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[object] = threadpool_limits(limits=threads)
    return limits
