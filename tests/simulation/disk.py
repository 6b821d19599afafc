"""The disk on which the hub's journal is: what was written survives the hub, a little later."""

from collections import deque
from collections.abc import Iterable, Sequence
from random import Random

from ipcluster_ext.protocol.frames import Frame
from tests.simulation.agenda import Agenda

_Order = tuple[int, list[bytes] | None]
"""A row to be written, or to be erased."""


class Disk:
    """Numbered rows, written in groups and in order.

    Parameters
    ----------
    agenda
        Time.
    delay
        How long it takes until a row is written, in seconds.

    Attributes
    ----------
    rows
        What is written.
    written
        The number of the last row that is.
    sent
        What was noted, which waits for nothing.
    """

    def __init__(self, agenda: Agenda, delay: float) -> None:
        self.rows: dict[int, list[bytes]] = {}
        self.written = 0
        self.sent = b""
        self._agenda = agenda
        self._delay = delay
        self._orders: deque[_Order] = deque()
        self._life = 0
        self._due = False

    def append(self, number: int, data: Sequence[Frame]) -> None:
        """Write a row, in due course."""
        self._order((number, [bytes(frame) for frame in data]))

    def drop(self, numbers: Iterable[int]) -> None:
        """Erase rows, in due course."""
        for number in numbers:
            self._order((number, None))

    def read(self, number: int) -> list[bytes]:
        """Return a row, written or about to be; empty if it is not there."""
        last = next((data for one, data in reversed(self._orders) if one == number), None)
        return last or self.rows.get(number, [])

    def _order(self, order: _Order) -> None:
        self._orders.append(order)
        if not self._due:
            self._due = True
            self._agenda.after(self._delay, self._write, self._life)

    def _write(self, life: int) -> None:
        if life == self._life:
            self._due = False
            self._carry_out(len(self._orders))

    def _carry_out(self, count: int) -> None:
        for _ in range(count):
            number, data = self._orders.popleft()
            if data is None:
                self.rows.pop(number, None)
            else:
                self.rows[number] = data
                self.written = max(self.written, number)

    def crash(self, random: Random) -> None:
        """Lose what is not written, or the end of it."""
        self._carry_out(random.choice((0, 0, random.randint(0, len(self._orders)))))
        self._orders.clear()
        self._life += 1
        self._due = False
