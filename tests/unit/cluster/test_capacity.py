import resource

import pytest

from ipcluster_ext.cluster.capacity import check_capacity
from ipcluster_ext.errors import StartupError


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def limited_to(hard: int, patch: pytest.MonkeyPatch) -> None:
    """Have this process's limit on open files be this."""
    patch.setattr(resource, "getrlimit", lambda _: (min(hard, 1024), hard))


@pytest.mark.parametrize(
    ("hard", "most"), [(64, 48), (40, 24), (256, 176), (1024, 944), (1_048_576, 10_000)]
)
def test_as_many_engines_as_can_connect_may_be_started(
    hard: int, most: int, limit: pytest.MonkeyPatch
) -> None:
    limited_to(hard, limit)

    check_capacity(most)

    if most < 10_000:
        with pytest.raises(StartupError, match=rf"{hard} open files .*{most + 1} engines"):
            check_capacity(most + 1)


def test_where_there_is_no_limit_any_number_may_be(limit: pytest.MonkeyPatch) -> None:
    limited_to(resource.RLIM_INFINITY, limit)

    check_capacity(10_000)


def test_the_remedy_is_named(limit: pytest.MonkeyPatch) -> None:
    limited_to(64, limit)

    with pytest.raises(StartupError, match=r"RLIMIT_NOFILE.*ulimit -Hn 180.*start fewer"):
        check_capacity(100)


def test_too_few_for_anything_are_too_few(limit: pytest.MonkeyPatch) -> None:
    limited_to(12, limit)

    with pytest.raises(StartupError, match="1 engines need 81"):
        check_capacity(1)
