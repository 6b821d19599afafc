"""How scripted peers come back to a hub that was started again (`Stage.crash`)."""

from collections.abc import Sequence

from msgspec import structs

from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import (
    AgentHello,
    Awaiting,
    ClientHello,
    Message,
    Submit,
)
from ipcluster_ext.protocol.parts import Life, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind
from tests.support.scripted import Agent, Client, Engine


def return_agent(agent: Agent, engines: Sequence[Engine], *also: Message) -> None:
    """Have an agent come back that has these engines."""
    agent.come()
    agent.forget()
    lives = [Life(engine.number, engine.boot, True) for engine in engines]
    agent.say(AgentHello(agent.number, "here", 10, 2, True, lives), *also)


def return_engine(
    engine: Engine,
    held: Sequence[TaskId] | None = None,
    *also: Message,
    prepared: Sequence[bytes] = (),
) -> None:
    """Have an engine come back that holds these tasks, or all it was sent."""
    engine.come()
    engine.functions.clear()
    ids = engine.ids if held is None else list(held)
    engine.todo = [item for item in engine.todo if item.id in ids]
    greeting = structs.replace(engine.greeting(), again=True, held=ids, prepared=list(prepared))
    engine.say(greeting, *also)


def have_hub_follow(
    agent: Agent,
    engine: Engine,
    held: Sequence[TaskId] | None = None,
    *also: Message,
    unwritten: int = 0,
) -> None:
    """Have the hub die, and an agent and its engine come back to the next one.

    Parameters
    ----------
    held, also
        As for `return_engine`.
    unwritten
        As for `Stage.crash`.
    """
    agent.stage.crash(unwritten=unwritten)
    return_agent(agent, [engine])
    return_engine(engine, held, *also)


def return_client(client: Client, *unheard: Message, waits: Sequence[TaskId] = ()) -> None:
    """Have a client come back that says once more what may not have been heard."""
    client.come()
    client.was_away = True
    hello = ClientHello(client.number, "here", 20, again=True)
    client.say(hello, *unheard, Awaiting(list(waits), [1] * len(waits)))


def submission(task: TaskId, *, retries: int = 0) -> Submit:
    return Submit(TaskSpec(Kind.APPLY, b"", retries=retries), [TaskItem(task, b"in")])
