"""What may be done to a work by somebody else than its owner: take it back, or run what failed.

Whoever may connect as a client is the cluster's user, so who watches may also act. The owner is
told as if it had asked itself: tasks that are taken back end as cancelled there, those that are
stopped as interrupted.

What runs again cannot be the owner's, who makes the ids of its tasks and waits for none that it
has not submitted. It is not the asker's either, who wants no results. So it belongs to a client
of its own that is not there: the hub keeps its results as it does those of any client that has
left, for whoever fetches them.
"""

from collections import Counter

from ipcluster_ext.core.effects import Line
from ipcluster_ext.core.engines import Withdrawal
from ipcluster_ext.core.entry import Entry
from ipcluster_ext.core.events import PeerId
from ipcluster_ext.core.records import Records
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.core.work import Work
from ipcluster_ext.protocol.ids import CLIENT_ID_LIMIT, ClientId, first_task
from ipcluster_ext.protocol.messages import Cancelled, Redo, Redone, Retried, Withdraw

_NOBODY = PeerId(-1)


class Interventions:
    """Does to works what their watchers ask for.

    Parameters
    ----------
    state
        The hub's tables.
    tasks
        Takes tasks back.
    records
        Runs tasks once more.
    """

    def __init__(self, state: State, tasks: Tasks, records: Records) -> None:
        self._state = state
        self._tasks = tasks
        self._records = records

    def withdraw(self, client: Client, message: Withdraw) -> None:
        """Take back the tasks of a work; those that have begun, too, if that is asked for."""
        work = self._meant(message)
        if work is None:
            client.line.say(Cancelled(message.request, []))
            return
        ids = [task.id for task in self._state.tasks.values() if task.work is work]
        withdrawal = Withdrawal(client.line, message.request)
        withdrawals = self._tasks.withdrawals
        if message.begun:
            withdrawals.stop(ids, work.client, withdrawal, message.graces)
        else:
            withdrawals.take_back(ids, work.client, withdrawal)

    def redo(self, client: Client, message: Redo, now: float) -> None:
        """Run what failed of a work once more, as far as that can be."""
        work = self._meant(message)
        missing: Counter[str] = Counter()
        entries: list[Entry] = []
        for entry in self._failures(work) if work is not None else ():
            if reason := self._records.why_not(entry) or self._lacks(entry):
                missing[reason] += 1
            else:
                entries.append(entry)
        absent = ClientId(0)
        if work is not None and entries:
            absent = self._run_again(work, entries, now)
        client.line.say(Redone(message.request, absent, len(entries), dict(missing)))

    def _meant(self, message: Withdraw | Redo) -> Work | None:
        work = self._state.works.numbered(message.number, message.client)
        if work is None or work.began + self._state.place.epoch != message.began:
            return None
        return work

    def note_retried(self, message: Retried) -> None:
        """Learn that a client has run again by itself what had failed."""
        for task in message.ids:
            entry = self._state.history.get(task)
            if entry is not None:
                self._state.works.run_again(entry)
                entry.retried = entry.has_failed

    def _failures(self, work: Work) -> list[Entry]:
        """Return the tasks of a work that failed and were not run again, the oldest first."""
        found = [
            entry
            for entry in self._state.history
            if entry.has_failed
            and not entry.is_retried
            and work.had(entry.key, entry.submitted, entry.ended)
        ]
        return sorted(found, key=lambda entry: entry.id)

    def _lacks(self, entry: Entry) -> str:
        """Return why a task would wait in vain for values; empty if it would not."""
        needs = entry.request.needs if entry.request is not None else ()
        values, outcome = self._state.store.values, self._state.outcome
        if all(need in values or outcome(need) is not None for need in needs):
            return ""
        return "the values that it needs are not kept any more"

    def _run_again(self, work: Work, entries: list[Entry], now: float) -> ClientId:
        """Run tasks once more as those of a client that is not there; return that."""
        absent = self._newcomer()
        names = self._state.history.names
        self._state.history.introduce(absent, names.get(work.client, ""))
        nobody = Client(absent, Line(_NOBODY, []))
        for place, entry in enumerate(entries):
            self._records.run_again(nobody, entry, first_task(absent, place), now)
        return absent

    def _newcomer(self) -> ClientId:
        """Return the number of a client that nobody knows."""
        state = self._state
        while True:
            number = ClientId(1 + state.chance.below(CLIENT_ID_LIMIT - 1))
            first = first_task(number, 0)
            known = number in state.clients or number in state.history.names
            if not (known or first in state.tasks or state.history.get(first) is not None):
                return number
