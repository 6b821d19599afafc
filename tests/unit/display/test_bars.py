import io
import sys

import pytest

from ipcluster_ext.display import bars, frontend
from ipcluster_ext.display.cell import Cell
from ipcluster_ext.display.progress import Progress
from ipcluster_ext.display.renewed import Renewed
from tests.support.looks import Page, ScriptedWork


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the kernel of a notebook."""
    monkeypatch.setattr(frontend, "shell", object)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    """Run in a cell."""
    page = Page()
    monkeypatch.setattr(Cell, "current", staticmethod(lambda: page))
    return page


def widgets(monkeypatch: pytest.MonkeyPatch, *, are_drawn: bool) -> None:
    monkeypatch.setattr(frontend, "shows_widgets", lambda: are_drawn)


@pytest.mark.usefixtures("kernel")
class TestInANotebook:
    def test_a_bar_is_a_widget(self, monkeypatch: pytest.MonkeyPatch, page: Page) -> None:
        widgets(monkeypatch, are_drawn=True)
        with bars.bar(4, "engines", verb="ready") as bar:
            assert list(*page.shown.values()) == [
                "text/plain", "text/html", "application/vnd.jupyter.widget-view+json",
            ]  # fmt: skip
            bar.show(4, 4, "")

        assert page.texts[0].startswith("<progress engines: 4 of 4 ready, in ")

    def test_a_bar_is_html_where_no_widgets_are_drawn(
        self, monkeypatch: pytest.MonkeyPatch, page: Page
    ) -> None:
        widgets(monkeypatch, are_drawn=False)
        with bars.bar(4, "engines") as bar:
            bar.show(4, 4, "")

        assert [list(data) for data in page.shown.values()] == [["text/plain", "text/html"]]
        assert page.texts[0].startswith("<progress engines: 4 of 4 done, in ")

    def test_lines_are_written_where_nothing_shown_can_be_changed(
        self, monkeypatch: pytest.MonkeyPatch, page: Page, capsys: pytest.CaptureFixture[str]
    ) -> None:
        widgets(monkeypatch, are_drawn=False)
        page.updates = False
        with bars.bar(4, "engines", verb="ready") as bar:
            bar.show(4, 4, "")

        assert page.shown == {}
        assert capsys.readouterr().out.startswith("engines: 4 of 4 ready after ")

    def test_what_its_user_wants_counts(self, monkeypatch: pytest.MonkeyPatch, page: Page) -> None:
        widgets(monkeypatch, are_drawn=True)
        work = ScriptedWork(over=True)

        assert type(bars.shows_itself(work, page, widget=False, file=None)) is Renewed
        widgets(monkeypatch, are_drawn=False)
        assert type(bars.shows_itself(work, page, widget=True, file=None)) is Progress
        assert bars.shows_itself(work, page, widget=True, file=io.StringIO()) is None


class TestElsewhere:
    def test_nothing_shows_itself(self) -> None:
        assert bars.shows_itself(ScriptedWork(), Page(), widget=True, file=None) is None

    def test_a_terminal_has_a_bar(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = io.StringIO()
        terminal.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", terminal)

        with bars.bar(4, "engines") as bar:
            bar.show(4, 4, "")

        assert bars.seen()
        assert "engines: 100%" in terminal.getvalue()
