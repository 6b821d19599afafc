"""Which of the things that tasks say have been heard."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.protocol.messages import More, News, Output

if TYPE_CHECKING:
    from ipcluster_ext.protocol.ids import TaskId

_LIFE = 32


class Words:
    """What was heard of tasks that run, and what was told to them. Used on the receiving thread.

    Attributes
    ----------
    granted
        The last word to each stream; any thread may add one.
    """

    def __init__(self) -> None:
        self.granted: dict[TaskId, More] = {}
        self._heard: dict[TaskId, int] = {}

    def is_new(self, message: Output | News) -> bool:
        """Tell whether something is heard for the first time; it counts as heard from now on.

        What an engine says is numbered; another engine, or another life of it, begins anew.
        """
        number, before = message.number, self._heard.get(message.id, 0)
        if number and number <= before and number >> _LIFE == before >> _LIFE:
            return False
        self._heard[message.id] = number
        return True

    def ended(self, outcomes: Iterable[Outcome]) -> None:
        """Forget what tasks said that have ended."""
        if self._heard or self.granted:
            for outcome in outcomes:
                self._heard.pop(outcome.item.id, None)
                self.granted.pop(outcome.item.id, None)
