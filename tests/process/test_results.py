import asyncio
import concurrent.futures
import io
import os
import pickle
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from ipcluster_ext.client.metadata import Metadata
from tests.support.gates import Gate, pass_through
from tests.support.notebooks import cell
from tests.support.waiting import wait_until


def fail(kind: type[BaseException], *args: object) -> None:
    """Raise, as a task."""
    raise kind(*args)


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

        done, waiting = concurrent.futures.wait([quick, slow, several, local], timeout=0.5)
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
        opened = rc[2].apply_async(open_later, before)
        if receiver == "foreground":
            result.get(10)
        else:
            concurrent.futures.wait([result], timeout=10)

        assert errors == ["a callback must not wait: nothing arrives before it returns"] * 7
        assert (threads == [threading.current_thread()]) is (receiver == "foreground")
        assert opened.get(10) is None

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


def open_later(gate: Gate) -> None:
    """Open a gate, when whoever started this has begun to wait."""
    time.sleep(0.05)
    gate.open()


class TestCancelling:
    def test_what_has_not_begun_keeps_it_from_running(
        self, rc: ipp.Client, gate: Gate, tmp_path: Path
    ) -> None:
        mark = tmp_path / "ran"
        running = rc[0].apply_async(pass_through, gate.path)
        result = rc[0].apply_async(mark.touch)
        called: list[object] = []
        result.add_done_callback(called.append)

        assert result.cancel()

        assert (result.cancelled(), result.done(), result.running()) == (True, True, False)
        assert called == [result]
        for kind in (concurrent.futures.CancelledError, ipp.TaskAborted):
            with pytest.raises(kind, match="cancelled before it began"):
                result.get()
        gate.open()
        assert running.get(10) is None
        assert rc[0].apply_async(pow, 2, 3).get(10) == 8
        assert not mark.exists()

    def test_again_changes_nothing(self, rc: ipp.Client, gate: Gate) -> None:
        rc[0].apply_async(pass_through, gate.path)
        result = rc[0].apply_async(pow, 2, 3)

        assert (result.cancel(), result.cancel()) == (True, True)

    def test_what_no_engine_has_yet_works(self, rc: ipp.Client, gate: Gate) -> None:
        rc[:].apply_async(pass_through, gate.path)
        results = [rc.load_balanced_view().apply_async(pow, 2, n) for n in range(20)]

        assert [result.cancel() for result in results] == [True] * 20
        assert [result.cancelled() for result in results] == [True] * 20

    def test_what_runs_is_refused_and_it_goes_on(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(pass_through, gate.path, "done")
        wait_until(result.running)

        assert not result.cancel()
        gate.open()
        assert result.get(10) == "done"

    def test_what_has_ended_is_refused(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)
        result.get(10)

        assert not result.cancel()
        assert not result.cancelled()

    def test_a_map_of_which_a_part_runs_is_refused_and_changes_nothing(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        view = rc.load_balanced_view()
        result = view.map_async(pass_through, [gate.path] * 20, range(20))
        wait_until(result.running)

        assert not result.cancel()
        gate.open()
        assert result.get(10) == list(range(20))

    def test_what_was_cancelled_gives_a_future_that_others_understand(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        rc[0].apply_async(pass_through, gate.path)
        result = rc[0].apply_async(pow, 2, 3)
        result.cancel()

        assert concurrent.futures.wait([result], timeout=10) == ({result}, set())
        with pytest.raises(ipp.TaskAborted):
            result.exception()
        assert not result.successful()
        assert (result.status, result.state) == ("aborted", "cancelled")


class TestAborting:
    def test_a_half_done_map_leaves_what_is_done(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view(targets=[0])
        items = [(gate.path if n == 3 else Path("/"), n) for n in range(10)]
        result = view.map_async(pass_pair, items)
        wait_until(lambda: result.progress == 3)

        result.abort()

        assert not result.done()
        gate.open()
        with pytest.raises(ipp.CompositeError) as caught:
            result.get(10)
        assert [type(error) for error in caught.value.errors] == [ipp.TaskAborted] * 6
        values = result.get(return_exceptions=True)
        assert values[:4] == [0, 1, 2, 3]
        assert [type(value) for value in values[4:]] == [ipp.TaskAborted] * 6

    def test_what_has_ended_is_refused(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)
        result.get(10)

        with pytest.raises(RuntimeError, match="have ended"):
            result.abort()

    def test_ends_the_iteration_over_what_comes(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view(targets=[0])
        items = [(gate.path if n == 1 else Path("/"), n) for n in range(10)]
        result = view.map_async(pass_pair, items, ordered=False)
        values = iter(result)
        assert next(values) == 0

        result.abort()
        gate.open()

        with pytest.raises(ipp.TaskAborted):
            list(values)


def pass_pair(item: tuple[Path, int]) -> object:
    """Wait at a gate; return the number."""
    return pass_through(*item)


class TestProgress:
    def test_counts_items_and_not_chunks(self, rc: ipp.Client, gate: Gate) -> None:
        view = rc.load_balanced_view(targets=[0])
        items = [(gate.path if n == 7 else Path("/"), n) for n in range(10)]

        result = view.map_async(pass_pair, items, chunksize=3)

        wait_until(lambda: result.progress == 6)
        assert (len(result), result.done()) == (10, False)
        gate.open()
        assert result.get(10) == list(range(10))
        assert result.progress == 10

    def test_counts_items_of_uneven_parts(self, rc: ipp.Client, gate: Gate) -> None:
        items = [(gate.path if n == 0 else Path("/"), n) for n in range(6)]

        result = rc[:].map_async(pass_pair, items)

        wait_until(lambda: result.progress == 4)
        gate.open()
        assert result.get(10) == [0, 1, 2, 3, 4, 5]

    def test_counts_engines_where_each_does_the_same(self, rc: ipp.Client, gate: Gate) -> None:
        blocked = rc[1].apply_async(pass_through, gate.path)
        result = rc[:3].apply_async(pow, 2, 3)

        wait_until(lambda: result.progress == 2)
        gate.open()
        assert result.get(10) == [8, 8, 8]
        assert blocked.get(10) is None


class TestMetadata:
    def test_tells_where_and_when(self, rc: ipp.Client) -> None:
        slack = timedelta(seconds=0.1)
        before = datetime.now(UTC)
        result = rc[2].set_flags(label="fit").apply_async(pow, 2, 3)
        result.get(10)
        after = datetime.now(UTC)

        facts = result.metadata
        assert isinstance(facts, Metadata)
        assert before - slack <= facts.submitted <= facts.received <= after + slack
        assert before - slack <= facts["started"] <= facts["completed"] <= after + slack
        known = ("engine_id", "engine_uuid", "status", "state", "label", "stdout", "error")
        assert {name: facts[name] for name in known} == {
            "engine_id": 2, "engine_uuid": "engine-2", "status": "ok", "state": "done",
            "label": "fit", "stdout": "", "error": None,
        }  # fmt: skip
        assert result.msg_ids == [facts["msg_id"]] == [result.msg_id]

    def test_has_all_of_ipyparallels_fields_as_items_and_attributes(self, rc: ipp.Client) -> None:
        result = rc[2].apply_async(pow, 2, 3)
        result.get(10)

        names = [
            "msg_id", "submitted", "started", "completed", "received", "engine_uuid", "engine_id",
            "follow", "after", "status", "execute_input", "execute_result", "error", "stdout",
            "stderr", "outputs", "data", "label",
        ]  # fmt: skip
        assert [name for name in names if name not in result.metadata] == []
        assert [name for name in names if name not in dir(result)] == []
        assert [name for name in names if getattr(result, name) != result[name]] == []
        assert [name for name in names if name not in dir(result.metadata)] == []

    def test_of_several_tasks_is_a_list(self, rc: ipp.Client) -> None:
        result = rc[[3, 1]].apply_async(pow, 2, 3)
        result.get(10)

        assert result.engine_id == [3, 1]
        assert result["status"] == ["ok", "ok"]
        assert [entry["engine_id"] for entry in result.metadata] == [3, 1]
        assert result.timedelta(result.submitted, result.received) > 0

    def test_is_mostly_empty_before_the_end(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(pass_through, gate.path)

        facts = (result["status"], result.started, result.received, result.stdout, result.error)
        assert facts == (None, None, None, "", None)
        assert result.state in {"queued", "running"}
        wait_until(lambda: result.state == "running")

    def test_tells_that_a_task_failed(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(fail, KeyError)
        result.wait(10)

        assert (result["status"], result.state, result.engine_id) == ("error", "failed", 0)
        assert result.error is result.exception()

    def test_tells_how_long_it_took(self, rc: ipp.Client) -> None:
        result = rc[:2].apply_async(time.sleep, 0.05)
        result.get(10)

        assert 0.1 <= result.serial_time < 0.3
        assert 0.05 <= result.wall_time < 5
        assert result.elapsed == result.elapsed == result.wall_time

    def test_of_an_unknown_name_is_a_key_error(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)

        with pytest.raises(KeyError):
            result["nonsense"]


class TestOutput:
    def test_is_kept_with_the_task(self, rc: ipp.Client) -> None:
        result = rc[:2].apply_async(speak, "é\n")
        result.get(10)

        assert result.stdout == ["out é\n", "out é\n"]
        assert result.stderr == ["err é\n", "err é\n"]

    def test_is_there_when_the_value_is(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        results = [view.apply_async(speak, str(n)) for n in range(100)]

        seen = [(result.get(10), result.stdout)[1] for result in results]

        assert seen == [f"out {n}" for n in range(100)]

    def test_can_be_read_while_the_task_runs(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(speak_and_wait, gate.path)

        wait_until(lambda: result.stdout == "waiting\n")

        assert not result.done()

    def test_of_threads_belongs_to_the_task_that_runs(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(speak_in_a_thread)
        result.get(10)

        assert result.stdout == "from a thread\n"

    def test_before_an_error_is_kept(self, rc: ipp.Client) -> None:
        result = rc[0].execute("print('before')\n1 / 0")

        assert isinstance(result.exception(10), ZeroDivisionError)
        assert result.stdout == "before\n"

    def test_of_a_map_is_kept_by_chunk(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(speak, "abc", chunksize=2)
        result.get(10)

        assert result.stdout == ["out aout b", "out c"]

    def test_may_hold_what_is_no_text(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(speak, "\udc80")
        result.get(10)

        assert result.stdout == "out \\udc80"


def speak(text: str) -> None:
    """Write to both streams."""
    sys.stdout.write(f"out {text}")
    sys.stderr.write(f"err {text}")


def speak_and_wait(gate: Path) -> None:
    """Write, then wait."""
    sys.stdout.write("waiting\n")
    pass_through(gate)


def speak_in_a_thread() -> None:
    """Write from another thread."""
    import threading

    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()


class OddError(Exception):
    """Cannot be made of its own arguments."""

    def __init__(self, place: str, number: int) -> None:
        super().__init__(f"{place} is {number}")
        self.place = place
        self.number = number


class LockedError(Exception):
    """Cannot be pickled."""

    def __init__(self) -> None:
        import threading

        super().__init__("locked")
        self.lock = threading.Lock()


class TestErrors:
    def test_are_of_the_class_that_was_raised_and_remote_errors(self, rc: ipp.Client) -> None:
        for kind in (ZeroDivisionError, ArithmeticError, ipp.RemoteError, ipp.IpclusterError):
            with pytest.raises(kind):
                rc[1].apply_sync(divide, 1, 0)

    def test_tell_where_they_come_from(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.RemoteError) as caught:
            rc[1].apply_sync(divide, 1, 0)

        error = caught.value
        assert (error.ename, error.evalue, error.engine) == (
            "ZeroDivisionError", "division by zero", 1,
        )  # fmt: skip
        assert str(error) == "[engine 1] ZeroDivisionError: division by zero"
        assert error.engine_info == {"engine_id": 1}
        assert "in divide" in error.traceback
        assert "return a / b" in error.traceback
        assert "ipcluster_ext/engine" not in error.traceback
        assert type(error.__cause__) is ZeroDivisionError

    def test_tell_what_caused_them(self, rc: ipp.Client) -> None:
        code = """
            def fail():
                try:
                    {}["a"]
                except KeyError as error:
                    raise RuntimeError("outer") from error
        """
        with pytest.raises(RuntimeError) as caught:
            rc[0].apply_sync(cell(code)["fail"])

        assert isinstance(caught.value, ipp.RemoteError)
        assert "KeyError: 'a'" in caught.value.traceback
        assert "direct cause" in caught.value.traceback

    def test_of_the_system_keep_their_number(self, rc: ipp.Client) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            rc[0].apply_sync(os.stat, "/nowhere/at/all")

        assert (caught.value.errno, caught.value.filename) == (2, "/nowhere/at/all")
        assert caught.value.strerror == "No such file or directory"

    def test_keep_their_arguments_and_attributes(self, rc: ipp.Client) -> None:
        with pytest.raises(KeyError) as missing:
            rc[0].apply_sync(fail, KeyError, "a", 1)
        with pytest.raises(UnicodeDecodeError) as undecoded:
            rc[0].apply_sync(bytes.decode, b"\xff", "utf-8")

        assert missing.value.args == ("a", 1)
        assert (undecoded.value.start, undecoded.value.object) == (0, b"\xff")

    def test_keep_their_notes(self, rc: ipp.Client) -> None:
        code = """
            def fail():
                error = ValueError("x")
                error.add_note("a note")
                raise error
        """
        with pytest.raises(ValueError, match="x") as caught:
            rc[0].apply_sync(cell(code)["fail"])

        assert caught.value.__notes__ == ["a note"]

    def test_of_a_class_with_a_constructor_of_its_own_keep_their_class(
        self, rc: ipp.Client
    ) -> None:
        with pytest.raises(OddError) as caught:
            rc[0].apply_sync(fail, OddError, "here", 3)

        error = caught.value
        assert isinstance(error, ipp.RemoteError)
        assert (error.place, error.number, error.args) == ("here", 3, ("here is 3",))

    def test_of_a_class_of_the_notebook_keep_their_class(self, rc: ipp.Client) -> None:
        names = cell("""
            class Broken(Exception):
                def __init__(self, part, *, cost): super().__init__(part); self.cost = cost
            def fail(): raise Broken("wheel", cost=5)
        """)
        with pytest.raises(names["Broken"]) as caught:
            rc[0].apply_sync(names["fail"])

        assert (caught.value.args, caught.value.cost) == (("wheel",), 5)

    def test_in_groups_can_be_told_apart(self, rc: ipp.Client) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            rc[0].apply_sync(fail_twice)

        assert isinstance(caught.value, ipp.RemoteError)
        assert [type(error) for error in caught.value.exceptions] == [ValueError, OSError]

    def test_that_cannot_be_pickled_are_plain(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.RemoteError) as caught:
            rc[0].apply_sync(fail, LockedError)

        assert (caught.value.ename, caught.value.evalue) == ("LockedError", "locked")
        assert "in fail" in caught.value.traceback

    def test_of_a_class_that_is_unknown_here_are_plain(
        self, rc: ipp.Client, tmp_path: Path
    ) -> None:
        (tmp_path / "only_there.py").write_text("class Unheard(Exception): pass\n")
        rc[0].execute(f"import sys; sys.path.insert(0, {str(tmp_path)!r})", block=True)

        with pytest.raises(ipp.RemoteError) as caught:
            rc[0].execute("import only_there; raise only_there.Unheard('of')", block=True)

        assert (caught.value.ename, caught.value.evalue) == ("Unheard", "of")

    def test_that_say_time_is_up_are_not_mistaken_for_ours(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(fail, TimeoutError, "theirs")

        error = result.exception(10)
        assert isinstance(error, TimeoutError)
        assert isinstance(error, ipp.RemoteError)
        assert str(error) == "[engine 0] TimeoutError: theirs"

    def test_are_the_same_however_they_are_asked_for(self, rc: ipp.Client) -> None:
        for view, count in ((rc[0], 1), (rc[:2], 2)):
            result = view.apply_async(divide, 1, 0)
            with pytest.raises(ipp.RemoteError) as first:
                result.get(10)
            with pytest.raises(ipp.RemoteError) as second:
                result.result(10)

            assert first.value is second.value
            assert result.exception() is first.value
            assert len(getattr(first.value, "errors", [1])) == count

    def test_can_be_pickled(self, rc: ipp.Client) -> None:
        for kind, args in (
            (ZeroDivisionError, ("x",)), (OSError, (28, "full")), (OddError, ("here", 3)),
            (LockedError, ()), (KeyboardInterrupt, ()),
        ):  # fmt: skip
            error = rc[0].apply_async(fail, kind, *args).exception(10)
            assert isinstance(error, ipp.RemoteError)

            copy = pickle.loads(pickle.dumps(error))

            assert type(copy) is type(error)
            assert str(copy) == str(error)
            assert (copy.args, copy.traceback) == (error.args, error.traceback)

    def test_can_be_sent_to_an_engine_and_back(self, rc: ipp.Client) -> None:
        error = rc[0].apply_async(fail, OddError, "here", 3).exception(10)
        several = rc[:2].apply_async(divide, 1, 0).exception(10)

        back, both = rc[1].apply_async(lambda *all: all, error, several).get(10)

        assert isinstance(back, OddError)
        assert (back.place, str(back)) == ("here", str(error))
        assert isinstance(both, ipp.CompositeError)
        assert [getattr(error, "engine", None) for error in both.errors] == [0, 1]

    def test_raised_again_on_another_engine_are_of_their_class(self, rc: ipp.Client) -> None:
        error = rc[0].apply_async(divide, 1, 0).exception(10)

        again = rc[1].apply_async(reraise, error).exception(10)

        assert isinstance(again, ZeroDivisionError)
        assert getattr(again, "engine", None) == 1

    def test_of_several_engines_are_collected(self, rc: ipp.Client) -> None:
        with pytest.raises(ipp.CompositeError) as caught:
            rc[:].set_flags(label="fit").apply_sync(divide, 1, 0)

        error = caught.value
        assert [getattr(each, "engine", None) for each in error.errors] == [0, 1, 2, 3]
        assert {type(each).__name__ for each in error.errors} == {"ZeroDivisionError"}
        assert str(error).splitlines() == [
            "fit: 4 failed", "  [engines 0-3] ZeroDivisionError: division by zero",
        ]  # fmt: skip
        with pytest.raises(ZeroDivisionError, match="engine 2"):
            error.raise_exception(2)

    def test_of_one_engine_among_several_are_raised_as_they_are(self, rc: ipp.Client) -> None:
        with pytest.raises(ZeroDivisionError, match="engine 2"):
            rc[:].execute("1 / (engine_id - 2)", block=True)

    def test_stand_among_the_values_if_asked(self, rc: ipp.Client) -> None:
        result = rc[:].execute("1 / (engine_id - 2)")

        values = result.get(10, return_exceptions=True)

        assert [type(value).__name__ for value in values] == [
            "NoneType", "NoneType", "ZeroDivisionError", "NoneType",
        ]  # fmt: skip

    def test_while_waiting_are_not_mistaken_for_the_tasks(self, rc: ipp.Client) -> None:
        result = rc[0].apply_async(pow, 2, 3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(result.connection, "attend", lambda *_: fail(KeyboardInterrupt))

            with pytest.raises(KeyboardInterrupt):
                result.exception(10)


def divide(a: int, b: int) -> float:
    """Return a / b."""
    return a / b


def fail_twice() -> None:
    """Raise a group."""
    raise ExceptionGroup("two", [ValueError("x"), OSError(5, "y")])


def reraise(error: BaseException) -> None:
    """Raise an exception that came as an argument."""
    raise error


class TestAChunkThatFailed:
    def test_keeps_what_was_computed_before(self, rc: ipp.Client) -> None:
        for result in (
            rc.load_balanced_view().map_async(invert, range(-2, 4), chunksize=4),
            rc[:2].map_async(lambda x, y: invert(x) + y, range(-2, 4), [0] * 6),
        ):
            values = result.get(10, return_exceptions=True)

            assert values[:2] == [-0.5, -1.0]
            kinds = [type(value).__name__ for value in values[2:]]
            split = kinds.index("float")
            assert kinds[:split] == ["ZeroDivisionError", *["TaskAborted"] * (split - 1)]
            with pytest.raises(ZeroDivisionError) as caught:
                result.get()
            assert caught.value.__notes__ == ["raised for item 2 of the map"]
            error: Any = caught.value
            assert error.traceback.count("in invert") == 1
            assert "ipcluster_ext/engine" not in error.traceback

    def test_is_tried_again_from_the_item_that_failed(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(invert, range(-2, 4), chunksize=4)
        result.wait(10)

        whole = result.retry_failed(lambda x: 1 / x if x else None)

        assert whole.get(10) == [-0.5, -1.0, None, 1.0, 0.5, 1 / 3]
        again: Any = next(source for source, _ in whole.sources if source is not result)
        assert len(again) == 2

    def test_that_raises_stop_iteration_is_not_cut_short(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(next, [iter([1]), iter([])], chunksize=2)

        with pytest.raises(ipp.RemoteError) as caught:
            result.get(10)
        assert caught.value.ename == "StopIteration"

    def test_of_large_values_has_its_error_in_their_place(self, rc: ipp.Client) -> None:
        result = rc[0].map_async(lambda x: bytes(2**21) if x else 1 / x, [1, 0])

        found = result.get(10, return_exceptions=True)

        assert [type(value).__name__ for value in found] == ["ZeroDivisionError"] * 2


def invert(number: int) -> float:
    """Return 1 / number."""
    return 1 / number
