import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.lab import Lab, started
from tests.browser.pages import NotebookPage, open_lab, screenshots_folder
from tests.support.fixtures import gate

__all__ = ["gate"]

_WINDOW = {"width": 1280, "height": 900}

OpenNotebook = Callable[..., NotebookPage]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser, or skip the test where none is installed."""
    wanted = os.environ.get("CHROMIUM", "chromium")
    found = shutil.which(wanted) or shutil.which("chromium-browser")
    if found is None:
        pytest.skip(f"no browser: {wanted} was not found; install chromium, or set CHROMIUM")
    return found


@pytest.fixture(scope="session")
def lab(chromium: str) -> Iterator[Lab]:
    """Start a JupyterLab for all tests; its kernels' clusters are in a folder of its own."""
    with started() as lab:
        yield lab


@pytest.fixture(scope="module")
def page(chromium: str, lab: Lab) -> Iterator[Page]:
    """Open JupyterLab in a browser.

    For a module only: what drives the browser has a running event loop in this thread, which tests
    elsewhere could not bear.
    """
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium) as browser,
        browser.new_context(viewport=_WINDOW) as context,  # type: ignore[arg-type]
    ):
        page = context.new_page()
        open_lab(page, lab)
        yield page


@pytest.fixture
def open_notebook(
    lab: Lab, page: Page, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """Open notebooks with the cells that a test gives; their kernels end with the test."""
    opened: list[NotebookPage] = []
    name = re.sub(r"\W+", "-", request.node.name)

    def open_another(*cells: str) -> NotebookPage:
        numbered = f"{name[:60]}-{len(opened)}"
        opened.append(NotebookPage(page, lab, numbered, cells, screenshots_folder(tmp_path)))
        return opened[-1]

    yield open_another
    for notebook in opened:
        notebook.close()
