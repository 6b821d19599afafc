"""What can be asked of the tasks that the hub knows: records, and to run them once more.

Tasks that have ended are in the history (`core.history`), the others in the hub's tables; whoever
asks sees one list. A query looks at every task, but only at the facts that it names, and records
are made only of the tasks that it finds.
"""

from collections.abc import Iterable, Iterator

from msgspec import structs

from ipcluster_ext.core.entry import Entry
from ipcluster_ext.core.facts import KEYS, Facts
from ipcluster_ext.core.queries import BadQuery, holds, read
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.core.tasks import Tasks
from ipcluster_ext.protocol import messages
from ipcluster_ext.protocol.ids import ClientId, TaskId, client_of
from ipcluster_ext.protocol.messages import (
    Fetch,
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
        found = _oldest_first(found)
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

    def fetch(self, client: Client, message: Fetch) -> None:
        """Send a client the outcomes of tasks, now or when they are there."""
        missing: dict[TaskId, str] = {}
        for task in message.ids:
            if task in self._state.tasks:
                if client_of(task) != client.id:
                    self._state.watchers.setdefault(task, []).append(client)
                continue
            outcome = self._state.outcome(task)
            if outcome is not None:
                self._tasks.ends.tell(client, outcome.item, outcome.frames, outcome.engine)
            elif self._state.history.get(task) is None:
                missing[task] = "nothing is known of it"
            else:
                missing[task] = "its result is not kept any more"
        client.line.say(Fetched(message.request, missing))

    def _find(self, query: bytes) -> list[Facts]:
        tests = [(KEYS[key], test) for key, test in read(query, KEYS)]
        return [facts for facts in self._everything() if holds(tests, facts)]

    def _everything(self) -> Iterator[Facts]:
        state = self._state
        yield from (Facts(state, entry) for entry in state.history if not entry.spec.aside)
        yield from (Facts(state, task) for task in state.tasks.values() if not task.spec.aside)

    def loads(self, client: Client, message: QueueQuery) -> None:
        """Tell a client how many tasks are queued, and how many each engine has and had."""
        engines = self._state.engines.values()
        reply = QueueReply(
            message.request,
            len(self._state.queue),
            {engine.id: engine.work_count for engine in engines},
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
            elif reason := self.why_not(entry):
                missing[task] = reason
            else:
                entries.append(entry)
        if not missing:
            for place, entry in enumerate(entries):
                self.run_again(client, entry, TaskId(message.first + place), now)
        client.line.say(Fetched(message.request, missing))

    def why_not(self, entry: Entry) -> str:
        """Return why a task cannot run once more; empty if it can."""
        if entry.request is None:
            return "what it was called with is not kept any more"
        if not self._state.library.has(entry.spec.function):
            return "its function is not kept any more"
        return ""

    def run_again(self, client: Client, entry: Entry, task: TaskId, now: float) -> None:
        """Run a task once more, as another one that is the client's."""
        self._state.works.run_again(entry)
        entry.resubmitted = task
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


def _oldest_first(found: Iterable[Facts]) -> list[Facts]:
    """Sort tasks by when they were submitted, those of one client as it numbered them.

    Of what a client handed to an engine itself, only that engine's clock tells when.
    """
    latest: dict[ClientId, float] = {}
    dated: list[tuple[float, TaskId, Facts]] = []
    for facts in sorted(found, key=lambda facts: facts.id):
        when = latest[facts.client] = max(facts.submitted, latest.get(facts.client, 0.0))
        dated.append((when, facts.id, facts))
    return [facts for _, _, facts in sorted(dated, key=lambda each: each[:2])]
