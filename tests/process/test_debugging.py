"""Debuggers whose user is at a client, and whose frames are on an engine."""

import os
import pdb
import signal
import sys
from collections.abc import Iterator

import pytest

import ipcluster_ext as ipp
from tests.support.clusters import Started
from tests.support.notebooks import cell
from tests.support.waiting import wait_until

WITHIN = 20.0
Said = str | BaseException


class Human:
    """Types commands, and remembers the prompts."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.types: list[Said] = []

    def __call__(self, prompt: str, password: bool) -> str:
        del password
        self.prompts.append(prompt)
        said = self.types.pop(0)
        if isinstance(said, BaseException):
            raise said
        return said


@pytest.fixture
def human(rc: ipp.Client) -> Iterator[Human]:
    """Have somebody type."""
    human = Human()
    rc.ask = human
    yield human
    rc.ask = None
    assert human.types == []


def outer(x: int) -> float:
    kind = "outer"
    return inner(x) + len(kind)


def inner(divisor: int) -> float:
    kind = "inner"
    return len(kind) / divisor


def stops(x: int) -> int:
    breakpoint()
    x = x + 1
    return x  # noqa: RET504 - lines to step over


def stops_as_before(x: int) -> int:
    pdb.set_trace()
    return x


Capture = pytest.CaptureFixture[str]


def lines(capture: Capture) -> list[str]:
    """Return what was shown, without the blank lines."""
    return [line for line in capture.readouterr().out.splitlines() if line.strip()]


class TestPostMortem:
    def test_looks_at_the_variables_of_the_frame_that_failed(
        self, rc: ipp.Client, human: Human, capsys: Capture
    ) -> None:
        human.types = ["p kind", "up", "p kind", "q"]

        rc[0].apply_async(outer, 0).debug()

        shown = lines(capsys)
        assert [line for line in shown if line in {"'inner'", "'outer'"}] == ["'inner'", "'outer'"]
        assert shown[0] == "[0]: ZeroDivisionError: division by zero"
        assert human.prompts == ["ipdb> "] * 4

    def test_shows_the_code_around(self, rc: ipp.Client, human: Human, capsys: Capture) -> None:
        human.types = ["q"]

        rc[0].apply_async(outer, 0).debug()

        assert any("return len(kind) / divisor" in line for line in lines(capsys))

    def test_shows_no_frame_of_the_engine(
        self, rc: ipp.Client, human: Human, capsys: Capture
    ) -> None:
        human.types = ["w", "up", "up", "q"]

        rc[0].apply_async(outer, 0).debug()

        text = capsys.readouterr().out
        assert "ipcluster_ext/engine" not in text
        assert "Oldest frame" in text

    def test_of_a_cell_looks_at_it_too(self, rc: ipp.Client, human: Human, capsys: Capture) -> None:
        human.types = ["p x", "up", "p a + 1", "q"]
        answer = rc[0].execute("a = 5\ndef f(x):\n    return x / 0\nf(17)")

        answer.debug()

        shown = lines(capsys)
        assert [line for line in shown if line in {"17", "6"}] == ["17", "6"]
        assert any("return x / 0" in line for line in shown)

    def test_of_a_map_looks_at_the_item_that_failed(
        self, rc: ipp.Client, human: Human, capsys: Capture
    ) -> None:
        human.types = ["p 'x is', x", "q"]
        answer = rc.load_balanced_view().map_async(lambda x: 1 // x, [1, 2, 0, 4], chunksize=4)

        answer.debug()

        assert "('x is', 0)" in lines(capsys)

    def test_of_a_coroutine_works_as_well(
        self, rc: ipp.Client, human: Human, capsys: Capture
    ) -> None:
        human.types = ["p 'x is', x", "q"]

        async def fails(x: int) -> float:
            return 1 / x

        rc[1].apply_async(fails, 0).debug()

        assert "('x is', 0)" in lines(capsys)

    def test_has_the_code_of_a_notebooks_cell(
        self, rc: ipp.Client, human: Human, capsys: Capture
    ) -> None:
        human.types = ["q"]
        function = cell("def f(x):\n    # it was here\n    return 1 / x")["f"]

        rc[0].apply_async(function, 0).debug()

        assert rc[0].apply_async(pow, 2, 3).get(WITHIN) == 8
        assert "(3)f()" in capsys.readouterr().out

    def test_of_several_is_of_the_first(
        self, rc: ipp.Client, human: Human, capsys: Capture
    ) -> None:
        human.types = ["q"]

        rc[:].apply_async(outer, 0).debug()

        assert lines(capsys)[:2] == [
            "[0]: ZeroDivisionError: division by zero",
            "for what failed on other engines: debug(engine=1)",
        ]

    def test_of_several_can_be_of_any(self, rc: ipp.Client, human: Human, capsys: Capture) -> None:
        human.types = ["q"]

        rc[:].apply_async(outer, 0).debug(engine=2)

        assert lines(capsys)[0].startswith("[2]: ZeroDivisionError")

    @pytest.mark.parametrize("end", ["q", "quit", "exit", "c", EOFError(), KeyboardInterrupt()])
    def test_ends_in_any_way_and_can_be_repeated(
        self, rc: ipp.Client, human: Human, end: Said
    ) -> None:
        answer = rc[0].apply_async(outer, 0)

        for _ in range(2):
            human.types = [end]
            answer.debug()

        assert rc[0].apply_async(pow, 2, 3).get(WITHIN) == 8
        assert rc[0].apply_async(sys.gettrace).get(WITHIN) is None

    def test_is_a_task_of_its_own_in_the_history(self, rc: ipp.Client, human: Human) -> None:
        human.types = ["q"]
        answer = rc[3].apply_async(outer, 0)

        answer.debug()

        [record] = [each for each in rc.history() if each.label == "debug"][-1:]
        assert (record.engine_id, record.status) == (3, "done")


class TestNothingToLookAt:
    def test_where_nothing_failed_is_said(self, rc: ipp.Client) -> None:
        with pytest.raises(ValueError, match=r"no task of .* has raised anything"):
            rc[0].apply_async(pow, 2, 3).debug()

    def test_where_another_engine_failed_is_said(self, rc: ipp.Client) -> None:
        answer = rc[:2].apply_async(outer, 0)

        with pytest.raises(ValueError, match="failed on engine 3; engines on which one has: 0, 1"):
            answer.debug(engine=3)

    def test_as_others_failed_since_is_said(self, rc: ipp.Client) -> None:
        first, *_ = [rc[0].apply_async(outer, 0) for _ in range(3)]

        with pytest.raises(ipp.FramesGone, match="the last 2 that failed; run it again"):
            first.debug()

    def test_as_the_namespace_was_emptied_is_said(self, rc: ipp.Client) -> None:
        answer = rc[0].apply_async(outer, 0)
        answer.wait()
        rc[0].clear().get(WITHIN)

        with pytest.raises(ipp.FramesGone, match="emptied"):
            answer.debug()

    def test_as_the_engine_died_is_said(self, started: Started) -> None:
        failed = started.client[0].apply_async(outer, 0)
        failed.wait()
        died = started.client[0].apply_async(lambda: os.kill(os.getpid(), signal.SIGKILL))

        with pytest.raises(ipp.FramesGone, match="the engine died with it"):
            died.debug()
        with pytest.raises(ipp.FramesGone, match="restarted"):
            failed.debug()


class TestABreakpoint:
    def test_stops_a_call_which_goes_on_when_it_is_told_to(
        self, rc: ipp.Client, human: Human, capsys: Capture
    ) -> None:
        human.types = ["p x", "n", "p x", "c"]

        assert rc[0].apply_async(stops, 4).get(WITHIN) == 5

        shown = lines(capsys)
        assert [line for line in shown if line in {"[stdout:0] 4", "[stdout:0] 5"}] == [
            "[stdout:0] 4",
            "[stdout:0] 5",
        ]
        assert set(human.prompts) == {"[input:0] ipdb> "}

    def test_stops_cells_as_well(self, rc: ipp.Client, human: Human, capsys: Capture) -> None:
        human.types = ["p a", "c"]

        rc[1].execute("a = 17\nbreakpoint()\nb = a").get(WITHIN)

        assert "[stdout:1] 17" in lines(capsys)
        assert rc[1]["b"] == 17

    def test_of_the_old_kind_works_too(self, rc: ipp.Client, human: Human) -> None:
        human.types = ["c"]

        assert rc[0].apply_async(stops_as_before, 5).get(WITHIN) == 5

    def test_that_is_stepped_over_stops_no_later_task(self, rc: ipp.Client, human: Human) -> None:
        human.types = ["n"] * 3

        assert rc[0].apply_async(stops, 4).get(WITHIN) == 5
        assert rc[0].apply_async(outer, 1).get(WITHIN) == 10
        assert rc[0].apply_async(sys.gettrace).get(WITHIN) is None

    def test_is_on_one_engine_after_the_other(self, rc: ipp.Client, human: Human) -> None:
        human.types = ["n", "c"] * 4

        assert rc[:].apply_async(stops, 4).get(WITHIN) == [5, 5, 5, 5]
        assert human.prompts == [f"[input:{n}] ipdb> " for n in (0, 0, 1, 1, 2, 2, 3, 3)]

    def test_that_is_quit_ends_the_task(self, rc: ipp.Client, human: Human) -> None:
        human.types = ["q"]

        error = rc[0].apply_async(stops, 4).exception(WITHIN)

        assert getattr(error, "ename", "") == "BdbQuit"

    def test_that_is_interrupted_ends_the_task(self, rc: ipp.Client, human: Human) -> None:
        human.types = [KeyboardInterrupt()]
        answer = rc[0].apply_async(stops, 4)

        with pytest.raises(KeyboardInterrupt):
            answer.get(WITHIN)

        assert getattr(answer.exception(WITHIN), "ename", "") == "KeyboardInterrupt"

    def test_leaves_a_waiting_task_open_to_interrupts(self, rc: ipp.Client, human: Human) -> None:
        answer = rc[0].apply_async(stops, 4)
        wait_until(answer.running)

        answer.interrupt()
        wait_until(answer.done)

        assert getattr(answer.exception(WITHIN), "ename", "") == "KeyboardInterrupt"
        assert human.prompts == []

    def test_with_nobody_there_fails_with_a_remedy(self, rc: ipp.Client) -> None:
        with pytest.raises(NotImplementedError, match="has nobody to ask"):
            rc[0].apply_async(stops, 4).get(WITHIN)


def test_the_magic_debugs_the_last_cell_that_failed(
    rc: ipp.Client, human: Human, capsys: Capture
) -> None:
    human.types = ["p x + 1", "q"]
    assert rc[0].execute("def f(x):\n    return x / 0\nf(17)").exception(WITHIN) is not None

    rc[0].execute("%debug").get(WITHIN)

    assert "[stdout:0] 18" in lines(capsys)
