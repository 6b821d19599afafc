"""Output of engines stands in the cell that asked for it, whatever runs by then."""

import re
from collections.abc import Callable
from textwrap import dedent

import pytest

from tests.support.cells import Cell
from tests.support.frontends import Shows
from tests.support.gates import Gate
from tests.support.kernels import Notebook
from tests.support.reading import shown


def engines_that_said(word: str, cell: Cell) -> list[int]:
    """Return whose lines end with a word: those of engines that say it at once stand in one."""
    engines: list[int] = []
    for names in re.findall(rf"^\[\w+:([\d,-]+)\] {word}$", cell.text, re.MULTILINE):
        for run in names.split(","):
            low, _, high = run.partition("-")
            engines += range(int(low), int(high or low) + 1)
    return sorted(engines)


def waiting(gate: Gate, before: str, after: str) -> str:
    """Return code for engines: say something, wait at a gate, say something else."""
    return dedent(f"""
        from pathlib import Path
        from tests.support.gates import pass_through
        print({before!r})
        pass_through(Path({str(gate.path)!r}))
        print({after!r})
    """)


@pytest.mark.parametrize("groupby", ["order", "type", "engine"])
def test_a_cell_shows_what_its_engines_say_while_they_run(
    four_in_notebook: Notebook, gate: Gate, groupby: str
) -> None:
    cell = four_in_notebook.start(
        f"ar = dv.execute({waiting(gate, 'before', 'after')!r})\n"
        f"with ar.stream_output(groupby={groupby!r}): ar.get()"
    )
    cell.wait_for(lambda cell: engines_that_said("before", cell) == [0, 1, 2, 3])
    assert cell.status == "running"
    gate.open()
    cell.wait()

    assert engines_that_said("before", cell) == engines_that_said("after", cell) == [0, 1, 2, 3]
    assert cell.late == []


@pytest.mark.parametrize("groupby", ["order", "type"])
def test_what_comes_after_the_end_of_a_cell_stands_in_it(
    four_in_notebook: Notebook, gate: Gate, groupby: str
) -> None:
    code = waiting(gate, "before", "after") + "display(6 * 7)"
    first = four_in_notebook.ok(
        f"ar = dv.execute({code!r}); ar.stream_output({groupby!r}).follow(); print('left')"
    )
    second = four_in_notebook.ok("print('another')")
    first.wait_for(lambda cell: "before" in cell.text)
    gate.open()
    first.wait_for(lambda cell: engines_that_said("42", cell) == [0, 1, 2, 3])

    for word in ("before", "after"):
        assert engines_that_said(word, first) == [0, 1, 2, 3]
    assert (first.text.split()[0], second.text) == ("left", "another\n")
    assert first.late


def test_two_cells_whose_work_overlaps_show_each_their_own(
    four_in_notebook: Notebook, gate: Gate
) -> None:
    codes = [waiting(gate, f"one {number}", f"two {number}") for number in (0, 1)]
    cells = [
        four_in_notebook.ok(
            f"ar{number} = rc[{number}].execute({code!r}); _ = ar{number}.stream_output().follow()"
        )
        for number, code in enumerate(codes)
    ]
    last = four_in_notebook.start("print('here'); ar1.wait()")
    for cell in cells:
        cell.wait_for(lambda cell: "one " in cell.text)
    gate.open()
    last.wait()
    for cell in cells:
        cell.wait_for(lambda cell: "two " in cell.text)

    assert [cell.text for cell in cells] == [
        f"[stdout:{number}] one {number}\n[stdout:{number}] two {number}\n" for number in (0, 1)
    ]
    assert last.text == "here\nTrue\n"


def test_output_stands_between_what_the_cell_prints_before_and_after(
    four_in_notebook: Notebook,
) -> None:
    cell = four_in_notebook.ok(
        "print('first')\n"
        "ar = dv.apply_async(print, 'engines')\n"
        "with ar.stream_output(): ar.get()\n"
        "print('then')\n"
        "ar.display_outputs()\n"
        "print('last')"
    )

    engines = [f"[stdout:{number}] engines" for number in range(4)]
    text = shown(cell.text)
    assert sorted(text[1:5]) == engines  # as they came
    assert [text[0], *text[5:]] == ["first", "then", *engines, "last"]


@pytest.mark.parametrize(
    "capture",
    [
        "from IPython.utils.capture import capture_output\nwith capture_output() as caught:",
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as caught:",
    ],
)
def test_output_that_a_cell_captures_is_captured(four_in_notebook: Notebook, capture: str) -> None:
    cell = four_in_notebook.ok(
        f"{capture}\n"
        "    ar = dv.apply_async(print, 'caught')\n"
        "    with ar.stream_output('type'): ar.get()\n"
        "    ar.display_outputs()\n"
        "text = getattr(caught, 'stdout', None) or caught.getvalue()"
    )

    assert cell.messages == [] or [message.kind for message in cell.messages] == ["execute_input"]
    assert four_in_notebook.value("text") == repr("[stdout:0-3] caught\n" * 2)


def test_an_executed_notebook_has_the_last_state_of_what_changed(
    open_notebook: Callable[[Shows], Notebook],
) -> None:
    executed = open_notebook("nothing")
    executed.ok("import ipcluster_ext as ipp; rc = ipp.Cluster(n=2).start_and_connect_sync()")
    code = "import sys; _ = sys.stderr.write('\\r10 %\\r20 %'); print('done'); 6 * 7"
    cell = executed.ok(
        f"ar = rc[:].execute({code!r}, silent=False)\n"
        "with ar.stream_output(groupby='type'): ar.get()"
    )
    executed.ok("rc.shutdown(hub=True)")

    text = "[stdout:0-1] done\n[stderr:0-1] 20 %\nOut[0-1:1]: 42"
    assert cell.displays == [{"text/plain": text}]
