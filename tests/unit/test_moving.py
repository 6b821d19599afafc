import importlib
import re
from pathlib import Path
from typing import Any, cast

import pytest

from ipcluster_ext.magics.px import Px
from tests.process.idioms import PROGRAMS

GUIDE = Path(__file__).parents[2] / "examples" / "moving_from_ipyparallel.md"
COUNTS = {"F": 22, "G": 13, "H": 6, "I": 5, "J": 15, "K": 8, "M": 7, "N": 2, "O": 5, "P": 8,
          "S": 6, "U": 5}  # fmt: skip
"""How many rows ipyparallel's reference has under each letter."""

TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in GUIDE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [A-Z][0-9]+ \|", line)
]


PX = Px(cast("Any", None))
MAGICS = {*(f"%{name}" for name in PX.lines), *(f"%%{name}" for name in PX.cells)}


def names_of(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_row_of_the_reference_is_there_once() -> None:
    numbered = [f"{letter}{n}" for letter, count in COUNTS.items() for n in range(1, count + 1)]
    expected = [*numbered[: numbered.index("M1")], "L1", "L5", *numbered[numbered.index("M1") :]]

    assert [row[0] for row in TABLE] == expected


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_a_row_says_whether_it_works_and_names_what_is_there(row: list[str]) -> None:
    _, _, here, how = row

    assert how.startswith(("works", "mended", "not carried over: "))
    assert bool(here) != how.startswith("not carried over")
    for name in names_of(here):
        if name.startswith("%"):
            assert name in MAGICS
            continue
        found: object = importlib.import_module("ipcluster_ext")
        for part in name.split("."):
            assert hasattr(found, part) or part in getattr(found, "__annotations__", {}), name
            found = getattr(found, part, None)


def test_every_program_belongs_to_a_row() -> None:
    assert set(PROGRAMS) <= {row[0] for row in TABLE}
