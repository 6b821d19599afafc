"""A hub among scripted processes, in virtual time: one history for each seed.

The hub's mind and ports are the real ones; between them and the processes are real ledgers, over
lines that lose, double and delay. For a while faults happen, then all is healed, and everything
must come to rest: every task has ended once, and nothing is left of it in the hub.
"""

import hashlib
from random import Random
from typing import NoReturn

from ipcluster_ext.core.hosts import NO_PEER
from ipcluster_ext.core.recovery import PATIENCE
from ipcluster_ext.protocol.ids import (
    EngineId,
    client_of,
    client_owner,
    engine_owner,
    owner_of_blob,
)
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.protocol.messages import FreeBlobs, SweepBlobs
from ipcluster_ext.protocol.parts import Blob, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.simulation.agenda import Agenda
from tests.simulation.agents import Agent
from tests.simulation.blows import Blows
from tests.simulation.clients import Client
from tests.simulation.courses import Course
from tests.simulation.disk import Disk
from tests.simulation.engines import Engine
from tests.simulation.faults import UNPUNCTUAL, Faults, draw
from tests.simulation.hosts import Hosts
from tests.simulation.life import Life
from tests.simulation.network import Network
from tests.simulation.processes import Process
from tests.simulation.truth import Truth, WrongHistory, blobs_of, hold

LARGE = 5_000_000
ACTIONS = ("cancel", "fetch", "interrupt", "prepare", "release", "resize", "steer")
WITH_SHORT_WAYS = 13
"""In one history of so many clients hand tasks to engines themselves whatever it is about."""
BUSY_FOR = 4.0
"""So long clients do something where blows lie in wait, at most; whatever those wait for."""
AFTERMATH = 3.0
"""So long there are faults still when all has struck that was to strike one after the other."""
HEALED_FOR = 200.0
"""So long everything may take to come to rest."""


class World:
    """One history.

    Parameters
    ----------
    seed
        Decides everything.
    check_every
        After how many turns the hub's tables are checked.
    traced
        Whether to keep a digest of everything that happens.
    """

    def __init__(self, seed: int, *, check_every: int = 8, traced: bool = False) -> None:
        self.random = Random(seed)
        self.faults: Faults = draw(self.random, seed=seed)
        if seed % WITH_SHORT_WAYS == 0 and "far" not in self.faults.traits:
            self.faults.traits |= {"short way"}
        self.traits = self.faults.traits
        self.agenda = Agenda()
        self.truth = Truth(punctual=self._is_punctual)
        self.network = Network(
            self.agenda, self.random, self.faults, deliver=self._deliver, on_packet=self._on_packet
        )
        self.check_every = check_every
        self.digest = hashlib.sha256() if traced else None
        self.packets = 0
        self.healed = False
        self.clients: list[Client] = []
        self.agents: list[Agent] = []
        self._numbers = 0
        self.hosts = Hosts(self)
        self.blows = Blows(self)
        self.course: Course | None = None
        self.disk = Disk(self.agenda, self.faults.disk)
        self.life: Life | None = Life(self, first=True)

    @property
    def _is_punctual(self) -> bool:
        """Whether nothing in this history takes long by mistake."""
        faults = self.faults
        late = faults.drop or faults.delay or faults.latency > 0.01 or faults.lag > 0.01
        late = late or "nested" in faults.traits
        return not late and faults.blows.isdisjoint(UNPUNCTUAL)

    # ------------------------------------------------------------ chance, for everybody

    def number(self) -> int:
        """Return a number that nobody has."""
        self._numbers += 1
        return self._numbers

    def may(self, trait: str, share: float) -> bool:
        """Tell by chance whether something happens that only some histories have."""
        if trait not in self.traits:
            return False
        return self.random.random() ** self.faults.zeal < share

    @property
    def any_engine(self) -> EngineId:
        """An engine, which may be gone, or never come."""
        return EngineId(self.random.choice((0, 0, 1, 1, 2, 5)))

    def blob(self, owner: str) -> Blob:
        """Write a file into shared memory."""
        blob = Blob(f"{owner}-{self.number()}", LARGE)
        self.truth.blobs.add(blob.name)
        return blob

    def duration(self, spec: TaskSpec, item: TaskItem) -> float | None:
        """Return how long a task takes; None if it has to be stopped."""
        kind = item.inline[:1]
        if kind in {b"e", b"s"} and not self._abandoned(item):
            return None
        if kind == b"g" and not (self.healed and self._is_unknown(item)):
            return None
        if kind == b"t" and spec.options is not None:
            return spec.options.time_limit
        if "short" in self.traits:
            return self.random.choice((0.0001, 0.0002, 0.03))
        return self.random.choice((0.0005, 0.02, 0.1, 0.6))

    def _is_unknown(self, item: TaskItem) -> bool:
        """Tell whether perhaps no hub knows a task: one died before it wrote down what it is."""
        owners = {client.id for client in self.clients}
        return bool(self.truth.hub_deaths) and client_of(item.id) not in owners

    def _abandoned(self, item: TaskItem) -> bool:
        """Tell whether nobody will stop a task."""
        wanted = any(item.id in client.halted for client in self.clients)
        return self.healed and (item.id in self.truth.ends or not wanted)

    def outcome(self, spec: TaskSpec, item: TaskItem) -> TaskStatus:
        """Return how a task ends that was not stopped."""
        if item.inline[:1] == b"t":
            return TaskStatus.FAILED
        if self.may("failures", 0.3):
            return TaskStatus.FAILED
        return TaskStatus.AGAIN if self.may("judge", 0.3) else TaskStatus.DONE

    def refuses(self, item: TaskItem, engine: Engine) -> bool:
        """Tell whether an engine refuses a task."""
        return self.may("refuse", 0.3)

    # ------------------------------------------------------------ the course of things

    def run(self) -> None:
        """Have it all happen.

        Raises
        ------
        AssertionError
            Something happened that may not.
        """
        self._begin()
        self._suffer()
        self._heal()
        self._come_to_rest()
        self._let_go()
        self.agenda.run(self.agenda.now + 4.0)
        if "blobs" in self.traits and self.truth.hub_deaths:
            self.agenda.run(self.agenda.now + PATIENCE)
        self._forget()
        self.agenda.run(self.agenda.now + 1.0)
        self._come_to_rest()
        self._nothing_is_left()

    def _suffer(self) -> None:
        """Have faults happen, until there are no more to come."""
        course, end = self.course, self.faults.chaos
        while course is not None and not course.is_over and self.agenda.now < end:
            self.agenda.run(self.agenda.now + 0.5)
        self.agenda.run(end if course is None else self.agenda.now + AFTERMATH)

    def _come_to_rest(self) -> None:
        end = self.agenda.now + HEALED_FOR
        while not self._at_rest:
            if self.agenda.now >= end:
                self._give_up()
            self.agenda.run(self.agenda.now + 1.0)

    def _give_up(self) -> NoReturn:
        raise WrongHistory("it does not come to rest: " + self._what_is_left())

    def _begin(self) -> None:
        random, chaos = self.random, self.faults.chaos
        if self.faults.course:
            chaos = min(chaos, BUSY_FOR)
        if "far" in self.traits:
            self.hosts.begin()
        else:
            self.agents.append(Agent(self, random.choice((1, 2, 2, 3))))
        if random.random() < 0.1 and not self.faults.kills_the_hub and "far" not in self.traits:
            self.agents.append(Agent(self, 1))
        counts = (1, 2, 2) if self.faults.eager else (1, 1, 1, 2)
        self.clients += [Client(self) for _ in range(random.choice(counts))]
        actions = [action for action in ACTIONS if action in self.traits]
        for client in self.clients:
            for _ in range(random.choice((1, 1, 2, self.faults.eager or 3))):
                self.agenda.at(0.05 + random.random() * 0.3 * chaos, self._do, (client, "submit"))
        for action in actions:
            for _ in range(random.randint(1, self.faults.eager or 2)):
                client = random.choice(self.clients)
                self.agenda.at(0.05 + random.random() * chaos, self._do, (client, action))
        for at, blow in self.faults.times:
            self.agenda.at(at, self.blows.strike, blow)
        if self.faults.course:
            self.course = Course(self, self.faults.course)

    def _do(self, what: tuple[Client, str]) -> None:
        what[0].do(what[1])

    def _heal(self) -> None:
        """Have no more faults, and want nothing any more that never ends by itself."""
        self.healed = True
        self.network.bad = False
        self.network.budget = None
        self.faults.packets.clear()
        if self.life is None:
            self._start_hub()
        if not self.agents:
            self.agents.append(Agent(self, 1))
        for agent in self.agents:
            agent.is_away = False
        for process in self.processes:
            process.go_on()
            self.network.join(process.line)
        for client in self.clients:
            endless = [
                t for t in client.open if self.truth.calls[t].item.inline[:1] in {b"e", b"s"}
            ]
            stubborn = {t for t in endless if self.truth.calls[t].item.inline[:1] == b"s"}
            if left := [t for t in endless if t not in client.halted or t in stubborn]:
                client.interrupt(left, [0.05, 0.5])
        for engine in self.engines:
            for entry in engine.begun:
                kind, item = entry[1].inline[:1], entry[1]
                unwanted = kind in {b"e", b"s"} and self._abandoned(item)
                if unwanted or (kind == b"g" and self._is_unknown(item)):
                    engine.after(0.01, engine.finish, entry)

    @property
    def engines(self) -> list[Engine]:
        """The engines that live."""
        lives = [life for agent in self.agents for life in agent.engines.values()]
        return [life for life in lives if not life.line.gone]

    def may_be_swept(self, name: str) -> bool:
        """Tell whether a file may be gone as its maker is, and no hub knew who needs it."""
        return bool(self.truth.hub_deaths) and owner_of_blob(name) not in self._makers

    @property
    def _makers(self) -> set[str]:
        """How the names of files begin whose makers live."""
        makers = {engine_owner(engine.id, engine.boot) for engine in self.engines}
        return makers | {client_owner(client.id) for client in self.clients}

    @property
    def processes(self) -> list[Process]:
        """Everybody who lives."""
        return [*self.agents, *self.engines, *self.clients]

    @property
    def _at_rest(self) -> bool:
        life = self.life
        return (
            life is not None
            and life.at_rest
            and not any(client.waits for client in self.clients)
            and not any(process.line.unacked for process in self.processes)
            and all(process.welcome for process in self.processes)
            and not any(agent.due for agent in self.agents)
            and self._hosts_are_known
        )

    @property
    def _hosts_are_known(self) -> bool:
        """Whether the hub has got over all that happened to other hosts."""
        if "far" not in self.traits or self.life is None:
            return True
        state = self.life.hub.state
        living = {agent.boot for agent in self.agents}
        ready = {e.id for e in state.engines.values() if e.status is EngineStatus.READY}
        settled = state.agents.keys() == living and ready == {e.id for e in self.engines}
        return settled and not self.hosts.on_their_way

    def _what_is_left(self) -> str:
        tasks = [task for client in self.clients for task in client.open]
        asked = [question for client in self.clients for question in client.asked.values()]
        hub = None if self.life is None else self.life.what_is_left
        unacked = [p.line.address for p in self.processes if p.line.unacked or not p.welcome]
        return f"tasks {tasks}, asked {asked}, unheard {unacked}, hub {hub}"

    def _let_go(self) -> None:
        """Want nothing any more that would have to be kept."""
        for client in self.clients:
            for task in client.held:
                for name in blobs_of(client.answers[task][0]):
                    gone = self.may_be_swept(name) or self.truth.is_unsure(task)
                    hold(gone or name in self.truth.blobs, "a client's value was freed:", task)
        for client in self.clients:
            client.release()
        if "prepare" in self.traits:
            if not self.clients:
                self.clients.append(Client(self))
                self.agenda.run(self.agenda.now + 3.0)
            self.clients[0].drop_preparation()

    def _forget(self) -> None:
        """Have the hub forget what has ended, and check what it remembered."""
        assert self.life is not None
        for entry in self.life.hub.state.history:
            self.truth.is_remembered(entry)
        history = self.life.hub.state.history
        for client in self.clients:
            forgotten = [task for task in client.mine if history.get(task) is None]
            hold(not forgotten, "the history lacks tasks:", forgotten)
        self.life.forget_history()

    def _nothing_is_left(self) -> None:
        assert self.life is not None
        self.life.check()
        state = self.life.hub.state
        for client in self.clients:
            for task in client.cancelled & set(client.mine):
                status = client.answers[task][0].status
                was = status is TaskStatus.CANCELLED or self.truth.hub_deaths
                hold(was, "it was cancelled, and is not:", task)
        left = {
            "tasks": state.tasks,
            "queue": list(state.queue),
            "functions awaited": state.library.waiting,
            "values": list(state.store.values),
            "dependents": state.dependents,
            "awaiting": state.awaiting,
            "waiting": state.waiting,
            "sharers": state.sharers,
            "watchers": state.watchers,
            "blobs": state.blobs.counts,
            "asked": [e.id for e in state.engines.values() if e.asked],
            "held": [e.id for e in state.engines.values() if e.held],
            "with engines": [e.id for e in state.engines.values() if e.unfinished],
            "useless": [e.id for e in state.engines.values() if not e.available],
            "preparations": state.preparations,
        }
        for what, some in left.items():
            hold(not some, f"the hub keeps {what}:", some)
        ready = {e.id for e in state.engines.values() if e.status is EngineStatus.READY}
        hold(ready == {e.id for e in self.engines}, "the hub miscounts its engines:", ready)
        planned = state.planned == self.hosts.planned
        hold(planned, "the hub miscounts what is to come:", state.planned, self.hosts.planned)
        heard = state.ordered == self.hosts.asked
        hold(heard, "an order for more was lost, or came twice:", state.ordered, self.hosts.asked)
        ids = [e.id for e in self.engines]
        hold(len(ids) == len(set(ids)), "two engines have one id:", ids)
        lines = state.lines.keys() - {NO_PEER}
        counts = len(state.peers), len(lines), len(self.processes)
        hold(len(set(counts)) == 1, "peers are left:", counts)
        files = self.truth.blobs - (self.truth.outlasting if self.truth.hub_deaths else set())
        if self.truth.hub_deaths:  # that a client was there, the next hub may not have heard
            files = {n for n in files if n[0] != "c" or owner_of_blob(n) in self._makers}
        kept = self.truth.agent_deaths  # a word to free them was lost
        hold(kept or not files, "files are left:", files)

    # ------------------------------------------------------------ the hub

    def _deliver(self) -> None:
        if self.life is not None:
            self.life.deliver()

    def _start_hub(self, _: object = None) -> None:
        """Start the hub once more, unless that was done."""
        if self.life is None:
            self.life = Life(self)

    def kill_hub(self) -> None:
        """End the hub in the midst of whatever it was doing; another one will follow."""
        if self.life is not None and "blobs" in self.traits:
            self._note_unheard_sweeps(self.life)
        self.life = None
        self.disk.crash(self.random)
        self.truth.hub_died(self.disk.written)
        self.network.hub_ends()
        self.agenda.after(self.random.choice((0.05, 0.5, 2.0, 14.0)), self._start_hub)

    def _note_unheard_sweeps(self, life: Life) -> None:
        """Note which files of the dead stay: that they may go, or some of them, no agent has heard.

        The next hub hears of no death that was acknowledged, and the dead say nothing of their
        files. Agents delete them when the cluster ends.
        """
        for message in life.unheard:
            if isinstance(message, SweepBlobs):
                own = {name for name in self.truth.blobs if owner_of_blob(name) == message.owner}
                self.truth.outlasting |= own
            elif isinstance(message, FreeBlobs):
                dead = {name for name in message.names if owner_of_blob(name) not in self._makers}
                self.truth.outlasting |= dead

    # ------------------------------------------------------------ what strikes

    def _on_packet(self, direction: str, wire: Wire) -> None:
        self.packets += 1
        if self.digest is not None:
            self.digest.update(b"%f %s %s\n" % (self.agenda.now, direction.encode(), wire[0]))
        blow = self.faults.packets.pop(self.packets, None) if self.faults.packets else None
        if blow is not None:
            self.agenda.after(0.0, self.blows.strike, blow)
        if self.course is not None and self.course.lurks:
            self.agenda.after(0.0, self.course.look)
