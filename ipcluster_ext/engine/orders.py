"""What the hub says about tasks that need more than their turn."""

from collections.abc import Callable, Iterable, Iterator

from ipcluster_ext.engine.coroutines import Coroutines
from ipcluster_ext.engine.dialog import Dialog
from ipcluster_ext.engine.feeds import Feeds
from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.engine.resolver import Resolver
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import (
    Forget,
    Halt,
    InputReply,
    More,
    Values,
)
from ipcluster_ext.protocol.parts import TaskSpec


class EngineOrders:
    """Hands orders to those who carry them out.

    Parameters
    ----------
    resolver
        Keeps values.
    interrupts
        Raises in the task on the main thread.
    feeds
        Counts what streams may send.
    coroutines
        Does what needs a loop.

    Attributes
    ----------
    dialog
        Waits for answers of users.
    """

    dialog: Dialog

    def __init__(
        self, resolver: Resolver, interrupts: Interrupts, feeds: Feeds, coroutines: Coroutines
    ) -> None:
        self._coroutines = coroutines
        self._resolver = resolver
        self._feeds = feeds
        self._interrupts = interrupts

    def obey(
        self, order: Values | Forget | Halt | More | InputReply, frames: Iterator[Frame]
    ) -> None:
        """Do what the hub says; the order's frames are consumed."""
        match order:
            case Values():
                self._resolver.keep(order.items, frames)
            case Forget():
                self._resolver.forget(order.ids)
            case Halt():
                for task in order.ids:
                    self.want(task, KeyboardInterrupt())
            case More():
                self._feeds.more(order.id, order.count)
            case InputReply():
                self.dialog.take(order)

    def want(self, task: TaskId, error: BaseException) -> None:
        """Have an exception raised in a task, wherever in the engine that is."""
        if not (self._coroutines.want(task, error) or self._feeds.want(task, error)):
            self._interrupts.want(task, error)

    def at_once(self, spec: TaskSpec) -> bool:
        """Tell whether such tasks begin as they come and wait for no turn.

        Coroutines do, unless they are for this very engine: those keep to the order in which
        they were sent.
        """
        return spec.balanced and spec.options is not None and spec.options.awaits

    def begin(self, assignments: list[Assignment], may: Callable[[], bool]) -> bool:
        """Begin such tasks, if they may begin; tell whether they did."""
        return self._coroutines.begin(assignments, may)

    def keep_only(self, values: Iterable[TaskId]) -> None:
        """Drop the values of all other tasks than these."""
        self._resolver.keep_only(values)

    def ask_again(self) -> None:
        """Ask users once more what is open."""
        self.dialog.ask_again()
