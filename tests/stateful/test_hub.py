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
from ipcluster_ext.protocol.frames import decode_failure
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.parts import ResultItem, Retry
from ipcluster_ext.protocol.status import EngineStatus, TaskStatus
from tests.stateful.agents import Agent
from tests.stateful.clients import Client, Wish, spec_of
from tests.stateful.world import Process, World

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
numbers = st.lists(st.sampled_from([0, 0, 1, 1, 2, 3, 5, 8]), max_size=2).map(tuple)
spans = st.sampled_from([0.0, 0.0, 0.0, 0.01, 1.5])
retry_ways = st.none() | st.builds(
    Retry,
    backoff=st.sampled_from([0.0, 0.001, 1.0]),
    max_backoff=st.sampled_from([0.0, 1.5]),
    jitter=st.sampled_from([0.0, 0.5]),
    on_engine_lost=st.sampled_from([0, 1, 2, 9]),
    judge=st.sampled_from([b"", b"judge"]),
)
wishes = st.one_of(
    st.builds(Wish, priority=st.integers(-1, 1), gpu=st.booleans(), expires=spans),
    st.builds(Wish, key=st.sampled_from(["k", "l"]), expires=spans, patience=spans),
    st.builds(Wish, retry=retry_ways, time_limit=spans),
    st.builds(Wish, awaits=st.just(value=True), retry=retry_ways, time_limit=spans),
    st.builds(
        Wish,
        after=numbers,
        follow=numbers,
        every=st.booleans(),
        success=st.sampled_from([True, True, False]),
        failure=st.booleans(),
        early=st.booleans(),
        patience=spans,
        retry=retry_ways,
        gpu=st.sampled_from([False, False, True]),
    ),
    st.builds(
        Wish,
        key=st.sampled_from(["", "k"]),
        after=numbers,
        priority=st.integers(-1, 1),
        expires=spans,
        time_limit=spans,
        retry=retry_ways,
        awaits=st.booleans(),
    ),
)
OF_THE_HUB = {
    "ClientClosed", "UnknownTask", "NoSuchEngine", "NoEnginesRegistered", "ImpossibleDependency",
    "TaskExpired", "TaskTimeout", "DependencyTimeout", "EngineLost",
}  # fmt: skip
"""Why a task may be lost that never ran, whatever has become of those that it needed."""


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
        self.world.clients.append(Client(self.world))
        for count in counts:
            self.world.agents.append(Agent(self.world, count))
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

    @rule(seconds=st.sampled_from([STALL / 2, STALL, 1.0, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.turn(seconds)

    # ------------------------------------------------------------ who comes and goes

    @precondition(lambda self: len(self.world.agents) < 2)
    @rule(count=st.integers(0, 2))
    def an_agent_comes(self, count: int) -> None:
        self.world.agents.append(Agent(self.world, count))

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
        self.world.clients.append(Client(self.world))

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

    @rule(
        who=picks,
        count=st.sampled_from([1, 1, 2, 4]),
        function=functions,
        retries=st.sampled_from([0, 0, 1, 2]),
        engines=st.none() | st.none() | engine_ids,
        each=st.sampled_from([False, False, False, True]),
        with_blob=st.booleans(),
        needs=numbers,
        wish=st.none() | wishes,
        arrives=at_once,
    )
    def a_client_submits_what_asks_for_more(
        self,
        who: int,
        count: int,
        function: bytes,
        retries: int,
        engines: list[EngineId] | None,
        each: bool,
        with_blob: bool,
        needs: tuple[int, ...],
        wish: Wish | None,
        arrives: bool,
    ) -> None:
        client = self._client(who)
        if client is None:
            return
        each_of = engines if each else None
        spec = spec_of(function, retries, None if each_of else engines, balanced=not each_of)
        client.submit(
            count, spec, with_blob=with_blob, each_of=each_of, define=True, needs=needs, wish=wish
        )
        self._arrive(arrives=arrives)

    @precondition(has("clients"))
    @rule(who=picks, arrives=at_once)
    def a_client_holds_nothing_any_more(self, who: int, arrives: bool) -> None:
        client = self._client(who)
        if client is not None:
            client.release()
            self._arrive(arrives=arrives)

    @precondition(has("retries"))
    @rule(
        who=picks,
        tasks=st.lists(st.integers(0, 40), min_size=1, max_size=3),
        graces=st.sampled_from([[], [0.01], [0.01, 1.0]]),
        arrives=at_once,
    )
    def a_client_interrupts(
        self, who: int, tasks: list[int], graces: list[float], arrives: bool
    ) -> None:
        client = self._client(who)
        if client is not None:
            client.interrupt(self._tasks(tasks, ended=False), graces)
            self._arrive(arrives=arrives)

    @precondition(has("retries"))
    @rule(
        who=picks,
        what=st.sampled_from(["fetch", "fetch", "purge", "resubmit"]),
        tasks=st.lists(st.integers(0, 40), min_size=1, max_size=3),
        arrives=at_once,
    )
    def a_client_asks_for_what_was_done(
        self, who: int, what: str, tasks: list[int], arrives: bool
    ) -> None:
        client = self._client(who)
        if client is None:
            return
        match what:
            case "fetch":
                client.fetch(self._tasks(tasks))
            case "purge":
                client.purge(self._tasks(tasks, ended=True))
            case _:
                client.resubmit(self._tasks(tasks, ended=True) or self._tasks(tasks))
        self._arrive(arrives=arrives)

    def _tasks(self, numbers: list[int], *, ended: bool | None = None) -> list[TaskId]:
        """Choose tasks, of those that have ended, or have not, as far as their clients know."""
        results = self.world.results
        some = [t for t in self.world.retries if ended is None or (t in results) is ended]
        return list(dict.fromkeys(pick(some, number) for number in numbers if some))

    @precondition(has("clients"))
    @rule(
        who=picks,
        name=st.sampled_from(["p", "q"]),
        function=functions,
        engines=engine_ids,
        define=st.booleans(),
    )
    def a_client_prepares_engines(
        self, who: int, name: str, function: bytes, engines: list[EngineId], define: bool
    ) -> None:
        client = self._client(who)
        if client is not None:
            if define and function:
                client.define(function)
            client.prepare(name, function, engines)

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
        action=st.sampled_from(
            ["start", "start", "restart", "restart", "signal", "stop", "retire", "scale"]
        ),
        engines=engine_ids,
    )
    def a_client_steers(self, who: int, action: str, engines: list[EngineId]) -> None:
        client = self._client(who)
        if client is not None:
            there = [engine for engine in engines if engine in client.known]
            client.steer(action, there, count=2 if action == "scale" else 1)

    @rule(who=picks, request=st.integers(1, 2), interval=st.sampled_from([0.1, 0.1, 0.3, 0.0]))
    def a_client_watches(self, who: int, request: int, interval: float) -> None:
        client = self._client(who)
        if client is not None:
            client.watch(request, interval)

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
            busy = [e for e in self.world.engines if e.busy]
            if busy:
                engine = pick(busy, who)
                engine.begin()
                engine.finish(well=well, seconds=seconds, with_blob=with_blob)
            self._arrive(arrives=arrives)

    @precondition(has("engines"))
    @rule(
        who=picks,
        word=st.sampled_from(["again", "again", "refused", "refused", "waits", "waits"]),
        arrives=at_once,
    )
    def an_engine_has_something_to_say(self, who: int, word: str, arrives: bool) -> None:
        busy = [engine for engine in self.world.engines if engine.busy]
        if busy:
            engine = pick(busy, who)
            engine.begin(refuse=word == "refused")
            if word == "again":
                engine.finish(status=TaskStatus.AGAIN)
            elif word == "waits":
                engine.suspend()
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
                while engine is not stuck and engine.busy:
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
        self._let_go()
        self._come_to_rest()
        self._let_go()
        history = self.world.hub.state.history
        history.forget([entry.id for entry in history])
        self.world.turn()
        self._come_to_rest()
        self._everything_is_settled()
        self._round(1.0)
        self._watchers_see_what_is()

    def _let_go(self) -> None:
        """Want nothing any more that would have to be kept."""
        for client in self.world.clients:
            client.release()
        state = self.world.hub.state
        if state.preparations and not self.world.clients:
            self.world.clients.append(Client(self.world))
            self.world.flush()
        for name in list(state.preparations):
            if (welcomed := self._client(0)) is not None:
                welcomed.prepare(name, b"", [])

    def _come_to_rest(self) -> None:
        for number in range(ROUNDS):
            if self._at_rest():
                return
            self._round(STALL if number % 2 else 0.2)
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
            and not any(client.needs or client.lacking for client in world.clients)
            and not any(engine.busy for engine in world.engines)
        )

    def _round(self, seconds: float) -> None:
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
        world.turn(seconds)
        world.flush()
        for link in world.shell.links:
            late, link.late = link.late, []
            for wire in late:
                world.shell.hear(link, wire)

    def _what_is_left(self) -> str:
        state = self.world.hub.state
        lost = [task.id for task in state.tasks.values()]
        return f"tasks {lost}, engines {[e.info for e in state.engines.values()]}"

    def _watchers_see_what_is(self) -> None:
        state = self.world.hub.state
        for client in self.world.clients:
            for request in client.watching:
                _, engines, work = client.watched[request]
                shown = {row.id: row.state for row in engines.values() if row.state != "dead"}
                assert shown == dict.fromkeys(state.engines, "idle")
                assert not [row for row in work.values() if row.running or row.queued]

    def _everything_is_settled(self) -> None:
        world, state = self.world, self.world.hub.state
        for client in world.clients:
            assert [task for task in client.mine if task not in world.results] == []
            self._inherited(client)
            told = {t for t in client.cancelled if world.results[t].status.name == "CANCELLED"}
            assert client.cancelled == told
            assert client.asked == {}
            ready = {info.id: info for info in client.known.values()}
            assert ready == {engine.id: engine.info for engine in state.engines.values()}
        assert state.tasks == {}
        assert len(state.queue) == 0
        assert state.library.waiting == []
        assert len(state.store) == 0
        assert [state.dependents, state.awaiting, state.waiting] == [{}, {}, {}]
        assert [state.sharers, state.watchers] == [{}, {}]
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

    def _inherited(self, client: Client) -> None:
        """Check the ends of tasks that need values against the ends of those."""
        results, calls = self.world.results, self.world.calls
        for task in client.mine:
            call, item = calls[task], results[task]
            if call.options.key or client.id != task >> 32:
                continue
            told = [results[need] for need in call.needs if need in client.answers]
            bad = [need for need in told if need.status is not TaskStatus.DONE]
            if bad and self.world.runs[task] == 0:
                same = any((i.status, i.inline) == (item.status, item.inline) for i in bad)
                assert same or self._ended_by_the_hub(item)
            else:
                assert not bad, "it ran although a value that it needed never came"

    def _ended_by_the_hub(self, item: ResultItem) -> bool:
        if item.status is TaskStatus.LOST:
            return decode_failure(item.inline).ename in OF_THE_HUB
        return item.status is TaskStatus.CANCELLED


TestHub = HubMachine.TestCase
TestHub.settings = settings(
    max_examples=6 * settings().max_examples,
    stateful_step_count=80,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
