"""Rules for values in shared memory when a hub takes over: who needs them, and which nobody does.

The journal does not say what clients have had. So clients say of which values they have the
answers, and whoever made blobs says which ones it was not told to free. A while after the start,
when all who live have said so, those go back that nobody needs.
"""

from collections.abc import Iterable, Iterator, Sequence

from ipcluster_ext.core.assignments import take_frames
from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.recovered import Outcome
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId, client_of, owner_of_blob
from ipcluster_ext.protocol.messages import Holding, Release
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus


class Keeping:
    """Learns what is needed of the time before, and gives back the rest.

    Parameters
    ----------
    state
        The hub's tables.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def deadline(self) -> float | None:
        """When `look` has something to do although nothing has happened; None if never."""
        recovered = self._state.recovered
        is_open = recovered.lent or recovered.let_go or recovered.back
        return recovered.expected if is_open else None

    def heed(self, client: Client, message: Holding | Release, frames: Iterator[Frame]) -> None:
        """Learn of which of its tasks' values a client has the answers, or has them no more."""
        if isinstance(message, Release):
            self._state.store.release(client.id, message.ids)
            self._let_go(client, message.ids)
            return
        for item in message.items:
            own = take_frames(frames, item)
            if client_of(item.id) == client.id and item.status is TaskStatus.DONE:
                self._hold(item, own)

    def _let_go(self, client: Client, tasks: Iterable[TaskId]) -> None:
        """Note that a client has had the outcomes of these tasks, and does not hold them."""
        recovered = self._state.recovered
        if recovered.forget_at is not None:
            recovered.let_go += [task for task in tasks if client_of(task) == client.id]

    def _hold(self, item: ResultItem, frames: Sequence[Frame]) -> None:
        """Keep a value, unless it has gone or its task is not known to have ended."""
        state, gone = self._state, self._state.recovered.gone
        counts = state.blobs.counts if gone else {}
        lost = any(
            name not in counts and (name in gone or owner_of_blob(name) in gone)
            for name in names_of(item.buffers)
        )
        if item.id in state.tasks or lost or state.recovered.is_late:
            state.stale += 1
        else:
            state.store.hold(item, frames)

    def lent(self, owner: str, names: Iterable[str]) -> None:
        """Learn which blobs their maker was not told to free, if a hub before this one made that.

        Parameters
        ----------
        owner
            How the names of the maker's blobs begin.
        names
            The blobs; any of another maker is passed over.
        """
        recovered = self._state.recovered
        if recovered.forget_at is not None:
            recovered.lent += [name for name in names if owner_of_blob(name) == owner]

    def look(self, now: float) -> None:
        """Give back what nobody needs, once nobody is expected any more who may say that he does.

        What a client that is back does not hold, it has had, and dropped: what it waits for it
        was told, and holds since.
        """
        recovered = self._state.recovered
        if now < recovered.expected or not recovered.settled:
            return
        let_go, recovered.let_go = recovered.let_go, []
        back, recovered.back = recovered.back, set()
        if back:
            known = (*recovered.ended, *recovered.claims)
            let_go += [task for task in known if client_of(task) in back]
        for task in let_go:
            if not self._state.store.is_held(task):
                self._drop(task)
        lent, recovered.lent = recovered.lent, []
        if lent:
            counts = self._state.blobs.counts
            recovered.gone.update(name for name in lent if name not in counts)
            self._state.blobs.offer(lent)

    def _drop(self, task: TaskId) -> None:
        """Keep of an outcome in shared memory only that it was one: its client has had it."""
        recovered = self._state.recovered
        outcome = recovered.ended.get(task)
        claim = recovered.claims.get(task)
        if outcome is None and claim is not None and not claim.also:
            outcome = claim.outcome  # its client has no reason to name it any more
        if outcome is not None and names_of(outcome.item.buffers):
            item = outcome.item
            bare = ResultItem(task, item.status, item.started, item.completed, b"")
            recovered.ended[task] = Outcome(bare, (), outcome.engine)
            recovered.claims.pop(task, None)
            self._state.blobs.release(names_of(item.buffers))
            recovered.gone.update(names_of(item.buffers))
            self._state.journal.release(outcome.row)
        self._state.history.strip(task)
