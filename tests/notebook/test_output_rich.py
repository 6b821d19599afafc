"""What engines display, as a notebook shows it."""

import re

import pytest

from tests.support.kernels import Notebook

STREAMED = "ar = dv.execute({code!r}, silent=False)\nwith ar.stream_output({groupby!r}): ar.get()"
SHOWN = "ar = dv.execute({code!r}, silent=False)\nar.display_outputs({groupby!r})"


@pytest.mark.parametrize("way", [STREAMED, SHOWN])
@pytest.mark.parametrize("groupby", ["order", "type", "engine"])
@pytest.mark.parametrize(
    ("made", "mime"),
    [
        ("HTML('<b>{}</b>'.format(engine_id))", "text/html"),
        ("Latex('x^{}'.format(engine_id))", "text/latex"),
        ("SVG('<svg id=\"{}\"></svg>'.format(engine_id))", "image/svg+xml"),
    ],
)
def test_each_engines_displays_stand_below_its_heading(
    four_in_notebook: Notebook, way: str, groupby: str, made: str, mime: str
) -> None:
    code = f"from IPython.display import HTML, SVG, Latex, display\ndisplay({made})"
    cell = four_in_notebook.ok(way.format(code=code, groupby=groupby))

    pictures = [data[mime] for data in cell.displays if mime in data]
    engines = [int(engine) for engine in re.findall(r"^\[output:(\d)\]$", cell.text, re.MULTILINE)]
    assert [str(engine) in picture for engine, picture in zip(engines, pictures, strict=True)] == (
        [True] * 4
    )
    assert [mime in output.get("data", {}) for output in cell.outputs] == [False, True] * 4
    as_they_came = way is STREAMED and groupby == "order"
    assert (sorted(engines) if as_they_came else engines) == [0, 1, 2, 3]


@pytest.mark.parametrize("way", [STREAMED, SHOWN])
def test_plots_of_the_inline_backend_are_shown_at_the_end_of_the_cell(
    four_in_notebook: Notebook, way: str
) -> None:
    pytest.importorskip("matplotlib")
    code = (
        "%matplotlib inline\n"
        "import matplotlib.pyplot as plt\n"
        "_ = plt.plot([0, engine_id]); print('plotted')"
    )
    cell = four_in_notebook.ok(way.format(code=code, groupby="type"), timeout=60.0)

    pictures = [data["image/png"] for data in cell.displays if "image/png" in data]
    assert len(set(pictures)) == 4
    assert all(picture.startswith("iVBOR") for picture in pictures)
    assert "[stdout:0-3] plotted\n" in cell.text


@pytest.mark.parametrize("groupby", ["order", "type", "engine"])
def test_a_display_is_updated_where_it_stands(four_in_notebook: Notebook, groupby: str) -> None:
    code = (
        "from IPython.display import HTML, display, update_display\n"
        "display(HTML('old'), display_id='mine')\n"
        "update_display(HTML('new {}'.format(engine_id)), display_id='mine')"
    )
    cell = four_in_notebook.ok(STREAMED.format(code=code, groupby=groupby))

    shown = [data["text/html"] for data in cell.displays if "text/html" in data]
    assert sorted(shown) == [f"new {engine}" for engine in range(4)]


@pytest.mark.parametrize("groupby", ["order", "type"])
def test_a_display_is_updated_by_a_later_cell(four_in_notebook: Notebook, groupby: str) -> None:
    made = "from IPython.display import HTML\nhandle = display(HTML('old'), display_id=True)"
    first = four_in_notebook.ok(STREAMED.format(code=made, groupby=groupby))
    changed = "handle.update(HTML('new'))"
    second = four_in_notebook.ok(STREAMED.format(code=changed, groupby=groupby))

    assert [data["text/html"] for data in first.displays if "text/html" in data] == ["new"] * 4
    assert second.outputs == []


@pytest.mark.parametrize("groupby", ["order", "type"])
@pytest.mark.parametrize("wait", [True, False])
def test_what_an_engine_clears_is_replaced(
    four_in_notebook: Notebook, groupby: str, wait: bool
) -> None:
    code = (
        "from IPython.display import HTML, clear_output, display\n"
        "for number in range(3):\n"
        f"    clear_output(wait={wait}); display(HTML('{{}} {{}}'.format(engine_id, number)))"
    )
    cell = four_in_notebook.ok(STREAMED.format(code=code, groupby=groupby))

    shown = [data["text/html"] for data in cell.displays if "text/html" in data]
    assert sorted(shown) == [f"{engine} 2" for engine in range(4)]
    after = four_in_notebook.ok("ar.display_outputs()")
    assert [data["text/html"] for data in after.displays] == sorted(shown)


@pytest.mark.parametrize("groupby", ["order", "type", "engine"])
def test_progress_bars_of_engines_move_in_place(four_in_notebook: Notebook, groupby: str) -> None:
    code = (
        "import sys, time\n"
        "for percent in range(0, 101, 10):\n"
        "    _ = sys.stderr.write('\\r{:3} %'.format(percent)); time.sleep(0.02)\n"
        "_ = sys.stderr.write('\\n')"
    )
    cell = four_in_notebook.ok(STREAMED.format(code=code, groupby=groupby))

    assert cell.text == "[stderr:0-3] 100 %\n"
    assert [output["output_type"] for output in cell.outputs] == ["display_data"]


def test_a_reply_shows_itself_as_its_value_would(four_in_notebook: Notebook) -> None:
    code = "from IPython.display import Image\nImage(data=b'', format='png', width=5)"
    cell = four_in_notebook.ok(f"rc[0].execute({code!r}, silent=False, block=True)")

    result = next(each for each in cell.outputs if each["output_type"] == "execute_result")
    assert "image/png" in result["data"]
    assert result["metadata"] == {"image/png": {"width": 5}}
