"""Cells that go to the engines of themselves."""

from collections.abc import Iterator

import pytest

from tests.support.kernels import Notebook
from tests.support.reading import by_engine


@pytest.fixture
def auto(four_in_notebook: Notebook) -> Iterator[Notebook]:
    four_in_notebook.ok("%autopx")
    yield four_in_notebook
    four_in_notebook.ok("%autopx")
    assert four_in_notebook.value("rc.ids") == "[0, 1, 2, 3]"


def test_every_cell_runs_on_the_engines(auto: Notebook) -> None:
    cell = auto.ok("a = 5\nprint(a)")

    assert by_engine(cell.text) == [f"[stdout:{n}] 5" for n in range(4)]
    assert auto.value("(rc[:]['a'], 'a' in globals())") == "([5, 5, 5, 5], False)"


def test_so_does_one_that_awaits(auto: Notebook) -> None:
    auto.ok("import asyncio\nb = await asyncio.sleep(0, 7)")

    assert auto.value("rc[0]['b']") == "7"


def test_errors_are_shown_and_the_next_cell_runs(auto: Notebook) -> None:
    cell = auto.run("1 / 0")

    assert cell.error is not None
    assert "ZeroDivisionError" in cell.text
    auto.ok("c = 1")


def test_a_syntax_error_is_the_engines(auto: Notebook) -> None:
    assert "SyntaxError" in auto.run("a b").text


def test_magics_of_ours_are_carried_out_here(auto: Notebook) -> None:
    auto.ok("%px d = 1")
    auto.ok("%%px -t 0\nd = 2")
    auto.ok("print('x')")

    assert auto.value("rc[:]['d']") == "[2, 1, 1, 1]"
    assert by_engine(auto.ok("%pxresult").text) == [f"[stdout:{n}] x" for n in range(4)]


def test_after_it_was_turned_off_in_a_cell_the_rest_runs_here(four_in_notebook: Notebook) -> None:
    four_in_notebook.ok("%autopx")
    four_in_notebook.ok("e = 'there'\n%autopx\ne = 'here'")

    assert four_in_notebook.value("(e, rc[0]['e'])") == "('here', 'there')"


def test_it_takes_no_options(four_in_notebook: Notebook) -> None:
    assert "takes no options" in four_in_notebook.run("%autopx --off").text
