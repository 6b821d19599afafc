"""Work that is taken back, stopped and redone by others, in any order, through deaths of the hub.

The stage checks the hub's invariants after every batch; here it is looked whether every task of
the owner ends once, and whether what runs again is of nobody.
"""

from hypothesis import given
from hypothesis import strategies as st

from ipcluster_ext.protocol.feed import Redo, Redone, Status, Watch, Withdraw, WorkRow
from ipcluster_ext.protocol.ids import client_of
from ipcluster_ext.protocol.messages import Halt, Submit
from ipcluster_ext.protocol.parts import ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from tests.support.scripted import Engine, Stage

STEPS = ("submit", "finish", "fail", "withdraw", "stop", "redo", "give back", "halt", "wait")


class Play:
    """Two engines, an owner of work, and somebody who watches it."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.engines: list[Engine] = self.stage.engines(2)
        self.owner, self.watcher = self.stage.client(), self.stage.client()
        self.redone = 0

    def work(self) -> list[WorkRow]:
        """Return all work that is shown."""
        self.watcher.forget()
        self.watcher.say(Watch(1, 0.1, ("work",)))
        self.watcher.acknowledge()
        return self.watcher.of(Status)[-1].work

    def do(self, step: str, which: int) -> None:
        """Take a step."""
        engine = self.engines[which % 2]
        match step:
            case "submit":
                label = "ab"[which % 2]
                items = [TaskItem(task, b"in") for task in self.owner.next_ids(which)]
                self.owner.say(Submit(TaskSpec(Kind.APPLY, label=label), items))
            case "finish" if engine.todo:
                engine.finish()
            case "fail" if engine.todo:
                engine.fail()
            case "give back" if engine.asked:
                engine.give_back()
            case "halt" if engine.todo and engine.of(Halt):
                self.obey(engine)
            case "wait":
                self.stage.turn(which)
            case "withdraw" | "stop" | "redo":
                self.intervene(step, which)
            case _:
                return  # there is nothing to do it to

    def obey(self, engine: Engine) -> None:
        """Have an engine stop what it was told to stop."""
        if engine.todo[0].id in {task for halt in engine.of(Halt) for task in halt.ids}:
            engine.fail()

    def intervene(self, step: str, which: int) -> None:
        """Do something to work, if there is any."""
        work = self.work()
        if not work:
            return
        row = work[which % len(work)]
        if step == "redo":
            self.watcher.say(Redo(2, row.number, row.client, row.began))
            [answer] = self.watcher.of(Redone)
            self.redone += answer.count
        else:
            begun = step == "stop"
            self.watcher.say(Withdraw(2, row.number, row.client, row.began, begun))

    def settle(self) -> None:
        """Have everybody do whatever is left."""
        for _ in range(1000):
            for engine in self.engines:
                while engine.asked:
                    engine.give_back()
                if engine.todo:
                    engine.finish()
            if not self.stage.hub.state.tasks:
                return
        raise AssertionError(self.stage.hub.state.tasks)


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 4)), max_size=40))
def test_every_task_ends_once_whatever_watchers_do(steps: list[tuple[str, int]]) -> None:
    play = Play()
    for step, which in steps:
        play.do(step, which)
    play.settle()

    known = {entry.id: entry for entry in play.stage.hub.state.history}
    owned = [task for task in known if client_of(task) == play.owner.number]
    others = [entry for task, entry in known.items() if client_of(task) != play.owner.number]
    assert set(play.owner.results) == set(owned)
    assert len(owned) == play.owner.count
    assert len(others) == play.redone
    assert all(entry.orphan and entry.kept for entry in others)
    assert play.watcher.results == {}


@given(st.lists(st.sampled_from([True, False]), min_size=1, max_size=6))
def test_what_runs_again_goes_on_when_the_hub_dies(failures: list[bool]) -> None:
    play = Play()
    items = [TaskItem(task, b"in") for task in play.owner.next_ids(len(failures))]
    play.owner.say(Submit(TaskSpec(Kind.APPLY), items))
    ended: list[ResultItem] = []
    for failed in failures:
        engine = next(engine for engine in play.engines if engine.todo)
        engine.fail() if failed else engine.finish()
        ended.append(play.owner.results[next(reversed(play.owner.results))])
    assert [item.status is TaskStatus.FAILED for item in ended] == failures
    play.do("redo", 1)

    play.stage.crash()

    assert len(play.stage.hub.state.tasks) == play.redone == sum(failures)
