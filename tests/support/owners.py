"""Somebody who waits for tasks, and takes whatever comes."""

from collections.abc import Sequence
from typing import Any

from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.protocol.ids import TaskId


class Owner:
    """Remembers what it is told.

    Attributes
    ----------
    ended
        The outcomes that came.
    error
        Why nothing more comes.
    news
        What its tasks said.
    """

    def __init__(self) -> None:
        self.ended: list[Outcome] = []
        self.news: list[object] = []
        self.error: Exception | None = None

    def deliver(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes."""
        self.ended += outcomes

    def note_started(self, task: TaskId) -> None:
        """Note that a task runs."""
        self.news.append(("started", task))

    def note_output(self, task: TaskId, stream: str, text: str) -> None:
        """Note what a task wrote."""
        self.news.append((stream, task, text))

    def note_news(self, task: TaskId, topic: str, value: Any) -> None:
        """Note what a task said."""
        self.news.append((topic, task, value))

    def outcome(self, task: TaskId) -> Outcome | None:
        """Return how a task ended."""
        return next((each for each in self.ended if each.item.id == task), None)

    def fail(self, error: Exception) -> None:
        """Learn that nothing more comes."""
        self.error = error
