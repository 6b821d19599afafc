"""For how long an engine's tasks may begin: the hub has to answer now and then.

The hub gives what has not begun to others if it has not heard of this engine for longer than
that; one that takes over from another does so at once, and has the black box say that it did.
"""

from collections.abc import Callable

from ipcluster_ext.transport.blackbox import BlackBox
from ipcluster_ext.transport.channel import CLOCK, Channel

RENEWING = 0.1
"""How often the hub is asked while nothing may begin."""


class Lease:
    """Tells whether tasks may begin; to be asked when the black box names them already.

    An engine that is stopped between the two does not begin them, however long it is stopped.

    Parameters
    ----------
    channel
        To the hub.
    box
        Where a hub that takes over has it written that nothing may begin.
    seconds
        How long tasks may begin after the hub was asked whether it is there, and answered.

    Attributes
    ----------
    seconds
        As given.
    until
        When that is over, by `CLOCK`.
    estranged
        Whether another hub has not welcomed the engine yet: no answer counts before that, as what
        was given to others is said together with the welcome.
    """

    def __init__(self, channel: Channel, box: BlackBox, seconds: float) -> None:
        self._channel = channel
        self._box = box
        self.seconds = seconds
        self.until = CLOCK() + seconds
        self.estranged = False
        self._held = self._let_go = 0
        self._held_at = 0.0

    @property
    def holds(self) -> bool:
        """Whether tasks may begin."""
        return CLOCK() <= self.until and not self.is_held

    @property
    def is_held(self) -> bool:
        """Whether a hub may have given to others what has not begun, and has not said so yet."""
        return self._box.held != self._let_go and not self._is_let_go()

    def _is_let_go(self) -> bool:
        """Tell whether the hub has answered since the engine was held.

        One that answers what it was asked after that is no hub of before; a later one would have
        to welcome the engine first.
        """
        if self._held != self._box.held:
            self._held, self._held_at = self._box.held, CLOCK()
        if self.estranged or self._channel.answered <= self._held_at:
            return False
        self._let_go = self._held
        return True

    def look(self) -> None:
        """Prolong it as far as the hub has answered."""
        if not self.estranged:
            self.until = max(self.until, self._channel.answered + self.seconds)

    def renew(self, step: Callable[[float], None]) -> None:
        """Wait until tasks may begin.

        Parameters
        ----------
        step
            Receives for so many seconds at most, and calls `look`.
        """
        while not self.holds:
            self._channel.ping()
            step(RENEWING)
