"""How a hub takes over from one that died: from the journal, and from those who come back.

What was recorded is read first. Then everybody comes back, in any order, and says what the hub
before may have missed: agents which engines they have, engines which tasks, clients what they
submitted lately and what they wait for. A task that an engine has stays with it. What nobody has
claimed once every engine is back (or has been waited for long enough) was with no engine: it is
queued anew, unless an engine died of which it is known that it had begun it, or one lives that is
not heard: what that had begun stays with it.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from ipcluster_ext.core.absent import HEARD_WITHIN, Absent
from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.elsewhere import ends_unseen, expect_hosts, own_lives, read_notes
from ipcluster_ext.core.ends import HUB
from ipcluster_ext.core.engines import Agent, Engine, Withdrawal
from ipcluster_ext.core.journal import read_page
from ipcluster_ext.core.keeping import Keeping
from ipcluster_ext.core.reading import Reader
from ipcluster_ext.core.recovered import Answered, Claim, Recovered
from ipcluster_ext.core.retold import Retold
from ipcluster_ext.core.sent import decode
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.core.unnamed import record_death
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, encode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId, client_of, client_owner
from ipcluster_ext.protocol.labour import (
    Drop,
    EngineExited,
    Halt,
    StartEngines,
    StopEngines,
)
from ipcluster_ext.protocol.messages import Awaiting, News, Over
from ipcluster_ext.protocol.parts import Failure, Life, ResultItem
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus

if TYPE_CHECKING:
    from ipcluster_ext.core.task import Task

PATIENCE = 12.0
"""So long after its start a hub waits for agents; a silent engine begins nothing by then."""
SAID_AFTER = 2.0
"""Users are told for whom a hub has waited that long."""
FORGET_AFTER = 600.0
"""So long after that, nobody is expected any more who has something to say of the time before."""
LEARN_WITHIN = 1.0
"""So long engines that are back have to say how tasks ended that have, as a client says."""
MOST_AWAITED = 10_000_000
"""So many tasks a client may wait for when a hub has taken over."""
_LOST = "the hub was started again, and knows nothing of the task; it may have run"


class Recovery:
    """Takes over.

    Parameters
    ----------
    state
        The hub's tables.
    tasks
        The rules for tasks.

    Attributes
    ----------
    absent
        The rules for engines that live and are not heard.
    keeping
        The rules for values in shared memory.
    """

    def __init__(self, state: State, tasks: Tasks) -> None:
        self._state = state
        self._tasks = tasks
        self.absent = Absent(state, tasks)
        self.keeping = Keeping(state)
        self._retold = Retold(state)

    @property
    def deadline(self) -> float | None:
        """When `look` has something to do although nothing has happened; None if never."""
        recovered = self._state.recovered
        if recovered.settled:
            learn_by = recovered.learn_by if self._retold.is_open else None
            dues = (self.keeping.deadline, recovered.forget_at, learn_by)
            return min((due for due in dues if due is not None), default=None)
        until = [until for _, _, until in recovered.unwelcomed]
        return min(recovered.patience, recovered.look_at, *until)

    def begin(self, now: float) -> None:
        """Begin to wait for those who knew the hub before."""
        if self._state.recovered.forget_at is None:
            until = now + PATIENCE
            self._state.recovered = Recovered(
                now,
                until,
                forget_at=now + FORGET_AFTER,
                settled=False,
                is_over=False,
                expected=until,
                look_at=now + HEARD_WITHIN,
                is_late=self._state.recovered.is_late,
            )
            self._state.next_task = 1 + int(now * 1000) % 2**30  # other than those that came before

    # ------------------------------------------------------------ what was recorded

    def read(
        self, pages: Iterable[tuple[int, Sequence[Frame]]], now: float, sent: bytes = b""
    ) -> int:
        """Rebuild the tables from the pages of the journal, in order, and from what was noted.

        Returns
        -------
        How many pages could not be read.
        """
        damaged = 0
        self.begin(now)
        written_at = 0.0
        reader = Reader(self._state, self._tasks)
        for number, data in pages:
            try:
                page = read_page(data[0])
            except (ProtocolError, IndexError):
                damaged += 1
                continue
            self._state.journal.found(number)
            self._state.recovered.last_page = number
            reader.read(number, page.at, page.records, iter(data[1:]))
            written_at = page.at
        reader.finish(now)
        read_notes(self._state, decode(sent), written_at)
        self._state.journal.unneeded_so_far()
        return damaged

    # ------------------------------------------------------------ who comes back

    def agent_is_back(self, agent: Agent, lives: Sequence[Life]) -> None:
        """Learn which engines an agent has."""
        state, recovered = self._state, self._state.recovered
        boots: dict[EngineId, int] = {}
        for life in own_lives(state, agent, lives):
            boots[life.engine] = life.boot
            engine = self.engine(life.engine, agent)
            engine.wanted = life.resources
            is_other = engine.status is EngineStatus.STARTING or engine.boot != life.boot
            if life.up and is_other and life.boot not in engine.buried:
                if recovered.lives.get(life.engine) != life.boot:
                    self.absent.is_heard(engine)  # the life before is over
                recovered.lives[life.engine] = life.boot
        for engine_id, resources in recovered.posted.pop(agent.id, {}).items():
            if engine_id not in boots:
                self.engine(engine_id, agent).wanted = resources
        missing = sorted(agent.engines - boots.keys())
        recovered.missing += [(agent, engine_id) for engine_id in missing]
        recovered.agents.discard(agent.id)
        if recovered.settled:
            recovered.returned_late.append((agent, frozenset(boots.values())))
        state.restaffed.add(agent)
        self.stop_again(agent)
        for answered in recovered.answered.values():
            self._steer_again(agent, answered, boots)

    def stop_again(self, agent: Agent) -> None:
        """Repeat what an agent was told while it was not back as yet."""
        engines = [self._state.engines[engine_id] for engine_id in sorted(agent.engines)]
        for again in (True, False):
            ids = [e.id for e in engines if (e.restarting if again else self._was_stopped(e))]
            if ids:
                agent.line.say(StopEngines(ids, again=again))

    def _was_stopped(self, engine: Engine) -> bool:
        return engine.leaving and engine.id not in self._state.retiring

    def _steer_again(self, agent: Agent, answered: Answered, boots: dict[EngineId, int]) -> None:
        """Repeat an order to stop engines, as far as the agent may not have heard it."""
        action = answered.message.action
        if answered.refused or action not in {"stop", "restart"}:
            return
        known = zip(answered.engines, answered.boots, strict=False)
        living = [e for e, boot in known if boots.get(e) == boot]
        for engine_id in living:
            engine = self._state.engines[engine_id]
            engine.leaving = engine.leaving or action == "stop"
            self._state.changed.add(engine)
        if living:
            agent.line.say(StopEngines(living, again=action == "restart"))

    def engine(self, engine_id: EngineId, agent: Agent) -> Engine:
        """Return an engine that an agent has, known or not."""
        state = self._state
        engine = state.engines.get(engine_id)
        if engine is None:
            engine = state.engines[engine_id] = Engine(engine_id, agent, host=agent.host)
            agent.engines.add(engine_id)
            if engine_id in state.recovered.retiring.get(agent.id, ()):
                engine.leaving = engine.retiring = True
                state.retiring[engine_id] = engine
            state.next_engine = max(state.next_engine, engine_id + 1)
            state.changed.add(engine)
        return engine

    def awaits(self, engine: Engine) -> bool:
        """Tell whether an engine may have tasks that this hub does not know that it has."""
        recovered = self._state.recovered
        return not recovered.settled or (engine.id, engine.boot) in recovered.afar

    def engine_is_back(self, engine: Engine, held: Sequence[TaskId], now: float) -> None:
        """Learn which tasks an engine has: they stay there, unless others have them by now."""
        state, recovered = self._state, self._state.recovered
        elsewhere: list[TaskId] = []
        adopted: list[Task] = []
        recovered.greeted.add(engine.boot)
        was_awaited = (engine.id, engine.boot) in recovered.afar
        if recovered.lives.get(engine.id) == engine.boot:  # else that one has died
            del recovered.lives[engine.id]
            self.absent.is_heard(engine)
            was_awaited = True
        engine.standing = {task_id: place for place, task_id in enumerate(held)}
        queued = self.absent.take_queued(engine, held)
        for task_id in held:
            task = recovered.unclaimed.pop(task_id, None) or queued.pop(task_id, None)
            if (task := task or engine.take_held(task_id)) is not None:
                self._tasks.adopt(engine, task, now)
                adopted.append(task)
                if (granted := recovered.grants.pop(task_id, None)) is not None:
                    engine.open_line.say(granted)
            elif task_id in state.tasks:
                recovered.rivals.append((engine.id, task_id))
                if task_id not in engine.unfinished:  # else it has tried it in vain, and again
                    elsewhere.append(task_id)
            elif task_id in recovered.ended or state.history.get(task_id) is not None:
                elsewhere.append(task_id)
            else:
                self._claim(engine, task_id)
        if elsewhere:
            self._have_dropped(engine, elsewhere)
        if recovered.settled and was_awaited:
            self.absent.back(engine, held)
        self._tasks.handovers.back(engine)
        self._tasks.withdrawals.resume(engine, adopted)

    def _have_dropped(self, engine: Engine, tasks: list[TaskId]) -> None:
        """Have an engine drop what others have by now, and stop what is over.

        Perhaps it was given up while it was not heard.
        """
        line = engine.open_line
        line.say(Drop(tasks))
        if over := [task_id for task_id in tasks if task_id not in self._state.tasks]:
            line.say(Halt(over))
        engine.settling = Withdrawal(line, 0)  # it is not sent them before that
        engine.asked.append(engine.settling)

    def _claim(self, engine: Engine, task_id: TaskId) -> None:
        """Note that an engine has a task that nobody has named; perhaps not the only one."""
        recovered = self._state.recovered
        first = recovered.claims.get(task_id)
        if first is None:
            recovered.claims[task_id] = Claim(engine)
        elif first.engine is not engine or engine.id not in recovered.begun:
            first.also.append(Claim(engine))

    def engine_exited(self, engine: Engine, exited: EngineExited) -> None:
        """Learn that an engine died, perhaps before this hub heard of it."""
        recovered = self._state.recovered
        recovered.dead.add(exited.boot)
        if engine.boot == exited.boot:
            recovered.rivals = [rival for rival in recovered.rivals if rival[0] != engine.id]
        was_awaited = (engine.id, exited.boot) in recovered.afar
        if recovered.lives.get(engine.id) == exited.boot:
            del recovered.lives[engine.id]
            self.absent.is_heard(engine)
            was_awaited = True
        if not recovered.settled and (exited.ran or exited.others):
            recovered.exits.append((engine, exited))
        if recovered.settled and was_awaited:  # the next one may have greeted by now
            self.absent.died(engine, exited)
        if engine.boot == exited.boot:  # it is this life that claims things
            self._settle_claims(engine, exited)
        if recovered.settled:
            self._tasks.handovers.died(engine, exited)

    def _settle_claims(self, engine: Engine, exited: EngineExited) -> None:
        """Settle what an engine claimed that has died: what it had begun died with it."""
        recovered = self._state.recovered
        begun = {exited.began, *exited.others, *exited.ran}
        for task_id, first in list(recovered.claims.items()):
            claim = first.of(engine)
            if claim is not None and claim.exited is None:
                if task_id in begun:
                    claim.exited = exited
                    record_death(self._state, task_id, claim)
                else:
                    self._tasks.unnamed.disclaim(engine, task_id)

    def client_waits(self, client: Client, message: Awaiting) -> None:
        """Tell a client the outcomes that it has not received, as far as they are known."""
        state, recovered = self._state, self._state.recovered
        recovered.returned.add(client.id)
        recovered.back.add(client.id)
        left = MOST_AWAITED
        for first, count in zip(message.firsts, message.counts, strict=False):
            count, left = min(count, left), left - min(max(0, count), left)
            for number in range(first, first + count):
                task = TaskId(number)
                if task in state.tasks:
                    if client_of(task) != client.id:
                        state.watchers.setdefault(task, []).append(client)
                elif not (self._tell(client, task) or self._was_told(task)):
                    recovered.awaited[task] = client.id
        if recovered.settled:
            self._tasks.ends.dependencies.ask_again(client)
            self._disappoint()

    def are_over(self, client: Client, message: Over) -> None:
        """Learn of tasks that have ended."""
        self._retold.take(client, message)

    def _learn_of_ends(self) -> None:
        """Remember what clients say has ended, and tell who else waits for it."""
        for task in self._retold.learn():
            who = self._state.recovered.awaited.pop(task, None)
            waits = None if who is None else self._state.clients.get(who)
            if waits is not None and not self._tell(waits, task):
                self._lose(waits, task)

    def _was_told(self, task: TaskId) -> bool:
        """Tell whether this hub ended a task while its client was here; it was told then."""
        entry = self._state.history.get(task)
        return entry is not None and not entry.orphan and task not in self._state.over

    def _tell(self, client: Client, task: TaskId) -> bool:
        """Tell a client how a task ended; False if that is not known."""
        claim = self._state.recovered.claims.get(task)
        outcome = self._state.outcome(task) if claim is None else claim.outcome
        if outcome is None or not (claim is None or outcome.item.status is TaskStatus.DONE):
            return False
        self._tasks.ends.tell(client, outcome.item, outcome.frames, outcome.engine)
        if client_of(task) == client.id and names_of(outcome.item.buffers):
            self._state.store.hold(outcome.item, outcome.frames)
        return True

    # ------------------------------------------------------------ what follows

    @property
    def complete(self) -> bool:
        """Whether everybody is back who may have tasks; the agent of the hub's host always is."""
        return self.absent.agents_are_back and not self._state.recovered.lives

    def look(self, now: float) -> bool:
        """Go on if everybody is back, or time is up.

        Returns
        -------
        Whether the recovery is over from now on.
        """
        recovered = self._state.recovered
        if not recovered.settled:
            if not self.complete and self.absent.are_waited_for(now):
                return False
            self._settle(now)
        self._start_missing()
        self.absent.bury_the_unheard()
        self._learn_of_ends()
        self.keeping.look(now)
        if recovered.is_over and recovered.forget_at is not None and now >= recovered.forget_at:
            if recovered.begun:
                recovered.forget_at = now + FORGET_AFTER
            else:
                self._forget()
        if recovered.is_over or self._retold.is_open:
            return False
        recovered.is_over = True
        return True

    def _settle(self, now: float) -> None:
        """See to it that every task is with an engine, or in the queue."""
        recovered = self._state.recovered
        waited = now - recovered.since
        if waited >= SAID_AFTER and (unheard := self.absent.unheard):
            self._state.notify(f"the hub that took over has waited {waited:.0f} s for {unheard}")
        recovered.settled = True
        recovered.learn_by = now + LEARN_WITHIN
        self._start_missing()
        recovered.exits += ends_unseen(self._state)
        self._settle_the_dead(now)
        self._state.missed += expect_hosts(self._state)
        self.absent.pin()
        self._tasks.handovers.settle()
        unclaimed, recovered.unclaimed = recovered.unclaimed, {}
        for task in unclaimed.values():
            if task.id in recovered.pinned:
                recovered.unclaimed[task.id] = task
                continue
            if task.id not in self._state.tasks:
                continue  # its time was up, or it was cancelled
            if not self._tasks.withdrawals.give_up(task):
                self._tasks.resume(self._state.clients.get(client_of(task.id)), task)
        for engine, exited in recovered.buried.values():
            self.absent.host_left(engine, exited)
        self._disappoint()

    def _start_missing(self) -> None:
        """Have agents start what they have not, as they were not told or not back as yet."""
        missing, self._state.recovered.missing = self._state.recovered.missing, []
        for agent, engine_id in missing:  # those whose end is known by now were struck off
            engine = self._state.engines.get(engine_id)
            if engine is not None and engine.status is EngineStatus.STARTING:
                agent.line.say(StartEngines([engine_id], engine.wanted))
                if self._was_stopped(engine):  # or nobody would tell of its end
                    agent.line.say(StopEngines([engine_id]))

    def _settle_the_dead(self, now: float) -> None:
        """Settle the tasks that engines had begun whose death was told to no hub before."""
        recovered = self._state.recovered
        exits, recovered.exits = recovered.exits, []
        deaths: dict[TaskId, list[tuple[Engine, EngineExited]]] = {}
        for engine, exited in exits:
            for task_id in (*exited.ran, *exited.others):  # perhaps more than once in one life
                deaths.setdefault(task_id, []).append((engine, exited))
        for task_id, times in deaths.items():
            engine, exited = times[-1]
            task = recovered.unclaimed.pop(task_id, None)
            if task is not None:
                task.retries -= len(times) - 1
                self._tasks.died_with(engine, task, exited, now)
            elif task_id in self._state.tasks:  # another has it since
                known = self._state.tasks[task_id]
                known.retries = max(0, known.retries - len(times))
            elif self._state.is_unknown(task_id):
                claim = Claim(engine, exited=exited, before=len(times) - 1)
                recovered.claims[task_id] = claim
                record_death(self._state, task_id, claim)
            elif task_id in recovered.claims:
                recovered.claims[task_id].before += len(times)
        recorded, recovered.deaths = recovered.deaths, []
        for page in recorded:
            self._state.journal.release(page)

    def _disappoint(self) -> None:
        """Tell clients which of the tasks that they wait for are lost."""
        state, recovered = self._state, self._state.recovered
        for task, who in list(recovered.awaited.items()):
            if task in recovered.claims and recovered.claims[task].exited is None:
                continue  # an engine has it
            client, owner = state.clients.get(who), client_of(task)
            if client is not None and owner != who and self._goes_on(client, task):
                del recovered.awaited[task]
            elif client is None or owner == who or owner in recovered.returned:
                del recovered.awaited[task]  # else its own client may yet say what it is
                if client is not None and task not in state.tasks:
                    self._lose(client, task)

    def _goes_on(self, client: Client, task: TaskId) -> bool:
        """Have a client told of another's task, now or when it ends; False if nobody knows it."""
        if task in self._state.tasks:
            self._state.watchers.setdefault(task, []).append(client)
            return True
        return self._tell(client, task)

    def _lose(self, client: Client, task: TaskId) -> None:
        failure = encode_failure(Failure("EngineLost", _LOST, ""))
        client.line.result(HUB, ResultItem(task, TaskStatus.LOST, 0.0, 0.0, failure), ())

    def _forget(self) -> None:
        """Keep nothing any more for those who have not come back."""
        state, recovered = self._state, self._state.recovered
        claims = [claim for first in recovered.claims.values() for claim in (first, *first.also)]
        claimed = [claim.outcome for claim in claims if claim.outcome is not None]
        for outcome in (*recovered.ended.values(), *chain(*recovered.tried.values()), *claimed):
            state.blobs.release(names_of(outcome.item.buffers))
            state.journal.release(outcome.row)
        for _, word, _ in recovered.words:
            if isinstance(word, News):
                state.blobs.release(names_of(word.buffers))
        state.recovered = Recovered(is_late=True)
        for owner in {client_of(task_id) for task_id in state.waiting} - state.clients.keys():
            self._tasks.ends.verdicts.extend(self._tasks.ends.dependencies.client_left(owner))
        for client in [client for client in state.history.names if client not in state.clients]:
            state.sweep_after(client_owner(client))
