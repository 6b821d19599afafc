"""What only a browser shows of a notebook with engines."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook


def test_a_cell_shows_what_it_printed(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook("print('here')", "1/0")

    expect(notebook.run(0)).to_have_text("here")
    notebook.shoot("first")


def test_the_stop_button_interrupts_a_cell(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook("print('on', flush=True)\nimport time; time.sleep(60)", "6*7")
    notebook.start(0)
    expect(notebook.output(0)).to_contain_text("on")
    notebook.stop()
    notebook.wait(0)

    expect(notebook.output(0)).to_contain_text("KeyboardInterrupt")
    expect(notebook.run(1)).to_contain_text("42")
