"""Ways to deal a sequence out to engines, and to put the parts together again."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ipcluster_ext.client.chunks import join, split_evenly, take


class Map:
    """Contiguous parts, whose lengths differ by one at most; the longer ones come first.

    Examples
    --------
    >>> parts = [ipp.Map().getPartition([1, 2, 3, 4, 5], p, 2) for p in range(2)]
    >>> parts
    [[1, 2, 3], [4, 5]]
    >>> ipp.Map().joinPartitions(parts)
    [1, 2, 3, 4, 5]
    """

    def positions(self, count: int, parts: int) -> list[slice]:
        """Return which positions belong to which part.

        Parameters
        ----------
        count
            How many positions there are.
        parts
            How many parts to make, at least 1.
        """
        return split_evenly(count, parts)

    def getPartition(self, seq: Any, p: int, q: int, n: int | None = None) -> Any:  # noqa: N802 - ipyparallel's name
        """Return one part of a sequence.

        Parameters
        ----------
        seq
            Anything that can be sliced; an iterable otherwise.
        p
            Which part, from 0 on.
        q
            How many parts there are.
        n
            How many items the sequence has; its length if not given.

        Raises
        ------
        ValueError
            There is no such part.
        """
        if not 0 <= p < q:
            msg = f"there is no part {p} of {q}"
            raise ValueError(msg)
        seq = sliceable(seq)
        return take(seq, self.positions(len(seq) if n is None else n, q)[p])

    def joinPartitions(self, listOfPartitions: list[Any]) -> Any:  # noqa: N802, N803 - likewise
        """Put all parts together, in their order.

        Parameters
        ----------
        listOfPartitions
            The parts.

        Returns
        -------
        One array if all parts are arrays, else one list.
        """
        return join(listOfPartitions)


class RoundRobinMap(Map):
    """Items dealt out in turn: the first part has the first, and so on.

    Examples
    --------
    >>> parts = [ipp.RoundRobinMap().getPartition([1, 2, 3, 4, 5], p, 2) for p in range(2)]
    >>> parts
    [[1, 3, 5], [2, 4]]
    >>> ipp.RoundRobinMap().joinPartitions(parts)
    [1, 2, 3, 4, 5]
    """

    def positions(self, count: int, parts: int) -> list[slice]:
        """Return which positions belong to which part."""
        return [slice(part, count, parts) for part in range(parts)]

    def joinPartitions(self, listOfPartitions: list[Any]) -> Any:  # noqa: N802, N803 - likewise
        """Put all parts together, an item of each in turn."""
        parts = [part for part in listOfPartitions if is_sequence(part)]
        if len(parts) < len(listOfPartitions):
            return join(listOfPartitions)
        count = sum(len(part) for part in parts)
        numpy = sys.modules.get("numpy")
        if numpy is not None and parts and all(isinstance(p, numpy.ndarray) for p in parts):
            whole = numpy.concatenate(parts)
            dealt = numpy.empty_like(whole)
            for place, part in enumerate(parts):
                dealt[place :: len(parts)] = part
            return dealt
        joined: list[Any] = [None] * count
        for place, part in enumerate(parts):
            joined[place :: len(parts)] = list(part)
        return joined


dists: dict[str, type[Map]] = {"b": Map, "r": RoundRobinMap}
"""The ways there are, by the letters that ``scatter`` and ``gather`` take."""


def distribution(dist: str) -> Map:
    """Return a way to deal out.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    found = dists.get(dist)
    if found is None:
        msg = f"dist must be one of {', '.join(map(repr, dists))}, not {dist!r}"
        raise ValueError(msg)
    return found()


def sliceable(seq: Any) -> Any:
    """Return a sequence itself if it can be cut, else its items as a list."""
    sequential = hasattr(seq, "__getitem__") and not isinstance(seq, Mapping)
    return seq if hasattr(seq, "__len__") and (sequential or hasattr(seq, "iloc")) else list(seq)


def is_sequence(part: object) -> bool:
    """Tell whether a part consists of items."""
    return isinstance(part, Iterable) and hasattr(part, "__len__") and not isinstance(
        part, str | bytes
    )  # fmt: skip
