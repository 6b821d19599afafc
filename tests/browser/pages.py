"""A notebook in JupyterLab, as its user handles it: cells, the stop button, what is seen."""

import json
import os
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Lab

SCREENSHOTS = "IPCLUSTER_EXT_SCREENSHOTS"
"""Names a folder to keep screenshots in."""

_SECOND = 1000.0
OPEN_DOCUMENT = """async opening => {
  const { commands } = window.jupyterapp;
  while (!commands.hasCommand("docmanager:open")) {
    await new Promise(done => requestAnimationFrame(done));
  }
  return await commands.execute("docmanager:open", opening);
}"""
"""Opens a document, as soon as JupyterLab can: it says that it has started a moment before."""
_OPEN = f"""async path => {{
  const opening = {{ path, factory: "Notebook" }};
  const panel = await ({OPEN_DOCUMENT})(opening);
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
}}"""
_READY = """async () => {
  const app = window.jupyterapp;
  if (app === undefined) {
    return false;
  }
  await app.started;
  await app.restored;
  return true;
}"""
_CLOSE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.sessionContext.shutdown();
  await panel.context.save();
  panel.dispose();
}"""
_FAILED = "[data-mime-type$=error], [data-mime-type$=stderr]"
_ENDED = re.compile(r"^\[\d+\]:")


class NotebookPage:
    """A notebook that is open in a browser; its kernel is idle.

    Parameters
    ----------
    page
        With JupyterLab.
    lab
        The server.
    name
        Of the notebook, without ``.ipynb``.
    cells
        Code, one text for each cell.
    screenshots
        Where to keep them.
    fresh
        Whether it is written anew, or is there already.
    """

    def __init__(
        self,
        page: Page,
        lab: Lab,
        name: str,
        cells: tuple[str, ...],
        screenshots: Path,
        *,
        fresh: bool = True,
    ) -> None:
        self.page = page
        self.name = name
        self._screenshots = screenshots
        self._closed = False
        if fresh:
            (lab.work / f"{name}.ipynb").write_text(json.dumps(_notebook(cells)))
        page.evaluate(_OPEN, f"{name}.ipynb")
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.cells = self.panel.locator(".jp-Notebook .jp-CodeCell")
        expect(self.cells).to_have_count(len(cells), timeout=30 * _SECOND)
        self.wait_until_idle()

    # --- what the user does -----------------------------------------------------------------------

    def start(self, cell: int) -> None:
        """Click into a cell and press Ctrl+Enter."""
        self.cells.nth(cell).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run(self, cell: int, *, timeout: float = 60.0) -> Locator:
        """Run a cell to its end; return its output area."""
        self.start(cell)
        self.wait(cell, timeout=timeout)
        return self.output(cell)

    def prepare(self, count: int) -> None:
        """Run the first cells, none of which may fail."""
        for cell in range(count):
            output = self.run(cell)
            assert output.locator(_FAILED).count() == 0, output.inner_text()

    def restart(self) -> None:
        """Restart the kernel."""
        self.panel.locator(".jp-Toolbar [data-jp-item-name=restart] jp-button").click()
        self.page.get_by_role("button", name="Confirm Kernel Restart").click()
        self.wait_until_idle()

    def stop(self) -> None:
        """Press the stop button."""
        self.panel.locator(".jp-Toolbar [data-jp-item-name=interrupt] jp-button").click()

    # --- what the user sees -----------------------------------------------------------------------

    def wait(self, cell: int, *, timeout: float = 60.0) -> None:
        """Wait until a cell has ended."""
        expect(self.prompt(cell)).to_have_text(_ENDED, timeout=timeout * _SECOND)

    def wait_until_idle(self, *, timeout: float = 60.0) -> None:
        """Wait until the kernel says that it has nothing to do."""
        status = self.panel.locator(".jp-Notebook-ExecutionIndicator")
        expect(status).to_have_attribute("data-status", "idle", timeout=timeout * _SECOND)

    def prompt(self, cell: int) -> Locator:
        """Return the ``[1]:`` of a cell."""
        return self.cells.nth(cell).locator(".jp-InputPrompt")

    def output(self, cell: int) -> Locator:
        """Return the output area of a cell."""
        return self.cells.nth(cell).locator(".jp-Cell-outputArea")

    def shoot(self, name: str) -> Path:
        """Take a screenshot of the whole window; return its file."""
        self._screenshots.mkdir(parents=True, exist_ok=True)
        path = self._screenshots / f"{self.name}-{name}.png"
        self.page.screenshot(path=path)
        return path

    def elements(self, cell: int) -> int:
        """Return of how many elements the page is made where it shows the output of a cell."""
        return self.output(cell).locator("*").count()

    # --- its end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Shut the kernel down, save, and close the notebook, unless that is done."""
        if self._closed:
            return
        self._closed = True
        self.page.evaluate(_CLOSE)
        expect(self.panel).to_have_count(0, timeout=30 * _SECOND)


def open_lab(page: Page, lab: Lab, *, fresh: bool = True, workspace: str = "") -> None:
    """Open JupyterLab, and wait until it can be used.

    Parameters
    ----------
    page
        An empty page, or one to load again.
    lab
        The server.
    fresh
        Whether to forget what was open.
    workspace
        A name for what is open in this page, where another page has taken the usual one.
    """
    page.set_default_timeout(30 * _SECOND)
    address = lab.address(f"lab/workspaces/{workspace}" if workspace else "lab")
    page.goto(address.removesuffix("" if fresh else "&reset"))
    page.wait_for_function(_READY, timeout=60 * _SECOND)  # also if the page is loaded once more
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60 * _SECOND)


def screenshots_folder(otherwise: Path) -> Path:
    """Return where screenshots are kept: where the environment says, or for this run only."""
    return Path(os.environ.get(SCREENSHOTS, otherwise))


def _notebook(cells: tuple[str, ...]) -> dict[str, Any]:
    blank: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
    }
    return {
        "cells": [blank | {"id": str(number), "source": cell} for number, cell in enumerate(cells)],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
