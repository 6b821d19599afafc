"""Versions that differ are found, and warned of once."""

import warnings

import pytest

from ipcluster_ext.client.versions import Versions, warn_of


def versions(**changes: str) -> dict[str, str]:
    return {"python": "3.13.1", "numpy": "2.1", **changes}


def test_those_that_are_equal_do_not_differ() -> None:
    everybody = Versions(client=versions(), hub=versions(), engines={0: versions()})

    assert everybody.mismatches == {}


def test_those_that_differ_are_told_with_who_has_which() -> None:
    everybody = Versions(
        client=versions(),
        hub=versions(),
        engines={0: versions(), 1: versions(numpy="1.26"), 2: {"python": "3.13.1"}, 3: None},
    )

    assert everybody.mismatches == {
        "numpy": {"2.1": ["client", "engine 0"], "1.26": ["engine 1"], "": ["engine 2"]}
    }


def test_the_hub_matters_for_this_package_only() -> None:
    hub = {**versions(numpy="1.26"), "ipcluster-ext": "0.1"}
    own = {**versions(), "ipcluster-ext": "0.2"}

    assert Versions(client=own, hub=hub, engines={}).mismatches == {
        "ipcluster-ext": {"0.2": ["client"], "0.1": ["hub"]}
    }


def test_a_difference_is_warned_of_once() -> None:
    everybody = Versions(
        client=versions(pandas="2.2"), hub={}, engines={0: versions(pandas="1.0-once")}
    )

    with pytest.warns(RuntimeWarning, match=r"pandas differ \(client: 2\.2; engine 0: 1\.0-once"):
        warn_of(everybody)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of(everybody)
