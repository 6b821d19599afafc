"""What tasks and the hub have to say in between, brought to those whom it concerns."""

import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import TaskId, task_text
from ipcluster_ext.protocol.messages import News
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.blobs import BlobStore

COMM = "comm"
"""The topic of what widgets say; see `client.comms`."""
INPUT = "input"
"""The topic of what tasks ask."""
ITEM = "item"
"""The topic of a stream's items; their values are opened by who reads the stream."""

Take = Callable[[TaskId, str, Any], None]
"""Takes news: of which task, on which topic, and what."""

log = logging.getLogger(__name__)


def tell(take: Take | None, news: News, frames: Iterator[Frame], blobs: BlobStore) -> None:
    """Tell somebody what a task says.

    Of an item of a stream he gets the pickle and its buffers, of everything else the value.

    Parameters
    ----------
    take
        Called with it; None if nobody waits for the task any more.
    news
        What came.
    frames
        The frames of the packet, from those of these news on; its own are consumed.
    blobs
        Where its blobs are.
    """
    like = ResultItem(news.id, TaskStatus.DONE, 0.0, 0.0, news.inline, news.buffers)
    try:
        payload = blobs.collect(like, frames)
        if take is not None:
            value: Any = payload if news.topic == ITEM else load(*payload)
            take(news.id, news.topic, value)
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's code
        log.warning("task %s: its %s is lost: %r", task_text(news.id), news.topic, error)


def show_notice(text: str) -> None:
    """Show a user something that no call of his waits for, as a warning."""
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    except RuntimeWarning:  # made an error, which would end the thread that receives
        log.warning("%s", text)
