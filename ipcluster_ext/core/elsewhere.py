"""Rules for other hosts that a hub which takes over does not hear.

It is known which tasks had been sent there (`core.sent`), and not which of those have begun. None
of them may run elsewhere, or it might run twice: so they stay with their engines, as they would
have if the hub had not died, until these are back, or their host is given up. The same holds for
an engine that is not heard, and of which its agent does not say in time what it has begun.
"""

from collections.abc import Sequence
from math import inf

from ipcluster_ext.core.engines import Agent, Engine
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.journal import Posted
from ipcluster_ext.core.sent import Sent
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import Task
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.labour import EngineExited, StopEngines
from ipcluster_ext.protocol.parts import Life

_NO_PEER = PeerId(0)
_NOBODY = EngineId(-1)
_GIVEN_UP = "its host is gone; it may have run"


def note_sent(state: State, engine: Engine, task: Task) -> None:
    """Note that a task is sent to an engine on another host."""
    state.sent.append(_note(engine, task, state.now))


def note_back(state: State, task: Task) -> None:
    """Note that a task is not with an engine on another host any more, which had not begun it."""
    engine = None if task.engine is None else state.engines.get(task.engine)
    if engine is not None and engine.agent.far:
        state.sent.append(_is_over(_note(engine, task, state.now), state.now))


def _is_over(note: Sent, now: float) -> Sent:
    return note._replace(engine=_NOBODY, boot=0, agent=0, at=now)


def _note(engine: Engine, task: Task, now: float) -> Sent:
    return Sent(task.id, engine.id, engine.boot, engine.agent.id, task.tries, now)


def all_sent(state: State) -> list[Sent]:
    """Return everything that is noted and still holds."""
    there = [
        _note(engine, task, state.now)
        for engine in state.engines.values()
        if engine.agent.far
        for task in engine.unfinished.values()
    ]
    return [*state.recovered.sent.values(), *there]


def read_notes(state: State, notes: dict[TaskId, Sent], written_at: float) -> None:
    """Learn what had been sent to other hosts, and so which are to come back.

    Parameters
    ----------
    notes
        What was noted.
    written_at
        When the last page of the journal was filled: what came after that, nobody has recorded.
    """
    recovered = state.recovered
    for note in notes.values():
        task = recovered.unclaimed.get(note.task)
        if task is not None and task.tries > note.tries:
            continue  # what came of that try is recorded
        if task is None and note.at >= written_at and state.is_unknown(note.task):
            note = note._replace(at=inf)  # later pages say nothing of it either
            state.sent.append(note)
        if task is not None or (note.at == inf and state.is_unknown(note.task)):
            recovered.sent[note.task] = note
            if task is not None:
                count_tries(state, task)
            if note.engine == _NOBODY:
                continue  # that it had been tried before, perhaps nobody has recorded
            recovered.agents.add(note.agent)
            nothing = Posted(note.agent, {}, EngineId(0), far=True)
            recovered.far.setdefault(note.agent, nothing).engines.setdefault(note.engine, {})
            recovered.posted.setdefault(note.agent, {}).setdefault(note.engine, {})
            state.next_engine = max(state.next_engine, note.engine + 1)


def count_tries(state: State, task: Task) -> None:
    """Count how often a task had been tried in vain when it was sent to another host."""
    note = state.recovered.sent.get(task.id)
    if note is not None and note.tries > task.tries:
        task.retries = max(0, task.retries - (note.tries - task.tries))
        task.extras.tries = note.tries


def expect_hosts(state: State) -> list[Agent]:
    """Enter the hosts that are not back, with their engines, and leave to these what they may have.

    Returns
    -------
    Their agents, which have not been heard since the hub was started.
    """
    recovered = state.recovered
    far = {agent.id for agent in state.agents.values() if agent.far}  # only its engines are back
    absent = [
        _expect(state, number) for number in sorted(recovered.agents & (recovered.far.keys() | far))
    ]
    _leave_to_engines(state)
    return absent


def _expect(state: State, number: int) -> Agent:
    """Enter an agent that is not back, and the engines that it is to have."""
    recovered, agent = state.recovered, state.agents.get(number)
    posted = recovered.far.get(number) or Posted(number, {}, EngineId(0))
    if agent is None:
        agent = state.agents[number] = Agent(number, posted.host, state.line(_NO_PEER))
    agent.far, agent.set_name, agent.silent_since = True, posted.set, recovered.since
    for engine_id, wanted in sorted(posted.engines.items()):
        if engine_id not in state.engines:
            engine = Engine(engine_id, agent, host=agent.host, wanted=wanted)
            state.engines[engine_id] = engine
            agent.engines.add(engine_id)
            if engine_id in posted.retiring:
                engine.leaving = engine.retiring = True
                state.retiring[engine_id] = engine
    return agent


def leave_to_unheard(state: State, task: Task) -> bool:
    """Leave a task that another engine tried in vain to one that may have begun it, too.

    Returns
    -------
    Whether there is one that is not heard.
    """
    recovered, engine = state.recovered, who_may_have_begun(state, task.id)
    if engine is None:
        return False
    recovered.pinned[task.id] = engine
    if task.id in recovered.sent:
        state.sent.append(recovered.sent[task.id])  # that the other has it no more was noted since
    return True


def who_may_have_begun(state: State, task: TaskId) -> EngineId | None:
    """Return an engine that is not heard and may have begun a task, None if there is none."""
    return next((e for e, begun in state.recovered.begun.items() if task in begun), None)


def ends_unseen(state: State) -> list[tuple[Engine, EngineExited]]:
    """Return the ends of those lives whose engines' ids others have by now.

    A hub before gave them up, and may not have recorded what became of their tasks, which may have
    run there.
    """
    recovered, lost = state.recovered, dict[tuple[EngineId, int, int], list[TaskId]]()
    for note in list(recovered.sent.values()):
        engine = state.engines.get(note.engine)
        is_taken = engine is not None and engine.agent.id != note.agent
        if is_taken and not _is_known(state, note):
            lost.setdefault((note.engine, note.boot, note.agent), []).append(note.task)
            del recovered.sent[note.task]
    ends: list[tuple[Engine, EngineExited]] = []
    for (number, boot, agent_id), tasks in lost.items():
        engine = Engine(number, Agent(agent_id, "", state.line(_NO_PEER)))
        exited = EngineExited(number, boot, _GIVEN_UP, TaskId(0), again=False, others=tasks)
        ends.append((engine, exited))
    return ends


def _is_known(state: State, note: Sent) -> bool:
    """Tell whether the life of an engine that was sent a task has said what it had, or is over."""
    return note.boot in state.recovered.greeted or note.boot in state.recovered.dead


def _leave_to_engines(state: State) -> None:
    """Leave what was sent to them to engines that do not say what they have begun."""
    recovered = state.recovered
    left: dict[EngineId, set[TaskId]] = {}
    for note in recovered.sent.values():
        engine, task = state.engines.get(note.engine), state.tasks.get(note.task)
        if _is_known(state, note):
            continue
        is_deaf = recovered.peeks.get(note.engine) == note.boot
        is_away = engine is not None and engine.agent.id in recovered.agents
        has_left = engine is None and note.engine in recovered.buried
        if not (is_deaf or is_away or has_left):
            continue
        if task is not None and task.engine is not None:  # that one had tried it in vain
            task.retries = max(0, task.retries - 1)
            task.extras.tries += 1
            state.journal.changed(task)
        else:
            recovered.afar.add((note.engine, note.boot))
            left.setdefault(note.engine, set()).add(note.task)
    for engine_id, tasks in left.items():
        recovered.begun[engine_id] = frozenset(tasks)
    known = frozenset().union(*left.values())
    for note in recovered.sent.values():
        if (
            note.task not in known
            and note.task not in state.tasks
            and note.task not in state.claims
        ):
            state.sent.append(_is_over(note, state.now))
    recovered.sent = {task: note for task, note in recovered.sent.items() if task in known}


def own_lives(state: State, agent: Agent, lives: Sequence[Life]) -> list[Life]:
    """Return the engines of an agent that was away but for those whose ids others have by now.

    It is told to stop those.
    """
    taken = [
        life.engine
        for life in lives
        if (known := state.engines.get(life.engine)) is not None and known.agent is not agent
    ]
    if taken:
        agent.line.say(StopEngines(taken))
    return [life for life in lives if life.engine not in taken]
