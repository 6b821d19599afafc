"""Which cluster a notebook uses, as its user chooses and sees it."""

import json
import re
from pathlib import Path

from playwright.sync_api import Locator, Route, expect

from tests.browser.conftest import OpenNotebook
from tests.browser.lab import Lab
from tests.browser.pages import NotebookPage, open_lab, screenshots_folder
from tests.browser.panels import START, Panel
from tests.support.reading import of_engines
from tests.support.waiting import wait_until

PX = "%%px\nprint('here')"
CHOSEN = "as this notebook has chosen"
_OPEN_SETTINGS = """() => window.jupyterapp.commands.execute(
  "settingeditor:open", { query: "engines: panel" }
)"""
SETTINGS = "ipcluster-ext/panel.jupyterlab-settings"


def chooser(notebook: NotebookPage) -> Locator:
    return notebook.panel.get_by_label("Engines of this notebook")


def names(notebook: NotebookPage) -> list[str]:
    return [
        text.partition(":")[0] for text in chooser(notebook).locator("option").all_inner_texts()
    ]


def metadata(lab: Lab, notebook: NotebookPage) -> object:
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    text = (lab.work / f"{notebook.name}.ipynb").read_text()
    return json.loads(text)["metadata"].get("ipcluster_ext")


def written_choices(lab: Lab) -> list[str]:
    """Return the clusters that notebooks have chosen, as their kernels read it."""
    return [json.loads(file.read_text())["cluster"] for file in lab.runtime.glob(".notebooks/*")]


def test_a_cluster_is_started_with_jupyterlab_for_those_who_want_that(
    panel: Panel, lab: Lab, tmp_path: Path
) -> None:
    settings = lab.work.parent / "settings" / SETTINGS
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"autoStart": True, "defaultEngines": 1}))
    try:
        other = panel.page.context.new_page()
        open_lab(other, lab, workspace="other")
        expect(panel.clusters).to_contain_text("1 engine", timeout=START)
        expect(panel.clusters.locator(".jp-Ipcluster-name")).to_have_text("lab")
        panel.stop()
        open_lab(other, lab, workspace="other")
        expect(Panel(other, screenshots_folder(tmp_path)).open().root).to_contain_text("No engines")
        other.close()
    finally:
        settings.unlink()


def test_a_notebook_keeps_its_cluster_through_restarts_reloads_and_moves(
    panel: Panel, cluster: str, lab: Lab, open_notebook: OpenNotebook
) -> None:
    notebook = open_notebook(PX)
    panel.press("Use in This Notebook")
    expect(chooser(notebook)).to_have_value(cluster)
    expect(notebook.run(0)).to_contain_text(CHOSEN)
    panel.shoot("chosen")
    assert metadata(lab, notebook) == {"cluster": cluster}

    notebook.restart()
    expect(notebook.run(0)).to_contain_text(CHOSEN)

    open_lab(panel.page, lab, fresh=False)
    expect(chooser(notebook)).to_have_value(cluster)
    notebook.close()
    moved = (lab.work / f"{notebook.name}.ipynb").rename(lab.work / "moved.ipynb")
    again = open_notebook(PX, name=moved.stem, fresh=False)
    expect(chooser(again)).to_have_value(cluster)
    expect(again.run(0)).to_contain_text(CHOSEN)


def test_a_cell_that_is_run_at_once_uses_what_was_chosen(
    panel: Panel, cluster: str, lab: Lab, open_notebook: OpenNotebook
) -> None:
    notebook = open_notebook(PX)
    held: list[Route] = []
    to_server = "**/ipcluster-ext/notebooks/*"
    panel.page.route(to_server, lambda route: held.append(route))
    try:
        panel.press("Use in This Notebook")
        expect(notebook.run(0)).to_contain_text(CHOSEN)
        assert held
    finally:
        panel.page.unroute(to_server)  # lets go of those that are held
    wait_until(lambda: cluster in written_choices(lab))


def test_the_drop_down_shows_clusters_as_they_come_and_go(
    panel: Panel, cluster: str, lab: Lab, open_notebook: OpenNotebook
) -> None:
    notebook = open_notebook(PX)
    assert names(notebook) == ["Engines", cluster, "New Cluster…"]
    expect(chooser(notebook)).to_have_value("")

    chooser(notebook).select_option("New Cluster…")
    form = panel.root.get_by_role("form", name="New cluster")
    form.get_by_label("Engines").fill("1")
    panel.press("Start", within=form)
    expect(chooser(notebook)).not_to_have_value("")
    younger = chooser(notebook).input_value()
    dot = notebook.panel.locator(".jp-Ipcluster-chooser .jp-Ipcluster-dot")
    wait_until(lambda: younger in written_choices(lab))
    expect(notebook.run(0)).to_contain_text(f"cluster {younger}, which has 1 engine, {CHOSEN}")
    expect(dot).to_have_class(re.compile("jp-mod-ready"), timeout=START)

    chooser(notebook).select_option(cluster)
    expect(notebook.run(0)).to_contain_text(f"cluster {cluster}, which has 2 engines, {CHOSEN}")
    chooser(notebook).select_option("")
    assert metadata(lab, notebook) is None
    chooser(notebook).select_option(younger)
    panel.clusters.filter(has_text=younger).click()
    panel.press("Stop Cluster…")
    panel.press("Stop", within=panel.root.get_by_role("alertdialog"))
    expect(dot).to_have_class(re.compile("jp-mod-over"), timeout=START)
    assert names(notebook) == ["Engines", cluster, younger, "New Cluster…"]
    panel.shoot("over")
    chooser(notebook).select_option(cluster)


def test_what_code_chooses_is_shown(cluster: str, open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(
        f"import ipcluster_ext as ipp\nipp.use_cluster({cluster!r})", "ipp.use_cluster(None)"
    )
    notebook.run(0)
    expect(chooser(notebook)).to_have_value(cluster)
    notebook.run(1)
    expect(chooser(notebook)).to_have_value("")


def test_a_cluster_dragged_into_a_notebook_becomes_a_cell(
    panel: Panel, cluster: str, open_notebook: OpenNotebook
) -> None:
    notebook = open_notebook("# first")
    panel.page.mouse.move(*middle(panel.clusters.locator(".jp-Ipcluster-name")))
    panel.page.mouse.down()
    panel.page.mouse.move(*middle(notebook.panel.locator(".jp-Notebook-footer")), steps=8)
    panel.shoot("dragged")
    panel.page.mouse.move(*middle(notebook.cells.first), steps=3)
    panel.page.mouse.up()

    expect(notebook.cells).to_have_count(2)
    expect(notebook.cells.first).to_contain_text(f'ipp.connect("{cluster}")')
    expect(notebook.run(0)).to_contain_text("[0, 1]")


def middle(of: Locator) -> tuple[float, float]:
    box = of.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_rows_have_menus_with_everything_that_can_be_done(
    panel: Panel, cluster: str, lab: Lab, open_notebook: OpenNotebook
) -> None:
    notebook = open_notebook("# first")
    panel.page.context.grant_permissions(["clipboard-read"])
    panel.menu(panel.clusters, "Copy Path of Connection File")
    panel.shoot("menu")
    copied = panel.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == str(lab.runtime / cluster / "client.json")

    panel.menu(panel.clusters, "Insert Code That Connects to Running Engines")
    expect(notebook.cells.nth(1)).to_contain_text(f'ipp.connect("{cluster}")')
    panel.menu(panel.clusters, "Use Cluster in This Notebook")
    expect(chooser(notebook)).to_have_value(cluster)

    panel.menu(panel.engines.nth(1), "Show Log of Engine")
    expect(panel.card.get_by_role("region", name="Log of engine 1").locator("pre")).to_be_visible()
    panel.menu(panel.engines.nth(0), "Restart Engine")
    expect(panel.card).to_contain_text("Restart engine 0? It loses what it holds.")
    panel.press("Keep", within=panel.card)


def test_cells_run_on_engines_by_a_shortcut(
    panel: Panel, cluster: str, open_notebook: OpenNotebook
) -> None:
    del cluster
    notebook = open_notebook("print(6 * 7)")
    notebook.cells.first.locator(".cm-content").click()
    panel.page.keyboard.press("Alt+Shift+Enter")
    notebook.wait(0)

    said = of_engines(notebook.output(0).inner_text())
    assert said == ["[stdout:0] 42", "[stdout:1] 42"]
    expect(notebook.cells.first.locator(".cm-line").first).to_have_text("%%px")


def test_settings_take_effect_at_once(
    panel: Panel, cluster: str, lab: Lab, open_notebook: OpenNotebook
) -> None:
    settings = lab.work.parent / "settings" / SETTINGS
    panel.page.evaluate(_OPEN_SETTINGS)
    box = panel.page.get_by_label("New notebooks use the selected cluster")
    asks = panel.page.get_by_label("Ask before engines are stopped or restarted")
    box.check()
    panel.shoot("settings")
    try:
        wait_until(lambda: "autoConnect" in written(settings), timeout=30.0)
        notebook = open_notebook("")
        expect(chooser(notebook)).to_have_value(cluster)
        notebook.close()
        old = open_notebook("# old")
        expect(chooser(old)).to_have_value("")
        old.close()

        asks.uncheck()
        panel.choose(0)
        before = panel.card.get_by_text("process").inner_text()
        wait_until(lambda: restarts_unasked(panel, before), timeout=60.0)
    finally:
        panel.page.get_by_role("tab", name="Settings").first.click()
        box.uncheck()
        asks.check()
        wait_until(
            lambda: not {"autoConnect", "confirmStop"} & set(written(settings)), timeout=30.0
        )
        panel.page.evaluate("() => window.jupyterapp.commands.execute('application:close')")
    wait_until(lambda: asks_again(panel), timeout=60.0)  # written down is not yet heard of


def written(settings: Path) -> dict[str, object]:
    """Return what is set otherwise than usual."""
    lines = settings.read_text().splitlines() if settings.exists() else []
    found = json.loads("".join(line for line in lines if not line.strip().startswith("//")) or "{}")
    usual = {"autoConnect": False, "confirmStop": True}
    return {name: value for name, value in found.items() if usual.get(name) != value}


def asks_again(panel: Panel) -> bool:
    """Tell whether a restart is asked about; one that was done at once is waited for."""
    panel.has_idle(2)
    panel.choose(0)
    return not restarts_unasked(panel, panel.card.get_by_text("process").inner_text())


def restarts_unasked(panel: Panel, before: str) -> bool:
    """Restart an engine; tell whether that was done at once, or do nothing if one is asked."""
    question = panel.card.get_by_role("alertdialog")
    panel.press("Restart…", within=panel.card)
    wait_until(lambda: question.count() > 0 or before not in panel.card.inner_text(), timeout=60.0)
    if question.count() > 0:
        panel.press("Keep", within=question)
        return False
    return True
