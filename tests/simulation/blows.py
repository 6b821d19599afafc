"""What strikes in a history: whose connection breaks, who stands still, who dies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from tests.simulation.agents import Agent
from tests.simulation.engines import Engine
from tests.simulation.processes import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

Struck = TypeVar("Struck", bound=Process)
STEADFAST = 0.8
"""How often whoever was struck before is struck again, in histories that are about somebody."""


class Blows:
    """Strikes.

    Parameters
    ----------
    world
        Whom it strikes.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._struck: list[Process] = []

    def strike(self, blow: str) -> None:  # noqa: C901 - one case each
        """Strike, unless all is healed: see `faults.BLOWS`."""
        world = self._world
        if world.healed:
            return
        random = world.random
        match blow:
            case "cut" if world.processes:
                world.network.cut(self._one_of(world.processes).line)
            case "away" if world.engines:
                self.part(self._one_of(world.engines))
            case "client away" if world.clients:
                self.part(self._one_of(world.clients))
            case "agent away" if world.agents:
                self.part(self._one_of(world.agents))
            case "stop" if world.engines:
                self.stop(self._one_of(world.engines))
            case "hang" if world.clients:
                self.stop(self._one_of(world.clients))
            case "kill" | "gone" if world.engines:
                engine = self._one_of(world.engines)
                engine.agent.kill(engine.id, again=blow == "kill")
            case "agent" if world.agents:
                agent = self._one_of(world.agents)
                agent.end()
                world.agents.remove(agent)
                world.truth.agent_deaths += 1
            case "client" if world.clients:
                client = self._one_of(world.clients)
                world.clients.remove(client)
                if random.random() < 0.3:
                    client.leave()
                else:
                    client.end()
            case "interrupt" | "resize" | "steer" | "submit" if world.clients:
                client = random.choice(world.clients)
                self._struck.append(client)
                client.do(blow)
            case "host leaves" if here := [a for a in world.hosts.all if not a.is_away]:
                random.choice(here).leave()
            case "host away" | "host killed" | "host stops" | "job ends" if world.hosts.all:
                self._strike_a_host(blow, self._one_of(world.hosts.all))
            case "hub" if world.life is not None:
                world.kill_hub()
            case "mid-turn":
                world.network.budget = random.randint(0, 2)
            case _:
                return

    def _strike_a_host(self, blow: str, agent: Agent) -> None:
        world = self._world
        span = world.random.choice(world.faults.spans)
        match blow:
            case "host away":
                world.hosts.part(agent, span)
            case "host stops":
                world.hosts.suspend(agent, span)
            case "host killed":
                world.hosts.kill(agent)
            case _:
                world.hosts.end_all(spared=agent if agent.is_away else None)

    def _one_of(self, some: Sequence[Struck]) -> Struck:
        """Choose whom to strike: rather one that was struck before, if it is about that."""
        world = self._world
        if world.faults.is_steadfast:
            before = [process for process in some if process in self._struck]
            if before and world.random.random() < STEADFAST:
                some = before
        chosen = world.random.choice(some)
        self._struck.append(chosen)
        return chosen

    def kill(self, engine: Engine) -> None:
        """End an engine, which comes back."""
        engine.agent.kill(engine.id, again=True)

    def stop(self, process: Process) -> None:
        """Have somebody stand still for a while."""
        process.stop()
        self._world.agenda.after(self._world.random.choice(self._world.faults.spans), process.go_on)

    def part(self, process: Process) -> None:
        """Cut somebody off for a while."""
        world = self._world
        world.network.part(process.line)
        world.agenda.after(
            world.random.choice(world.faults.spans), world.network.join, process.line
        )
