"""The readers of the wire among nonsense, in numbers that no connection could bring."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.decoder import run_random
from tests.security.nonsense import CASES, SEED


@pytest.mark.timeout(3600)
def test_nonsense_is_taken_or_refused_and_nothing_else_happens() -> None:
    sys.stdout.write(f"{CASES} pieces of seed {SEED}\n")

    run_random(CASES, SEED)


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris is not installed")
def test_nonsense_that_looks_for_its_way_through_the_code_finds_no_fault(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.decoder", "-runs=20000", "-max_len=4096", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
