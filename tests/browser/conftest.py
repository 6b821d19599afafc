import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

import ipcluster_ext as ipp
from tests.browser.lab import Lab, started
from tests.browser.pages import NotebookPage, open_lab, screenshots_folder
from tests.browser.panels import Panel
from tests.support.fixtures import gate

__all__ = ["gate"]

_WINDOW = {"width": 1280, "height": 900}

expect.set_options(timeout=30_000)  # ms; a test says what comes about, not how fast

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
    usual = re.sub(r"\W+", "-", request.node.name)

    def open_another(*cells: str, name: str = "", fresh: bool = True) -> NotebookPage:
        numbered = name or f"{usual[:60]}-{len(opened)}"
        shots = screenshots_folder(tmp_path)
        opened.append(NotebookPage(page, lab, numbered, cells, shots, fresh=fresh))
        return opened[-1]

    yield open_another
    for notebook in opened:
        notebook.close()


@pytest.fixture(scope="module")
def panel(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Panel:
    """Open the panel."""
    return Panel(page, screenshots_folder(tmp_path_factory.mktemp("sidebar"))).open()


@pytest.fixture(scope="module")
def cluster(panel: Panel) -> Iterator[str]:
    """Start two engines by the form, and stop them by the panel."""
    expect(panel.root).to_contain_text("No engines are running")
    panel.shoot("empty")
    yield panel.start(2)
    panel.stop()
    expect(panel.root).to_contain_text("No engines are running")


@pytest.fixture
def rc(lab: Lab, cluster: str) -> Iterator[ipp.Client]:
    """Connect to the cluster that the panel has started."""
    with ipp.connect(next(lab.runtime.glob(f"{cluster}/client.json"))) as rc:
        yield rc
