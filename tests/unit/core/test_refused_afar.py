"""Refusals and other hosts: what one engine refused, another may have tried or begun."""

import pytest

from ipcluster_ext.core.recovery import PATIENCE
from ipcluster_ext.core.sent import Sent, decode, encode
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import AgentHello, Done, Returned
from ipcluster_ext.protocol.parts import Life, ResultItem
from ipcluster_ext.protocol.process import Patience
from ipcluster_ext.protocol.status import TaskStatus
from tests.support.comebacks import return_agent, return_client, return_engine, submission
from tests.support.scripted import Agent, Client, Engine, Stage

NOBODY = EngineId(-1)
FAR = "far-0123456789ab"


@pytest.fixture
def stage() -> Stage:
    return Stage(Patience(host_silence=60.0))


@pytest.fixture
def home(stage: Stage) -> Agent:
    """Have the agent of the hub's host come, without engines."""
    return stage.agent(0)


@pytest.fixture
def afar(stage: Stage, home: Agent) -> list[Engine]:
    """Have two engines come on another host."""
    del home
    agent = Agent(stage, 2000)
    agent.say(AgentHello(2000, FAR, 10, 2, far=True, set="ssh"))
    return [agent.start(number) for number in agent.to_start[-2:]]


@pytest.fixture
def here(stage: Stage, afar: list[Engine]) -> Engine:
    """Have one come on the hub's."""
    del afar
    [here] = stage.engines(1)
    return here


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "named once more"])
def test_a_try_counts_that_was_followed_by_a_refusal(
    stage: Stage, home: Agent, client: Client, afar: list[Engine], here: Engine, *,
    is_recorded: bool,
) -> None:  # fmt: skip
    first, second = afar
    client.submit_each([second.number, here.number])
    known = set(stage.pages)
    [task] = client.submit(retries=1)
    lost = set() if is_recorded else stage.pages.keys() - known
    assert first.ids == [task]
    second.finish()
    client.submit_each([first.number])
    known = set(stage.pages)
    first.fail()
    assert second.ids == [task]
    lost |= stage.pages.keys() - known
    here.finish()
    client.submit_each([second.number])
    known = set(stage.pages)
    second.say(Done([ResultItem(task, TaskStatus.REFUSED, 0.0, 0.0, b"")]))
    assert here.ids == [task]
    lost |= stage.pages.keys() - known

    stage.pages = {page: data for page, data in stage.pages.items() if page not in lost}
    stage.crash()
    return_agent(home, [])
    return_agent(here.agent, [here])
    return_engine(here)
    said = () if is_recorded else (submission(task, retries=1),)
    return_client(client, *said, waits=[task])
    stage.turn(PATIENCE)
    assert here.ids == [task]
    here.fail()

    assert client.statuses[task] is TaskStatus.FAILED
    assert here.ids == []


def test_of_what_is_with_no_engine_only_that_is_read_which_had_been_tried() -> None:
    one, two, three = TaskId(1), TaskId(2), TaskId(3)
    notes = [
        Sent(one, EngineId(0), 7, 2000, 0, 1.0), Sent(one, NOBODY, 0, 0, 0, 2.0),
        Sent(two, EngineId(0), 7, 2000, 1, 1.0), Sent(two, NOBODY, 0, 0, 1, 2.0),
        Sent(three, EngineId(0), 7, 2000, 0, 1.0),
    ]  # fmt: skip

    assert decode(encode(notes)) == {two: notes[3], three: notes[4]}


class TestWhatOneRefusedBeforeItWasNamedAndAnotherMayHaveBegun:
    @pytest.fixture
    def task(
        self, stage: Stage, home: Agent, client: Client, afar: list[Engine], here: Engine
    ) -> TaskId:
        """Have a hub take over that hears of the refusal, and not of where it was sent then."""
        silent, refuser = afar
        client.submit_each([silent.number, here.number])
        known = set(stage.pages)
        [task] = client.submit()
        assert refuser.ids == [task]
        silent.finish()
        refusal = Done([ResultItem(task, TaskStatus.REFUSED, 0.0, 0.0, b"")])
        refuser.say(refusal)
        assert silent.ids == [task]
        here.finish()

        stage.pages = {page: data for page, data in stage.pages.items() if page in known}
        stage.crash()
        return_agent(home, [])
        return_agent(here.agent, [here])
        return_engine(here)
        return_engine(refuser, [task], refusal)
        refuser.todo.clear()
        stage.turn(PATIENCE)
        return_client(client, submission(task), waits=[task])
        return task

    def test_is_left_to_that_one(
        self, client: Client, afar: list[Engine], here: Engine, task: TaskId
    ) -> None:
        silent, refuser = afar
        assert task not in [*here.ids, *refuser.ids]

        return_engine(silent)
        silent.finish()

        assert client.statuses[task] is TaskStatus.DONE

    def test_is_noted_as_sent_there(self, stage: Stage, afar: list[Engine], task: TaskId) -> None:
        note = decode(stage.sent)[task]

        assert (note.engine, note.boot) == (afar[0].number, afar[0].boot)


@pytest.mark.parametrize("dies", [True, False], ids=["dies", "gives it back"])
def test_what_another_had_and_did_not_begin_is_left_to_one_that_is_not_heard(
    stage: Stage, home: Agent, client: Client, afar: list[Engine], here: Engine, *, dies: bool
) -> None:
    silent, holder = afar
    client.submit_each([holder.number, here.number])
    known = set(stage.pages)
    [task] = client.submit()
    assert silent.ids == [task]
    here.finish()
    holder.finish()

    stage.pages = {page: data for page, data in stage.pages.items() if page in known}
    stage.crash()
    return_agent(home, [])
    return_agent(here.agent, [here])
    return_engine(here)
    return_engine(holder, [task])  # it was silent once, and the other was given its tasks
    stage.turn(PATIENCE)
    if dies:
        life = Life(silent.number, silent.boot, True)
        holder.agent.come()
        again = AgentHello(2000, FAR, 10, 2, True, [life], far=True, set="ssh")
        holder.agent.say(again, holder.exited())
    else:
        holder.say(Returned([task]))
    return_client(client, submission(task), waits=[task])

    assert task not in [*here.ids, *holder.ids]
    assert stage.hub.state.recovered.pinned[task] == silent.number
