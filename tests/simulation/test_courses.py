"""Blows that lie in wait find their moment, or they would show nothing."""

import logging
from collections.abc import Iterator
from itertools import count, islice

import pytest

from tests.simulation import faults
from tests.simulation.ambushes import AMBUSHES, HASTY, PATIENT
from tests.simulation.running import try_seed
from tests.simulation.themes import RARE, Theme

TRIED = 300
"""One in so many histories has all of its blows strike, at least."""
PLOTS = list(dict.fromkeys(theme for theme in RARE if theme.plot))


@pytest.fixture
def seeds() -> Iterator[int]:
    """Return seeds of histories in which blows lie in wait."""
    return islice(filter(faults.is_rare, count(1)), TRIED)


def named(theme: Theme) -> str:
    """Return what lies in wait in a theme."""
    lurking = [blow for blow, _, _ in theme.plot if blow in AMBUSHES and blow not in PATIENT]
    return ", ".join(dict.fromkeys(lurking)) or "nothing"


@pytest.mark.parametrize("theme", PLOTS, ids=named)
def test_one_blow_after_the_other_strikes(
    theme: Theme, seeds: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "RARE", (theme,))
    monkeypatch.setattr(logging.root.manager, "disable", logging.WARNING)
    most = len(theme.plot)

    for seed in seeds:
        world, error = try_seed(seed, check_every=8)
        assert error == "", seed
        if world.course is not None and world.course.struck == most:
            break
    else:
        pytest.fail(f"not all of its blows struck in {TRIED} histories")


def test_each_blow_that_can_lie_in_wait_does_in_some_theme() -> None:
    used = {blow for theme in RARE for blow, _, _ in theme.plot}

    assert {blow for blow in used if ":" in blow} == set(AMBUSHES)
    assert AMBUSHES.keys() >= PATIENT | HASTY
