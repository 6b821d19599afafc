"""Every public name in use, under mypy's strict rules, as a typed program would use it."""

import asyncio
import concurrent.futures
import operator
import signal
from collections.abc import Iterator
from typing import assert_type

import ipcluster_ext as ipp


def square(x: int) -> int:
    return x * x


def count(up_to: int) -> Iterator[int]:
    yield from range(up_to)


async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x


def reporting(xs: list[int]) -> int:
    total = 0
    for x in ipp.progress(xs, label="adding"):
        total += x
        ipp.publish(total=total)
    return total


def nested(x: int) -> int:
    view = ipp.get_client().load_balanced_view()
    answer: int = view.submit(square, x).get()
    return answer


def use_clients(rc: ipp.Client) -> None:
    engines: list[int] = list(rc.ids)
    assert engines == [0, 1]
    assert_type(rc[0], ipp.DirectView)
    assert [view.targets for view in rc] == [0, 1]
    rc.wait_for_engines(2, timeout=10)
    answer = rc[:].apply_async(square, 3)
    assert rc.wait(answer, timeout=10)
    assert rc.get_result(answer.msg_ids, owner=False).get() == [9, 9]
    assert rc.queue_status()["unassigned"] == 0
    assert rc.result_status(answer.msg_ids)["pending"] == []
    assert set(answer.msg_ids) <= set(rc.hub_history())
    assert len(rc.db_query({"msg_id": {"$in": answer.msg_ids}})) == 2
    assert rc.resubmit(answer.msg_ids[0]).get(10) is not None
    labelled = rc.load_balanced_view().map_async(square, range(3), label="fit-1")
    labelled.get(10)
    assert len(rc.history(label="fit*")) == 3
    assert set(rc.versions()) >= {"client", "hub", "engines"}
    rc.on_engine_start(operator.setitem, {}, "ready", 1)
    rc.send_signal(signal.SIGCONT, targets=[0], block=True)
    rc.clear(block=True)
    rc.purge_results(answer.msg_ids)
    rc.purge_everything()


def use_direct_views(rc: ipp.Client) -> None:
    dv = rc.direct_view("all")
    with dv.temp_flags(block=True):
        assert dv.apply(square, 2) == [4, 4]
    assert dv.apply_sync(square, 2) == [4, 4]
    assert dv.map_sync(square, range(4)) == [0, 1, 4, 9]
    assert list(dv.imap(square, range(4))) == [0, 1, 4, 9]
    dv.push({"a": 1}, block=True)
    dv["b"] = 2
    assert dv.pull(["a", "b"], block=True) == [[1, 2], [1, 2]]
    assert dv["a"] == [1, 1]
    dv.execute("c = a + b", block=True)
    assert dv.apply_sync(square, ipp.Reference("c")) == [9, 9]
    dv.scatter("part", [1, 2, 3, 4], block=True)
    assert dv.gather("part", block=True) == [1, 2, 3, 4]
    with dv.sync_imports(quiet=True):
        import colorsys
    assert colorsys.__name__ == "colorsys"
    assert rc.load_balanced_view().submit(square, rc[0].ref("c")).get(10) == 9
    replies = dv.execute("a", silent=False, block=True)
    assert all(isinstance(reply, ipp.ExecuteReply) for reply in replies)
    broadcast: ipp.BroadcastView = rc.broadcast_view()
    assert broadcast.apply_sync(square, 2) == [4, 4]


def use_balanced_views(rc: ipp.Client) -> None:
    lv = rc.load_balanced_view()
    first = lv.submit(square, 3)
    assert_type(first, ipp.AsyncResult)
    second = lv.submit(operator.add, first, first.remote())
    assert second.get(10) == 18
    mapped: ipp.AsyncMapResult = lv.map_async(square, range(5), chunksize=2)
    assert list(mapped) == [0, 1, 4, 9, 16]
    lazily: ipp.LazyMapIterator = lv.imap(square, range(5), max_outstanding=2)
    assert list(lazily) == [0, 1, 4, 9, 16]
    stream: ipp.AsyncStream = lv.stream(count, 4)
    assert list(stream) == [0, 1, 2, 3]
    again = ipp.Retry(3, on=(OSError,), backoff=0.01, max_backoff=0.1, jitter=0.5)
    patient = lv.options(
        retries=again, time_limit=60, soft_time_limit=30, expires=60, priority=1, label="opted"
    )
    assert patient.submit(square, 2).get(10) == 4
    assert lv.options(key="once").submit(square, 2).get(10) == 4
    with lv.options(after=[first], follow=first, timeout=10):
        assert lv.submit(square, 4).get(10) == 16
    ended = ipp.Dependency([first], all=True, success=True, failure=False)
    assert lv.options(after=ended).submit(square, 5).get(10) == 25
    assert [lv.submit(later, x) for x in range(3)][2].get(10) == 2
    reported = lv.submit(reporting, [1, 2, 3])
    assert (reported.get(10), reported.data) == (6, {"total": 6})
    assert lv.submit(nested, 6).get(10) == 36


def use_answers(rc: ipp.Client) -> None:
    lv = rc.load_balanced_view()
    answers = [lv.submit(square, x) for x in range(3)]
    assert sorted(answer.result() for answer in ipp.as_completed(answers)) == [0, 1, 4]
    done, pending = ipp.wait(answers, timeout=10)
    assert (len(done), len(pending)) == (3, 0)
    assert concurrent.futures.wait(answers).not_done == set()
    failing = lv.map_async(divmod, [1, 1], [1, 0])
    assert failing.wait(10)
    assert isinstance(failing.exception(), (ipp.RemoteError, ipp.CompositeError))
    assert isinstance(failing.exception(), ZeroDivisionError)
    assert failing.retry_failed(fn=max).get(10) == [(1, 0), 1]
    answer = rc[:].apply_async(square, 2)
    assert answer.get_dict(10) == {0: 4, 1: 4}
    assert isinstance(rc[0].apply_async(square, 2).metadata, ipp.Metadata)
    assert answer.join(*answer.split()).get(10) == [4, 4]
    sleeping = lv.submit(signal.pause)
    sleeping.interrupt()
    assert sleeping.wait(10)


async def use_loops(rc: ipp.Client) -> None:
    lv = rc.load_balanced_view()
    assert await lv.submit(square, 2) == 4
    assert [value async for value in lv.map_async(square, range(3))] == [0, 1, 4]
    answers = [lv.submit(square, x) for x in range(3)]
    assert sorted([answer.result() async for answer in ipp.as_completed(answers)]) == [0, 1, 4]


def use_functions(rc: ipp.Client) -> None:
    remote_square = ipp.remote(rc[:], block=True)(square)
    assert remote_square(3) == [9, 9]
    parallel_squares = ipp.parallel(rc[:], block=True)(square)
    assert parallel_squares.map(range(3)) == [0, 1, 4]
    lv = rc.load_balanced_view()
    assert lv.apply_sync(ipp.require("colorsys")(square), 2) == 4
    assert lv.apply_sync(ipp.depend(operator.gt, 2, 1)(square), 2) == 4
    assert lv.apply_sync(ipp.dependent(square, operator.gt, 2, 1), 2) == 4
    assert lv.apply_sync(ipp.interactive(square), 2) == 4
    executor: ipp.Executor = rc.executor()
    with executor as pool:
        assert list(pool.map(square, range(3), chunksize=2, timeout=10)) == [0, 1, 4]
        assert pool.submit(square, 2).result(10) == 4
    assert [len(ipp.Map().getPartition(range(4), q, 2)) for q in range(2)] == [2, 2]
