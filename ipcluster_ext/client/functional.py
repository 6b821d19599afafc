"""Functions that run on engines when they are called, made by decorators."""

import warnings
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, ClassVar, Protocol

from ipcluster_ext.client.options import Flags
from ipcluster_ext.client.partition import Map, distribution, sliceable
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.wrappers import checked

# ruff: noqa: FBT001, FBT002 - ipyparallel's signatures, which users call by position


class Caller(Protocol):
    """A view, as far as decorated functions care."""

    balanced: ClassVar[bool]

    def __len__(self) -> int:
        """Return how many engines it addresses."""

    def options(self, **options: Any) -> Any:
        """Return a view like it under other options."""

    def now(self) -> Flags:
        """Return the options that hold."""

    def apply(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function."""

    def map(self, function: Any, /, *sequences: Any, **options: Any) -> Any:
        """Call a function with each item."""

    def deal(
        self, flags: Flags, function: Any, calls: list[tuple[Any, ...]], ways: Map
    ) -> AsyncResult:
        """Make several calls."""

    def answer(self, result: AsyncResult, flags: Flags, *, block: bool | None = None) -> Any:
        """Wait for a result if that is wanted."""


class RemoteFunction:
    """A function that runs on the engines of a view when it is called.

    Pickled, it is the function itself: on an engine it runs where it is called.

    Parameters
    ----------
    view
        The view.
    f
        The function.
    block
        Whether calls wait for the answer; the view's `block` if None.
    **flags
        Any of the view's flags, for the calls.

    Examples
    --------
    >>> double = ipp.RemoteFunction(rc[0], lambda x: 2 * x, block=True)
    >>> double(4)
    8
    """

    __name__: str

    def __init__(
        self, view: Caller, f: Callable[..., Any], block: bool | None = None, **flags: Any
    ) -> None:
        update_wrapper(self, checked(f))
        self.view = view
        self.func = f
        self.block = block
        self.flags = flags
        view.options(**flags)  # so that unknown ones are refused here

    def __repr__(self) -> str:
        name = getattr(self.func, "__name__", self.func)
        return f"<{type(self).__name__} {name} on {self.view!r}>"

    def __reduce__(self) -> Any:
        return _itself, (self.func,)

    def _view(self) -> Any:
        block = {} if self.block is None else {"block": self.block}
        return self.view.options(**self.flags, **block) if self.flags or block else self.view

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function on the view's engines, as `apply` does."""
        return self._view().apply(self.func, *args, **kwargs)


class ParallelFunction(RemoteFunction):
    """A function that is called with parts of sequences, on all engines of a view at once.

    Called, each engine calls it once, with a part of each sequence, and the values are put
    together. Its `map` calls it with each item.

    Parameters
    ----------
    view, f, block, **flags
        As for `RemoteFunction`.
    dist
        How sequences are dealt out: ``'b'`` in contiguous parts, ``'r'`` in turn.
    chunksize
        Of a `LoadBalancedView`, how many items make a part: 1 if None.
    ordered
        Of a `LoadBalancedView`, whether iterating over what `map` returns follows the order of
        the items.
    return_exceptions
        Whether `map` returns exceptions as values.

    Examples
    --------
    >>> total = ipp.ParallelFunction(rc[:], sum, block=True)
    >>> total([1, 2, 3, 4])
    [3, 7]
    >>> ipp.ParallelFunction(rc[:], abs, block=True).map([-1, -2, -3])
    [1, 2, 3]
    """

    def __init__(
        self,
        view: Caller,
        f: Callable[..., Any],
        dist: str = "b",
        block: bool | None = None,
        chunksize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        **flags: Any,
    ) -> None:
        super().__init__(view, f, block, **flags)
        self.ways = distribution(dist)
        self.chunksize = chunksize
        self.ordered = ordered
        self.return_exceptions = return_exceptions
        if chunksize is not None and not view.balanced:
            warnings.warn("only a LoadBalancedView heeds chunksize", UserWarning, stacklevel=3)

    def __call__(self, *sequences: Any) -> Any:
        """Call the function with parts of sequences.

        Returns
        -------
        What it returned for the parts, put together: one array if all of it is arrays, else a
        list. The answer to come if it does not wait.

        Raises
        ------
        TypeError
            There is no sequence.
        ValueError
            They are not of one length.
        """
        view = self._view()
        calls = self._calls([sliceable(sequence) for sequence in sequences], view)
        flags = view.now()
        return view.answer(view.deal(flags, self.func, calls, self.ways), flags)

    def _calls(self, sequences: Sequence[Any], view: Any) -> list[tuple[Any, ...]]:
        """Return the arguments of each call."""
        lengths = {len(sequence) for sequence in sequences}
        if not lengths:
            msg = "a parallel function is called with at least one sequence"
            raise TypeError(msg)
        if len(lengths) > 1:
            msg = f"the sequences have different lengths: {sorted(lengths)}"
            raise ValueError(msg)
        count = lengths.pop()
        size = self.chunksize or 1
        parts = min(count, -(-count // size) if view.balanced else len(view))
        return [
            tuple(self.ways.getPartition(sequence, part, parts) for sequence in sequences)
            for part in range(parts)
        ]

    def map(self, *sequences: Any) -> Any:
        """Call the function with each item of sequences, as the view's `map` does.

        Examples
        --------
        >>> ipp.ParallelFunction(rc[:], abs, block=True).map([-1, -2, -3])
        [1, 2, 3]
        """
        options: dict[str, Any] = {"return_exceptions": self.return_exceptions}
        view = self._view()
        if view.balanced:
            options.update(chunksize=self.chunksize or 1, ordered=self.ordered)
        return view.map(self.func, *sequences, **options)


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def remote(
    view: Caller, block: bool | None = None, **flags: Any
) -> Callable[[Callable[..., Any]], RemoteFunction]:
    """Decorate a function to run on a view's engines.

    Parameters
    ----------
    view, block, **flags
        As for `RemoteFunction`.

    Examples
    --------
    >>> @ipp.remote(rc[0], block=True)
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    """

    def decorate(function: Callable[..., Any]) -> RemoteFunction:
        return RemoteFunction(view, function, block=block, **flags)

    return decorate


def parallel(
    view: Caller,
    dist: str = "b",
    block: bool | None = None,
    ordered: bool = True,
    **flags: Any,
) -> Callable[[Callable[..., Any]], ParallelFunction]:
    """Decorate a function to be called with parts of sequences, on all engines of a view.

    Parameters
    ----------
    view, dist, block, ordered, **flags
        As for `ParallelFunction`; ``chunksize`` and ``return_exceptions`` as well.

    Examples
    --------
    >>> @ipp.parallel(rc[:], block=True)
    ... def doubled(xs):
    ...     return [2 * x for x in xs]
    >>> doubled([1, 2, 3])
    [2, 4, 6]
    """

    def decorate(function: Callable[..., Any]) -> ParallelFunction:
        return ParallelFunction(view, function, dist=dist, block=block, ordered=ordered, **flags)

    return decorate
