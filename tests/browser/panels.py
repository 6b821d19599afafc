"""The panel at the side of JupyterLab, as its user handles it."""

from pathlib import Path
from typing import Self

from playwright.sync_api import Locator, Page, expect

SECOND = 1000.0
START = 60 * SECOND
_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"


class Panel:
    """The panel, open.

    Parameters
    ----------
    page
        With JupyterLab.
    screenshots
        Where to keep them.
    """

    def __init__(self, page: Page, screenshots: Path) -> None:
        self.page = page
        self._screenshots = screenshots
        self.root = page.locator("#ipcluster-ext-panel")
        self.clusters = self.root.locator(".jp-Ipcluster-cluster")
        self.engines = self.root.locator("tbody tr:not([aria-hidden])")
        self.works = self.root.locator(".jp-Ipcluster-work")
        self.card = self.root.locator(".jp-Ipcluster-card")

    def open(self) -> Self:
        """Click its tab."""
        self.page.locator('.jp-SideBar [role=tab][data-id="ipcluster-ext-panel"]').click()
        expect(self.root).to_be_visible()
        return self

    def press(self, name: str, *, within: Locator | None = None) -> None:
        """Press a button."""
        (within or self.root).get_by_role("button", name=name, exact=True).click()

    def press_by_keyboard(self, name: str) -> None:
        """Go to a button with the Tab key, and press it with Enter."""
        button = self.root.get_by_role("button", name=name, exact=True)
        self.root.evaluate("node => { node.tabIndex = -1; node.focus(); }")
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if button.evaluate("node => node === document.activeElement"):
                self.page.keyboard.press("Enter")
                return
        msg = f"the Tab key does not lead to {name!r}"
        raise AssertionError(msg)

    def start(self, count: int) -> str:
        """Start engines by the form; return the cluster's id once they are ready."""
        self.press("New")
        form = self.root.get_by_role("form", name="New cluster")
        form.get_by_label("Engines").fill(str(count))
        self.shoot("form")
        self.press("Start", within=form)
        self.has_idle(count)
        return self.clusters.locator(".jp-Ipcluster-name").inner_text()

    def has_idle(self, count: int) -> None:
        """Wait until there are so many engines, all of them idle."""
        expect(self.engines.locator(".jp-mod-idle")).to_have_count(count, timeout=START)
        expect(self.engines).to_have_count(count)

    def choose(self, engine: int) -> None:
        """Show the details of an engine."""
        shown = self.card.all_inner_texts()
        if not any(f"Engine {engine}" in text for text in shown):  # pressed again it goes away
            self.press(f"Engine {engine}", within=self.root.locator("tbody"))
        expect(self.card).to_contain_text(f"Engine {engine}")

    def stop(self) -> None:
        """Stop the cluster that is selected."""
        self.press("Stop Cluster…")
        self.shoot("stop")
        self.press("Stop", within=self.root.get_by_role("alertdialog"))
        expect(self.clusters).to_have_count(0, timeout=START)

    def shoot(self, name: str) -> None:
        """Take a screenshot of the whole window."""
        self._screenshots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._screenshots / f"sidebar-{name}.png")

    def menu(self, row: Locator, entry: str) -> None:
        """Take an entry of the menu of a row."""
        row.click(button="right")
        self.page.locator(".lm-Menu").get_by_text(entry, exact=True).click()

    def theme(self, name: str) -> None:
        """Have JupyterLab look otherwise."""
        self.page.evaluate(_THEME, name)
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", name)
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
