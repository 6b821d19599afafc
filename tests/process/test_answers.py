import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

import ipcluster_ext as ipp
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until


class TestSeveralAnswers:
    def test_can_be_taken_as_they_end(self, rc: ipp.Client, gate: Gate) -> None:
        slow = rc[0].apply_async(pass_through, gate.path, "slow")
        quick = rc[1].apply_async(pow, 2, 3)
        values = []

        for result in ipp.as_completed([slow, quick], timeout=10):
            values.append(result.result())
            gate.open()

        assert values == [8, "slow"]

    def test_can_be_taken_as_they_end_in_an_event_loop(self, rc: ipp.Client, gate: Gate) -> None:
        slow = rc[0].apply_async(pass_through, gate.path, "slow")
        quick = rc[1].apply_async(pow, 2, 3)

        async def take() -> list[object]:
            values = []
            async for result in ipp.as_completed([slow, quick], timeout=10):
                values.append(result.result())
                gate.open()
            return values

        assert asyncio.run(take()) == [8, "slow"]

    def test_can_be_waited_for(self, rc: ipp.Client, gate: Gate) -> None:
        slow = rc[0].apply_async(pass_through, gate.path, "slow")
        quick = rc[1].apply_async(pow, 2, 3)

        assert ipp.wait([slow, quick], return_when="FIRST_COMPLETED") == ({quick}, {slow})
        assert ipp.wait([slow, quick], timeout=0.01).not_done == {slow}
        gate.open()
        assert ipp.wait([slow, quick], timeout=10).done == {slow, quick}

    def test_of_several_clients_can_be_waited_for(self, rc: ipp.Client, gate: Gate) -> None:
        with ipp.Client(rc.connection.name) as other:
            slow = other[0].apply_async(pass_through, gate.path, "slow")
            quick = rc[1].apply_async(pow, 2, 3)
            joined = ipp.AsyncResult.join(slow, quick)
            found = ipp.as_completed([slow, quick, joined], timeout=10)
            assert next(found) is quick
            gate.open()

            assert set(found) == {slow, joined}
            assert joined.get(10) == ["slow", 8]

    def test_by_the_thousand_are_no_burden(self, rc: ipp.Client) -> None:
        view = rc.load_balanced_view()
        results = [view.submit(pow, n, 1) for n in range(2000)]

        done = {result.result() for result in ipp.as_completed(results, timeout=30)}

        assert done == set(range(2000))
        assert len(ipp.wait(results).done) == 2000


class TestAMap:
    def test_can_be_walked_over_in_an_event_loop(self, rc: ipp.Client) -> None:
        async def walk() -> tuple[list[int], int]:
            ticks = 0
            found = []
            async for value in rc.load_balanced_view().map_async(nap, range(20)):
                found.append(value)
                await asyncio.sleep(0)
                ticks += 1
            return found, ticks

        assert asyncio.run(walk()) == (list(range(20)), 20)

    def test_shows_its_progress_in_few_lines_where_nobody_sees_it_move(
        self, rc: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = rc.load_balanced_view().map_async(nap, range(40), label="fit")

        assert result.wait_interactive(interval=0.001, timeout=10)

        lines = capsys.readouterr().err.splitlines()
        assert 1 <= len(lines) <= 4
        assert lines[-1].startswith("fit: 40 of 40 done")

    def test_can_be_split_and_put_together(self, rc: ipp.Client) -> None:
        result = rc[:].map_async(abs, range(-8, 0))

        parts = result.split()

        assert [part.get(10) for part in parts] == [[8, 7], [6, 5], [4, 3], [2, 1]]
        assert [part.engine_id for part in parts] == [0, 1, 2, 3]
        assert ipp.AsyncResult.join(*parts[2:]).get(10) == [[4, 3], [2, 1]]

    def test_fails_at_the_first_error_where_that_is_wanted(
        self, rc: ipp.Client, gate: Gate
    ) -> None:
        items = [(gate.path, 0), (Path("/"), 1)]
        result = rc[:2].map_async(pass_or_fail, items)

        with pytest.raises(KeyError):
            result.get(10, return_when="FIRST_EXCEPTION")

        assert not result.done()
        done, pending = result.wait(10, return_when="FIRST_EXCEPTION")
        assert (len(done), len(pending)) == (1, 1)


class TestOutput:
    def test_is_shown_while_the_task_runs(
        self, rc: ipp.Client, gate: Gate, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = rc[2].apply_async(say_and_wait, gate.path)
        shown: list[str] = []

        def seen() -> str:
            shown.append(capsys.readouterr().out)
            return "".join(shown)

        with result.stream_output():
            wait_until(lambda: "[stdout:2] waiting\n" in seen())
            gate.open()
            result.get(10)
        assert seen() == "[stdout:2] waiting\n[stdout:2] done\n"

    def test_of_cells_is_shown_in_groups(
        self, rc: ipp.Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = rc[:2].execute("print('one'); display(2); 3", silent=False)

        result.display_outputs()

        assert capsys.readouterr().out.splitlines() == [
            "[stdout:0-1] one", "[output:0-1] 2", "Out[0-1:1]: 3",
        ]  # fmt: skip
        assert result.execute_input == ["print('one'); display(2); 3"] * 2


class TestStopping:
    def test_a_task_that_runs_interrupts_it(self, rc: ipp.Client, gate: Gate) -> None:
        result = rc[0].apply_async(pass_through, gate.path)
        behind = rc[0].apply_async(pow, 2, 3)
        wait_until(result.running)

        assert result.interrupt() == result.msg_ids

        error: Any = result.exception(10)
        assert error.ename == "KeyboardInterrupt"
        assert behind.get(10) == 8


def nap(number: int) -> int:
    """Take a moment."""
    time.sleep(0.001)
    return number


def pass_or_fail(item: tuple[Path, int]) -> object:
    """Wait at a gate, or fail."""
    if item[1]:
        raise KeyError(item[1])
    return pass_through(item[0])


def say_and_wait(gate: Path) -> None:
    """Write, wait, write."""
    print("waiting")  # noqa: T201 - the output is what is looked at
    pass_through(gate)
    print("done")  # noqa: T201 - as above
