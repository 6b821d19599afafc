import multiprocessing
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.running import SEED_BITS, Tally, digest, known_seeds, run_seeds

SHARE = 2_000
SHARES = 10
"""So many seeds are tried in one test, and so many tests there are."""
CHOSEN = os.environ.get("SIMULATION_SEED", "1")
"""The same histories judge every change; ``SIMULATION_SEED=fresh`` has others each time, as
``make soak`` does, and ``SIMULATION_SEED=...`` repeats such a run."""
BASE = secrets.randbits(SEED_BITS) if CHOSEN == "fresh" else int(CHOSEN)


PROCESSES = 2


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Have processes that run histories at the same time."""
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("share", range(SHARES))
def test_nothing_is_lost_in_thousands_of_histories(
    share: int, processes: ProcessPoolExecutor
) -> None:
    first = BASE + share * SHARE
    parts = [range(first + part, first + SHARE, PROCESSES) for part in range(PROCESSES)]

    tallies: list[Tally] = list(processes.map(run_seeds, parts))

    assert {seed: error for tally in tallies for seed, error in tally.failed.items()} == {}, (
        f"SIMULATION_SEED={BASE}; look at one with: python -m tests.simulation SEED; then keep it "
        "in tests/simulation/seeds.txt"
    )
    assert sum(tally.seeds for tally in tallies) == SHARE


def test_nothing_is_lost_in_histories_in_which_something_was_once() -> None:
    tally = run_seeds(known_seeds(), check_every=1)

    assert tally.failed == {}


def test_a_seed_tells_the_same_history_each_time() -> None:
    seeds = range(BASE, BASE + 20)

    assert [digest(seed) for seed in seeds] == [digest(seed) for seed in seeds]


def test_other_seeds_tell_other_histories() -> None:
    assert len({digest(seed) for seed in range(BASE, BASE + 20)}) == 20
