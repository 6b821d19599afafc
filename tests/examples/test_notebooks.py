"""The example notebooks say what is saved in them, and are fit to be read without being run."""

import pytest

from tests.examples.notebooks import ROOT, executed, missing, names, said, saved

WIDGET = "application/vnd.jupyter.widget-view+json"
_LARGEST = 400_000


@pytest.mark.parametrize("name", names())
def test_a_notebook_says_what_is_saved_in_it(name: str) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    notebook = saved(name)

    assert said(executed(notebook)) == said(notebook)


@pytest.mark.parametrize("name", names())
def test_a_saved_notebook_was_run_from_top_to_bottom(name: str) -> None:
    code = [cell for cell in saved(name).cells if cell.cell_type == "code"]

    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.parametrize("name", names())
def test_a_saved_notebook_needs_no_widget_and_is_small(name: str) -> None:
    notebook = saved(name)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]

    assert [output for output in outputs if WIDGET in output.get("data", {})] == []
    assert len(str(notebook)) < _LARGEST


def test_the_notebooks_are_numbered_and_the_readme_has_them_all() -> None:
    numbers = [int(name[:2]) for name in names()]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert len(set(numbers)) == len(numbers)
    assert [name for name in names() if f"(examples/{name})" not in readme] == []
