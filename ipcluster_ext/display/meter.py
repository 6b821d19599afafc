"""How far some work is, how fast it gets on, and when it will be done, as text and as HTML."""

import time
from collections.abc import Callable

from ipcluster_ext.display import drawing, telling
from ipcluster_ext.display.looks import Work, WorkLook
from ipcluster_ext.display.pace import Pace


class Meter:
    """How far some work is, how fast it gets on, and when it will be done.

    Parameters
    ----------
    work
        The work.
    clock
        Tells the time, in seconds.
    """

    def __init__(self, work: Work, clock: Callable[[], float] = time.monotonic) -> None:
        self._work = work
        self._clock = clock
        self.look: WorkLook = work.look()
        self._pace = Pace(clock() - self.look.elapsed)
        self.read()

    def read(self) -> WorkLook:
        """Look at the work."""
        self.look = self._work.look()
        self._pace.note(self.look.done, now=self._clock())
        return self.look

    @property
    def rate(self) -> float | None:
        """How much is done in a second, None if nobody knows."""
        return self._pace.rate(now=self._clock())

    @property
    def left(self) -> float | None:
        """For how many seconds it goes on, None if nobody knows."""
        look = self.look
        total = None if look.total is None else look.total - look.cancelled
        return self._pace.left(total, now=self._clock())

    def plain(self) -> str:
        """Tell it in a line."""
        return telling.work(self.look, rate=self.rate, left=self.left)

    def html(self) -> str:
        """Draw it."""
        return drawing.progress(self.look, rate=self.rate, left=self.left)

    def forms(self) -> dict[str, str]:
        """Return it as text and as HTML, by MIME type."""
        return {"text/plain": self.plain(), "text/html": self.html()}
