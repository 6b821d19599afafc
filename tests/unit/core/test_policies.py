from collections import Counter

import pytest

from ipcluster_ext.core.chance import Chance
from ipcluster_ext.core.policies import make_policy
from ipcluster_ext.protocol.ids import EngineId
from ipcluster_ext.protocol.process import POLICIES, PolicyName
from tests.unit.core.test_policy import engine_of, give

ALL = pytest.mark.parametrize("name", POLICIES)


def draws(name: PolicyName, loads: list[int], count: int, credit: int = 100) -> Counter[EngineId]:
    index = make_policy(name, Chance(7))
    for number, load in enumerate(loads):
        index.enter(engine_of(number, load=load))
    chosen = [index.choose(credit) for _ in range(count)]
    return Counter(engine.id for engine in chosen if engine is not None)


@ALL
def test_no_policy_finds_an_engine_where_there_is_none(name: PolicyName) -> None:
    assert make_policy(name, Chance()).choose(1) is None


@ALL
def test_every_policy_finds_the_engine_that_has_room(name: PolicyName) -> None:
    if name != "pure":
        assert draws(name, [5, 5, 4, 5], 20, credit=5) == {2: 20}


@ALL
def test_no_policy_chooses_an_engine_that_may_not_be_given_work(name: PolicyName) -> None:
    index = make_policy(name, Chance())
    gone, there = engine_of(1), engine_of(2)
    index.enter(gone)
    index.enter(there)
    gone.leaving = True
    index.enter(gone)

    assert {index.choose(1) for _ in range(10)} == {there}


def test_lru_takes_turns_among_those_with_room() -> None:
    index = make_policy("lru", Chance())
    engines = [engine_of(number) for number in range(3)]
    for engine in engines:
        index.enter(engine)
    give(engines[1], 2)
    index.enter(engines[1])

    assert [e.id for _ in range(4) if (e := index.choose(2))] == [0, 2, 0, 2]


def test_pure_takes_turns_whatever_the_load() -> None:
    assert draws("pure", [0, 50, 9], 9, credit=1) == {0: 3, 1: 3, 2: 3}


def test_plainrandom_chooses_all_alike() -> None:
    counts = draws("plainrandom", [0, 50, 9], 3000)

    assert all(900 < counts[EngineId(number)] < 1100 for number in range(3))


def test_twobin_never_takes_the_most_loaded_of_two() -> None:
    counts = draws("twobin", [0, 9], 3000)

    assert 2100 < counts[EngineId(0)] < 2400


def test_weighted_prefers_the_less_loaded() -> None:
    counts = draws("weighted", [0, 9], 3000)

    assert 1900 < counts[EngineId(0)] < 2300
