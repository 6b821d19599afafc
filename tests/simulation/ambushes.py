"""Blows that lie in wait: each strikes as soon as somebody is where it hurts.

Looked at is what really is the case, whether the hub knows of it or not, and what the hub takes for
granted. Each of these strikes if its moment has come, and tells whether it was.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ipcluster_ext.core.hosts import NO_PEER
from ipcluster_ext.core.state import State
from ipcluster_ext.protocol.ids import TaskId, client_of
from tests.simulation.agents import Agent
from tests.simulation.engines import Engine
from tests.simulation.truth import NONE, THE_HUB

if TYPE_CHECKING:
    from tests.simulation.world import World

ENDLESS = (b"e", b"s")
STUBBORN = b"s"


class Quarry:
    """Whom a course of blows is about.

    Parameters
    ----------
    world
        Where it lives.

    Attributes
    ----------
    engine, agent, task
        A life of an engine, where that is, and what it ran.
    was_given_up
        Whether its host was waited for no longer at a time.
    """

    def __init__(self, world: "World") -> None:
        self.world = world
        self.engine: Engine | None = None
        self.agent: Agent | None = None
        self.task = NONE
        self.was_given_up = False

    @property
    def state(self) -> State | None:
        """The tables of a hub that lives, and has got over the death of the one before."""
        life = self.world.life
        return life.hub.state if life is not None and life.hub.settled else None

    @property
    def state_before(self) -> State | None:
        """Those of one that still waits for who knew the one before."""
        life = self.world.life
        waits = life is not None and not life.hub.state.recovered.settled
        return life.hub.state if life is not None and waits else None

    def running(self, *, far: bool) -> Iterator[tuple[Engine, TaskId]]:
        """Return what engines run that can be reached, on the hub's host or on others."""
        for engine in self.world.engines:
            entry = engine.running
            is_away = engine.line.parted or engine.agent.is_away
            if entry is None or engine.agent.far is not far or is_away or not engine.welcome:
                continue
            if client_of(entry[1].id) != THE_HUB:
                yield engine, entry[1].id

    def endless(self, *, far: bool, kinds: tuple[bytes, ...] = ENDLESS) -> list["_Runs"]:
        """Return what of it never ends by itself."""
        calls = self.world.truth.calls
        return [
            each for each in self.running(far=far) if calls[each[1]].item.inline.startswith(kinds)
        ]

    def may_run_again(self, some: Sequence["_Runs"]) -> list["_Runs"]:
        """Return what of it may run once more if it fails."""
        calls = self.world.truth.calls
        return [each for each in some if calls[each[1]].spec.retries]

    def choose(self, some: Sequence["_Runs"]) -> Engine | None:
        """Choose one; return the engine, None if there is none."""
        if not some:
            return None
        self.engine, self.task = self.world.random.choice(some)
        self.agent = self.engine.agent
        return self.engine

    def cut_off(self, agent: Agent) -> None:
        """Cut a host off for a while."""
        self.agent = agent
        self.world.hosts.part(agent, self.world.random.choice(self.world.faults.spans))

    def has_lost_its_id(self, state: State) -> bool:
        """Tell whether another has the id of the engine by now."""
        known = None if self.engine is None else state.engines.get(self.engine.id)
        return known is not None and self.agent is not None and known.agent.id != self.agent.boot


_Runs: TypeAlias = tuple[Engine, TaskId]
_Ambush: TypeAlias = Callable[[Quarry, State], bool]


# ---------------------------------------------------------------- engines


def away_as_it_runs(quarry: Quarry, state: State) -> bool:
    """Cut an engine elsewhere off, but not its agent, while it runs something."""
    if len(state.engines) < 2:
        return False
    engine = quarry.choose(list(quarry.running(far=True)))
    if engine is not None:
        quarry.world.blows.part(engine)
    return engine is not None


def killed_as_it_runs(quarry: Quarry, state: State) -> bool:
    """Kill an engine elsewhere that runs without an end what may run once more, and at home."""
    del state
    idle = [engine for engine in quarry.world.engines if engine.welcome and not engine.begun]
    if not idle or any(engine.agent.far for engine in idle):
        return False
    engine = quarry.choose(quarry.may_run_again(quarry.endless(far=True)))
    if engine is not None:
        quarry.world.blows.kill(engine)
    return engine is not None


def killed_as_it_runs_again(quarry: Quarry, state: State) -> bool:
    """Kill the engine that runs at home what was tried elsewhere before."""
    del state
    for engine, task in quarry.running(far=False):
        if task == quarry.task:
            quarry.world.blows.kill(engine)
            return True
    return False


def submitted_before_it_reads(quarry: Quarry, state: State) -> bool:
    """Have a client submit something while an idle engine has not read what was handed to it."""
    for engine in quarry.world.engines:
        known = state.engines.get(engine.id)
        asked = [what for way in engine.ways for what in way.asked]
        unread = {what[1].id for what in asked if isinstance(what, tuple)}
        if known is not None and not engine.begun and not unread.isdisjoint(known.unfinished):
            quarry.world.blows.strike("submit")
            return True
    return False


def killed_before_it_reads(quarry: Quarry, state: State) -> bool:
    """Kill an engine that runs something while what was handed to it before is on its way."""
    for engine in quarry.world.engines:
        known = state.engines.get(engine.id)
        if known is None or known.boot != engine.boot or engine.running is None:
            continue
        begun = {item.id for _, item in engine.begun} | set(engine.out_of_turn)
        order = list(known.unfinished)
        place = order.index(engine.box) if engine.running[1].id == engine.box in order else 0
        if any(known.unfinished[i].handed and i not in begun for i in order[:place]):
            quarry.world.blows.kill(engine)
            return True
    return False


def stopped_as_it_has_refused(quarry: Quarry, state: State) -> bool:
    """Stop an engine that has refused what is to run on another, after something endless."""
    del state
    for engine, _ in quarry.endless(far=False):
        for _, item in engine.lane:
            for other in quarry.world.engines:
                if other is not engine and item.id in other.ended:
                    quarry.engine, quarry.task = engine, item.id
                    quarry.world.blows.stop(other)
                    return True
    return False


def gone_as_another_is_back(quarry: Quarry, state: State) -> bool:
    """End an engine for good that has not begun something, when another with that is back.

    That one has not said as yet that it had refused it.
    """
    engine = quarry.engine
    if engine is None or all(task != quarry.task for _, task in state.recovered.rivals):
        return False
    if engine.id not in engine.agent.engines or all(i.id != quarry.task for _, i in engine.lane):
        return False
    engine.agent.kill(engine.id, again=False)
    return True


# ---------------------------------------------------------------- hosts


def host_away_as_it_runs(quarry: Quarry, state: State) -> bool:
    """Cut a host off while something runs there that never ends by itself."""
    del state
    some = quarry.endless(far=True)
    engine = quarry.choose(quarry.may_run_again(some) or some)
    if engine is not None:
        quarry.cut_off(engine.agent)
    return engine is not None


def host_away_as_it_cannot_stop(quarry: Quarry, state: State) -> bool:
    """Cut a host off while something runs there that nobody can stop, and that may run again."""
    del state
    engine = quarry.choose(quarry.may_run_again(quarry.endless(far=True, kinds=(STUBBORN,))))
    if engine is not None:
        quarry.cut_off(engine.agent)
    return engine is not None


def host_away_as_another_runs_it(quarry: Quarry, state: State) -> bool:
    """Cut a host off where something was tried in vain that runs at home by now."""
    del state
    for _, task in quarry.running(far=False):
        places = quarry.world.truth.ran_on.get(task, [])
        for agent in quarry.world.hosts.all if len(places) > 1 else ():
            if not agent.is_away and places[-2] in {*agent.engines, *agent.due}:
                quarry.task = task
                quarry.cut_off(agent)
                return True
    return False


def host_dies_as_it_is_back(quarry: Quarry, state: State) -> bool:
    """End all that lives on a host whose engines have greeted again, and whose agent has not."""
    for agent in quarry.world.hosts.all:
        known = state.agents.get(agent.boot)
        if known is not None and known.line.peer == NO_PEER and known.engines:
            quarry.world.hosts.die(agent)
            return True
    return False


def leaves_unheard(quarry: Quarry, state: State) -> bool:
    """Have an agent say goodbye to a hub that takes over, and has not heard its engine as yet."""
    agent, engine = quarry.agent, quarry.engine
    if agent is None or engine is None or agent not in quarry.world.agents:
        return False
    known = state.agents.get(agent.boot)
    if known is None or known.line.peer == NO_PEER or not engine.line.parted:
        return False
    agent.leave()
    return True


def job_ends_but_for_it(quarry: Quarry, state: State) -> bool:
    """Have all end that was started elsewhere, but for what cannot be reached."""
    del state
    quarry.world.hosts.end_all(spared=quarry.agent)
    return True


def job_ends_as_its_id_is_taken(quarry: Quarry, state: State) -> bool:
    """Have that end as well which came in its place."""
    if quarry.has_lost_its_id(state):
        quarry.world.hosts.end_all(spared=quarry.agent, for_good=True)
    return quarry.has_lost_its_id(state)


def is_back(quarry: Quarry, state: State) -> bool:
    """Wait until a host was waited for no longer, and is back."""
    if quarry.agent is None:
        return False
    is_known = quarry.agent.boot in state.agents
    quarry.was_given_up = quarry.was_given_up or not is_known
    return quarry.was_given_up and is_known


# ---------------------------------------------------------------- hubs, and clients


def hub_dies_as_its_id_is_taken(quarry: Quarry, state: State) -> bool:
    """Have the hub die as soon as another has the id of an engine that ran something."""
    is_taken = quarry.has_lost_its_id(state)
    if is_taken:
        quarry.world.kill_hub()
    return is_taken


def hub_dies_before_an_order_is_heard(quarry: Quarry, state: State) -> bool:
    """Have the hub die when it stands written that it ordered more engines, and nobody knows."""
    world = quarry.world
    is_heard = sum(state.ordered.values()) <= sum(world.hosts.asked.values())
    if is_heard or world.life is None or not world.life.is_written:
        return False
    world.kill_hub()
    return True


def has_taken_over(quarry: Quarry, state: State) -> bool:
    """Wait until it is known what becomes of what the hub before had given out."""
    del state
    return quarry.world.truth.hub_deaths > 0


def hangs_unrecorded(quarry: Quarry, state: State) -> bool:
    """Have a client stand still whose task runs at home, and stands on no page as yet."""
    return _hang(quarry, state, far=False)


def hangs_unrecorded_afar(quarry: Quarry, state: State) -> bool:
    """Have one stand still whose task runs on another host; that is cut off as well."""
    if not _hang(quarry, state, far=True) or quarry.agent is None:
        return False
    quarry.cut_off(quarry.agent)
    return True


def _hang(quarry: Quarry, state: State, *, far: bool) -> bool:
    written, tasks = quarry.world.disk.written, state.tasks
    for engine, task in quarry.running(far=far):
        for client in quarry.world.clients:
            is_unrecorded = task in tasks and tasks[task].row > written
            if is_unrecorded and client.id == client_of(task):
                quarry.choose([(engine, task)])
                quarry.world.blows.stop(client)
                return True
    return False


AMBUSHES: dict[str, _Ambush] = {
    "away: as it runs": away_as_it_runs,
    "hang: unrecorded": hangs_unrecorded,
    "hang: unrecorded afar": hangs_unrecorded_afar,
    "host away: as another runs it": host_away_as_another_runs_it,
    "host away: as it cannot stop": host_away_as_it_cannot_stop,
    "host away: as it runs": host_away_as_it_runs,
    "host killed: as it is back": host_dies_as_it_is_back,
    "host leaves: unheard": leaves_unheard,
    "hub: as its id is taken": hub_dies_as_its_id_is_taken,
    "hub: before an order is heard": hub_dies_before_an_order_is_heard,
    "gone: as another is back": gone_as_another_is_back,
    "job ends: as its id is taken": job_ends_as_its_id_is_taken,
    "job ends: but for it": job_ends_but_for_it,
    "kill: as it runs": killed_as_it_runs,
    "kill: as it runs again": killed_as_it_runs_again,
    "kill: before it reads": killed_before_it_reads,
    "nothing: it has taken over": has_taken_over,
    "nothing: it is back": is_back,
    "stop: as it has refused": stopped_as_it_has_refused,
    "submit: before it reads": submitted_before_it_reads,
}
"""By their names, which begin with what strikes."""
PATIENT = frozenset(
    {
        "host killed: as it is back",
        "gone: as another is back",
        "nothing: it has taken over",
        "nothing: it is back",
    }
)
"""Those that wait as long as it takes."""
HASTY = frozenset({"host leaves: unheard"})
"""Those that strike while a hub takes over."""
