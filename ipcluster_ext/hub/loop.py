"""The hub's only loop: wait, drain everything that has come, decide, send.

Because all that has come is one batch, batches are as large as the load: none at low load, so
that nothing waits, and large at high load, so that cost per task falls.
"""

import time

from ipcluster_ext.core.events import Event, PageRead
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.hub.ports import Ports
from ipcluster_ext.transport.journal import Journal
from ipcluster_ext.transport.router import Router

LONGEST_WAIT = 2.0
SOON = 0.005


class Loop:
    """Carries events to the core and its effects to their destinations.

    Parameters
    ----------
    core
        Decides.
    ports
        The peers.
    router
        The sockets, to wait on.
    journal
        Where what must outlive this process is written.
    """

    def __init__(self, core: Hub, ports: Ports, router: Router, journal: Journal) -> None:
        self._core = core
        self._ports = ports
        self._router = router
        self._journal = journal
        self._page = journal.written
        self._trouble = ""

    def run(self) -> None:
        """Run until the lifeline ends."""
        while self._router.wait(self._until_deadline()):
            self.turn()

    def _until_deadline(self) -> float:
        deadline, core = self._ports.deadline, self._core.deadline
        if core is not None and core < deadline:
            deadline = core
        longest = SOON if self._journal.looking_up else LONGEST_WAIT
        return min(longest, max(0.0, deadline - time.monotonic()))

    def turn(self) -> None:
        """Handle what has come until now."""
        now = time.monotonic()
        events = self._ports.hear(now)
        while True:
            effects = self._core.handle(events, now=now)
            self._record()
            events = [*self._ports.carry(effects), *self._read()]
            if not events:
                events = self._ports.keep_up(now)
                if not events:
                    return

    def _record(self) -> None:
        """Have written what must outlive this process, and acknowledge what was."""
        core, journal = self._core, self._journal
        for number, data in core.take_pages():
            journal.append(number, data)
            self._page = number
        unneeded = core.take_unneeded_pages()
        if unneeded:
            journal.drop(unneeded)
        journal.give_way()
        self._ports.settle(self._page if core.settled else None, journal.written)
        if journal.trouble != self._trouble:
            self._trouble = journal.trouble
            core.announce(self._trouble or "the hub's journal works again")

    def _read(self) -> list[Event]:
        """Have the pages read that the core wants to see again; return those that were."""
        journal = self._journal
        wanted = self._core.take_wanted_pages()
        if wanted:
            journal.look_up(wanted)
        return [PageRead(number, data) for number, data in journal.take_found()]
