"""What strikes one after the other, each so long after the one before it has.

What takes several faults at certain moments is too rare to come by chance, however often each
strikes. So some blows lie in wait for their moment (`ambushes`), and what follows waits for them.
"""

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

from tests.simulation.ambushes import AMBUSHES, HASTY, PATIENT, Quarry
from tests.simulation.themes import Blow

if TYPE_CHECKING:
    from tests.simulation.world import World

WAITS_FOR = 3.0
"""So long a blow lies in wait, while a hub has got over the death of the one before."""


class Course:
    """Has one blow after another strike, those that lie in wait when their moment has come.

    Parameters
    ----------
    world
        Whom they strike.
    plot
        The blows; what one waits for is named behind a colon.

    Attributes
    ----------
    struck
        How many have.
    is_over
        Whether the last has, or one has waited in vain.
    """

    def __init__(self, world: "World", plot: Sequence[Blow]) -> None:
        self._world = world
        self._quarry = Quarry(world)
        self._plot = deque(plot)
        self._waits: str | None = None
        self._until = 0.0
        self.struck = 0
        self.is_over = False
        self._go_on()

    @property
    def lurks(self) -> bool:
        """Whether a blow lies in wait."""
        return self._waits is not None

    def _go_on(self) -> None:
        self.is_over = not self._plot
        if self._plot:
            blow, soonest, latest = self._plot.popleft()
            seconds = self._world.random.uniform(soonest, latest)
            self._world.agenda.after(seconds, self._strike, blow)

    def _strike(self, blow: str) -> None:
        if blow in AMBUSHES:
            self._waits = blow
            self._until = inf if blow in PATIENT else self._world.agenda.now + WAITS_FOR
            self.look()
        else:
            self._world.blows.strike(blow)
            self._has_struck()

    def _has_struck(self) -> None:
        self._waits = None
        self.struck += 1
        self._go_on()

    def look(self, _: object = None) -> None:
        """Strike if the moment has come; whenever anything has happened."""
        if self._waits is None or self._world.healed:
            return
        now, quarry = self._world.agenda.now, self._quarry
        state = quarry.state_before if self._waits in HASTY else quarry.state
        if state is not None and AMBUSHES[self._waits](quarry, state):
            self._has_struck()
        elif quarry.state is None:
            self._until = max(self._until, now + WAITS_FOR)
        elif now > self._until:
            self._waits = None
            self.is_over = True
