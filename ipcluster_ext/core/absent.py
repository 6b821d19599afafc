"""Rules for engines that live and are not heard by a hub that takes over.

They may have begun tasks, and say nothing of it: they are stopped, or a task holds the interpreter.
So their agents have them begin nothing more, and look into their black boxes: what an engine has
begun stays with it until it is back, or dies; the rest goes on elsewhere.
"""

from collections.abc import Iterable, Sequence

from msgspec import structs

from ipcluster_ext.core.elsewhere import note_sent
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.recovered import Claim
from ipcluster_ext.core.state import State
from ipcluster_ext.core.task import Task
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.core.unnamed import record_death
from ipcluster_ext.protocol.ids import TaskId, client_of
from ipcluster_ext.protocol.labour import EngineExited, EngineHello, Peek, Peeked
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from ipcluster_ext.protocol.text import host_name

HEARD_WITHIN = 0.5
"""So long engines have to come back before their agents are asked what they have begun."""
PEEK_WITHIN = 2.0
"""So long agents have to say what silent engines have begun."""
RECOVERING = 0
"""The mark of a `Peek` while a hub takes over."""


class Absent:
    """Asks what engines have begun that cannot say so.

    Parameters
    ----------
    state
        The hub's tables.
    tasks
        The rules for tasks.
    """

    def __init__(self, state: State, tasks: Tasks) -> None:
        self._state = state
        self._tasks = tasks

    @property
    def unheard(self) -> str:
        """Name those who are waited for, as far as they are known: engines, hosts."""
        recovered = self._state.recovered
        engines = ", ".join(map(str, sorted(recovered.lives)))
        hosts = {recovered.far[number].host for number in recovered.agents & recovered.far.keys()}
        named = [f"engine{'s' if len(recovered.lives) > 1 else ''} {engines}"] if engines else []
        return " and ".join(named + [f"host {name}" for name in sorted(map(host_name, hosts))])

    @property
    def agents_are_back(self) -> bool:
        """Whether all agents are that are known; the one of the hub's host always is."""
        agents = self._state.agents.values()
        return not self._state.recovered.agents and any(not agent.far for agent in agents)

    def are_waited_for(self, now: float) -> bool:
        """Tell whether it is to be waited for engines and hosts, or what is known of them."""
        recovered = self._state.recovered
        if now >= recovered.patience and not recovered.looked:
            recovered.looked = True
            recovered.patience = now + PEEK_WITHIN
            recovered.peeks.clear()
            self._look_into()
        elif now >= recovered.look_at:
            recovered.look_at = now + HEARD_WITHIN
            self._look_into()
        if recovered.looked:
            return bool(recovered.peeks) and now < recovered.patience
        are_known = recovered.lives.keys() <= recovered.begun.keys()
        return not (self.agents_are_back and are_known)

    def is_heard(self, engine: Engine) -> None:
        """Learn that an engine is back, or has died: it is not waited for any more."""
        recovered = self._state.recovered
        engine.silent_since = None
        if not recovered.settled:
            recovered.lives.pop(engine.id, None)
            recovered.peeks.pop(engine.id, None)
            recovered.begun.pop(engine.id, None)

    def _look_into(self) -> None:
        """Have engines begin nothing that live and are not back, and ask what they have begun."""
        state, recovered = self._state, self._state.recovered
        for engine_id, boot in recovered.lives.items():
            agent = state.engines[engine_id].agent
            is_asked = engine_id in recovered.peeks or engine_id in recovered.begun
            is_there = state.agents.get(agent.id) is agent and agent.line.peer in state.peers
            if is_there and not is_asked:
                recovered.peeks[engine_id] = boot
                agent.line.say(Peek(engine_id, boot, RECOVERING, hold=True))

    def peeked(self, message: Peeked) -> None:
        """Learn what an engine has begun that lives and is not back."""
        recovered = self._state.recovered
        if recovered.peeks.get(message.engine) == message.boot:
            del recovered.peeks[message.engine]
            begun = frozenset([message.began, *message.others, *message.ran])
            if not recovered.settled:
                recovered.begun[message.engine] = begun
            elif (engine := self._state.engines.get(message.engine)) is not None:
                self._has_begun(engine, message.boot, begun)

    def _has_begun(self, engine: Engine, boot: int, begun: frozenset[TaskId]) -> None:
        """Learn late what a silent engine has begun of what it was sent: the rest goes on."""
        if (engine.id, boot) in self._state.recovered.afar:
            guessed = self._take_begun(engine, boot)
            self._go_on(engine, sorted(guessed - begun))
            if guessed & begun:
                recovered = self._state.recovered
                others = recovered.begun.get(engine.id, frozenset())
                recovered.begun[engine.id] = others | (guessed & begun)
                recovered.lives[engine.id] = boot

    def pin(self) -> None:
        """Leave to engines that live and are not back what they have begun; the rest goes on."""
        state, recovered = self._state, self._state.recovered
        for engine_id in recovered.lives:
            engine = state.engines[engine_id]
            if engine.status is EngineStatus.STARTING:
                engine.silent_since = recovered.since
                state.changed.add(engine)
        awaited = recovered.lives.keys() | {engine_id for engine_id, _ in recovered.afar}
        for engine_id, begun in list(recovered.begun.items()):
            if engine_id not in awaited:
                del recovered.begun[engine_id]  # it came back meanwhile, or died
                continue
            for task_id in sorted(begun):
                if task_id in recovered.unclaimed:
                    recovered.pinned[task_id] = engine_id
                elif task_id and state.is_unknown(task_id):
                    engine = state.engines.get(engine_id) or recovered.buried[engine_id][0]
                    recovered.claims[task_id] = Claim(engine)

    def take_queued(self, engine: Engine, held: Iterable[TaskId]) -> dict[TaskId, Task]:
        """Take from the queue what an engine has that is back, and perhaps has begun."""
        state, known = self._state, self._state.tasks
        some = (known[task_id] for task_id in held if task_id in known)
        tasks = {task.id: task for task in some if task.status is TaskStatus.QUEUED}
        if tasks:
            state.queue.take(frozenset(tasks.values()))
            for task in tasks.values() if engine.agent.far else ():
                note_sent(state, engine, task)
        return tasks

    def back(self, engine: Engine, held: Sequence[TaskId]) -> None:
        """Learn that a silent engine is back: what it has begun and does not hold goes on."""
        self._go_on(engine, sorted(self._take_begun(engine, engine.boot) - frozenset(held)))
        for task_id in held:
            self._state.recovered.pinned.pop(task_id, None)

    def _take_begun(self, engine: Engine, boot: int) -> frozenset[TaskId]:
        """Take from an engine what a life of it has begun, or may have."""
        recovered = self._state.recovered
        recovered.afar.discard((engine.id, boot))
        begun, notes = recovered.begun.pop(engine.id, frozenset()), recovered.sent
        others = frozenset(t for t in begun if t in notes and notes[t].boot != boot)
        if others:
            recovered.begun[engine.id] = others
        for task_id in begun - others:
            notes.pop(task_id, None)
        return begun - others

    def _go_on(self, engine: Engine, tasks: Iterable[TaskId]) -> None:
        """Have tasks run that an engine has not begun, or does not have."""
        recovered = self._state.recovered
        for task_id in tasks:
            claim = recovered.claims.get(task_id)
            if claim is not None and claim.engine is engine and claim.outcome is None:
                del recovered.claims[task_id]
            if recovered.pinned.pop(task_id, None) is not None:
                task = recovered.unclaimed.pop(task_id)
                if not self._tasks.withdrawals.give_up(task):
                    self._tasks.resume(self._state.clients.get(client_of(task_id)), task)

    def died(self, engine: Engine, exited: EngineExited) -> None:
        """Settle what a silent engine had begun that has died without having come back."""
        recovered = self._state.recovered
        was_guessed = (engine.id, exited.boot) in recovered.afar
        begun = self._take_begun(engine, exited.boot)
        if was_guessed:
            known = begun & {exited.began, *exited.others, *exited.ran}
            self._go_on(engine, sorted(begun - known))
            begun = known
        for task_id in sorted(begun):
            before = max(0, exited.ran.count(task_id) - 1)  # it may have tried it in vain before
            claim = recovered.claims.get(task_id)
            if claim is not None and claim.engine is engine and claim.outcome is None:
                claim.exited = exited
                claim.before += before
                record_death(self._state, task_id, claim)
            if recovered.pinned.pop(task_id, None) is not None:
                task = recovered.unclaimed.pop(task_id)
                task.retries -= before
                self._tasks.died_with(engine, task, exited, self._state.now)

    def host_left(self, engine: Engine, exited: EngineExited) -> None:
        """Settle what an engine may have begun that is not heard, and not waited for any longer."""
        recovered = self._state.recovered
        if not recovered.settled:
            recovered.buried[engine.id] = engine, exited
            self.is_heard(engine)
            return
        boots = {boot for engine_id, boot in recovered.afar if engine_id == engine.id}
        if engine.id in recovered.lives:
            boots.add(recovered.lives.pop(engine.id))
        for boot in sorted(boots):
            others = sorted(recovered.begun.get(engine.id, ()))
            self.died(engine, structs.replace(exited, boot=boot, others=others))

    def has_buried(self, hello: EngineHello) -> bool:
        """Tell whether an engine greets whose agent has left, and what it had is not settled."""
        recovered = self._state.recovered
        buried = None if recovered.settled else recovered.buried.get(hello.engine)
        return buried is not None and buried[0].agent.id == hello.agent

    def bury_the_unheard(self) -> None:
        """Go on with what was sent to engines that their agents, back late, do not have any more.

        That they died a hub before has heard, and settled what they had begun.
        """
        recovered = self._state.recovered
        late, recovered.returned_late = recovered.returned_late, []
        for agent, boots in late:
            for engine_id, boot in sorted(recovered.afar):
                engine = self._state.engines.get(engine_id)
                if engine is not None and engine.agent is agent and boot not in boots:
                    exited = EngineExited(engine_id, boot, "", TaskId(0), again=False)
                    self.died(engine, exited)
