from typing import Any

import pytest

from ipcluster_ext.cluster import profiles
from ipcluster_ext.cluster.sets import plan
from ipcluster_ext.cluster.shares import check_resources, memory_of, shares_of, shares_of_set
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.foreman import EngineSet
from ipcluster_ext.protocol.shares import Shares


@pytest.mark.parametrize(
    ("limit", "amount"),
    [
        ("4 GB", 4e9),
        ("4GiB", 4.0 * 2**30),
        ("1.5 g", 1.5e9),
        ("800 MB", 8e8),
        ("5000000", 5e6),
        ("25%", 0.25),
        (0.5, 0.5),
        (2**31, 2.0**31),
        (0, 0.0),
        ("0", 0.0),
    ],
)
def test_memory_is_a_size_or_a_part(limit: float | str, amount: float) -> None:
    assert memory_of(limit) == amount


@pytest.mark.parametrize("limit", ["much", "-1 GB", "4 XB", "0.5", 100, -1, float("nan"), "200%"])
def test_what_is_no_amount_of_memory_is_refused(limit: float | str) -> None:
    with pytest.raises(ValueError, match="say '4 GB'"):
        memory_of(limit)


@pytest.mark.parametrize(
    ("wish", "error", "text"),
    [
        ({"pin": "sockets"}, ValueError, "pin can be 'cores'"),
        ({"gpus": "all"}, TypeError, "gpus can be 'auto' or a list"),
        ({"gpus": [-1]}, ValueError, "counted from 0"),
        ({"threads": -2}, ValueError, "cannot use -2 threads"),
    ],
)
def test_what_cannot_be_is_refused(wish: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        shares_of(**wish)


def test_a_set_has_what_it_says_and_else_what_the_cluster_has() -> None:
    usual = Shares(pin=True, gpus="auto", threads=2, memory_limit=0.5)

    assert shares_of_set(EngineSet(launcher="ssh"), usual) == usual
    assert shares_of_set(
        EngineSet(launcher="ssh", pin=False, gpus=[], threads=0, memory_limit="1 GB"), usual
    ) == Shares(gpus=[], memory_limit=1e9)


def test_a_table_of_engines_may_say_what_they_use() -> None:
    [engines] = plan(
        None, engines=[{"hosts": ["n1:2"], "resources": ["bigmem"], "pin": "cores", "threads": 3}]
    ).sets

    assert (engines.resources, engines.pin, engines.threads) == (["bigmem"], "cores", 3)
    assert engines.options == {"hosts": ["n1:2"]}


def test_a_number_of_gpus_is_for_the_batch_system() -> None:
    [engines] = plan(None, engines=[{"launcher": "slurm", "n": 2, "gpus": 2}]).sets
    [shared] = plan(None, engines=[{"launcher": "slurm", "n": 2, "gpus": "auto"}]).sets

    assert (engines.gpus, engines.options) == (None, {"gpus": 2})
    assert (shared.gpus, shared.options) == ("auto", {})


def test_a_set_that_wants_what_cannot_be_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"a set of engines: .* say '4 GB'"):
        plan(None, engines=[{"hosts": ["n1:2"], "memory_limit": "much"}])


def test_engines_of_this_host_have_what_the_cluster_has() -> None:
    with pytest.raises(ClusterError, match="have the pin of the cluster: say pin= for it"):
        plan(None, engines=[{"launcher": "local", "n": 2, "pin": "cores"}])


def test_what_has_no_amount_is_there_once() -> None:
    assert check_resources(["gpu", "bigmem"]) == {"gpu": 1.0, "bigmem": 1.0}


def test_one_text_is_no_list_of_names() -> None:
    with pytest.raises(TypeError, match="a list of names"):
        check_resources("gpu")


class TestAProfile:
    def test_may_say_it_all(self) -> None:
        said = {"resources": ["bigmem"], "pin": "cores", "gpus": [0, 1], "memory_limit": 0.25}

        profile = profiles.parse(said, name="big", source="big.toml")

        assert profile.options["resources"] == ["bigmem"]
        assert profiles.Recipe(**profile.options).shares == Shares(
            pin=True, gpus=[0, 1], memory_limit=0.25
        )

    @pytest.mark.parametrize(
        ("said", "text"),
        [
            ({"memory_limit": "much"}, "big.toml: an engine cannot have 'much' of memory"),
            ({"pin": "sockets"}, "big.toml: .*sockets.*, in `pin`"),
            ({"resources": {"gpu": -1}}, "big.toml: an engine cannot have -1 of 'gpu'"),
        ],
    )
    def test_that_says_what_cannot_be_is_refused(self, said: dict[str, Any], text: str) -> None:
        with pytest.raises(ClusterError, match=text):
            profiles.parse(said, name="big", source="big.toml")
