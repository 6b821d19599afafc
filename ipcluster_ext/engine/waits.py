"""How many of an engine's tasks wait, for tasks of their own or for readers, as the hub is told."""

from collections.abc import Callable

from ipcluster_ext.protocol.messages import Message, Waiting

_NOTHING_INSIDE: tuple[int, int | None, int] = (0, None, 0)


class Waits:
    """Tells the hub.

    Parameters
    ----------
    say
        Sends messages.
    """

    def __init__(self, say: Callable[[list[Message]], None]) -> None:
        self._say = say
        self._inside = _NOTHING_INSIDE
        self._aside = 0

    def inside(self, count: int, above: int | None, unsuited: int) -> None:
        """Tell how many tasks wait for tasks of their own.

        Parameters
        ----------
        count
            How many.
        above
            Only tasks of a higher priority are begun for the time being; None for any.
        unsuited
            How many of those in the lane are not.
        """
        self._inside = (count, above, unsuited)
        self._say([self.told])

    def aside(self, count: int) -> None:
        """Tell how many streams wait for their readers."""
        self._aside = count
        self._say([self.told])

    def __bool__(self) -> bool:
        return bool(self._aside) or self._inside != _NOTHING_INSIDE

    @property
    def told(self) -> Waiting:
        """What the hub is to know of it."""
        count, above, unsuited = self._inside
        return Waiting(count + self._aside, above, unsuited)
