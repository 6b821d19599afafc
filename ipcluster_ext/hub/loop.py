"""The hub's only loop: wait, drain everything that has come, decide, send.

Because all that has come is one batch, batches are as large as the load: none at low load, so
that nothing waits, and large at high load, so that cost per task falls.
"""

import logging
import time

from ipcluster_ext.core.events import Event, PageRead
from ipcluster_ext.core.hub import Hub
from ipcluster_ext.hub.ports import Ports
from ipcluster_ext.transport.journal import Journal
from ipcluster_ext.transport.notes import Notes
from ipcluster_ext.transport.router import Router

LONGEST_WAIT = 2.0
SOON = 0.005
MOST_NOTED = 1024 * 1024
"""After so many bytes, notes are written anew."""

log = logging.getLogger(__name__)


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
    notes
        Where it is noted, before it happens, what is sent to other hosts.
    """

    def __init__(
        self,
        core: Hub,
        ports: Ports,
        router: Router,
        journal: Journal,
        notes: Notes | None = None,
    ) -> None:
        self._core = core
        self._ports = ports
        self._router = router
        self._journal = journal
        self._notes = Notes(None) if notes is None else notes
        self._page = journal.written
        self._trouble = ""
        self._waits_since = None if core.settled else time.monotonic()

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
            if sent := self._core.take_sent():
                self._notes.write(sent)
            if self._ports.may_carry_at_once(effects):  # an engine or a client waits for it
                events = self._ports.carry(effects)
                self._record()
            else:
                self._record()
                events = self._ports.carry(effects)
            events += self._read()
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
        if self._notes.nbytes > MOST_NOTED:
            self._note_anew()
        journal.give_way()
        settled = core.settled
        if settled and self._waits_since is not None:
            took, self._waits_since = time.monotonic() - self._waits_since, None
            log.warning("it is known after %.3f s what the hub before left behind", took)
        self._ports.settle(self._page if settled else None, journal.written)
        if journal.trouble != self._trouble:
            self._trouble = journal.trouble
            core.announce(self._trouble or "the hub's journal works again")

    def _note_anew(self) -> None:
        """Note only what holds still; that a task has ended counts once it is written."""
        is_written = self._journal.written >= self._page
        if is_written or self._notes.nbytes > 64 * MOST_NOTED:
            self._notes.renew(self._core.all_sent())

    def _read(self) -> list[Event]:
        """Have the pages read that the core wants to see again; return those that were."""
        journal = self._journal
        wanted = self._core.take_wanted_pages()
        if wanted:
            journal.look_up(wanted)
        elif not journal.looking_up:
            return []
        return [PageRead(number, data) for number, data in journal.take_found()]
