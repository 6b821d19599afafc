from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ipcluster_ext.engine.resolver import MARK, Resolver
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol import standins
from ipcluster_ext.protocol.buffers import dump
from ipcluster_ext.protocol.ids import TaskId
from ipcluster_ext.protocol.parts import Blob, ResultItem
from ipcluster_ext.protocol.status import TaskStatus
from ipcluster_ext.transport.blobs import BlobStore, Body

LIMIT = 50_000


class Answer:
    """Stands for the value of a task."""

    def __init__(self, task: int) -> None:
        self.task = TaskId(task)

    def __reduce__(self) -> tuple[object, ...]:
        return standins.value_of, (self.task,)


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[BlobStore]:
    blobs = BlobStore(str(tmp_path), "e0x1", limit=LIMIT)
    yield blobs
    blobs.trim(everything=True)


@pytest.fixture
def resolver(blobs: BlobStore) -> Resolver:
    return Resolver({"a": 5, "words": ["x", "y"]}, blobs)


def outcome(task: int, body: Body) -> ResultItem:
    return ResultItem(TaskId(task), TaskStatus.DONE, 0.0, 0.0, body.inline, body.buffers)


def bring(resolver: Resolver, blobs: BlobStore, task: int, value: object) -> None:
    """Have a value come from the hub."""
    body = blobs.place(dump(value), shared=True)
    resolver.keep([outcome(task, body)], iter(body.frames))


def loaded(resolver: Resolver, value: object) -> object:
    """Send a value through a pickle."""
    stream, buffers = dump(value)
    assert MARK in stream
    return resolver.load(stream, buffers)


class TestValues:
    def test_that_come_twice_are_kept_once(self, resolver: Resolver, blobs: BlobStore) -> None:
        value = np.arange(LIMIT)
        bring(resolver, blobs, 7, value)
        bring(resolver, blobs, 7, value)

        taken = resolver.value(TaskId(7))
        assert isinstance(taken, np.ndarray)
        assert taken.sum() == value.sum()
        resolver.forget([TaskId(7)])
        with pytest.raises(ProtocolError):
            resolver.value(TaskId(7))

    def test_that_did_not_come_whole_may_come_again(
        self, resolver: Resolver, blobs: BlobStore
    ) -> None:
        resolver.keep([outcome(7, Body(b"", (Blob("e0x1-999", 10),), []))], iter([]))
        bring(resolver, blobs, 7, "whole")

        assert resolver.value(TaskId(7)) == "whole"

    def test_that_no_task_needs_are_dropped(self, resolver: Resolver, blobs: BlobStore) -> None:
        for task in (7, 8, 9):
            bring(resolver, blobs, task, task)

        resolver.keep_only([TaskId(8)])

        assert resolver.value(TaskId(8)) == 8
        for task in (7, 9):
            with pytest.raises(ProtocolError):
                resolver.value(TaskId(task))

    def test_stand_wherever_they_are_inside_an_argument(
        self, resolver: Resolver, blobs: BlobStore
    ) -> None:
        bring(resolver, blobs, 7, "seven")

        assert loaded(resolver, {"deep": [Answer(7), 1]}) == {"deep": ["seven", 1]}

    @pytest.mark.parametrize("nbytes", [10, LIMIT - 1, LIMIT])
    def test_are_made_anew_for_each_caller(
        self, nbytes: int, resolver: Resolver, blobs: BlobStore
    ) -> None:
        bring(resolver, blobs, 7, np.ones(nbytes, np.uint8))

        first = resolver.value(TaskId(7))
        first[:] = 0

        assert resolver.value(TaskId(7)).sum() == nbytes

    def test_that_were_not_sent_are_named(self, resolver: Resolver) -> None:
        with pytest.raises(ProtocolError, match="the value of task 00000000-7 was not sent"):
            loaded(resolver, Answer(7))

    def test_that_were_forgotten_are_gone(self, resolver: Resolver, blobs: BlobStore) -> None:
        bring(resolver, blobs, 7, "seven")

        resolver.forget([TaskId(7), TaskId(8)])

        with pytest.raises(ProtocolError):
            resolver.value(TaskId(7))

    def test_that_came_damaged_fail_whoever_needs_them(
        self, resolver: Resolver, blobs: BlobStore
    ) -> None:
        resolver.keep([outcome(7, Body(b"", (Blob("e0x1-99", LIMIT),), []))], iter(()))
        bring(resolver, blobs, 8, "eight")

        assert resolver.value(TaskId(8)) == "eight"
        with pytest.raises(ProtocolError, match="blob e0x1-99 cannot be read"):
            resolver.value(TaskId(7))


class TestNames:
    @pytest.mark.parametrize(
        ("name", "value"), [("a", 5), ("words[1]", "y"), ("a + len(words)", 7)]
    )
    def test_mean_what_they_mean_in_the_namespace(
        self, name: str, value: object, resolver: Resolver
    ) -> None:
        assert loaded(resolver, [standins.Reference(name)]) == [value]

    def test_that_mean_nothing_raise(self, resolver: Resolver) -> None:
        with pytest.raises(NameError, match="nowhere"):
            resolver.name("nowhere")

    def test_that_are_no_expressions_raise(self, resolver: Resolver) -> None:
        with pytest.raises(SyntaxError):
            resolver.name("b = 1")
