"""Something about each task that has ended, by its id, as ipyparallel has it in dicts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from ipcluster_ext.errors import UnknownTask

T = TypeVar("T")


class ByTask(Mapping[str, T]):
    """A mapping that is looked up when it is asked.

    Parameters
    ----------
    name
        What it holds.
    ended
        Returns the ids of the tasks.
    look_up
        Returns what there is for one of them, or raises `UnknownTask`.
    """

    def __init__(
        self, name: str, ended: Callable[[], Iterable[str]], look_up: Callable[[str], T]
    ) -> None:
        self._name = name
        self._ended = ended
        self._look_up = look_up

    def __getitem__(self, task: str) -> T:
        try:
            return self._look_up(task)
        except UnknownTask as error:
            raise KeyError(task) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._ended())

    def __len__(self) -> int:
        return sum(1 for _ in self._ended())

    def __repr__(self) -> str:
        return f"<{self._name} of {len(self)} tasks>"
