"""What the hub says about tasks that need more than their turn."""

from collections.abc import Iterator

from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.engine.resolver import Resolver
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.messages import Forget, Halt, More, TaskSpec, Values


class EngineOrders:
    """Hands orders to those who carry them out.

    Parameters
    ----------
    resolver
        Keeps values.
    interrupts
        Raises in the task on the main thread.
    """

    def __init__(self, resolver: Resolver, interrupts: Interrupts) -> None:
        self._resolver = resolver
        self._interrupts = interrupts

    def obey(self, order: Values | Forget | Halt | More, frames: Iterator[Frame]) -> None:
        """Do what the hub says; the order's frames are consumed."""
        match order:
            case Values():
                self._resolver.keep(order.items, frames)
            case Forget():
                self._resolver.forget(order.ids)
            case Halt():
                for task in order.ids:
                    self._interrupts.want(task, KeyboardInterrupt())
            case More():
                return

    def at_once(self, spec: TaskSpec) -> bool:
        """Tell whether such tasks begin as they come and wait for no turn."""
        del spec
        return False

    def begin(self, assignments: list[Assignment]) -> None:
        """Begin such tasks."""
        del assignments
