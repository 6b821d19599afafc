import numpy as np
import pytest

from ipcluster_ext.client.targets import Targets, resolve
from ipcluster_ext.errors import NoSuchEngine
from ipcluster_ext.protocol.ids import EngineId

ENGINES = [EngineId(0), EngineId(2), EngineId(3), EngineId(7)]


@pytest.mark.parametrize(
    ("target", "engine"), [(0, 0), (7, 7), (-1, 7), (-4, 0), (np.int64(3), 3), (np.int8(-2), 3)]
)
def test_an_id_means_that_engine_alone(target: int, engine: int) -> None:
    assert resolve(target, ENGINES) == ([engine], True)


@pytest.mark.parametrize(
    ("targets", "engines"),
    [
        ("all", [0, 2, 3, 7]),
        (slice(None), [0, 2, 3, 7]),
        (slice(1, 3), [2, 3]),
        (slice(None, None, -1), [7, 3, 2, 0]),
        ([7, 0], [7, 0]),
        ((2,), [2]),
        ([-1, -1], [7, 7]),
        (range(2, 4), [2, 3]),
        (np.array([3, 2]), [3, 2]),
    ],
    ids=str,
)
def test_several_mean_a_list_in_their_order(targets: Targets, engines: list[int]) -> None:
    assert resolve(targets, ENGINES) == (engines, False)


@pytest.mark.parametrize("targets", [1, -5, [0, 1], [], (), slice(4, None), 10**30], ids=str)
def test_what_is_not_there_is_named_with_what_is(targets: Targets) -> None:
    with pytest.raises(NoSuchEngine, match="engines: 0, 2, 3, 7"):
        resolve(targets, ENGINES)


@pytest.mark.parametrize("targets", ["all", slice(None), 0, [0]], ids=str)
def test_without_engines_nothing_is_there(targets: Targets) -> None:
    with pytest.raises(NoSuchEngine, match="engines: none"):
        resolve(targets, [])


@pytest.mark.parametrize(
    "targets", [None, True, 1.0, "some", "0", ["0"], [None], [True], [[0]], object], ids=str
)
def test_what_means_no_engine_is_refused(targets: Targets) -> None:
    with pytest.raises(TypeError, match="targets must be 'all', an engine id"):
        resolve(targets, ENGINES)


def test_the_list_of_engines_is_not_given_away() -> None:
    engines = list(ENGINES)

    resolve("all", engines)[0].clear()

    assert engines == ENGINES
