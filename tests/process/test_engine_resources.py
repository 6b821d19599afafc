import sys
from pathlib import Path

import pytest

import ipcluster_ext as ipp
from tests.support.leftovers import leftovers_of


def test_engines_tell_what_they_have(runtime: Path) -> None:
    cluster = ipp.Cluster(n=1, resources={"gpu": 1})
    with cluster as client:
        cluster.start_engines_sync(1, resources={"gpu": 2, "licence": 0.5})
        client.start_engines(1)
        client.wait_for_engines(3, timeout=10)
        infos = [client.engine_info(engine) for engine in client.ids]

        assert [info.resources for info in infos] == [
            {"gpu": 1.0},
            {"gpu": 2.0, "licence": 0.5},
            {"gpu": 1.0},
        ]
        assert {info.python for info in infos} == {f"{sys.version_info[0]}.{sys.version_info[1]}"}
    assert leftovers_of(runtime) == []


def test_an_engine_has_the_same_after_a_restart(runtime: Path) -> None:
    with ipp.Cluster(n=1, resources={"gpu": 1}) as client:
        before = client.engine_info(0).pid
        client.restart_engines()
        client[0].apply_async(abs, -1).get(10)

        assert client.engine_info(0).pid != before
        assert client.engine_info(0).resources == {"gpu": 1.0}
    assert leftovers_of(runtime) == []


@pytest.mark.parametrize("amount", [-1, float("inf"), float("nan")])
def test_an_amount_that_nothing_can_have_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match=r"an engine cannot have .* of 'gpu'"):
        ipp.Cluster(n=1, resources={"gpu": amount})
