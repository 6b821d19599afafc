"""Rules for what running tasks say: who hears it.

Their client does, if it is here. A hub that takes over keeps what is said to clients that have not
come back yet; engines are often here first. A task that asks for something gets an answer in any
case: who is gone cannot give one.
"""

from collections.abc import Iterator, Sequence

from ipcluster_ext.core.assignments import THE_HUB, take_frames
from ipcluster_ext.core.blobs import names_of
from ipcluster_ext.core.engines import Engine
from ipcluster_ext.core.lagging import Lagging
from ipcluster_ext.core.recovered import NOBODY
from ipcluster_ext.core.state import Client, State
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import ClientId, EngineId, TaskId, client_of
from ipcluster_ext.protocol.messages import Glimpse, InputReply, More, News, Output, Started
from ipcluster_ext.protocol.status import TaskStatus

MOST = 10_000
"""So many words are kept for clients that have not come back, in all."""

INPUT = "input"
"""The topic of what tasks ask."""

Word = Output | News | Started


class Talk:
    """Passes on what tasks say.

    Parameters
    ----------
    state
        The hub's tables.
    lagging
        Knows what is not for clients that lag behind.

    Attributes
    ----------
    asking
        The tasks that have asked their clients for something, and their engines; some have ended.
    """

    def __init__(self, state: State, lagging: Lagging) -> None:
        self._state = state
        self._lagging = lagging
        self.asking: dict[TaskId, EngineId] = {}

    def grant(self, client: Client, message: More) -> None:
        """Tell an engine how far a stream was read; one that is not back hears it when it is."""
        task = self._state.tasks.get(message.id)
        if task is None or client_of(task.id) != client.id:
            return
        if task.status is TaskStatus.ASSIGNED and task.engine is not None:
            self._state.engines[task.engine].open_line.say(message)
        elif self._state.recovered.forget_at is not None:
            self._state.recovered.grants[task.id] = message

    def hear(self, engine: Engine, word: Word | Glimpse, frames: Iterator[Frame]) -> None:
        """Pass a word about tasks to their client, if the engine has them; note what it wrote."""
        if isinstance(word, News):
            self._pass_news(engine, word, frames)
            return
        tasks = word.ids if isinstance(word, Started) else [word.id]
        if not tasks or not all(self._has(engine, task) for task in tasks):
            return
        if not isinstance(word, Started):
            engine.has_written(word.id, word.stream, word.text)
        if isinstance(word, Glimpse):
            return  # that is all it is for: the client is told when the task ends
        owner = client_of(tasks[0])
        client = self._state.clients.get(owner)
        if client is None:
            self._keep(owner, word)
        elif not (client.lags and self._lagging.drops(client, word)):
            client.line.say(word)

    def _pass_news(self, engine: Engine, news: News, frames: Iterator[Frame]) -> None:
        """Pass on what a task has to say, its blobs kept until that has arrived."""
        own, owner = take_frames(frames, news), client_of(news.id)
        client = self._state.clients.get(owner)
        if news.topic == INPUT:
            self._heed_question(engine, news)
        dropped = client is not None and client.lags and self._lagging.drops(client, news)
        if dropped or not self._has(engine, news.id):
            self._state.blobs.offer(names_of(news.buffers))
        elif client is None:
            self._keep(owner, news, own)
        else:
            self._tell(client, news, own)

    def _heed_question(self, engine: Engine, news: News) -> None:
        """Note who asks, or say at once that nobody will answer."""
        owner = client_of(news.id)
        if not self._has(engine, news.id):
            self._refuse(engine, news.id, "the task has ended")
        elif owner == THE_HUB:
            self._refuse(engine, news.id, "it prepares an engine, whoever is there at the time")
        else:
            self.asking[news.id] = engine.id

    def answer(self, client: Client, reply: InputReply) -> None:
        """Pass an answer on to the engine whose task asked; to one that is gone nothing is said.

        An engine that is not back asks again when it is.
        """
        engine = self._state.engines.get(self.asking.get(reply.id, NOBODY))
        owns = client_of(reply.id) == client.id
        if owns and engine is not None and engine.line is not None and self._has(engine, reply.id):
            engine.line.say(reply)

    def look(self) -> None:
        """Answer for clients that are gone, and forget who has ended."""
        for task, number in list(self.asking.items()):
            engine = self._state.engines.get(number)
            if engine is None or not self._has(engine, task):
                del self.asking[task]
                if engine is not None:  # a thread of the task may wait for ever
                    self._refuse(engine, task, "the task has ended")
            elif (
                client_of(task) not in self._state.clients
                and self._state.recovered.forget_at is None
            ):
                del self.asking[task]
                self._refuse(engine, task, "the client that submitted the task is gone")

    def _refuse(self, engine: Engine, task: TaskId, reason: str) -> None:
        if engine.line is not None:
            engine.line.say(InputReply(task, 0, reason, "refused"))

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
