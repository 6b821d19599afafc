"""What scripted clients, engines and agents have in common: they greet, ping, may stand still."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.messages import Message, Welcome
from ipcluster_ext.transport.router import Address
from tests.simulation.network import Line, Said

if TYPE_CHECKING:
    from tests.simulation.world import World

GREETING = 0.5
KEEPING_UP = 2.0


class Process:
    """Somebody who talks with the hub."""

    def __init__(
        self, world: "World", address: Address, boot: int, *, is_away: bool = False
    ) -> None:
        self.world = world
        self.boot = boot
        self.welcome = False
        self.line = Line(world.network, address, boot, hear=self._hear, reborn=self._reborn)
        self.line.parted = is_away
        self._left: list[tuple[Callable[[Any], None], Any]] = []
        self._greet()

    @property
    def greeting(self) -> Message:
        """What it says first."""
        raise NotImplementedError

    def took(self, message: Message, frames: Iterator[Frame]) -> None:
        """Do what is said."""
        raise NotImplementedError

    def begin_again(self, unheard: list[Said]) -> list[Said]:
        """Return what a hub that knows nothing has to know."""
        raise NotImplementedError

    def _greet(self, _: object = None) -> None:
        """Greet the hub until it answers; from then on see to it that nothing is lost."""
        line = self.line
        if line.gone:
            return
        if line.stopped is None:
            if not self.welcome:
                line.mention(self.greeting)
            elif line.unacked or line.heard != self.world.network.hub:
                line.ping()
        self.world.agenda.after(KEEPING_UP if self.welcome else GREETING, self._greet)

    def _hear(self, messages: Sequence[Message], wire_frames: Sequence[Frame]) -> None:
        frames = iter(wire_frames)
        for message in messages:
            if isinstance(message, Welcome):
                self.welcome = True
            self.took(message, frames)
            if self.line.gone:
                return

    def _reborn(self) -> None:
        self.line.begin_again(self.begin_again)

    # ------------------------------------------------------------ time

    def after(self, seconds: float, act: Callable[[Any], None], what: object = None) -> None:
        """Do something later, unless the process ends before, or stands still then."""
        self.world.agenda.after(seconds, self._act, (act, what))

    def _act(self, what: tuple[Callable[[Any], None], Any]) -> None:
        if self.line.stopped is not None:
            self._left.append(what)
        elif not self.line.gone:
            what[0](what[1])

    def stop(self) -> None:
        """Stand still."""
        if self.line.stopped is None:
            self.line.stopped = []

    def go_on(self, _: object = None) -> None:
        """Go on, with what has come meanwhile, and what was to be done."""
        wires, self.line.stopped = self.line.stopped, None
        left, self._left = self._left, []
        for act, what in left:
            if not self.line.gone:
                act(what)
        for wire in wires or ():
            if not self.line.gone:
                self.line.take(wire)

    def end(self) -> None:
        """End, in the midst of whatever it was doing."""
        self.line.end()
