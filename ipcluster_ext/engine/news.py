"""What running tasks have to say before they end, on its way to their clients."""

import threading
import time
from collections.abc import Callable, Sequence

from ipcluster_ext.engine.timer import Timer
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import News
from ipcluster_ext.transport.blobs import Body

Say = Callable[[Sequence[News], Sequence[Frame]], None]

GATHER = 0.002
"""For so long, in seconds, what follows closely is gathered."""
MOST = 256
MOST_NBYTES = 1024 * 1024


class Newsroom:
    """Sends news in order: at once after a while of silence, else together with what follows.

    Parameters
    ----------
    say
        Sends messages with their frames.
    timer
        Tells when those that wait have waited long enough.

    Attributes
    ----------
    pending
        Whether some wait, or something is left over for a task to say.
    left_over
        Tells, as a task ends, what was left over for its client; returns whether anything is
        left for others.
    """

    def __init__(
        self, say: Callable[[Sequence[News], Sequence[Frame]], None], timer: Timer
    ) -> None:
        self._say = say
        self._timer = timer
        self._lock = threading.Lock()
        self._news: list[News] = []
        self._frames: list[Frame] = []
        self._nbytes = 0
        self._said_at = 0.0
        self.pending = False
        self.left_over: Callable[[], bool] | None = None
        self._expecting = False

    def expect_end(self) -> None:
        """Have the end of the next task be a moment to tell what is left over."""
        self.pending = self._expecting = True

    def end_task(self) -> None:
        """Send what waits, as the calling task ends, with what is left over for its client."""
        self.flush()
        if self._expecting and self.left_over is not None:
            self._expecting = self.left_over()
            self.flush()

    def tell(self, task: TaskId, topic: str, body: Body) -> None:
        """Send a piece of news, now or in a moment, from any thread."""
        with self._lock:
            self._news.append(News(task, topic, body.inline, body.buffers))
            self._frames.extend(body.frames)
            self._nbytes += len(body.inline) + sum(map(len, body.frames))
            self.pending = True
            full = len(self._news) >= MOST or self._nbytes >= MOST_NBYTES
            first = len(self._news) == 1
        now = time.monotonic()
        if full or now - self._said_at >= GATHER:
            self.flush()
        elif first:
            self._timer.set(self, now + GATHER, self.flush)

    def flush(self) -> None:
        """Send what waits; to be called before a task that has said something ends."""
        with self._lock:
            if self._news:
                self._say(self._news, self._frames)
                self._news, self._frames, self._nbytes = [], [], 0
                self._said_at = time.monotonic()
            self.pending = self._expecting
