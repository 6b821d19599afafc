"""Objects and calls as lists of buffers, and back: for users who send them their own ways.

The first buffer tells how many follow, and holds the pickle; the others are large ones that were
not copied.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ipcluster_ext.protocol.buffers import dump, load
from ipcluster_ext.protocol.functions import pack

Buffer = bytes | bytearray | memoryview

_COUNT_BYTES = 4


def serialize_object(
    obj: object, buffer_threshold: int | None = None, item_threshold: int | None = None
) -> list[Buffer]:
    """Write an object as buffers.

    Parameters
    ----------
    obj
        Anything that can be sent to an engine.
    buffer_threshold, item_threshold
        For ipyparallel's sake: buffers of 32 KiB or more always stand alone.

    Raises
    ------
    SerializationError
        It cannot be pickled.

    Examples
    --------
    >>> ipp.deserialize_object(ipp.serialize_object({"a": 1}))
    ({'a': 1}, [])
    """
    del buffer_threshold, item_threshold
    dumped = dump(obj)
    count = len(dumped.buffers).to_bytes(_COUNT_BYTES, "big")
    return [count + dumped.stream, *dumped.buffers]


def deserialize_object(buffers: Sequence[Buffer], g: object = None) -> tuple[Any, list[Buffer]]:
    """Read an object from buffers, as `serialize_object` writes it.

    Parameters
    ----------
    buffers
        The buffers; there may be more of them.
    g
        For ipyparallel's sake.

    Returns
    -------
    The object, and the buffers that are left.

    Raises
    ------
    ValueError
        There are too few.

    Examples
    --------
    >>> ipp.deserialize_object([*ipp.serialize_object("a"), b"more"])
    ('a', [b'more'])
    """
    del g
    first = memoryview(buffers[0]) if buffers else memoryview(b"")
    count = int.from_bytes(first[:_COUNT_BYTES], "big")
    if len(first) < _COUNT_BYTES or len(buffers) <= count:
        msg = f"an object of {count + 1} buffers, and there are {len(buffers)}"
        raise ValueError(msg)
    beside = [memoryview(buffer) for buffer in buffers[1 : count + 1]]
    return load(first[_COUNT_BYTES:], beside), list(buffers[count + 1 :])


def pack_apply_message(
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    buffer_threshold: int | None = None,
    item_threshold: int | None = None,
) -> list[Buffer]:
    """Write a call as buffers; parameters and errors as for `serialize_object`.

    Examples
    --------
    >>> f, args, kwargs = ipp.unpack_apply_message(ipp.pack_apply_message(pow, (2, 3), {}))
    >>> f(*args, **kwargs)
    8
    """
    del buffer_threshold, item_threshold
    return [pack(f).pickled, *serialize_object((tuple(args), dict(kwargs)))]


def unpack_apply_message(
    bufs: Sequence[Buffer],
    g: object = None,
    copy: bool = True,  # noqa: FBT001, FBT002 - ipyparallel's
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Read a call from buffers, as `pack_apply_message` writes it.

    Parameters
    ----------
    bufs
        The buffers.
    g, copy
        For ipyparallel's sake.

    Returns
    -------
    The function, its arguments and its keyword arguments.

    Raises
    ------
    ValueError
        There are too few buffers.

    Examples
    --------
    >>> _, args, kwargs = ipp.unpack_apply_message(ipp.pack_apply_message(sum, [[1, 2]], {}))
    >>> args, kwargs
    (([1, 2],), {})
    """
    del copy
    function: Callable[..., Any] = load(bytes(bufs[0]), ())
    (args, kwargs), _ = deserialize_object(bufs[1:], g)
    return function, args, kwargs
