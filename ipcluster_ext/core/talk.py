"""Rules for what running tasks say: who hears it.

Their client does, if it is here. A hub that takes over keeps what is said to clients that have not
come back yet; engines are often here first.
"""

from collections.abc import Iterator, Sequence

from ipcluster_ext.core.assignments import THE_HUB, take_frames
from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.lagging import Lagging
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, TaskId, client_of
from ipcluster_ext.protocol.messages import News, Output, Started

MOST = 10_000
"""So many words are kept for clients that have not come back, in all."""

Word = Output | News | Started


class Talk:
    """Passes on what tasks say.

    Parameters
    ----------
    state
        The hub's tables.
    lagging
        Knows what is not for clients that lag behind.
    """

    def __init__(self, state: State, lagging: Lagging) -> None:
        self._state = state
        self._lagging = lagging

    def pass_on(self, engine: Engine, tasks: Sequence[TaskId], word: Output | Started) -> None:
        """Pass a word about tasks to their client, if the engine has them."""
        if not tasks or not all(self._has(engine, task) for task in tasks):
            return
        owner = client_of(tasks[0])
        client = self._state.clients.get(owner)
        if client is None:
            self._keep(owner, word)
        elif not (client.lags and self._lagging.drops(client, word)):
            client.line.say(word)

    def pass_news(self, engine: Engine, news: News, frames: Iterator[Frame]) -> None:
        """Pass on what a task has to say, its blobs kept until that has arrived."""
        own, owner = take_frames(frames, news), client_of(news.id)
        client = self._state.clients.get(owner)
        dropped = client is not None and client.lags and self._lagging.drops(client, news)
        if dropped or not self._has(engine, news.id):
            self._state.blobs.offer(names_of(news.buffers))
        elif client is None:
            self._keep(owner, news, own)
        else:
            self._tell(client, news, own)

    def _has(self, engine: Engine, task: TaskId) -> bool:
        if task in engine.unfinished:
            return True
        claim = self._state.claims.get(task)
        return claim is not None and claim.engine is engine

    def _tell(self, client: Client, word: Word, frames: Sequence[Frame]) -> None:
        client.line.say(word)
        client.line.frames.extend(frames)
        if isinstance(word, News):
            self._state.keep_until_heard(client, word.buffers)

    def _keep(self, owner: ClientId, word: Word, frames: Sequence[Frame] = ()) -> None:
        """Keep a word for a client that may come back."""
        recovered = self._state.recovered
        names = names_of(word.buffers) if isinstance(word, News) else []
        if recovered.forget_at is None or owner == THE_HUB or len(recovered.words) >= MOST:
            self._state.blobs.offer(names)
            return
        recovered.words.append((owner, word, frames))
        self._state.blobs.hold(names)

    def client_came(self, owner: ClientId) -> None:
        """Tell a client what was said before it came back."""
        recovered, client = self._state.recovered, self._state.clients.get(owner)
        if client is None or not recovered.words:
            return
        kept = [each for each in recovered.words if each[0] != owner]
        for whose, word, frames in recovered.words:
            if whose == owner:
                self._tell(client, word, frames)
                if isinstance(word, News):
                    self._state.blobs.release(names_of(word.buffers))
        recovered.words = kept
