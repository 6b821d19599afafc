"""What tasks say in between reaches their owners, and nothing of it ends the conversation."""

import warnings
from collections.abc import Sequence
from typing import Any

import pytest

from ipcluster_ext.client.news import show_notice, tell
from ipcluster_ext.client.pending import Outcome
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.messages import News
from ipcluster_ext.transport.blobs import BlobStore

TASK = TaskId(1)


class Owner:
    """Somebody whose task says something."""

    def __init__(self) -> None:
        self.news: list[tuple[TaskId, str, Any]] = []

    def deliver(self, outcomes: Sequence[Outcome]) -> None: ...

    def note_started(self, task: TaskId) -> None: ...

    def note_output(self, task: TaskId, stream: str, text: str) -> None: ...

    def note_news(self, task: TaskId, topic: str, value: Any) -> None:
        if topic == "unwelcome":
            raise TypeError(value)
        self.news.append((task, topic, value))

    def outcome(self, task: TaskId) -> Outcome | None: ...

    def fail(self, error: Exception) -> None: ...


@pytest.fixture
def owner() -> Owner:
    return Owner()


def say(owner: Owner | None, topic: str, inline: bytes, *frames: bytes) -> None:
    news = News(TASK, topic, inline, tuple(len(frame) for frame in frames))
    take = None if owner is None else owner.note_news
    tell(take, news, iter(frames), BlobStore("", "c1"))


def test_values_are_opened(owner: Owner) -> None:
    say(owner, "data", dump({"loss": 0.5}).stream)

    assert owner.news == [(TASK, "data", {"loss": 0.5})]


def test_items_of_streams_are_left_as_they_came(owner: Owner) -> None:
    say(owner, "item", b"pickled", b"buffer")

    assert owner.news == [(TASK, "item", (b"pickled", [b"buffer"]))]


def test_the_frames_of_news_that_nobody_waits_for_are_taken_nevertheless() -> None:
    frames = iter([b"abc", b"next"])

    tell(None, News(TASK, "data", b"", (3,)), frames, BlobStore("", "c1"))

    assert list(frames) == [b"next"]


@pytest.mark.parametrize(
    ("topic", "inline"), [("data", b"no pickle"), ("unwelcome", dump("text").stream)]
)
def test_what_cannot_be_told_is_logged(
    topic: str, inline: bytes, owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    say(owner, topic, inline)

    assert owner.news == []
    assert f"its {topic} is lost" in caplog.text


def test_notices_are_warnings() -> None:
    with pytest.warns(RuntimeWarning, match="an engine failed"):
        show_notice("an engine failed")


def test_notices_are_logged_where_warnings_are_errors(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        show_notice("an engine failed")

    assert "an engine failed" in caplog.text
