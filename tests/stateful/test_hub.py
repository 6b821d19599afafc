"""The hub among peers that come, die and return, over lines that break.

Rules do one small thing each to one of the processes; `tests.stateful.world` keeps the truth
about what ran and asserts at every step what may never happen. In the end the lines heal,
everybody does his work, and everything must come to rest.
"""

from collections.abc import Callable
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ipcluster_ext.core.dispatch import STALL
from ipcluster_ext.core.invariants import check
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.status import EngineStatus
from tests.stateful.world import Client, Process, World, spec_of

T = TypeVar("T")

ROUNDS = 400

picks = st.integers(0, 11)
seeds = st.integers(0, 1 << 16)
functions = st.sampled_from([b"", b"f", b"g", b"h"])
engine_ids = st.lists(
    st.sampled_from([0, 0, 1, 1, 2, 3, 9]).map(EngineId), min_size=1, max_size=3, unique=True
)
durations = st.sampled_from([0.0, 0.0, 0.0005, 1.0])
steps = st.integers(0, 5)
"""How often an engine begins or ends a task."""
at_once = st.booleans()
"""Whether what is said arrives before anything else happens."""


def pick(choices: list[T], number: int) -> T:
    return choices[number % len(choices)]


def has(kind: str) -> Callable[["HubMachine"], bool]:
    return lambda machine: bool(getattr(machine.world, kind))


class HubMachine(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(counts=st.sampled_from([(2,), (1, 2), (2, 1), (3,), (0,)]), short=st.booleans())
    def start(self, counts: tuple[int, ...], short: bool) -> None:
        self.world.add_client()
        for count in counts:
            self.world.add_agent(count)
            self.world.flush()
            for _ in range(count):
                self.world.agents[-1].start()
        self.world.flush()
        if short:
            self.world.clients[0].submit(1, spec_of(b"", 0, None, balanced=True), with_blob=False)
            self.world.flush()
            self.all_engines_work(2, 0.0)

    # ------------------------------------------------------------ what travels

    @rule(who=picks, count=st.integers(1, 3))
    def the_hub_hears(self, who: int, count: int) -> None:
        processes = self.world.processes
        if processes:
            self.world.hub_hears(pick(processes, who), count)
            self.world.turn()

    @rule(who=picks, count=st.integers(1, 3))
    def a_process_hears(self, who: int, count: int) -> None:
        processes = self.world.processes
        if processes:
            pick(processes, who).hear(count)

    @rule()
    def everything_arrives(self) -> None:
        self.world.flush()

    @rule()
    def everything_arrives_in_one_batch(self) -> None:
        for process in self.world.processes:
            self.world.hub_hears(process, len(process.link.up))
        self.world.turn()
        for process in self.world.processes:
            process.hear(len(process.link.down))

    @rule(who=picks, seed=seeds)
    def a_connection_breaks(self, who: int, seed: int) -> None:
        processes = self.world.processes
        if processes:
            pick(processes, who).link.cut(Random(seed))

    @rule(who=picks, twice=st.booleans())
    def something_late_arrives(self, who: int, twice: bool) -> None:
        late = [link for link in self.world.shell.links if link.late]
        if late:
            link = pick(late, who)
            if twice:
                link.double()
            self.world.shell.hear(link, link.late.pop(0))
            self.world.turn()

    @rule()
    def everybody_looks_whether_something_was_lost(self) -> None:
        for process in self.world.processes:
            process.hello()
            process.ping()
        self.world.shell.keep_up()
        self.world.turn()

    @rule(seconds=st.sampled_from([STALL / 2, STALL, 1.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.turn(seconds)

    # ------------------------------------------------------------ who comes and goes

    @precondition(lambda self: len(self.world.agents) < 2)
    @rule(count=st.integers(0, 2))
    def an_agent_comes(self, count: int) -> None:
        self.world.add_agent(count)

    @precondition(has("agents"))
    @rule(who=picks, seed=seeds, really=picks, until_then=steps)
    def an_agent_goes(self, who: int, seed: int, really: int, until_then: int) -> None:
        if really < 3:
            agent = pick(self.world.agents, who)
            for engine in agent.engines:
                engine.work(until_then)
            agent.leave(Random(seed))

    @precondition(has("agents"))
    @rule(who=picks, arrives=at_once)
    def an_engine_starts(self, who: int, arrives: bool) -> None:
        pick(self.world.agents, who).start()
        self._arrive(arrives=arrives)

    @precondition(has("engines"))
    @rule(
        who=picks,
        seed=seeds,
        again=st.sampled_from([True, True, True, True, False]),
        until_then=steps,
    )
    def an_engine_dies(self, who: int, seed: int, again: bool, until_then: int) -> None:
        engine = pick(self.world.engines, who)
        engine.work(until_then)
        engine.agent.bury(engine, Random(seed), again=again)

    @precondition(lambda self: len(self.world.clients) < 3)
    @rule()
    def a_client_comes(self) -> None:
        self.world.add_client()

    @precondition(has("clients"))
    @rule(who=picks, seed=seeds, politely=st.booleans(), really=picks)
    def a_client_goes(self, who: int, seed: int, politely: bool, really: int) -> None:
        if really < 4:
            pick(self.world.clients, who).leave(Random(seed), politely=politely)

    # ------------------------------------------------------------ what they do

    def _arrive(self, *, arrives: bool) -> None:
        if arrives:
            self.world.flush()

    def _client(self, who: int) -> Client | None:
        """Choose a client that was welcomed: others have nothing to say yet."""
        welcome = [client for client in self.world.clients if client.welcome]
        return pick(welcome, who) if welcome else None

    @rule(
        who=picks,
        count=st.integers(1, 12),
        function=functions,
        retries=st.sampled_from([0, 0, 1, 2]),
        engines=st.none() | st.none() | st.none() | engine_ids,
        with_blob=st.booleans(),
        define=st.booleans(),
        arrives=at_once,
    )
    def a_client_submits(
        self,
        who: int,
        count: int,
        function: bytes,
        retries: int,
        engines: list[EngineId] | None,
        with_blob: bool,
        define: bool,
        arrives: bool,
    ) -> None:
        client = self._client(who)
        if client is not None:
            spec = spec_of(function, retries, engines, balanced=True)
            client.submit(count, spec, with_blob=with_blob, define=define)
            self._arrive(arrives=arrives)

    @rule(
        who=picks,
        engines=engine_ids,
        function=functions,
        retries=st.sampled_from([0, 0, 1]),
        with_blob=st.booleans(),
        define=st.booleans(),
        arrives=at_once,
    )
    def a_client_submits_to_each(
        self,
        who: int,
        engines: list[EngineId],
        function: bytes,
        retries: int,
        with_blob: bool,
        define: bool,
        arrives: bool,
    ) -> None:
        client = self._client(who)
        if client is not None:
            spec = spec_of(function, retries, None, balanced=False)
            client.submit(1, spec, with_blob=with_blob, each_of=engines, define=define)
            self._arrive(arrives=arrives)

    @precondition(has("clients"))
    @rule(arrives=at_once)
    def clients_send_functions(self, arrives: bool) -> None:
        for client in self.world.clients:
            client.answer()
        self._arrive(arrives=arrives)

    @precondition(has("retries"))
    @rule(who=picks, tasks=st.sets(st.integers(0, 40), min_size=1, max_size=6), arrives=at_once)
    def a_client_cancels(self, who: int, tasks: set[int], arrives: bool) -> None:
        client = self._client(who)
        if client is not None:
            open_ones = [task for task in self.world.retries if task not in self.world.results]
            ids = {pick(open_ones, number) for number in tasks} if open_ones else {TaskId(1)}
            client.cancel(sorted(ids))
            self._arrive(arrives=arrives)

    @rule(
        who=picks,
        action=st.sampled_from(["start", "start", "restart", "restart", "signal", "stop"]),
        engines=engine_ids,
    )
    def a_client_steers(self, who: int, action: str, engines: list[EngineId]) -> None:
        client = self._client(who)
        if client is not None:
            there = [engine for engine in engines if engine in client.known]
            client.steer(action, there, count=1)

    @precondition(has("engines"))
    @rule(who=picks, arrives=at_once)
    def an_engine_begins(self, who: int, arrives: bool) -> None:
        waiting = [e for e in self.world.engines if e.lane and e.running is None]
        if waiting:
            pick(waiting, who).begin()
        self._arrive(arrives=arrives)

    @precondition(has("engines"))
    @rule(
        who=picks,
        count=st.integers(1, 3),
        well=st.sampled_from([True, True, False]),
        seconds=durations,
        with_blob=st.booleans(),
        arrives=at_once,
    )
    def an_engine_works(
        self, who: int, count: int, well: bool, seconds: float, with_blob: bool, arrives: bool
    ) -> None:
        for _ in range(count):
            busy = [e for e in self.world.engines if e.running is not None or e.lane]
            if busy:
                engine = pick(busy, who)
                engine.begin()
                engine.finish(well=well, seconds=seconds, with_blob=with_blob)
            self._arrive(arrives=arrives)

    @precondition(has("engines"))
    @rule(rounds=st.integers(1, 3), seconds=durations)
    def engines_work(self, rounds: int, seconds: float) -> None:
        self.all_engines_work(rounds, seconds)

    @precondition(has("engines"))
    @rule(who=picks, until_then=steps)
    def one_engine_gets_stuck_while_the_others_work(self, who: int, until_then: int) -> None:
        stuck = pick(self.world.engines, who)
        stuck.work(until_then)
        for _ in range(3):
            for engine in self.world.engines:
                while engine is not stuck and (engine.running or engine.lane):
                    engine.work(2)
            self.world.flush()
        self.world.turn(STALL)

    def all_engines_work(self, rounds: int, seconds: float) -> None:
        """Have all engines end a task and begin the next."""
        for _ in range(rounds):
            for engine in self.world.engines:
                engine.finish(well=True, seconds=seconds, with_blob=False)
                engine.begin()
            self.world.flush()

    # ------------------------------------------------------------ what must hold

    @invariant()
    def the_hubs_tables_agree(self) -> None:
        check(self.world.hub)

    def teardown(self) -> None:
        """Heal the lines, have everybody do his work, and look what is left."""
        self._come_to_rest()
        history = self.world.hub.state.history
        history.forget([entry.id for entry in history])
        self.world.turn()
        self._come_to_rest()
        self._everything_is_settled()

    def _come_to_rest(self) -> None:
        for _ in range(ROUNDS):
            if self._at_rest():
                return
            self._round()
        raise AssertionError("it does not come to rest: " + self._what_is_left())

    def _at_rest(self) -> bool:
        world = self.world
        return (
            world.shell.at_rest
            and not world.hub.state.tasks
            and world.shell.peers == {process.link for process in world.processes}
            and not any(process.ledger.unacked for process in world.processes)
            and all(process.welcome for process in world.processes)
            and not any(agent.due for agent in world.agents)
            and not any(engine.running or engine.lane for engine in world.engines)
        )

    def _round(self) -> None:
        world = self.world
        for agent in world.agents:
            agent.start()
        for engine in world.engines:
            engine.begin()
            engine.finish(well=True, seconds=1.0, with_blob=False)
        for client in world.clients:
            client.answer()
        for process in world.processes:
            process.hello()
            process.ping()
        world.shell.keep_up()
        world.turn(STALL)
        world.flush()
        for link in world.shell.links:
            late, link.late = link.late, []
            for wire in late:
                world.shell.hear(link, wire)

    def _what_is_left(self) -> str:
        state = self.world.hub.state
        lost = [task.id for task in state.tasks.values()]
        return f"tasks {lost}, engines {[e.info for e in state.engines.values()]}"

    def _everything_is_settled(self) -> None:
        world, state = self.world, self.world.hub.state
        for client in world.clients:
            ids = [task for task in world.retries if task >> 32 == client.id]
            assert [task for task in ids if task not in world.results] == []
            told = {t for t in client.cancelled if world.results[t].status.name == "CANCELLED"}
            assert client.cancelled == told
            assert client.asked == {}
            ready = {info.id: info for info in client.known.values()}
            assert ready == {engine.id: engine.info for engine in state.engines.values()}
        assert state.tasks == {}
        assert len(state.queue) == 0
        assert state.library.waiting == []
        assert state.blobs.counts == {}
        assert {e.id for e in state.engines.values() if e.status is EngineStatus.READY} == {
            engine.id for engine in world.engines
        }
        living: list[Process] = world.processes
        assert world.shell.peers == {process.link for process in living}
        assert len(state.peers) == len(state.lines) == len(living)
        assert [engine for engine in state.engines.values() if engine.asked or engine.held] == []
        assert [engine.info for engine in state.engines.values() if not engine.available] == []
        known = {engine.id: engine.known for engine in state.engines.values()}
        assert {engine.id: engine.functions for engine in world.engines} == known
        assert world.bereft or world.blobs == set()


TestHub = HubMachine.TestCase
TestHub.settings = settings(
    max_examples=6 * settings().max_examples,
    stateful_step_count=80,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
