"""Widgets that code on engines makes, in JupyterLab: drawn, dragged, filled."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.browser.pages import OPEN_DOCUMENT

TWO = (
    "import ipcluster_ext as ipp\n"
    "rc = ipp.Cluster(n=2).start_and_connect_sync()\n"
    "%load_ext ipcluster_ext"
)
INTERACT = """%%px --targets 1
from ipywidgets import Button, HTML, Output, VBox, interact
from IPython.display import display
def square(n=3):
    print(f"{n} squared is {n * n}")
interact(square)
out, button = Output(), Button(description="Say it")
def said(_):
    with out:
        print("the engine says it")
        display(HTML("<b>and shows it</b>"))
button.on_click(said)
display(VBox([button, out]))
"""
LEAVE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.save();
  panel.dispose();
}"""
COME_BACK = f"async path => {{ await ({OPEN_DOCUMENT})({{ path }}) }}"
STOP = "rc.cluster.stop_cluster_sync(); rc.close()"


def test_an_engines_widgets_are_drawn_and_answer_their_user(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(TWO, INTERACT, STOP)
    notebook.run(0)
    output = notebook.run(1)
    expect(output).to_contain_text("3 squared is 9")

    slider = output.locator(".noUi-handle").first
    slider.focus()
    slider.press("ArrowRight")
    expect(output).to_contain_text("4 squared is 16")
    expect(output).not_to_contain_text("3 squared is 9")

    output.get_by_role("button", name="Say it").click()
    expect(output).to_contain_text("the engine says it")
    expect(output).to_contain_text("and shows it")
    notebook.shoot("moved")

    notebook.page.evaluate(LEAVE)
    expect(notebook.panel).to_have_count(0)
    notebook.page.evaluate(COME_BACK, f"{notebook.name}.ipynb")
    notebook.wait_until_idle()
    expect(output.locator(".widget-readout").first).to_have_text("4")
    slider.focus()
    slider.press("ArrowRight")
    expect(output).to_contain_text("5 squared is 25")
    notebook.shoot("back")
    notebook.run(2)
