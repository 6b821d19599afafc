import asyncio
import concurrent.futures
import io
import threading
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.tasks import fail
from tests.support.waiting import wait_until


class TestAResult:
    def test_is_a_future_of_the_standard_library(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)

        assert isinstance(result, concurrent.futures.Future)
        assert result.result(10) == 8
        assert (result.done(), result.running(), result.cancelled()) == (True, False, False)
        assert result.exception() is None

    def test_can_be_waited_for_among_others(self, rc: ipp.Client, gate: Gate) -> None:
        quick = rc[0].apply_async(pow, 2, 3)
        slow = rc[1].apply_async(pass_through, gate.path)
        several = rc[2:].map_async(abs, [-1, -2])
        local: concurrent.futures.Future[None] = concurrent.futures.Future()
        local.set_result(None)

        assert concurrent.futures.wait([quick, several], timeout=10).not_done == set()
        done, waiting = concurrent.futures.wait([quick, slow, several, local], timeout=0.0)
        assert (done, waiting) == ({quick, several, local}, {slow})

        gate.open()
        assert concurrent.futures.wait([slow], timeout=10) == ({slow}, set())

    def test_can_be_waited_for_until_the_first_one_is_there(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        slow = rc[1].apply_async(pass_through, gate.path)
        failing = rc[0].apply_async(fail, KeyError)

        for until in (concurrent.futures.FIRST_COMPLETED, concurrent.futures.FIRST_EXCEPTION):
            done, _ = concurrent.futures.wait([slow, failing], timeout=10, return_when=until)
            assert done == {failing}

    def test_comes_out_of_as_completed_in_the_order_of_completion(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        slow = rc[0].apply_async(pass_through, gate.path, "slow")
        quick = rc[1].apply_async(pow, 2, 3)
        values = []

        for result in concurrent.futures.as_completed([slow, quick], timeout=10):
            values.append(result.result())
            gate.open()

        assert values == [8, "slow"]

    def test_is_the_same_whenever_it_is_asked_for(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(list, "ab")

        assert result.get(10) is result.get()
        assert result.get() is result.result()
        assert result[0] is result.get()

    def test_is_not_there_when_the_time_is_up_and_arrives_later(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        result = rc[0].apply_async(pass_through, gate.path, "there")

        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError, match=f"1 of 1 tasks have not ended after {timeout}"):
                result.get(timeout)
            with pytest.raises(TimeoutError):
                result.exception(timeout)
            assert not result.wait(timeout)
        with pytest.raises(ValueError, match="not ready"):
            result.successful()

        gate.open()
        assert result.wait(10)
        assert (result.get(), result.successful(), result.ready()) == ("there", True, True)

    def test_becomes_running(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(pass_through, gate.path)
        behind = rc[0].apply_async(pow, 2, 3)

        wait_until(result.running)

        assert not behind.running()

    def test_of_several_engines_is_a_list(self, rc: ipp.Client) -> None:
        result = rc[[2, 0]].pull("engine_id")

        assert (result.get(10), result[0], result[-1], result[:1]) == ([2, 0], 2, 0, [2])
        assert (len(result), list(result)) == (2, [2, 0])

    def test_of_several_engines_can_be_had_by_engine(self, rc: ipp.Client) -> None:
        assert rc[[2, 0]].apply_async(pow, 2, 3).get_dict(10) == {2: 8, 0: 8}
        assert rc[3].apply_async(pow, 2, 3).get_dict() == {3: 8}

    def test_of_an_engine_that_did_several_cannot_be_had_by_engine(self, rc: ipp.Client) -> None:
        result = rc[[1, 1]].apply_async(pow, 2, 3)

        with pytest.raises(ValueError, match="more than one of the tasks"):
            result.get_dict(10)

    def test_tells_its_state(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc[:2].set_flags(label="fit")
        result = view.apply_async(pass_through, gate.path)

        assert repr(result) == "<AsyncResult fit: 0 of 2 done>"
        gate.open()
        result.get(10)
        assert repr(result) == "<AsyncResult fit: finished>"

    def test_can_be_waited_for_through_the_client(self, rc: ipp.Client, gate: Gate) -> None:
        slow = rc[0].apply_async(pass_through, gate.path)
        quick = rc[1].apply_async(pow, 2, 3)

        assert rc.wait(quick, timeout=10)
        assert not rc.wait([quick, slow], timeout=0.01)
        assert rc.outstanding == set(slow.msg_ids)
        gate.open()
        assert rc.wait(timeout=10)
        assert slow.done()

    def test_shows_a_bar_on_request(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[:].map_async(abs, range(40), label="fit")
        shown = io.StringIO()

        assert result.wait_interactive(interval=0.01, timeout=10, file=shown)

        assert "fit: 100%" in shown.getvalue()
        assert "40/40" in shown.getvalue()
        del gate

    def test_shows_a_bar_until_the_time_is_up(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(pass_through, gate.path)

        assert not result.wait_interactive(interval=0.01, timeout=0.05, file=io.StringIO())


class TestAwaiting:
    def test_gives_the_value(self, rc: ipp.Client) -> None:
        async def ask() -> list[Any]:
            one, many = rc[0].apply_async(pow, 2, 3), rc[:].map_async(abs, [-1, -2])
            return [await one, await many, await asyncio.wrap_future(one)]

        assert asyncio.run(ask()) == [8, [1, 2], 8]

    def test_lets_others_run_meanwhile(self, rc: ipp.Client, gate: Gate) -> None:
        async def open_gate() -> None:
            gate.open()

        async def ask() -> object:
            slow = rc[0].apply_async(pass_through, gate.path, "slow")
            value, _ = await asyncio.gather(asyncio.wrap_future(slow), open_gate())
            return value

        assert asyncio.run(ask()) == "slow"

    def test_raises_the_error(self, rc: ipp.Client) -> None:
        async def ask() -> None:
            await rc[0].apply_async(fail, OSError, 28, "full")

        with pytest.raises(OSError, match="full") as caught:
            asyncio.run(ask())
        assert isinstance(caught.value, ipp.RemoteError)

    @pytest.mark.parametrize(
        "kind", [StopIteration, StopAsyncIteration, KeyboardInterrupt, SystemExit, GeneratorExit]
    )
    def test_raises_what_means_something_to_the_loop_as_a_plain_error(
        self, rc: ipp.Client, kind: type[BaseException]
    ) -> None:
        async def ask() -> object:
            return await rc[0].apply_async(fail, kind, 5)

        with pytest.raises(ipp.RemoteError) as caught:
            asyncio.run(ask())

        assert not isinstance(caught.value, kind)
        assert (caught.value.ename, caught.value.evalue) == (kind.__name__, "5")

    def test_may_end_before_the_task_does(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(pass_through, gate.path, "later")
        wait_until(result.running)

        async def ask() -> object:
            return await asyncio.wait_for(result, 0.01)

        with pytest.raises(TimeoutError):
            asyncio.run(ask())
        gate.open()
        assert result.get(10) == "later"

    def test_what_was_cancelled_is_cancelled_too(self, rc: ipp.Client, gate: Gate) -> None:
        rc[0].apply_async(pass_through, gate.path)
        result = rc[0].apply_async(pow, 2, 3)
        assert result.cancel()

        async def ask() -> object:
            return await result

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(ask())


class TestCallbacks:
    def test_are_called_once_with_the_result(self, rc: ipp.Client, gate: Gate) -> None:
        seen: list[Any] = []
        result = rc[0].apply_async(pass_through, gate.path, 5)

        result.add_done_callback(lambda result: seen.append(result.result()))
        assert seen == []
        gate.open()
        wait_until(lambda: seen)
        result.add_done_callback(lambda result: seen.append(result))

        assert seen == [5, result]

    @pytest.mark.parametrize("receiver", ["foreground", "background"])
    def test_cannot_wait(self, rc: ipp.Client, gate: Gate, tmp_path: Path, receiver: str) -> None:
        other = rc[1].apply_async(pass_through, gate.path)
        queued = rc[1].apply_async(pow, 2, 3)
        calls: list[Any] = [
            other.get,
            other.wait,
            queued.cancel,
            queued.abort,
            rc.queue_status,
        ]
        calls += [lambda: next(iter(other)), lambda: rc.wait_for_engines(9)]
        errors: list[str] = []
        threads: list[threading.Thread] = []

        def try_them(_: object) -> None:
            threads.append(threading.current_thread())
            for call in calls:
                with pytest.raises(RuntimeError) as caught:
                    call()
                errors.append(str(caught.value))

        before = Gate(tmp_path / "before")
        result = rc[0].apply_async(pass_through, before.path)
        result.add_done_callback(try_them)
        if receiver == "foreground":
            opening = threading.Thread(target=open_when_awaited, args=(before, rc))
            opening.start()
            result.get(10)
            opening.join()
        else:
            before.open()
            concurrent.futures.wait([result], timeout=10)

        assert errors == ["a callback must not wait: nothing arrives before it returns"] * 7
        assert (threads == [threading.current_thread()]) is (receiver == "foreground")

    def test_can_submit_more(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        more: list[ipp.AsyncResult] = []

        view.apply_async(pow, 2, 3).add_done_callback(
            lambda result: more.append(view.apply_async(pow, result.result(), 2))
        )
        wait_until(lambda: more)

        assert more[0].get(10) == 64

    def test_that_raise_are_logged_and_disturb_nobody(
        self, rc: ipp.Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[object] = []
        result = rc[0].apply_async(pow, 2, 3)

        result.add_done_callback(lambda _: fail(ValueError, "mistaken"))
        result.add_done_callback(seen.append)
        wait_until(lambda: seen)

        assert "mistaken" in caplog.text
        assert rc[0].apply_async(pow, 2, 3).get(10) == 8

    @pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
    def test_that_want_to_end_the_thread_do_not(
        self, rc: ipp.Client, kind: type[BaseException]
    ) -> None:
        result = rc[0].apply_async(pow, 2, 3)
        result.add_done_callback(lambda _: fail(kind))
        concurrent.futures.wait([result], timeout=10)

        later = rc[0].apply_async(pow, 2, 3)

        assert concurrent.futures.wait([later], timeout=10).done == {later}


def open_when_awaited(gate: Gate, rc: ipp.Client) -> None:
    """Open a gate as soon as another thread receives what comes."""
    wait_until(lambda: rc.connection._foreground.locked())  # noqa: SLF001 - no other sign
    gate.open()
