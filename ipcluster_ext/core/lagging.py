"""Rules for clients that read more slowly than they are told: outcomes wait in the journal.

While too much that a client was told is under way to it, the hub keeps no further outcomes for it
in memory: it notes on which page of the journal each stands, and tells the client a share of them
whenever that has caught up. What its tasks print meanwhile is counted, and dropped.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from ipcluster_ext.core.assignments import take_frames
from ipcluster_ext.core.ends import Ends
from ipcluster_ext.core.entry import payload_nbytes
from ipcluster_ext.core.events import CaughtUp, Lags, PageRead
from ipcluster_ext.core.journal import Ended, Submitted, read_page
from ipcluster_ext.core.recovered import Outcome
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.frames import Frame, encode_failure, frames_described
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Message, News, Notice, Output
from ipcluster_ext.protocol.parts import Failure, ResultItem
from ipcluster_ext.protocol.status import TaskStatus

SHARE = 8 * 1024 * 1024
"""So many bytes a client is told at once of what it is owed."""
MOST_ASKED = 16
"""So many pages are read at once."""
_HUB = EngineId(-1)


class Lagging:
    """Looks after clients that lag behind.

    Parameters
    ----------
    state
        The hub's tables.
    ends
        Tells outcomes.
    """

    def __init__(self, state: State, ends: Ends) -> None:
        self._state = state
        self._ends = ends
        self._asked: dict[int, list[tuple[Client, TaskId]]] = {}

    def heed(self, event: Lags | CaughtUp | PageRead) -> None:
        """Learn that a client does not keep up, or does again, or what stands on a page."""
        if isinstance(event, PageRead):
            self._page(event.number, event.data)
            return
        client = self._state.peers.get(event.peer)
        if isinstance(client, Client):
            client.lags = isinstance(event, Lags)
            self._state.laggards.add(client)
            if client.dropped and not client.lags:
                text = (
                    f"{client.dropped} pieces of output were dropped, as this client read more "
                    "slowly than its tasks wrote"
                )
                client.line.say(Notice(text))
                client.dropped = 0

    def drops(self, client: Client, message: Message) -> bool:
        """Tell whether a client that lags behind is not told this: what its tasks print or show."""
        dropped = isinstance(message, Output) or (
            isinstance(message, News) and message.topic == "display"
        )
        client.dropped += dropped
        return dropped

    @property
    def deadline(self) -> float | None:
        """When `go_on` has something to do although nothing has happened; None if never."""
        laggards = self._state.laggards
        waiting = any(client.owed and not client.lags for client in laggards)
        return self._state.now if waiting and len(self._asked) < MOST_ASKED else None

    def go_on(self) -> None:
        """Tell clients that have caught up a share of what they are owed."""
        for client in sorted(self._state.laggards, key=lambda client: client.id):
            if client.lags:
                continue
            nbytes = 0
            while client.owed and nbytes < SHARE and len(self._asked) < MOST_ASKED:
                task, page = client.owed.popleft()
                outcome = self._state.outcome(task)
                if outcome is None:
                    self._ask(client, task, page)
                else:
                    nbytes += payload_nbytes(outcome.item)
                    self._tell(client, outcome, page)
            if not client.owed:
                self._state.laggards.discard(client)

    def _tell(self, client: Client, outcome: Outcome, page: int) -> None:
        self._ends.tell(client, outcome.item, outcome.frames, outcome.engine)
        self._state.no_longer_owe(outcome.item.id, page)

    def _ask(self, client: Client, task: TaskId, page: int) -> None:
        """Have a page of the journal read."""
        if page not in self._asked:
            self._state.wanted_pages.append(page)
        self._asked.setdefault(page, []).append((client, task))

    def _page(self, number: int, data: Sequence[Frame] | None) -> None:
        """Tell clients the outcomes for which a page was read; None if it could not be."""
        wanted = self._asked.pop(number, [])
        outcomes = {} if data is None else _outcomes_on(data)
        for client, task in wanted:
            if self._state.clients.get(client.id) is not client:
                self._state.no_longer_owe(task, number)
                continue
            outcome = outcomes.get(task)
            if outcome is None:
                text = "its outcome waited for this client on disk, and cannot be read any more"
                failure = encode_failure(Failure("UnknownTask", text, ""))
                outcome = Outcome(ResultItem(task, TaskStatus.LOST, 0.0, 0.0, failure), (), _HUB)
            self._tell(client, outcome, number)


def _outcomes_on(data: Sequence[Frame]) -> dict[TaskId, Outcome]:
    """Read the outcomes on a page."""
    frames = iter(data[1:])
    outcomes: dict[TaskId, Outcome] = {}
    try:
        for record in read_page(data[0]).records:
            if isinstance(record, Ended):
                for item in record.items:
                    outcomes[item.id] = Outcome(item, take_frames(frames, item), record.engine)
            elif isinstance(record, Submitted):
                deque(islice(frames, frames_described(record.message)), maxlen=0)
    except (ProtocolError, StopIteration):
        return outcomes
    return outcomes
