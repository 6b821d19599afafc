"""What every measured system must offer, in one Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Argument = TypeVar("Argument")
Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")


class NotOfferedError(Exception):
    """The system has no such operation; a workload that lists it there is wrong."""


class System(Protocol):
    """A started or startable system; one instance lives through one measurement."""

    def start(self, count: int) -> None:
        """Start `count` engines and return when all have joined."""

    def stop(self) -> None:
        """Stop everything that was started; harmless when nothing was, or called twice."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Run one task per item through the system's own map and return the results in order."""

    def submit(self, function: Callable[[int], int], item: int) -> object:
        """Submit one task and return at once with whatever `gather` understands."""

    def submit_with(self, function: Callable[..., Any], arguments: Sequence[object]) -> object:
        """Submit one task whose arguments are results of tasks submitted before, and return."""

    def wait_for(self, submitted: object) -> Any:
        """Wait for one submitted task and return its result."""

    def gather(self, submitted: Sequence[object]) -> list[int]:
        """Wait for submitted tasks and return their results in order."""

    def call(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        """Run one task and wait for its result."""

    def broadcast(self, function: Callable[[], Result], *, tree: bool) -> list[Result]:
        """Run a function once on every engine, by the broadcast view if `tree`."""

    def push(self, name: str, value: object) -> None:
        """Give every engine a value under a name and return when all have it."""

    def read_pushed(self, function: Callable[[Value], float], name: str) -> list[float]:
        """Call the function with the value pushed before, on every engine."""

    def joblib_backend(self) -> tuple[str, dict[str, Any]]:
        """Return name and options of the joblib backend that runs tasks on its engines."""

    def hub_pids(self) -> list[int]:
        """List the processes between client and engines; empty where there are none."""

    def notebook(self, count: int) -> Sequence[str]:
        """Return the cells of a fresh notebook after which ``%%px`` has run on `count` engines."""


class NotebookMissing:
    """The part of the contract for systems without magics for notebooks."""

    def notebook(self, count: int) -> Sequence[str]:
        raise NotOfferedError


class GraphsMissing:
    """The part of the contract for systems whose results cannot be arguments."""

    def submit_with(self, function: Callable[..., Any], arguments: Sequence[object]) -> object:
        raise NotOfferedError

    def wait_for(self, submitted: object) -> Any:
        raise NotOfferedError


class FanOutMissing(GraphsMissing, NotebookMissing):
    """The part of the contract that a plain pool of processes cannot fulfil."""

    def broadcast(self, function: Callable[[], Result], *, tree: bool) -> list[Result]:
        raise NotOfferedError

    def push(self, name: str, value: object) -> None:
        raise NotOfferedError

    def read_pushed(self, function: Callable[[Value], float], name: str) -> list[float]:
        raise NotOfferedError

    def joblib_backend(self) -> tuple[str, dict[str, Any]]:
        raise NotOfferedError

    def hub_pids(self) -> list[int]:
        return []
