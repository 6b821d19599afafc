"""What the Tab key offers in cells for engines."""

import pytest

from tests.support.gates import Gate
from tests.support.kernels import Notebook


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ("%%px --no", ["--no-debug", "--no-stream", "--no-verbose", "--noblock"]),
        ("%%px --group-outputs ", ["engine", "order", "type"]),
        ("%%px --group-outputs=en", ["engine"]),
        ("%%px -a --lo", ["--local"]),
        ("%pxconfig --cl", ["--cluster"]),
        ("%pxresult --o", ["--out"]),
    ],
)
def test_options_and_their_values_are_offered(
    four_in_notebook: Notebook, code: str, offered: list[str]
) -> None:
    assert four_in_notebook.completions(code) == offered


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ("%px only_th", ["only_there"]),
        ("%%px\nonly_th", ["only_there"]),
        ("%px only_there.de", ["denominator"]),
        ("%%px -t 1\nx = 1\nonly_there.numer", ["numerator"]),
    ],
)
def test_names_that_the_engines_have_are_offered(
    four_in_notebook: Notebook, code: str, offered: list[str]
) -> None:
    four_in_notebook.ok("only_then = 1\n%px only_there = 1")

    assert [name.rpartition(".")[2] for name in four_in_notebook.completions(code)] == offered


def test_a_busy_engine_answers_while_its_task_goes_on(
    four_in_notebook: Notebook, gate: Gate
) -> None:
    four_in_notebook.ok("%px only_there = 1")
    four_in_notebook.ok(
        "from tests.support.gates import pass_through; from pathlib import Path\n"
        f"busy = rc[0].apply_async(pass_through, Path({str(gate.path)!r}))"
    )

    assert four_in_notebook.completions("%px only_th") == ["only_there"]
    assert four_in_notebook.value("busy.done()") == "False"
    gate.open()
    four_in_notebook.ok("busy.get()")


def test_completing_starts_nothing(notebook: Notebook) -> None:
    notebook.ok("%load_ext ipcluster_ext")

    assert notebook.completions("%px only_h") == []
    assert list(notebook.runtime.iterdir()) == []
