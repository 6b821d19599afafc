"""The panel at the side of JupyterLab, as its user handles it."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

import ipcluster_ext as ipp
from tests.browser.conftest import OpenNotebook
from tests.browser.lab import Lab
from tests.browser.pages import open_lab, screenshots_folder
from tests.browser.panels import START, Panel
from tests.browser.test_accessibility import faults
from tests.support.gates import Gate, pass_through


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
    row.get_by_title("Show the first error").click()
    expect(row.locator("pre")).to_contain_text("ZeroDivisionError")
    panel.shoot("failed")


def test_what_engines_write_last_is_seen_beside_them_and_to_its_end(
    panel: Panel, rc: ipp.Client, gate: Gate
) -> None:
    text = "epoch 7: loss=0.25 " + "and so on " * 8
    answer = rc[1].apply_async(say_and_pass, text, gate.path)
    rc[0].execute("import sys; print('first'); print('<b>hidden</b>', file=sys.stderr)")

    cells = panel.engines.locator("td.jp-Ipcluster-line")
    expect(cells).to_have_text(["<b>hidden</b>", text.strip()])
    expect(cells.nth(1)).to_have_attribute("title", text.strip())
    panel.choose(1)
    expect(panel.card).to_contain_text(f"Last output {text.strip()}")
    panel.shoot("lines")
    gate.open()
    answer.get(timeout=60)


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

    told = [re.compile(rf"process {pid}\b") for pid in before]
    for engine in (0, 1):
        panel.choose(engine)
        for pid in told:
            expect(panel.card).not_to_contain_text(pid, timeout=START)
    panel.has_idle(2)
    assert not before & set(rc[:].apply_sync(os.getpid))


def test_a_cluster_that_cannot_start_says_why_until_it_is_dismissed(
    panel: Panel, lab: Lab, cluster: str
) -> None:
    profiles = lab.work.parent / "config/ipcluster_ext/profiles"
    profiles.mkdir(parents=True, exist_ok=True)
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


def test_the_form_has_what_a_launcher_can_be_told_and_says_in_place_what_is_wrong(
    panel: Panel, lab: Lab, cluster: str
) -> None:
    profiles = lab.work.parent / "config/ipcluster_ext/profiles"
    profiles.mkdir(parents=True, exist_ok=True)
    (profiles / "lab.toml").write_text(
        'n = 5\nhosts = ["n1", "n2:4"]\n[launcher_options]\nconnect_timeout = 3\n'
    )
    panel.press("New")
    form = panel.root.get_by_role("form", name="New cluster")
    form.get_by_label("Profile").select_option("lab")
    hosts = form.get_by_role("textbox", name="Hosts", exact=True)
    expect(form.get_by_label("Launcher")).to_have_value("ssh")
    expect(form.get_by_label("Engines")).to_have_value("5")
    expect(hosts).to_have_value("n1\nn2:4")
    expect(form.get_by_label("Seconds to connect")).to_have_value("3")
    form.get_by_label("Launcher").select_option("local")
    expect(hosts).to_have_count(0)
    form.get_by_label("Launcher").select_option("ssh")
    expect(hosts).to_have_value("n1\nn2:4")
    found = []
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        panel.theme(theme)
        hosts.fill("n1:four")
        panel.press("Start", within=form)
        expect(form.get_by_role("alert")).to_contain_text("'n1:four' is no host")
        expect(hosts).to_have_attribute("aria-invalid", "true")
        expect(hosts).to_have_value("n1:four")
        panel.shoot(f"options-{theme.split()[-1]}")
        form.get_by_text("More options").click()
        expect(form.get_by_label("Tunnel through ssh")).to_be_visible()
        panel.shoot(f"more-options-{theme.split()[-1]}")
        found += faults(panel.page, "#ipcluster-ext-panel")
        form.get_by_text("More options").click()
    form.get_by_label("Launcher").select_option("slurm")
    limit = form.get_by_role("textbox", name="Time limit")
    expect(limit).to_have_accessible_description(re.compile("How long the engines may stay"))
    limit.fill("until it rains")
    panel.press("Start", within=form)
    expect(form.get_by_role("alert")).to_contain_text("'until it rains' has to be like '8:00'")
    expect(limit).to_have_accessible_description(re.compile("hours first .*may stay"))
    panel.shoot("time-limit")
    limit.focus()
    panel.page.keyboard.press("Escape")

    expect(form).to_have_count(0)
    expect(panel.clusters).to_have_count(1)
    expect(panel.clusters).to_contain_text("on this host")
    expect(panel.clusters).to_contain_text(cluster)
    assert found == []


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
        panel.theme(theme)
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
    open_lab(many, lab, workspace="many")
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
    expect(table.get_by_role("cell", name="epoch 4: loss=0.2000")).to_be_visible()
    drag(many, 285, 640)
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
    lines = {number: f"epoch {number}: loss={1 / (number + 1):.4f}" for number in range(0, 200, 2)}
    rest = {"gone": [], "work": [WORK], "past": [], "lines": lines}
    socket.send(json.dumps(status | rest))


MANY = {
    "id": "many",
    "state": "ready",
    "profile": "slurm",
    "host": "node-1",
    "hosts": 25,
    "launchers": ["slurm"],
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
    "retried": 0,
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


def say_and_pass(text: str, path: Path) -> None:
    """Print something, and wait at a gate."""
    sys.stdout.write(f"{text}\n")
    pass_through(path)
