"""What the wire needs of whoever carries out the hub's orders about tasks."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import Forget, Halt, InputReply, More, Values
from ipcluster_ext.protocol.parts import TaskSpec


class Orders(Protocol):
    """Does what the hub says about tasks that need more than their turn."""

    def obey(
        self, order: Values | Forget | Halt | More | InputReply, frames: Iterator[Frame]
    ) -> None:
        """Do what the hub says; the order's frames are consumed."""

    def at_once(self, spec: TaskSpec) -> bool:
        """Tell whether such tasks begin as they come and wait for no turn."""

    def begin(self, assignments: list[Assignment], may: Callable[[], bool]) -> bool:
        """Begin such tasks if they may, which is asked at last; tell whether they have begun."""

    def keep_only(self, values: Iterable[TaskId]) -> None:
        """Drop the values of all other tasks than these."""

    def ask_again(self) -> None:
        """Ask users once more what is open, by a hub that does not know it."""
