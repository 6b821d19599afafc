from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.simulation.hunting import hunt
from tests.simulation.mutants import EQUIVALENT, MUTANTS
from tests.simulation.patching import Mutant

QUICK = [mutant for mutant in MUTANTS if mutant.seed is not None]
ENOUGH = 30
"""So many planted bugs make a score."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_has_its_place_in_the_code(mutant: Mutant) -> None:
    compile(mutant.text(), mutant.path, "exec")


def test_there_are_enough_planted_bugs_and_each_has_its_own_name() -> None:
    names = {mutant.name for mutant in MUTANTS}

    assert len(names) == len(MUTANTS) >= ENOUGH + len(EQUIVALENT)
    assert EQUIVALENT.keys() <= names


def test_the_simulation_finds_planted_bugs() -> None:
    with ThreadPoolExecutor(2) as pool:
        hunts = list(pool.map(lambda mutant: hunt(mutant, first=mutant.seed or 0, most=200), QUICK))

    assert [one.mutant.name for one in hunts if one.seed is None] == []
    assert len(hunts) >= 8
