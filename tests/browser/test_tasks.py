"""Work that is watched and tended in the panel, the task timeline, and the cluster overview."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

import ipcluster_ext as ipp
from tests.browser.lab import Lab
from tests.browser.pages import open_lab, screenshots_folder
from tests.browser.panels import START, Panel
from tests.browser.test_accessibility import faults
from tests.browser.test_sidebar import ENGINE, MANY
from tests.support.gates import Gate, pass_through
from tests.support.waiting import wait_until

THEMES = ("JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light")


_DRAWN = """selector => {
  const root = document.querySelector(selector + " .jp-Ipcluster-main");
  const canvas = root.querySelector("canvas");
  if (canvas === null) { return true; }
  const [r, g, b] = canvas.getContext("2d").getImageData(2, canvas.height - 2, 1, 1).data;
  return getComputedStyle(root).backgroundColor === `rgb(${r}, ${g}, ${b})`;
}"""
"""Whether a canvas has the colours of the theme."""


class Main:
    """A widget of the main area.

    Parameters
    ----------
    panel
        The panel beside it.
    name
        ``"timeline"`` or ``"overview"``.
    """

    def __init__(self, panel: Panel, name: str) -> None:
        self.page = panel.page
        self._panel = panel
        self.name = name
        self.root_id = f"ipcluster-ext-{name}"
        self.root = self.page.locator(f"#{self.root_id}")

    def close(self) -> None:
        """Close its tab."""
        tab = self.page.locator(f".lm-DockPanel-tabBar [data-id=ipcluster-ext-{self.name}]")
        tab.locator(".lm-TabBar-tabCloseIcon").click()
        expect(self.root).to_have_count(0)

    def look_in_all_themes(self) -> None:
        """Look for faults, and take a screenshot, in each theme; leave the light one."""
        found = []
        for theme in THEMES:
            self._panel.theme(theme)
            expect(self.root).to_be_visible()
            self.page.wait_for_function(_DRAWN, arg=f"#{self.root_id}")
            self._panel.shoot(f"{self.name}-{theme.replace(' ', '-')}")
            found += [f"{theme}: {each}" for each in faults(self.page, f"#{self.root_id}")]
        assert found == []


@pytest.fixture
def rc(lab: Lab, cluster: str) -> Iterator[ipp.Client]:
    """Connect to the cluster that the panel has started, as a notebook would."""
    with ipp.Client(next(lab.runtime.glob(f"{cluster}/client.json")), session="fits.ipynb") as rc:
        yield rc


def button(row: Locator, name: str) -> Locator:
    """Return the button of a work whose text begins so."""
    return row.get_by_role("button", name=re.compile(rf"^{name}"))


def test_a_map_is_cancelled_once_that_is_confirmed(
    panel: Panel, rc: ipp.Client, gate: Gate
) -> None:
    with rc.load_balanced_view().options(label="sweep") as view:
        answer = view.map_async(pass_through, [gate.path] * 40)
    row = panel.works.filter(has_text="sweep")
    expect(row).to_contain_text("0 / 40")
    expect(row).to_contain_text("fits.ipynb")
    button(row, "Cancel:").click()
    question = row.get_by_role("alertdialog")
    expect(question).to_contain_text("Cancel sweep?")
    panel.shoot("cancel")
    panel.page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    button(row, "Cancel:").click()
    panel.page.keyboard.press("Enter")

    expect(row).to_contain_text("38 / 40")
    gate.open()
    answer.wait(60)
    expect(row).to_contain_text("38 cancelled, ended after")
    assert [record.status for record in rc.history()].count("cancelled") == 38


def test_a_map_is_interrupted_once_that_is_confirmed(
    panel: Panel, rc: ipp.Client, gate: Gate
) -> None:
    with rc.load_balanced_view().options(label="stuck") as view:
        answer = view.map_async(pass_through, [gate.path] * 4)
    row = panel.works.filter(has_text="stuck")
    expect(row).to_contain_text("2 running")
    button(row, "Interrupt:").click()
    panel.press("Interrupt", within=row.get_by_role("alertdialog"))

    expect(row).to_contain_text("4 / 4")
    assert answer.wait(60)
    panel.has_idle(2)


def test_what_failed_is_read_in_place_and_runs_again(
    panel: Panel, rc: ipp.Client, gate: Gate
) -> None:
    with rc.load_balanced_view().options(label="moody") as view:
        answer = view.map_async(pass_if_open, [gate.path] * 6)
    answer.wait(60)
    row = panel.works.filter(has_text="moody").last
    expect(row).to_contain_text("6 failed")
    row.get_by_title("Show the first error").click()
    expect(row.locator("pre")).to_contain_text("in pass_if_open")
    expect(row.locator("pre")).to_contain_text("ValueError: the gate is closed")
    panel.press("Copy Error", within=row)
    gate.open()
    button(row, "Retry Failed:").click()

    expect(row).to_contain_text("6 tasks run again.")
    again = panel.works.filter(has_text="moody").first
    expect(again).to_contain_text("6 / 6")
    expect(again).not_to_contain_text("failed")
    panel.shoot("retried")
    panel.press("Insert Code", within=row)
    expect(panel.root.get_by_role("alert")).to_contain_text("Open a notebook first")
    panel.press("Dismiss")
    tasks = len(rc.history())
    assert answer.retry_failed().get(timeout=60) == ["fine"] * 6
    assert len(rc.history()) == tasks
    [client] = {r.client_uuid for r in rc.history(label="moody", status="done")}
    assert rc.get_result(rc.history(client_uuid=client)).get() == [["fine"]] * 6


def test_what_its_owner_has_run_again_is_not_offered(
    panel: Panel, rc: ipp.Client, gate: Gate
) -> None:
    with rc.load_balanced_view().options(label="mended") as view:
        answer = view.map_async(pass_if_open, [gate.path] * 2)
    answer.wait(60)
    row = panel.works.filter(has_text="mended").last
    expect(row).to_contain_text("2 failed")
    expect(button(row, "Retry Failed:")).to_be_visible()
    gate.open()

    assert answer.retry_failed().get(timeout=60) == ["fine"] * 2

    expect(row).to_contain_text("2 failed")
    expect(button(row, "Retry Failed:")).to_have_count(0)


def test_the_timeline_shows_which_engine_ran_what_and_when(
    panel: Panel, rc: ipp.Client, gate: Gate
) -> None:
    view = rc.load_balanced_view()
    view.options(label="prepare").map_sync(wait_a_little, [0.02] * 20, chunksize=1)
    panel.press("Open Task Timeline")
    timeline = Main(panel, "timeline")
    body = timeline.root.get_by_role("application")
    legend = timeline.root.get_by_role("list", name="Colours")
    expect(legend).to_contain_text("prepare")
    expect(body).to_have_accessible_name(re.compile("Tasks of 2 engines"))
    view.options(label="train").map_sync(wait_a_little, [0.3, 0.1] * 5, chunksize=1)
    rc[:].options(label="broken").map_async(pass_if_open, [gate.path] * 2).wait(60)
    expect(legend).to_contain_text(re.compile(r"train\s*10"))
    expect(legend).to_contain_text("failed")

    body.focus()
    timeline.page.keyboard.press("ArrowDown")
    timeline.page.keyboard.press(".")
    expect(body.get_by_role("status")).to_contain_text(re.compile(r"broken, failed after .*"))
    expect(timeline.root.locator(".jp-Ipcluster-timelineTip")).to_contain_text("engine 0, from")
    timeline.page.keyboard.press("Escape")
    follow = timeline.root.get_by_role("button", name="Follow What Happens")
    expect(follow).to_have_attribute("aria-pressed", "true")
    timeline.page.keyboard.press("Home")
    expect(follow).to_have_attribute("aria-pressed", "false")
    timeline.page.keyboard.press("+")
    assert coloured(body) > 4

    timeline.page.keyboard.press("Home")
    with rc.load_balanced_view().options(label="running now") as held:
        answer = held.map_async(pass_through, [gate.path] * 2)
    expect(panel.engines.locator(".jp-mod-busy")).to_have_count(2)
    follow.click()
    timeline.look_in_all_themes()
    gate.open()
    answer.get(60)


def test_the_wheel_and_the_pointer_move_the_timeline(panel: Panel, cluster: str) -> None:
    timeline = Main(panel, "timeline")
    expect(timeline.root).to_be_visible()
    header = timeline.root.locator(".jp-Ipcluster-mainHead > .jp-Ipcluster-meta")
    timeline.root.get_by_role("button", name="Show Everything").click()
    everything = header.inner_text()
    box = timeline.root.get_by_role("application").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + 60)
    timeline.page.mouse.move(*middle)
    timeline.page.mouse.wheel(0, -300)
    expect(header).not_to_have_text(everything)
    closer = header.inner_text()
    timeline.page.mouse.down()
    timeline.page.mouse.move(middle[0] + 400, middle[1], steps=4)
    timeline.page.mouse.up()

    assert closer.split(" from ")[0] == header.inner_text().split(" from ")[0]


def test_the_overview_shows_throughput_queue_engines_and_memory(
    panel: Panel, rc: ipp.Client, gate: Gate
) -> None:
    panel.press("Open Cluster Overview")
    overview = Main(panel, "overview")
    throughput = overview.root.get_by_role("img", name=re.compile("^Throughput"))
    expect(throughput).to_be_visible()
    view = rc.load_balanced_view()
    view.map_sync(wait_a_little, [0.004] * 600, chunksize=1)
    expect(throughput).to_have_accessible_name(re.compile(r"most [1-9][\d.,]* a second"))
    answer = view.map_async(pass_through, [gate.path] * 30, chunksize=1)
    queue = overview.root.get_by_role("img", name=re.compile("^Queue: 28"))
    expect(queue).to_be_visible()
    memory = overview.root.get_by_role("img", name=re.compile("^Memory of Engines"))
    expect(memory).to_have_accessible_name(re.compile("MiB"))
    engines = overview.root.get_by_role("img", name=re.compile("^Engines: 2"))
    expect(engines).to_be_visible()

    overview.look_in_all_themes()
    gate.open()
    answer.get(60)


def test_what_was_open_comes_back_with_the_page(panel: Panel, lab: Lab, cluster: str) -> None:
    page = panel.page
    layouts = lab.work.parent / "workspaces"
    wait_until(lambda: "ipcluster-ext-overview" in texts_of(layouts), timeout=30.0)
    page.goto(f"{lab.url}/lab")
    page.wait_for_function("() => window.jupyterapp !== undefined")
    page.evaluate("async () => { await window.jupyterapp.restored; }")
    expect(page.locator("#ipcluster-ext-overview")).to_be_visible(timeout=START)
    expect(page.locator("#ipcluster-ext-timeline")).to_have_count(1)
    expect(page.locator("#ipcluster-ext-overview")).to_contain_text(cluster)

    for name in ("overview", "timeline"):
        Main(panel, name).close()
    open_lab(page, lab)
    panel.open()


def test_of_many_engines_the_lanes_in_sight_are_drawn(page: Page, lab: Lab) -> None:
    many = page.context.new_page()
    many.route_web_socket(re.compile("ipcluster-ext/feed"), tell_of_much)
    open_lab(many, lab)
    panel = Panel(many, screenshots_folder(lab.work)).open()
    panel.press("Open Task Timeline")
    timeline = Main(panel, "timeline")
    expect(timeline.root).to_contain_text("1234 tasks ended too soon after others")
    expect(timeline.root.get_by_role("list", name="Colours")).to_contain_text("and 4 more")
    timeline.root.get_by_role("button", name="Show Everything").click()
    scroller = timeline.root.locator(".jp-Ipcluster-timelineScroller")
    height, seen = scroller.evaluate("node => [node.scrollHeight, node.clientHeight]")
    assert height > 200 * 24 > seen
    canvas = timeline.root.locator("canvas").bounding_box()
    assert canvas is not None
    assert canvas["height"] <= seen
    panel.shoot("timeline-many")
    body = timeline.root.get_by_role("application")
    body.focus()
    for _ in range(60):
        many.keyboard.press("ArrowDown")
    expect(body.get_by_role("status")).to_have_text("Engine 59")
    many.keyboard.press(".")
    expect(timeline.root.locator(".jp-Ipcluster-timelineTip")).to_contain_text("engine 59, from")
    assert scroller.evaluate("node => node.scrollTop") > 0
    panel.shoot("timeline-scrolled")
    many.close()


def tell_of_much(socket: WebSocketRoute) -> None:
    """Tell a browser of 200 engines and 12,000 spans, in place of the server."""
    now = time.time_ns() / 1e9

    def answer(message: str | bytes) -> None:
        if json.loads(message).get("spans"):
            socket.send(json.dumps(spans_until(now)))

    socket.on_message(answer)
    busy = ENGINE | {"state": "busy", "label": "title 3", "since": now - 2}
    engines = [busy | {"id": number} for number in range(200)]
    status = {"type": "status", "cluster": "many", "whole": True, "engines": engines}
    socket.send(json.dumps({"type": "clusters", "at": now, "clusters": [MANY]}))
    socket.send(json.dumps(status | {"gone": [], "work": [], "past": [], "lines": {}}))


def spans_until(now: float) -> dict[str, object]:
    """Make 60 spans for each of 200 engines."""
    places = [(engine, number) for number in range(60) for engine in range(200)]
    return {
        "type": "spans",
        "cluster": "many",
        "whole": True,
        "titles": [f"title {number}" for number in range(16)],
        "engine": [engine for engine, _ in places],
        "title": [(engine + number) % 16 for engine, number in places],
        "began": [now - 62 + number + engine % 7 / 10 for engine, number in places],
        "lasted": [0.2 + (engine * number) % 5 / 7 for engine, number in places],
        "failed": [(engine + number) % 31 == 0 for engine, number in places],
        "count": [1] * len(places),
        "leftOut": 1234,
    }


def texts_of(folder: Path) -> str:
    """Return all that stands in the files of a folder."""
    return "".join(path.read_text() for path in folder.glob("*"))


def coloured(body: Locator) -> int:
    """Count the colours on a canvas, roughly."""
    script = """node => {
      const canvas = node.querySelector('canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const seen = new Set();
      for (let at = 0; at < data.length; at += 4) {
        seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
      }
      return seen.size;
    }"""
    return int(body.evaluate(script))


def wait_a_little(seconds: float) -> float:
    """Take some time."""
    time.sleep(seconds)
    return seconds


def pass_if_open(path: Path) -> str:
    """Fail as long as a gate is closed."""
    if not path.exists():
        msg = "the gate is closed"
        raise ValueError(msg)
    return "fine"
