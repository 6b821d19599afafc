"""What tasks and the hub have to say in between, brought to those whom it concerns."""

import logging
import warnings
from collections.abc import Iterator
from typing import Any

from ipcluster_ext.client.pending import Owner
from ipcluster_ext.protocol.buffers import load
from ipcluster_ext.protocol.frames import Frame
from ipcluster_ext.protocol.ids import task_text
from ipcluster_ext.protocol.messages import News
from ipcluster_ext.protocol.parts import ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.blobs import BlobStore

ITEM = "item"
"""The topic of a stream's items; their values are opened by who reads the stream."""

log = logging.getLogger(__name__)


def tell(owner: Owner | None, news: News, frames: Iterator[Frame], blobs: BlobStore) -> None:
    """Tell an owner what one of its tasks says.

    Of an item of a stream it gets the pickle and its buffers, of everything else the value.

    Parameters
    ----------
    owner
        Whom; None if nobody waits for the task any more.
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
        if owner is not None:
            value: Any = payload if news.topic == ITEM else load(*payload)
            owner.note_news(news.id, news.topic, value)
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's code
        log.warning("task %s: its %s is lost: %r", task_text(news.id), news.topic, error)


def show_notice(text: str) -> None:
    """Show a user something that no call of his waits for, as a warning."""
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    except RuntimeWarning:  # made an error, which would end the thread that receives
        log.warning("%s", text)
