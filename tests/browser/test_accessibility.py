"""The panel for those who see or hear otherwise, or point at nothing: axe-core, and keys alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import ipcluster_ext as ipp
from tests.browser.conftest import OpenNotebook
from tests.browser.panels import START, Panel
from tests.support.gates import Gate, pass_through

AXE = Path(__file__).parents[2] / "labextension/node_modules/axe-core/axe.min.js"
_RUN = """async selector => {
  const found = await axe.run(selector);
  const grave = found.violations.filter(each => ["serious", "critical"].includes(each.impact));
  const told = each => each.nodes.map(
    node => `${each.id}: ${node.target.join(" ")}: ${node.any[0]?.message ?? each.help}`
  );
  return [found.passes.length, grave.flatMap(told)];
}"""


def faults(page: Page, selector: str) -> list[str]:
    """Return what axe-core finds grave in a part of the page; some rule has to have held."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed; `make check-panel` does that")
    if not page.evaluate("() => 'axe' in window"):
        page.add_script_tag(path=AXE)
    passes, found = page.evaluate(_RUN, selector)
    assert passes > 0, f"nothing was looked at in {selector}"
    return [f"{selector}: {each}" for each in found]


@pytest.fixture(params=["JupyterLab Light", "JupyterLab Dark"])
def theme(panel: Panel, request: pytest.FixtureRequest) -> Iterator[str]:
    """Have a theme for a test."""
    panel.theme(request.param)
    yield request.param
    panel.theme("JupyterLab Light")


def test_whatever_the_panel_shows_can_be_read_and_operated(
    panel: Panel, rc: ipp.Client, gate: Gate, theme: str
) -> None:
    found = []
    root = "#ipcluster-ext-panel"
    answer = rc.load_balanced_view().map_async(pass_through, [gate.path] * 8)
    failed = rc[:].map_async(divide, [0, 0])
    expect(panel.engines.locator(".jp-mod-busy")).to_have_count(2)
    panel.choose(1)
    panel.press("Log", within=panel.card)
    panel.press("Restart…", within=panel.card)
    found += faults(panel.page, root)
    panel.press("Keep", within=panel.card)
    gate.open()
    answer.get(timeout=60)
    failed.wait(60)
    expect(panel.works.first).to_contain_text("2 failed")
    panel.press("New")
    expect(panel.root.get_by_role("form", name="New cluster")).to_be_visible()
    panel.press("Insert Code That Connects")
    expect(panel.root.get_by_role("alert")).to_be_visible()
    panel.shoot(f"axe-{theme.split()[-1]}")
    found += faults(panel.page, root)
    panel.press("Dismiss")
    panel.press("Cancel", within=panel.root.get_by_role("form"))
    panel.press("Stop Cluster…")
    found += faults(panel.page, root)
    panel.press("Keep")
    panel.press("Close Log")

    assert found == []


def test_dialogs_menus_and_the_drop_down_can_be_read_and_operated(
    panel: Panel, cluster: str, open_notebook: OpenNotebook, theme: str
) -> None:
    del theme
    notebook = open_notebook("1 + 1")
    panel.press("Use in This Notebook")
    expect(notebook.panel.get_by_label("Engines of this notebook")).to_have_value(cluster)
    found = faults(panel.page, ".jp-Ipcluster-chooser")
    panel.menu(panel.clusters, "Change Number of Engines…")
    dialog = panel.page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Engines of {cluster}")
    found += faults(panel.page, ".jp-Dialog-content")
    panel.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    found += faults(panel.page, ".jp-Ipcluster-statusItem")

    assert found == []


def test_a_cluster_is_started_seen_and_stopped_by_the_keyboard_alone(panel: Panel) -> None:
    page, keys = panel.page, panel.page.keyboard
    page.evaluate("() => window.jupyterapp.commands.execute('ipcluster-ext:open-panel')")
    before = panel.clusters.count()
    panel.press_by_keyboard("New")
    expect(panel.root.get_by_label("Engines", exact=True).first).to_be_focused()
    keys.press("Control+A")
    keys.type("1")
    keys.press("Enter")
    expect(panel.clusters).to_have_count(before + 1)
    expect(panel.engines.locator(".jp-mod-idle")).to_have_count(1, timeout=START)

    panel.press_by_keyboard("Engine 0")
    expect(panel.card).to_contain_text("Engine 0")
    panel.press_by_keyboard("One Engine More")
    expect(panel.engines.locator(".jp-mod-idle")).to_have_count(2, timeout=START)
    panel.press_by_keyboard("Stop Cluster…")
    expect(panel.root.get_by_role("alertdialog")).to_contain_text(re.compile("Stop .*?"))
    keys.press("Enter")
    expect(panel.clusters).to_have_count(before, timeout=START)


def test_the_panel_opens_by_its_shortcut(panel: Panel) -> None:
    panel.page.locator('.jp-SideBar [role=tab][data-id="filebrowser"]').click()
    expect(panel.root).to_be_hidden()
    panel.page.keyboard.press("Control+Shift+Y")

    expect(panel.root).to_be_visible()


def divide(number: int) -> float:
    """Divide by a number."""
    return 1 / number
