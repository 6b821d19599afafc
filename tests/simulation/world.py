"""A hub among scripted processes, in virtual time: one history for each seed.

The hub's mind and ports are the real ones; between them and the processes are real ledgers, over
lines that lose, double and delay. For a while faults happen, then all is healed, and everything
must come to rest: every task has ended once, and nothing is left of it in the hub.
"""

import hashlib
from random import Random
from typing import TYPE_CHECKING, NoReturn

from ipcluster_ext.core.roll import NO_PEER
from ipcluster_ext.protocol.ids import EngineId, client_of
from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.protocol.parts import Blob, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.simulation.agenda import Agenda
from tests.simulation.agents import Agent
from tests.simulation.clients import Client
from tests.simulation.disk import Disk
from tests.simulation.engines import Engine
from tests.simulation.faults import Faults, draw
from tests.simulation.life import Life
from tests.simulation.network import Network
from tests.simulation.processes import Process
from tests.simulation.truth import Truth, WrongHistory, hold

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGE = 5_000_000
ACTIONS = ("cancel", "fetch", "interrupt", "prepare", "release", "steer")
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
        self.traits = self.faults.traits
        self._hub_dies = self.faults.kills_the_hub
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
        self.disk = Disk(self.agenda, self.faults.disk)
        self.life: Life | None = Life(self)

    @property
    def _is_punctual(self) -> bool:
        """Whether nothing in this history takes long by mistake."""
        faults = self.faults
        late = faults.drop or faults.delay or faults.latency > 0.01 or faults.lag > 0.01
        late = late or "nested" in faults.traits
        return not late and not faults.blows & {"agent", "cut", "hang", "hub", "mid-turn", "stop"}

    # ------------------------------------------------------------ chance, for everybody

    def number(self) -> int:
        """Return a number that nobody has."""
        self._numbers += 1
        return self._numbers

    def may(self, trait: str, share: float) -> bool:
        """Tell by chance whether something happens that only some histories have."""
        return trait in self.traits and self.random.random() < share

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
        self.agenda.run(self.faults.chaos)
        self._heal()
        self._come_to_rest()
        self._let_go()
        self.agenda.run(self.agenda.now + 4.0)
        self._forget()
        self.agenda.run(self.agenda.now + 1.0)
        self._come_to_rest()
        self._nothing_is_left()

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
        self.agents.append(Agent(self, random.choice((1, 2, 2, 3))))
        if random.random() < 0.1 and not self.faults.kills_the_hub:
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
            self.agenda.at(at, self._strike, blow)

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
        for process in self.processes:
            process.go_on()
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
        )

    def _what_is_left(self) -> str:
        tasks = [task for client in self.clients for task in client.open]
        asked = [question for client in self.clients for question in client.asked.values()]
        hub = None if self.life is None else self.life.what_is_left
        unacked = [p.line.address for p in self.processes if p.line.unacked or not p.welcome]
        return f"tasks {tasks}, asked {asked}, unheard {unacked}, hub {hub}"

    def _let_go(self) -> None:
        """Want nothing any more that would have to be kept."""
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
            "blobs": () if self.truth.hub_deaths else state.blobs.counts,
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
        lines = state.lines.keys() - {NO_PEER}
        counts = len(state.peers), len(lines), len(self.processes)
        hold(len(set(counts)) == 1, "peers are left:", counts)
        kept = self.truth.agent_deaths or self.truth.hub_deaths  # a word to free them was lost
        hold(kept or not self.truth.blobs, "files are left:", self.truth.blobs)

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
        self.life = None
        self.disk.crash(self.random)
        self.truth.hub_died(self.disk.written)
        self.network.hub_ends()
        self.agenda.after(self.random.choice((0.05, 0.5, 2.0, 14.0)), self._start_hub)

    # ------------------------------------------------------------ what strikes

    def _on_packet(self, direction: str, wire: Wire) -> None:
        self.packets += 1
        if self.digest is not None:
            self.digest.update(b"%f %s %s\n" % (self.agenda.now, direction.encode(), wire[0]))
        blow = self.faults.packets.pop(self.packets, None) if self.faults.packets else None
        if blow is not None:
            self.agenda.after(0.0, self._strike, blow)

    def _strike(self, blow: str) -> None:
        if self.healed:
            return
        random = self.random
        some: Sequence[Process] = self.clients if blow == "hang" else self.engines
        match blow:
            case "cut" if self.processes:
                self.network.cut(random.choice(self.processes).line)
            case "stop" | "hang" if some:
                process = random.choice(some)
                process.stop()
                self.agenda.after(random.choice(self.faults.spans), process.go_on)
            case "kill" | "gone" if self.engines:
                engine = random.choice(self.engines)
                engine.agent.kill(engine.id, again=blow == "kill")
            case "agent" if self.agents:
                agent = random.choice(self.agents)
                agent.end()
                self.agents.remove(agent)
                self.truth.agent_deaths += 1
            case "client" if self.clients:
                client = random.choice(self.clients)
                self.clients.remove(client)
                if random.random() < 0.3:
                    client.leave()
                else:
                    client.end()
            case "hub" if self.life is not None:
                self.kill_hub()
            case "mid-turn":
                self.network.budget = random.randint(0, 2)
            case _:
                return
