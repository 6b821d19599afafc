"""The engine's main thread: tasks from the lane, one after the other."""

from typing import NoReturn

from ipcluster_ext.engine.apply import Applier
from ipcluster_ext.engine.feeds import RESUMED
from ipcluster_ext.engine.forks import Forks
from ipcluster_ext.engine.interrupts import Interrupts
from ipcluster_ext.engine.lane import Assignment
from ipcluster_ext.engine.news import Newsroom
from ipcluster_ext.engine.speaker import Speaker
from ipcluster_ext.engine.wire import Wire
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.blobs import Body


class Desk:
    """Does tasks, and sees to it that all they said is said before they end.

    Parameters
    ----------
    wire
        To the hub; its lane is what there is to do.
    applier
        Does one task.
    speaker, news
        What tasks print and say while they run.
    box
        Where to note which task begins.
    forks
        Tells whether this process is still the engine.
    interrupts
        Tells whether the engine is to end.
    """

    def __init__(
        self,
        wire: Wire,
        applier: Applier,
        *,
        speaker: Speaker,
        news: Newsroom,
        box: BlackBox,
        forks: Forks,
        interrupts: Interrupts,
    ) -> None:
        self._wire = wire
        self._lane = wire.lane
        self._lease = wire.lease
        self._speaker = speaker
        self._perform = applier.perform
        self._news = news
        self._box = box
        self._forks = forks
        self._interrupts = interrupts

    def work(self) -> NoReturn:
        """Do tasks for ever."""
        wire, lane, began, do = self._wire, self._lane, self._box.began, self._do
        express = wire.express
        while True:
            assignment = lane.next(wire.catch_up, wire.wait_for_work)
            if assignment.item.id in express.came:
                self._do_handed(assignment)
            else:
                began(assignment.item.id)
                do(assignment, 0)
            del assignment

    def _do_handed(self, assignment: Assignment) -> None:
        """Do a task that came from its client: the hub does not know its place among the others."""
        place = self._box.enter(assignment.item.id)
        if not place:
            self._box.began(assignment.item.id)
        if not self._do(assignment, place):
            self._lane.settle(place)
        self._interrupts.end_if_due()

    def do(self, assignment: Assignment) -> None:
        """Do a task, unless the hub has not answered for so long that it may be another's."""
        self._do(assignment, 0)

    def _do(self, assignment: Assignment, place: int) -> bool:
        """Do a task as `do` does; tell whether its client was told how it ended."""
        if not self._lease.holds and assignment.item.inline != RESUMED:
            self._lane.put_back(assignment)
            self._wire.renew_lease()
            return False
        came = self._wire.express.came
        if came and assignment.item.id in came and self._wire.set_aside(assignment):
            self._lane.leave()
            return False
        outcome = self._perform(assignment)
        if self._forks.is_fork:
            self._forks.end()
        if outcome is None:
            self._news.flush()
            self._lane.leave()
            return False
        result, body = outcome
        if self._speaker.used or self._news.pending:
            self._say_all(result.id)
        if came and result.id in came and self._wire.answer(result, place):
            self._lane.leave()
            return True
        self._lane.finish(result, body.frames)
        return False

    def _say_all(self, task: TaskId) -> None:
        """Say what a task that has ended wrote and told."""
        self._speaker.end_task(task)
        self._news.end_task()

    def conclude(self, result: ResultItem, body: Body, place: int) -> None:
        """Take the outcome of a task that was done elsewhere, from any thread.

        Parameters
        ----------
        result, body
            The outcome.
        place
            Where the black box notes the task.
        """
        if self._speaker.used or self._news.pending:
            self._say_all(result.id)
        self._lane.add(result, body.frames, place)
