import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.notebooks import cell
from tests.support.tasks import error_of
from tests.support.waiting import wait_until


async def meet(folder: Path, number: int, others: int) -> int:
    """Wait until so many others are here, on whichever engine."""
    await asyncio.to_thread((folder / f"{number}").touch)
    while len(await asyncio.to_thread(os.listdir, folder)) < others:  # noqa: ASYNC110 - in other processes, too
        await asyncio.sleep(0.005)
    return number


async def sleep(begun: Path, seconds: float = 1000.0) -> str:
    """Wait, and tell what ended that."""
    await asyncio.to_thread(begun.touch)
    try:
        await asyncio.sleep(seconds)
    except ipp.SoftTimeLimit as error:
        return str(error)
    return "slept"


async def block(begun: Path) -> None:
    """Do what no coroutine should."""
    await asyncio.to_thread(begun.touch)
    time.sleep(1000)  # noqa: ASYNC251


async def swallow(begun: Path) -> None:
    """Go on whatever is raised."""
    await asyncio.to_thread(begun.touch)
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(1000)


async def speak(name: str, times: int) -> str:
    """Write and publish, taking turns with others."""
    for number in range(times):
        sys.stdout.write(name)
        ipp.publish(**{name: number})
        await asyncio.sleep(0)
    return name


async def fail_at(number: int, bad: int) -> int:
    await asyncio.sleep(0)
    if number == bad:
        raise ZeroDivisionError(number)
    return number


async def whose() -> tuple[Any, str]:
    """Tell the task's id, as the coroutine and a thread it starts see it."""
    await asyncio.sleep(0)
    inner = await asyncio.to_thread(ipp.current_task)
    assert inner is not None
    return ipp.current_task(), inner.id


async def die() -> None:
    await asyncio.sleep(0)
    os._exit(3)


async def submit_more(count: int) -> int:
    """Submit tasks from a coroutine, and await them."""
    view = ipp.get_client().load_balanced_view()
    return sum(await asyncio.gather(*(view.submit(abs, -n) for n in range(count))))


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    return tmp_path / "begun"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


class TestMany:
    def test_are_awaited_at_once(self, rc: ipp.Client, folder: Path) -> None:
        view = rc.load_balanced_view()

        met = view.map_async(meet, [folder] * 200, range(200), [200] * 200)

        assert met.get(20) == list(range(200))

    def test_of_one_chunk_are_awaited_at_once(self, rc: ipp.Client, folder: Path) -> None:
        view = rc.load_balanced_view()

        met = view.map_async(meet, [folder] * 50, range(50), [50] * 50, chunksize=50)

        assert met.get(20) == list(range(50))

    def test_on_all_engines_are_awaited_at_once(self, rc: ipp.Client, folder: Path) -> None:
        view = rc[:]
        meetings = [view.apply_async(meet, folder, n, 3) for n in range(3)]

        assert [meeting.get(20) for meeting in meetings] == [[n] * len(rc) for n in range(3)]

    def test_leave_their_engines_free_for_functions(self, rc: ipp.Client, folder: Path) -> None:
        view = rc.load_balanced_view()
        waiting = view.map_async(meet, [folder] * 20, range(20), [21] * 20)

        assert view.map_async(abs, range(-50, 0)).get(10) == list(range(50, 0, -1))
        (folder / "the last").touch()
        assert waiting.get(20) == list(range(20))

    def test_go_on_while_a_function_runs(self, rc: ipp.Client, folder: Path, gate: Gate) -> None:
        busy = rc[:].apply_async(pass_through, gate.path)
        met = rc.load_balanced_view().map_async(meet, [folder] * 8, range(8), [8] * 8)

        assert met.get(20) == list(range(8))
        gate.open()
        busy.get(10)


class TestOrder:
    def test_on_one_engine_is_that_of_the_submissions(self, rc: ipp.Client) -> None:
        read = cell("async def read(): return value")["read"]

        for number in range(20):
            rc[0].push({"value": number})
            assert rc[0].apply_async(read).get(10) == number

    def test_lets_a_coroutine_assign_globals(self, rc: ipp.Client) -> None:
        code = """
            import asyncio
            value = 0
            async def assign(number):
                global value
                await asyncio.sleep(0)
                value = number
        """
        rc[0].apply_async(cell(code)["assign"], 5).get(10)

        assert rc[0]["value"] == 5


class TestWhatTheySay:
    def test_is_told_apart(self, rc: ipp.Client) -> None:
        results = [rc[0].apply_async(speak, name, 50) for name in ("a", "b", "c")]
        names = [result.get(10) for result in results]

        assert names == ["a", "b", "c"]
        assert [result.stdout for result in results] == ["a" * 50, "b" * 50, "c" * 50]
        assert [result.data for result in results] == [{"a": 49}, {"b": 49}, {"c": 49}]

    def test_is_theirs_on_other_threads_as_well(self, rc: ipp.Client) -> None:
        results = [rc.load_balanced_view().apply_async(whose) for _ in range(10)]

        told = [result.get(10) for result in results]

        assert [(task.id, inner) for task, inner in told] == [
            (result.msg_ids[0], result.msg_ids[0]) for result in results
        ]


class TestErrors:
    def test_are_the_coroutines_own(self, rc: ipp.Client) -> None:
        error = error_of(rc[0].apply_async(fail_at, 3, 3))

        assert isinstance(error, ZeroDivisionError)
        assert isinstance(error, ipp.RemoteError)
        assert "ipcluster_ext" not in error.traceback
        assert "raise ZeroDivisionError(number)" in error.traceback

    def test_of_one_item_fail_its_chunk(self, rc: ipp.Client) -> None:
        result = rc.load_balanced_view().map_async(fail_at, range(5), [3] * 5, chunksize=5)

        assert isinstance(error_of(result), ZeroDivisionError)

    def test_of_one_item_may_stand_among_the_values(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()

        values = view.map_sync(fail_at, range(5), [3] * 5, chunksize=5, return_exceptions=True)

        assert [type(value) for value in values[:3]] == [int, int, int]
        assert isinstance(values[3], ZeroDivisionError)
        assert values[4] == 4

    @pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
    def test_that_direct_a_process_end_nothing_but_the_task(
        self, kind: str, rc: ipp.Client
    ) -> None:
        code = f"""
            import asyncio
            async def leave():
                await asyncio.sleep(0)
                raise {kind}
        """
        before = rc[0].apply_sync(os.getpid)

        error = error_of(rc[0].apply_async(cell(code)["leave"]))

        assert isinstance(error, ipp.RemoteError)
        assert error.ename == kind
        assert rc[0].apply_async(speak, "x", 1).get(10) == "x"
        assert rc[0].apply_sync(os.getpid) == before

    def test_of_what_a_coroutine_starts_do_not_end_the_loop(self, rc: ipp.Client) -> None:
        code = """
            import asyncio
            async def leave():
                raise SystemExit
            async def start():
                await asyncio.wait([asyncio.create_task(leave())])
                return "started"
        """
        assert rc[0].apply_async(cell(code)["start"]).get(10) == "started"
        assert rc[0].apply_async(speak, "x", 1).get(10) == "x"

    def test_that_end_the_engine_are_blamed_on_those_that_had_begun(
        self, rc: ipp.Client, folder: Path, begun: Path
    ) -> None:
        view = rc.load_balanced_view([1])
        waiting = view.apply_async(sleep, begun)
        wait_until(begun.exists)

        died = view.apply_async(die)

        assert isinstance(error_of(died), ipp.EngineLost)
        assert isinstance(error_of(waiting), ipp.EngineLost)
        assert view.apply_async(speak, "x", 1).get(10) == "x"


class TestStopping:
    def test_by_an_interrupt(self, rc: ipp.Client, begun: Path) -> None:
        view = rc.load_balanced_view([0])
        others = [view.apply_async(sleep, begun.with_name(f"{n}"), 0.5) for n in range(3)]
        result = view.apply_async(sleep, begun)
        wait_until(begun.exists)

        result.interrupt()
        error = error_of(result)

        assert (type(error), str(error)) == (ipp.RemoteError, "[engine 0] KeyboardInterrupt")
        assert [other.get(10) for other in others] == ["slept"] * 3

    def test_by_an_interrupt_as_soon_as_it_is_submitted(self, rc: ipp.Client, begun: Path) -> None:
        for number in range(20):
            result = rc.load_balanced_view().apply_async(sleep, begun.with_name(f"{number}"))
            result.interrupt()

            with pytest.raises((ipp.RemoteError, ipp.TaskAborted)):
                result.get(20)

    def test_by_a_time_limit(self, rc: ipp.Client, begun: Path) -> None:
        view = rc.load_balanced_view().options(time_limit=0.2)

        error = error_of(view.apply_async(sleep, begun))

        assert isinstance(error, ipp.TaskTimeout)
        assert isinstance(error, ipp.RemoteError)

    def test_by_a_warning(self, rc: ipp.Client, begun: Path) -> None:
        view = rc.load_balanced_view().options(soft_time_limit=0.1, time_limit=30)

        result = view.apply_async(sleep, begun)

        assert result.get(10) == "the task has taken 0.1 s, its soft time limit"

    @pytest.mark.parametrize("coroutine", [block, swallow])
    def test_by_the_end_of_its_engine_if_it_does_not_listen(
        self, coroutine: Any, rc: ipp.Client, begun: Path
    ) -> None:
        before = rc[2].apply_sync(os.getpid)
        result = rc[2].apply_async(coroutine, begun)
        wait_until(begun.exists)

        result.interrupt(escalate=[0.1, 0.1])

        assert isinstance(error_of(result), ipp.TaskInterrupted)
        assert rc[2].apply_async(os.getpid).get(10) != before


def test_a_coroutine_may_submit_tasks_and_await_them(rc: ipp.Client) -> None:
    results = [rc.load_balanced_view().apply_async(submit_more, 10) for _ in range(10)]

    assert [result.get(20) for result in results] == [45] * 10
