"""Errors of engines in a notebook: once each, with their source, and without what is ours."""

import pytest

from tests.support.kernels import Notebook

DEFINED = """\
def scale(x):
    # by nothing, at times
    return 12 / x
"""


@pytest.fixture
def notebook(four_in_notebook: Notebook) -> Notebook:
    """Lend a notebook with four engines, and a function of its own."""
    four_in_notebook.ok(DEFINED)
    return four_in_notebook


def failure(notebook: Notebook, code: str) -> list[str]:
    """Run a cell that fails; return what it shows, without colours and blank lines."""
    error = notebook.run(code).error
    assert error is not None
    return [line for line in error.text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    "code", ["dv.apply_sync(scale, 0)", "dv.push({'scale': scale})\ndv.execute('scale(0)').get()"]
)
def test_one_error_of_many_engines_is_shown_once_with_its_source(
    notebook: Notebook, code: str
) -> None:
    lines = failure(notebook, code)

    assert lines[0] == "[0-3]: ZeroDivisionError: division by zero"
    assert lines.count("----> 3     return 12 / x") == 1
    assert lines.count("      2     # by nothing, at times") == 1
    assert lines.count("ZeroDivisionError: division by zero") == 1
    assert lines[-2] == "4 errors: one or more tasks failed"


def test_of_this_packages_code_nothing_is_shown(notebook: Notebook) -> None:
    lines = failure(notebook, "lv.map_sync(scale, [1, 2, 0])")

    assert [line for line in lines if "ipcluster_ext/" in line] == []
    assert lines[-1].startswith("asked for at Cell In[")
    assert lines[-1].endswith("line 1: lv.map_sync(scale, [1, 2, 0])")


def test_the_cell_is_called_what_it_is_called_here(notebook: Notebook) -> None:
    notebook.ok(DEFINED.replace("scale", "other"))
    number = notebook.value("len(In) - 1")

    lines = failure(notebook, "dv.apply_sync(other, 0)")

    assert any(line.startswith(f"Cell In[{number}], line 3, in other") for line in lines)


def test_different_errors_are_shown_each_with_their_engines(notebook: Notebook) -> None:
    notebook.ok("dv.scatter('n', [0, 1, 2, 0], flatten=True)")

    lines = failure(notebook, "dv.execute('1 / n\\n{}[n]').get()")

    headings = [line for line in lines if line.startswith("[")]
    assert headings == [
        "[0,3]: ZeroDivisionError: division by zero",
        "[1]: KeyError: 1",
        "[2]: KeyError: 2",
    ]


def test_errors_are_coloured_as_ipythons_own(notebook: Notebook) -> None:
    error = notebook.run("rc[0].apply_sync(scale, 0)").error

    assert error is not None
    assert "\x1b[31mZeroDivisionError\x1b[39m" in "\n".join(error.traceback)
    assert (error.ename, error.evalue) == (
        "ZeroDivisionError",
        "[engine 0] ZeroDivisionError: division by zero",
    )


def test_the_last_one_can_be_shown_again(notebook: Notebook) -> None:
    first = failure(notebook, "rc[0].apply_sync(scale, 0)")

    again = notebook.run("%tb")

    assert again.text.splitlines()[0] == first[0]


def test_one_of_several_can_be_printed(notebook: Notebook) -> None:
    cell = notebook.ok("dv.apply_async(scale, 0).exception().print_traceback(2)")

    assert "----> 3     return 12 / x" in cell.text
    assert "ipcluster_ext/" not in cell.text
