import io
import sys

import pytest

from ipcluster_ext.client.maps import AsyncMapResult
from ipcluster_ext.client.progress import showing, watch
from ipcluster_ext.client.result import AsyncResult
from ipcluster_ext.client.watching import WatchedAnswer
from ipcluster_ext.display.bars import Lines
from tests.support.waiting import wait_until
from tests.support.wires import Wire, value


@pytest.fixture
def wire() -> Wire:
    return Wire()


class TestWaitingWithABar:
    def test_shows_items_and_not_chunks(self, wire: Wire) -> None:
        result = AsyncMapResult(wire.connection, [20, 20], label="fit")
        value(result, 0, [0] * 20)
        shown = io.StringIO()

        assert not result.wait_interactive(0.001, 0.01, file=shown)
        assert "fit:  50%" in shown.getvalue()
        value(result, 1, [0] * 20)
        assert result.wait_interactive(file=shown)

        assert "fit: 100%" in shown.getvalue()
        assert "40/40" in shown.getvalue()

    def test_shows_what_a_single_task_says_of_itself(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 1, single=True)
        result.note_news(result.first, "progress", (30, 120, "fitting"))
        shown = io.StringIO()

        assert not result.wait_interactive(0.001, 0.005, file=shown)

        assert "30/120" in shown.getvalue()
        assert "fitting" in shown.getvalue()

    def test_may_end_with_the_first_task(self, wire: Wire) -> None:
        result = AsyncResult(wire.connection, 2)
        value(result, 1, "b")

        assert result.wait_interactive(return_when="FIRST_COMPLETED", file=io.StringIO())

    def test_where_nobody_sees_it_move_writes_few_lines(
        self, wire: Wire, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = AsyncMapResult(wire.connection, [1] * 1000, label="fit")
        asked = 0

        def wait(_: float | None) -> bool:
            nonlocal asked
            value(result, asked, [0])
            asked += 1
            return asked == 1000

        assert watch(WatchedAnswer(result), wait, interval=1, timeout=None)

        lines = capsys.readouterr().err.splitlines()
        assert [line.partition(" done")[0] for line in lines] == [
            "fit: 250 of 1000", "fit: 500 of 1000", "fit: 750 of 1000", "fit: 1000 of 1000",
        ]  # fmt: skip

    def test_shows_nothing_where_that_is_wanted(
        self, wire: Wire, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IPP_NONINTERACTIVE", "1")
        result = AsyncResult(wire.connection, 1)
        value(result, 0, "a")

        assert result.wait_interactive()
        assert capsys.readouterr() == ("", "")

    def test_is_a_bar_in_a_terminal(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = io.StringIO()
        terminal.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", terminal)
        result = AsyncResult(wire.connection, 1)
        value(result, 0, "a")

        assert result.wait_interactive()
        assert "100%" in terminal.getvalue()


def test_lines_are_not_written_where_the_end_is_unknown() -> None:
    file = io.StringIO()
    with Lines(file, "") as lines:
        lines.show(5, None, "")
        lines.show(0, 0, "")

    assert file.getvalue() == ""


class TestShowingMeanwhile:
    def test_shows_nothing_of_what_is_over_soon(self, wire: Wire) -> None:
        shown = io.StringIO()
        result = AsyncResult(wire.connection, 2)

        with showing(result, after=60, file=shown):
            value(result, 0, "a")

        assert shown.getvalue() == ""

    def test_shows_how_far_it_is_once_it_takes_a_while(self, wire: Wire) -> None:
        shown = io.StringIO()
        result = AsyncResult(wire.connection, 2, label="fit")

        with showing(result, file=shown):
            wait_until(lambda: "fit:   0%" in shown.getvalue())
            value(result, 0, "a")
            wait_until(lambda: "1/2" in shown.getvalue())
            value(result, 1, "b")

        assert "2/2" in shown.getvalue()

    def test_never_shows_anything_if_that_is_wanted(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = io.StringIO()
        result = AsyncResult(wire.connection, 2)

        with showing(result, after=-1, file=shown):
            value(result, 0, "a")
        monkeypatch.setenv("IPP_NONINTERACTIVE", "1")
        with showing(result, file=shown):
            value(result, 1, "a")

        assert shown.getvalue() == ""
