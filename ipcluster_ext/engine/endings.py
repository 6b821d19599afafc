"""Which ends of tasks out of turn the hub has acknowledged.

Until it has, the next hub may not know that such a task has ended, and the black box says that it
has begun.
"""

from collections import deque

from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.channel import Channel


class Endings:
    """Has the black box forget tasks whose ends nobody has to say any more.

    Parameters
    ----------
    channel
        To the hub.
    box
        The black box.
    """

    def __init__(self, channel: Channel, box: BlackBox) -> None:
        self._channel = channel
        self._box = box
        self._said: deque[tuple[int, list[int]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._said)

    def add(self, places: list[int]) -> None:
        """Note that the ends of the tasks at these places were said just now."""
        self._said.append((self._channel.said, places))

    def said_again(self) -> None:
        """Note that all of them were said to another hub just now."""
        number = self._channel.said
        self._said = deque((number, places) for _, places in self._said)

    def look(self) -> None:
        """Leave the places whose tasks' ends are acknowledged, or all if there is no room."""
        said, channel = self._said, self._channel
        while said:
            number, places = said[0]
            if (channel.reborn or number > channel.heeded) and not self._box.crowded:
                return
            said.popleft()
            for place in places:
                self._box.leave(place)
