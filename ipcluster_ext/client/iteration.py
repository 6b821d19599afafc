"""Walking over the values of an answer while it comes, in order or as they come."""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from ipcluster_ext.client.answer import Answer


class Values(Iterator[Any], AsyncIterator[Any]):
    """Yields the values of an answer, each as soon as it is there; waits in between.

    An error is raised at its value's place, and the iterator can go on after it. In an ``async
    for`` the event loop is not kept from other work.

    Parameters
    ----------
    answer
        Whose values.
    ordered
        Whether they come in the order of the tasks, or in that in which these end.
    return_exceptions
        Whether errors are yielded, too.

    Examples
    --------
    >>> values = iter(lv.map_async(lambda x: 1 / x, [0, 1]))
    >>> try:
    ...     next(values)
    ... except ZeroDivisionError:
    ...     next(values)
    1.0
    """

    def __init__(
        self, answer: Answer, *, ordered: bool = True, return_exceptions: bool = False
    ) -> None:
        self._answer = answer
        self._ordered = ordered
        self._return_exceptions = return_exceptions
        self._next = 0
        self._values: deque[tuple[Any, BaseException | None]] = deque()
        self._arrivals = answer.arrivals()

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while not self._values:
            if self._exhausted:
                raise StopIteration
            self._answer.wait_until(self._is_there)
            self._take()
        return self._yield()

    async def __anext__(self) -> Any:
        while not self._values:
            if self._exhausted:
                raise StopAsyncIteration
            await self._answer.until(self._is_there)
            self._take()
        return self._yield()

    @property
    def _exhausted(self) -> bool:
        return self._next >= self._answer.count_steps()

    def _is_there(self) -> bool:
        """Tell whether the next task has ended."""
        if self._ordered:
            return self._answer.has_come(self._next)
        return self._answer.count_ended() > self._next

    def _take(self) -> None:
        """Take the values of the next task; of one that never ends, why it does not."""
        place = self._next if self._ordered else next(self._arrivals)
        self._next += 1
        self._values.extend(self._answer.items(place))

    def _yield(self) -> Any:
        value, error = self._values.popleft()
        if error is None:
            return value
        if self._return_exceptions:
            return error
        raise error
