import importlib
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ipcluster_ext as ipp
from tests.process.clients import four_engines

if TYPE_CHECKING:
    from tests.process.idioms import Program

HERE = Path(__file__).parent
PROGRAMS: "dict[str, Program]" = runpy.run_path(str(HERE / "idioms.py"), run_name="__main__")[
    "PROGRAMS"
]
"""As a script's own functions, or a notebook's: what they call is theirs."""


@pytest.fixture(scope="module")
def four() -> Iterator[ipp.Client]:
    with four_engines() as client:
        yield client


@pytest.mark.parametrize("row", PROGRAMS)
def test_a_program_for_ipyparallel_runs_with_only_its_import_changed(
    row: str, rc: ipp.Client
) -> None:
    PROGRAMS[row](importlib.import_module("ipcluster_ext"), rc)
