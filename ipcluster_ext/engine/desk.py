"""The engine's main thread: tasks from the lane, one after the other."""

from typing import NoReturn

from ipcluster_ext.engine.apply import Applier
from ipcluster_ext.engine.forks import Forks
from ipcluster_ext.engine.news import Newsroom
from ipcluster_ext.engine.wire import Wire
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.transport.blackbox import BlackBox


class Desk:
    """Does tasks, and sees to it that all they said is said before they end.

    Parameters
    ----------
    wire
        To the hub; its lane is what there is to do.
    applier
        Does one task.
    news
        What tasks say while they run.
    box
        Where to note which task begins.
    forks
        Tells whether this process is still the engine.
    """

    def __init__(
        self, wire: Wire, applier: Applier, *, news: Newsroom, box: BlackBox, forks: Forks
    ) -> None:
        self._wire = wire
        self._applier = applier
        self._news = news
        self._box = box
        self._forks = forks

    def work(self) -> NoReturn:
        """Do tasks for ever."""
        wire, perform, forks = self._wire, self._applier.perform, self._forks
        lane, printed, news, began = wire.lane, wire.printed, self._news, self._box.began
        while True:
            assignment = lane.next(wire.catch_up, wire.wait_for_work)
            task = assignment.item.id
            began(task)
            result, body = perform(assignment)
            if forks.is_fork:
                forks.end()
            if printed.used or news.pending:
                self._say_all(task)
            lane.finish(result, body.frames)
            del assignment, result, body

    def _say_all(self, task: TaskId) -> None:
        """Say what a task that has ended wrote and told."""
        self._wire.say_written(self._wire.printed.end_task(task))
        self._news.flush()
