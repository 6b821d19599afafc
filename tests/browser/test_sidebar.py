"""The panel at the side of JupyterLab, as its user handles it."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

import ipcluster_ext as ipp
from tests.browser.conftest import OpenNotebook
from tests.browser.lab import Lab
from tests.browser.pages import open_lab, screenshots_folder
from tests.support.gates import Gate, pass_through

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


def test_a_map_is_seen_as_it_goes_on(panel: Panel, rc: ipp.Client, gate: Gate) -> None:
    view = rc.load_balanced_view()
    with view.options(label="hold <b>on</b>"):
        answer = view.map_async(pass_through, [gate.path] * 40)
        row = panel.works.filter(has_text="hold <b>on</b>")
        expect(row).to_contain_text("0 / 40")
        expect(panel.engines.locator(".jp-mod-busy")).to_have_count(2)
        status = panel.page.locator("#jp-main-statusbar").get_by_role("button", name="2 engines")
        expect(status).to_contain_text(re.compile(r"2 engines · 2 busy · \d+ queued"))
        panel.choose(1)
        panel.shoot("busy")
        gate.open()
        answer.get(timeout=60)

    expect(row).to_contain_text("40 / 40")
    expect(row).not_to_contain_text("left")


def test_the_first_error_of_work_can_be_read(panel: Panel, rc: ipp.Client) -> None:
    answer = rc[:].map_async(divide, [1, 0, 2, 0])
    with pytest.raises(ipp.RemoteError):
        answer.get(timeout=60)
    row = panel.works.filter(has_text="divide")

    expect(row).to_contain_text("2 failed")
    row.locator("summary").click()
    expect(row.locator("pre")).to_contain_text("ZeroDivisionError")
    panel.shoot("failed")


def test_a_killed_engine_comes_back(panel: Panel, rc: ipp.Client) -> None:
    killed = rc[0].apply_sync(os.getpid)
    panel.choose(0)
    expect(panel.card).to_contain_text(f"process {killed}")
    os.kill(killed, signal.SIGKILL)

    expect(panel.card).not_to_contain_text(f"process {killed}", timeout=START)
    panel.has_idle(2)


def test_more_engines_are_had_and_fewer(panel: Panel, cluster: str) -> None:
    more = panel.root.get_by_role("button", name="One Engine More")
    more.click()
    panel.has_idle(3)
    panel.shoot("three")
    panel.root.get_by_role("button", name="One Engine Less").click()

    panel.has_idle(2)
    expect(panel.clusters).to_contain_text("2 engines")


def test_all_engines_get_new_processes_once_that_is_confirmed(panel: Panel, rc: ipp.Client) -> None:
    before = set(rc[:].apply_sync(os.getpid))
    panel.press("Restart All Engines…")
    question = panel.root.get_by_role("alertdialog")
    expect(question.get_by_role("button", name="Restart")).to_be_focused()
    panel.page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    panel.press("Restart All Engines…")
    expect(question.get_by_role("button", name="Restart")).to_be_focused()
    panel.page.keyboard.press("Enter")

    panel.choose(0)
    told = [re.compile(rf"process {pid}\b") for pid in before]
    for pid in told:
        expect(panel.card).not_to_contain_text(pid, timeout=START)
    panel.has_idle(2)
    assert not before & set(rc[:].apply_sync(os.getpid))


def test_a_cluster_that_cannot_start_says_why_until_it_is_dismissed(
    panel: Panel, lab: Lab, cluster: str
) -> None:
    profiles = lab.work.parent / "config/ipcluster_ext/profiles"
    profiles.mkdir(parents=True)
    (profiles / "nowhere.toml").write_text('n = 3\ncwd = "/nowhere/to/be/found"\n')
    panel.press("New")
    form = panel.root.get_by_role("form", name="New cluster")
    form.get_by_label("Profile").select_option("nowhere")
    expect(form.get_by_label("Engines")).to_have_value("3")
    panel.page.keyboard.press("Tab")
    panel.press("Start", within=form)

    failure = panel.clusters.get_by_role("alert")
    expect(failure).to_contain_text("/nowhere/to/be/found", timeout=START)
    panel.shoot("failure")
    panel.press("Dismiss", within=failure)
    expect(panel.clusters).to_have_count(1)
    expect(panel.clusters).to_contain_text(cluster)


def test_a_console_opens_on_an_engine(panel: Panel, rc: ipp.Client) -> None:
    rc[1].push({"held": 41}, block=True)
    panel.choose(1)
    panel.press("Console", within=panel.card)
    console = panel.page.locator(".jp-CodeConsole")
    prompt = console.locator(".jp-CodeConsole-input .cm-content")
    expect(console.locator(".jp-CodeConsole-banner")).to_contain_text("Python 3", timeout=START)
    prompt.click()
    panel.page.keyboard.type("held + 1")
    panel.page.keyboard.press("Shift+Enter")

    expect(console.locator(".jp-OutputArea-output")).to_have_text("42", timeout=START)
    panel.shoot("console")


def test_the_log_of_an_engine_is_shown_in_place(panel: Panel, rc: ipp.Client) -> None:
    panel.choose(0)
    panel.press("Log", within=panel.card)

    expect(panel.card.get_by_role("region", name="Log of engine 0").locator("pre")).to_be_visible()
    panel.press("Close Log", within=panel.card)


def test_themes_change_its_colours(panel: Panel, cluster: str) -> None:
    colours = []
    for theme in ("JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light"):
        panel.page.evaluate(_THEME, theme)
        panel.page.wait_for_selector("#jupyterlab-splash", state="detached")
        panel.shoot(theme.replace(" ", "-"))
        colours.append(panel.root.evaluate("node => getComputedStyle(node).backgroundColor"))

    assert len(set(colours)) > 1


def test_running_clusters_are_among_all_that_runs(panel: Panel, cluster: str) -> None:
    panel.page.locator('.jp-SideBar [role=tab][data-id="jp-running-sessions"]').click()
    section = panel.page.locator("#jp-running-sessions")
    expect(section).to_contain_text("Parallel Engines")
    panel.shoot("running")
    section.get_by_text(cluster, exact=True).click()

    expect(panel.root).to_be_visible()


def test_code_that_connects_is_put_into_the_notebook(
    panel: Panel, cluster: str, open_notebook: OpenNotebook
) -> None:
    panel.press("Insert Code That Connects")
    expect(panel.root.get_by_role("alert")).to_contain_text("Open a notebook first")
    panel.press("Dismiss")
    notebook = open_notebook("# first")
    panel.press("Insert Code That Connects")
    expect(notebook.cells).to_have_count(2)

    expect(notebook.cells.nth(1)).to_contain_text(f'ipp.connect("{cluster}")')
    expect(notebook.run(1)).to_contain_text("[0, 1]")


def test_of_many_engines_a_few_rows_are_drawn_at_a_time(page: Page, lab: Lab) -> None:
    many = page.context.new_page()
    many.route_web_socket(re.compile("ipcluster-ext/feed"), tell_of_many)
    open_lab(many, lab)
    panel = Panel(many, screenshots_folder(lab.work)).open()
    expect(panel.root.locator(".jp-Ipcluster-square")).to_have_count(200)
    table = panel.root.locator(".jp-Ipcluster-engines")
    expect(panel.engines.first).to_contain_text("0")
    assert panel.engines.count() < 40

    failed = panel.clusters.filter(has_text="broken")
    expect(failed.get_by_role("alert")).to_contain_text("no module named 'numpy'")
    panel.choose(1)
    panel.shoot("many")
    expect(table.get_by_role("columnheader", name="CPU")).to_be_hidden()
    drag(many, 285, 460)
    expect(table.get_by_role("columnheader", name="CPU")).to_be_visible()
    panel.shoot("wide")
    table.evaluate("node => node.scrollTo(0, node.scrollHeight)")
    expect(panel.engines.last).to_contain_text("199")
    assert panel.engines.count() < 40
    many.close()


def drag(page: Page, start: int, end: int) -> None:
    """Drag the border of the panel."""
    page.mouse.move(start, 600)
    page.mouse.down()
    page.mouse.move(end, 600, steps=3)
    page.mouse.up()


def tell_of_many(socket: WebSocketRoute) -> None:
    """Tell a browser of a cluster with 200 engines, in place of the server."""
    socket.send(json.dumps({"type": "clusters", "at": 1000.0, "clusters": CLUSTERS}))
    states = ["idle", "busy", "busy", "busy", "starting", "unresponsive", "retiring", "dead"]
    engines = [ENGINE | {"id": number, "state": states[number % 8]} for number in range(200)]
    status = {"type": "status", "cluster": "many", "whole": True, "engines": engines}
    socket.send(json.dumps(status | {"gone": [], "work": [WORK], "past": []}))


MANY = {
    "id": "many",
    "state": "ready",
    "profile": "slurm",
    "host": "node-1",
    "wanted": 200,
    "ready": 175,
    "busy": 75,
    "queued": 1200,
    "running": 75,
    "ended": 800,
    "failed": 3,
    "owner": 0,
    "startedAt": 100.0,
    "startedBy": "survey.ipynb",
    "connectionFile": "/run/many/client.json",
    "error": "",
    "log": "",
}
FAILED = MANY | {
    "id": "broken",
    "state": "failed",
    "error": "the engines could not be started: no module named 'numpy'",
    "log": "agent: Traceback (most recent call last)",
}
STARTING = MANY | {"id": "coming", "state": "starting", "wanted": 8, "ready": 3, "busy": 0}
CLUSTERS = [MANY, STARTING | {"queued": 0}, FAILED]
ENGINE = {
    "host": "node-1",
    "pid": 4711,
    "label": "fit_model",
    "since": 940.0,
    "queued": 2,
    "ended": 12,
    "failed": 0,
    "cpu": 0.97,
    "nbytes": 312 << 20,
    "limit": 64 << 30,
    "reason": "",
}
WORK = {
    "number": 1,
    "session": "survey.ipynb",
    "label": "",
    "name": "fit_model",
    "kind": "map",
    "done": 800,
    "failed": 3,
    "cancelled": 0,
    "running": 75,
    "queued": 1200,
    "began": 400.0,
    "ended": 0.0,
    "error": "ValueError: the series is too short",
}


def divide(number: int) -> float:
    """Divide by a number."""
    return 1 / number
