"""Whichever packets are lost while a hub takes over, work goes on within a second."""

from collections.abc import Collection
from random import Random

import pytest

from ipcluster_ext.protocol.ledger import Wire
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec
from ipcluster_ext.transport.channel import ASK_AGAIN
from ipcluster_ext.transport.router import Address
from tests.simulation import world as worlds
from tests.simulation.agents import Agent
from tests.simulation.clients import Client
from tests.simulation.faults import Faults
from tests.simulation.network import Line, Network
from tests.simulation.world import World

SEED = 11
ENGINES, SUBMISSIONS = 3, 12
SECONDS = 0.02
"""How long a task takes."""
MOST = 24.0
"""So long it is looked on."""
COST, COST_OF_FIVE = 1.0, 1.5
"""What the loss of a packet may cost, in seconds, and that of five."""


class Takeover:
    """A hub that dies over many tasks, and its successor, which begins with losses.

    Parameters
    ----------
    lost
        Which packets are lost, by their numbers since the successor's start, from either side.

    Attributes
    ----------
    packets
        How many there were until all was done.
    took
        How long that took, in seconds.
    """

    def __init__(self, lost: Collection[int] = ()) -> None:
        self._world = world = World(SEED)
        self._network: Network = world.network
        self._lost = lost
        self.packets = 0
        world.duration = _as_ever  # type: ignore[method-assign]
        client = Client(world)
        world.agents.append(Agent(world, ENGINES))
        world.clients.append(client)
        world.agenda.run(1.0)
        for _ in range(SUBMISSIONS):
            client.do("submit")
        world.agenda.run(1.1)
        world.kill_hub()
        assert client.open
        while world.life is None:
            world.agenda.run(world.agenda.now + 0.001)
        self._send, self._up = self._network.send, self._network.up
        self._network.send, self._network.up = self._down_or_not, self._up_or_not  # type: ignore[method-assign]
        self._ask_again()
        began = world.agenda.now
        while not self._is_over and world.agenda.now < began + MOST:
            world.agenda.run(world.agenda.now + 0.01)
        self.took = world.agenda.now - began

    def _ask_again(self, _: object = None) -> None:
        """Have those ask who have not heard the hub, as `transport.channel` does."""
        for line in list(self._network.lines.values()):
            if line.heard != self._network.hub:
                line.ping()
        self._world.agenda.after(ASK_AGAIN, self._ask_again)

    def _is_lost(self) -> bool:
        self.packets += 1
        return self.packets - 1 in self._lost

    def _down_or_not(self, address: Address, wire: Wire) -> bool:
        return self._is_lost() or self._send(address, wire)

    def _up_or_not(self, line: Line, wire: Wire) -> None:
        if not self._is_lost():
            self._up(line, wire)

    @property
    def _is_over(self) -> bool:
        """Whether everybody is back, and every task has ended."""
        life, hub = self._world.life, self._network.hub
        back = all(process.line.heard == hub for process in self._world.processes)
        return back and life is not None and life.at_rest and life.hub.settled


def _as_ever(spec: TaskSpec, item: TaskItem) -> float | None:
    del spec, item
    return SECONDS


@pytest.fixture(autouse=True)
def no_other_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_random: Random, *, seed: int) -> Faults:
        del seed
        return Faults(chaos=MOST)

    monkeypatch.setattr(worlds, "draw", none)


def test_no_packet_that_is_lost_costs_more_than_a_second() -> None:
    usual = Takeover()

    late = [n for n in range(usual.packets) if Takeover({n}).took > usual.took + COST]

    assert late == []


def test_neither_do_five_of_them_much_more() -> None:
    usual, random = Takeover(), Random(SEED)
    some = [random.sample(range(usual.packets), 5) for _ in range(100)]

    late = [lost for lost in some if Takeover(lost).took > usual.took + COST_OF_FIVE]

    assert late == []
