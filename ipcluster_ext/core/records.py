"""What can be asked of the tasks that the hub knows: records, and to run them once more.

Tasks that have ended are in the history (`core.history`), the others in the hub's tables; whoever
asks sees one list. A query looks at every task, but only at the facts that it names, and records
are made only of the tasks that it finds.
"""

from collections.abc import Iterator

from msgspec import structs

from ipcluster_ext.core.facts import KEYS, Facts
from ipcluster_ext.core.history import Entry
from ipcluster_ext.core.queries import BadQuery, holds, read
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol import messages
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import (
    Fetched,
    HistoryQuery,
    Purge,
    Purged,
    QueueQuery,
    QueueReply,
    Resubmit,
    Submit,
    SubmitEach,
)
from ipcluster_ext.protocol.parts import TaskItem, TaskSpec

MOST_RECORDS = 100_000
"""How many records one answer has at most; the latest are sent."""
_NAMED = 3


class Records:
    """Answers questions about tasks.

    Parameters
    ----------
    state
        The hub's tables.
    tasks
        Takes what is to run once more.
    """

    def __init__(self, state: State, tasks: Tasks) -> None:
        self._state = state
        self._tasks = tasks

    def query(self, client: Client, message: HistoryQuery, now: float) -> None:
        """Tell a client of the tasks that its query finds, the oldest first."""
        self._state.history.shrink(now)
        try:
            found = self._find(message.query)
        except BadQuery as error:
            client.line.say(messages.Records(message.request, [], str(error)))
            return
        found.sort(key=lambda facts: (facts.submitted, facts.id))
        limit = message.limit if 0 < message.limit < MOST_RECORDS else MOST_RECORDS
        records = [facts.record() for facts in found[-limit:]]
        client.line.say(messages.Records(message.request, records))

    def purge(self, client: Client, message: Purge) -> None:
        """Forget what a query finds; nothing at all, if some of that has not ended."""
        try:
            found = self._find(message.query)
        except BadQuery as error:
            client.line.say(Purged(message.request, 0, str(error)))
            return
        living = [facts.msg_id for facts in found if not facts.status.ended]
        if living:
            some = ", ".join(living[:_NAMED])
            text = f"{len(living)} of the tasks have not ended ({some}); wait for them first"
            client.line.say(Purged(message.request, 0, text))
            return
        count = self._state.history.forget([facts.id for facts in found])
        client.line.say(Purged(message.request, count))

    def _find(self, query: bytes) -> list[Facts]:
        tests = [(KEYS[key], test) for key, test in read(query, KEYS)]
        return [facts for facts in self._everything() if holds(tests, facts)]

    def _everything(self) -> Iterator[Facts]:
        state = self._state
        yield from (Facts(state, entry) for entry in state.history)
        yield from (Facts(state, task) for task in state.tasks.values())

    def loads(self, client: Client, message: QueueQuery) -> None:
        """Tell a client how many tasks are queued, and how many each engine has and had."""
        engines = self._state.engines.values()
        reply = QueueReply(
            message.request,
            len(self._state.queue),
            {engine.id: len(engine.unfinished) + len(engine.held) for engine in engines},
            {engine.id: engine.load_of_its_own for engine in engines},
            {engine.id: engine.ended for engine in engines},
        )
        client.line.say(reply)

    # ------------------------------------------------------------ once more

    def resubmit(self, client: Client, message: Resubmit, now: float) -> None:
        """Run tasks once more, as they were first called: all of those named, or none."""
        entries: list[Entry] = []
        missing: dict[TaskId, str] = {}
        for task in message.ids:
            entry = self._state.history.get(task)
            if entry is None:
                running = task in self._state.tasks
                missing[task] = "it has not ended" if running else "nothing is known of it"
            elif reason := self._why_not(entry):
                missing[task] = reason
            else:
                entries.append(entry)
        if not missing:
            for place, entry in enumerate(entries):
                entry.resubmitted = TaskId(message.first + place)
                self._submit(client, entry, now)
        client.line.say(Fetched(message.request, missing))

    def _why_not(self, entry: Entry) -> str:
        """Return why a task cannot run once more; empty if it can."""
        if entry.request is None:
            return "what it was called with is not kept any more"
        if not self._state.library.has(entry.spec.function):
            return "its function is not kept any more"
        return ""

    def _submit(self, client: Client, entry: Entry, now: float) -> None:
        request = entry.request
        if request is None:
            return
        spec, frames = _afresh(entry.spec), iter(entry.request_frames)
        item = TaskItem(entry.resubmitted, request.inline, request.buffers, request.needs)
        if entry.target is None:
            self._tasks.submit(client, Submit(spec, [item]), frames, now)
        else:
            self._tasks.submit_each(client, SubmitEach(spec, item, [entry.target]), frames, now)


def _afresh(spec: TaskSpec) -> TaskSpec:
    """Return a spec without what held once only: what it waited for, and its key."""
    if spec.options is None:
        return spec
    options = structs.replace(spec.options, key="", after=None, follow=None, patience=0.0)
    return structs.replace(spec, options=options)
