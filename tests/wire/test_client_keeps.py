"""A client keeps the answers that its tasks need, if nobody else has them; the hub is a script."""

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.protocol.functions import PackedFunction
from ipcluster_ext.protocol.ids import EngineId, TaskId
from ipcluster_ext.protocol.messages import Lack, Release, Results, Submit, Supply
from ipcluster_ext.protocol.parts import Blob, Buffers, ResultItem, TaskItem, TaskSpec
from ipcluster_ext.protocol.status import Kind, TaskStatus
from ipcluster_ext.transport.blobs import BlobStore
from tests.support.waiting import wait_until
from tests.wire.test_client_reunion import Play

SPEC = TaskSpec(Kind.APPLY)
FUNCTION = PackedFunction(b"digest", b"pickle")
LONG = 100_000


@pytest.fixture
def play(folder: Path) -> Iterator[Play]:
    play = Play(folder / "hub.sock")
    yield play
    play.client.close()
    play.die()


def submit(play: Play, *needs: TaskId) -> AsyncResult:
    """Submit one task, together with those that follow closely."""
    answer = AsyncResult(play.client, 1, single=True)
    item = TaskItem(answer.first, b"in", (), needs)
    play.client.submit(SPEC, item, (), FUNCTION, attended=False)
    return answer


def submit_at_once(play: Play, *needs: TaskId) -> AsyncResult:
    """Submit one task in a message of its own."""
    answer = AsyncResult(play.client, 1, single=True)
    play.client.say([Submit(SPEC, [TaskItem(answer.first, b"in", (), needs)])])
    return answer


def outcome(task: TaskId, buffers: Buffers = ()) -> ResultItem:
    return ResultItem(task, TaskStatus.DONE, 1.0, 2.0, b"out", buffers)


def end(play: Play, *outcomes: ResultItem) -> None:
    """Have the client hear of some outcomes."""
    before = len(play.client.pending)
    play.hub.say(Results(EngineId(0), list(outcomes)))
    wait_until(lambda: len(play.client.pending) == before - len(outcomes))


def supplied(play: Play, task: TaskId) -> list[ResultItem]:
    """Return what the client says when the hub lacks an outcome."""
    play.hub.heard.clear()
    play.hub.say(Lack([task]))
    play.hub.hear_until(lambda: any(isinstance(m, Supply) for m in play.hub.heard))
    return next(m.items for m in play.hub.heard if isinstance(m, Supply))


@pytest.mark.parametrize("way", [submit, submit_at_once])
def test_gives_the_hub_what_nobody_else_has(play: Play, way: Callable[..., AsyncResult]) -> None:
    first = way(play)
    needed = first.first
    last = way(play, needed)
    play.hub.hear_until(lambda: any(isinstance(m, Submit) for m in play.hub.heard))
    del first
    end(play, outcome(needed))
    gc.collect()

    kept = supplied(play, needed)
    end(play, outcome(last.first))
    [lost] = supplied(play, needed)

    assert kept == [outcome(needed)]
    assert lost.status is TaskStatus.LOST


def test_says_that_nobody_has_what_lies_in_shared_memory_once_it_is_not_needed(
    play: Play, folder: Path
) -> None:
    blobs = folder / "blobs"
    blobs.mkdir()
    (blobs / "e0x1-1").write_bytes(b"12345")
    first, other = submit(play), submit(play)
    needed = first.first
    last = submit(play, needed)
    play.client.blobs = BlobStore(str(blobs), "c1")
    play.hub.hear_until(lambda: any(isinstance(m, Submit) for m in play.hub.heard))
    answer = weakref.ref(first)
    del first

    end(play, outcome(needed, (Blob("e0x1-1", 5),)))
    end(play, outcome(other.first))
    submit(play)
    gc.collect()
    kept = answer() is not None
    end(play, outcome(last.first))
    wait_until(lambda: answer() is None)
    submit(play)

    play.hub.hear_until(lambda: Release([needed]) in play.hub.heard)
    assert kept


def test_keeps_nothing_for_a_task_that_was_withdrawn(play: Play) -> None:
    first = submit(play)
    last = submit(play, first.first)
    answer = weakref.ref(first)
    play.hub.hear_until(lambda: any(isinstance(m, Submit) for m in play.hub.heard))
    end(play, outcome(first.first))
    del first
    gc.collect()
    kept = answer() is not None

    last.withdraw()

    wait_until(lambda: answer() is None)
    assert kept


def test_of_a_long_chain_keeps_nothing_once_it_is_closed(play: Play) -> None:
    chain = [submit(play)]
    while len(chain) < LONG:
        chain.append(submit(play, chain[-1].first))
    answers = [weakref.ref(answer) for answer in chain]
    del chain
    gc.collect()
    kept = sum(answer() is not None for answer in answers)

    play.client.close()

    wait_until(lambda: all(answer() is None for answer in answers))
    assert kept == LONG
