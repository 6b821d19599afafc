"""What clusters and profiles say of having as many engines as there is work for."""

import pytest

from ipcluster_ext.cluster import profiles
from ipcluster_ext.cluster.adaptive import Adapt, as_bounds, usual_maximum
from ipcluster_ext.errors import ClusterError
from ipcluster_ext.protocol.parts import Bounds


def test_what_is_not_said_is_as_usual() -> None:
    assert as_bounds({}, 4) == Bounds(0, 4, 60.0)
    assert as_bounds({"minimum": 6}, 4) == Bounds(6, 6, 60.0)
    assert as_bounds(Adapt(maximum=2, idle_timeout=5.0), 4) == Bounds(0, 2, 5.0)
    assert as_bounds(None, 4) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"minimum": 3, "maximum": 2}, "there cannot be 3 to 2 engines"),
        ({"maximum": 0}, "there cannot be 0 to 0 engines"),
        ({"idle_timeout": -1}, "idle_timeout=-1 is no number of seconds"),
        ({"most": 3}, "unknown field `most`; keys: minimum, maximum, idle_timeout"),
        ({"minimum": "two"}, "Expected `int`, got `str`"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises((ValueError, ClusterError), match=said):
        as_bounds(given, 4)


def test_there_are_at_most_as_many_as_were_asked_for_on_other_hosts() -> None:
    assert usual_maximum(1, alone=False) == 1
    assert usual_maximum(999, alone=True) == 999


def test_a_profile_may_say_it_and_begins_with_the_least() -> None:
    profile = profiles.parse({"adapt": {"minimum": 2, "maximum": 8}}, name="x", source="x.toml")

    assert profile.adapt == Adapt(minimum=2, maximum=8)
    assert profiles.Recipe(**profile.options).plan(None).here == 2
    assert profiles.Recipe(adapt={"maximum": 3}).plan(None).here == 1
    assert profiles.Recipe(adapt={"maximum": 3}).plan(3).here == 3


@pytest.mark.parametrize(
    ("adapt", "said"),
    [
        ({"maximal": 3}, "x.toml: Object contains unknown field `maximal`, in `adapt`"),
        ({"minimum": 3, "maximum": 2}, "x.toml: there cannot be 3 to 2 engines"),
    ],
)
def test_what_is_wrong_in_a_profile_is_said_with_its_file(adapt: dict[str, int], said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        profiles.parse({"adapt": adapt}, name="x", source="x.toml")
