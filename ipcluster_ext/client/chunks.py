"""Cut sequences into chunks and put chunks together again."""

import operator
import sys
from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex

CHUNKS_PER_ENGINE = 8
LONGEST_CHUNK = 1024


def split_evenly(count: int, parts: int) -> list[slice]:
    """Cut positions into contiguous parts whose sizes differ by one at most.

    Parameters
    ----------
    count
        How many positions there are.
    parts
        How many parts to make, at least 1; the first ones are the larger ones.

    Returns
    -------
    A slice for each part; empty ones where there are fewer positions than parts.
    """
    size, rest = divmod(count, parts)
    bounds = [0]
    for part in range(parts):
        bounds.append(bounds[-1] + size + (1 if part < rest else 0))
    return [slice(bounds[part], bounds[part + 1]) for part in range(parts)]


def chunk_size(given: object, count: int, engines: int) -> int:
    """Return how many items make a chunk.

    Parameters
    ----------
    given
        As users say it: a number, or ``'auto'`` for several chunks per engine, none too long.
    count
        How many items there are.
    engines
        How many engines there are.

    Raises
    ------
    TypeError
        It is neither.
    ValueError
        It is not positive.
    """
    if given == "auto":
        several = -(-count // (CHUNKS_PER_ENGINE * max(1, engines)))
        return min(LONGEST_CHUNK, max(1, several))
    if not isinstance(given, SupportsIndex) or isinstance(given, bool):
        msg = f"chunksize must be an integer or 'auto', not {given!r}"
        raise TypeError(msg)
    size = operator.index(given)
    if size < 1:
        msg = f"chunksize must be at least 1, not {size}"
        raise ValueError(msg)
    return size


def lengths_of(count: int, size: int) -> list[int]:
    """Return the lengths of chunks of one size; the last one may be shorter.

    Parameters
    ----------
    count
        How many items there are.
    size
        How many make a chunk, at least 1.
    """
    lengths = [size] * (count // size)
    if count % size:
        lengths.append(count % size)
    return lengths


def rows(sequences: Sequence[Iterable[Any]]) -> list[Any]:
    """Return a map's items: those of the one sequence, or tuples, as many as the shortest has.

    Raises
    ------
    TypeError
        There is no sequence, or one of them cannot be iterated over.
    """
    if not sequences:
        msg = "map() needs at least one sequence"
        raise TypeError(msg)
    if len(sequences) == 1:
        only = sequences[0]
        return only if isinstance(only, list) else list(only)
    return list(zip(*sequences, strict=False))


def take(sequence: Any, part: slice) -> Any:
    """Return a part of a sequence, by slicing where that is possible."""
    return sequence.iloc[part] if hasattr(sequence, "iloc") else sequence[part]


def join(parts: list[Any]) -> Any:
    """Put the parts of a sequence together.

    Arrays are concatenated along their first axis; anything else becomes a list.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and parts and all(isinstance(part, numpy.ndarray) for part in parts):
        return numpy.concatenate(parts)
    joined: list[Any] = []
    for part in parts:
        if isinstance(part, Iterable) and not isinstance(part, str | bytes):
            joined.extend(part)
        else:
            joined.append(part)
    return joined
