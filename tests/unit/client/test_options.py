import math
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest

from ipcluster_ext.client.dependency import Dependency
from ipcluster_ext.client.options import Flags, Retry, check, check_names
from ipcluster_ext.errors import InvalidDependency, OptionError
from ipcluster_ext.protocol import parts
from ipcluster_ext.protocol.buffers import load


class TestRetry:
    def test_that_only_counts_tells_the_hub_nothing_else(self) -> None:
        flags = Flags(retries=Retry(3))

        assert (flags.count, flags.wire) == (3, None)

    def test_brings_its_classes_to_the_engine(self) -> None:
        told = Retry(2, on=(OSError, ValueError), not_on=FileNotFoundError).on_the_wire()

        assert told is not None
        assert load(told.judge, ()) == ((OSError, ValueError), (FileNotFoundError,))
        assert msgspec.structs.replace(told, judge=b"") == parts.Retry()

    def test_tells_the_hub_when(self) -> None:
        flags = Flags(
            retries=Retry(5, backoff=0.5, max_backoff=8, jitter=0.1, on_engine_lost=False)
        )

        assert flags.count == 5
        assert flags.wire == parts.Options(parts.Retry(0.5, 8.0, 0.1, on_engine_lost=0))

    @pytest.mark.parametrize(
        ("parameters", "error", "text"),
        [
            ({"n": -1}, ValueError, "n must not be negative, but is -1"),
            ({"n": 1.5}, TypeError, "n must be an integer, not 1.5"),
            ({"n": 1, "on": 5}, TypeError, "on must be an exception class or several, not 5"),
            ({"n": 1, "on": (int,)}, TypeError, "on must be an exception class or several"),
            ({"n": 1, "not_on": "OSError"}, TypeError, "not_on must be an exception class"),
            ({"n": 1, "backoff": -0.1}, ValueError, "backoff must not be negative, but is -0.1"),
            ({"n": 1, "jitter": "much"}, TypeError, "jitter must be a number of seconds"),
            ({"n": 1, "max_backoff": math.nan}, ValueError, "max_backoff must not be negative"),
        ],
        ids=str,
    )
    def test_refuses_what_makes_no_sense(
        self, parameters: dict[str, Any], error: type[Exception], text: str
    ) -> None:
        with pytest.raises(error, match=text):
            Retry(**parameters)

    def test_equals_one_that_says_the_same(self) -> None:
        assert Retry(np.int64(2), on=[OSError]) == Retry(2, on=OSError)  # type: ignore[arg-type]


class TestFlags:
    def test_of_a_plain_task_put_nothing_on_the_wire(self) -> None:
        flags = Flags(block=True, label="fit", retries=2, return_exceptions=True, targets=[1])

        assert flags.wire is None

    @pytest.mark.parametrize(
        ("name", "given", "kept", "options"),
        [
            ("time_limit", 2, 2.0, parts.Options(time_limit=2.0)),
            ("time_limit", timedelta(minutes=1), 60.0, parts.Options(time_limit=60.0)),
            ("time_limit", math.inf, 0.0, None),
            ("time_limit", None, 0.0, None),
            ("time_limit", np.float32(0.5), 0.5, parts.Options(time_limit=0.5)),
            ("soft_time_limit", 1, 1.0, parts.Options(soft_time_limit=1.0)),
            ("expires", 3, 3.0, parts.Options(expires=3.0)),
            ("timeout", 4, 4.0, parts.Options(patience=4.0)),
            ("priority", -5, -5, parts.Options(priority=-5)),
            ("key", "a", "a", parts.Options(key="a")),
            ("key", None, "", None),
            ("key", "\udc80", "\\udc80", parts.Options(key="\\udc80")),
            (
                "resources",
                {"gpu": 1, "disk": 0.5},
                {"gpu": 1.0, "disk": 0.5},
                parts.Options(resources=(("disk", 0.5), ("gpu", 1.0))),
            ),
            (
                "resources",
                ["big", "fast"],
                {"big": 1.0, "fast": 1.0},
                parts.Options(resources=(("big", 1.0), ("fast", 1.0))),
            ),
            ("resources", None, {}, None),
            ("label", 5, "5", None),
            ("block", 1, True, None),
            ("retries", np.int64(2), 2, None),
            ("retries", 10**9, 1_000_000, None),
        ],
    )
    def test_keep_what_is_meant(
        self, name: str, given: object, kept: object, options: parts.Options | None
    ) -> None:
        flags = Flags().but({name: check(name, given)})

        assert getattr(flags, name) == kept
        assert flags.wire == options

    @pytest.mark.parametrize(
        ("name", "value", "error", "text"),
        [
            ("time_limit", -1, ValueError, "time_limit must not be negative, but is -1"),
            ("time_limit", "2", TypeError, "time_limit must be a number of seconds, not '2'"),
            ("time_limit", True, TypeError, "time_limit must be a number of seconds, not True"),
            ("time_limit", math.nan, ValueError, "time_limit must not be negative, but is nan"),
            ("expires", [1], TypeError, r"expires must be a number of seconds, not \[1\]"),
            ("timeout", -0.1, ValueError, "timeout must not be negative, but is -0.1"),
            ("priority", 1.0, TypeError, "priority must be an integer, not 1.0"),
            ("priority", True, TypeError, "priority must be an integer, not True"),
            ("priority", 1 << 31, ValueError, "priority must be within 32 bits"),
            ("retries", "2", TypeError, "retries must be an integer or a Retry, not '2'"),
            ("retries", -1, ValueError, "retries must not be negative, but is -1"),
            ("resources", "gpu", TypeError, "resources must be a dict of amounts or a list"),
            ("resources", 1, TypeError, "resources must be a dict of amounts or a list"),
            ("resources", [1], TypeError, "resources must be named by strings, not 1"),
            ("resources", {"gpu": -1}, ValueError, r"resources\['gpu'\] must not be negative"),
            ("resources", {"gpu": "1"}, TypeError, r"resources\['gpu'\] must be a number"),
            ("key", 5, TypeError, "key must be a string, not 5"),
            ("after", "nonsense", InvalidDependency, "'nonsense' is not a task id"),
            ("follow", 5, TypeError, "dependencies are AsyncResults or ids of tasks, not 5"),
            ("after", [5], TypeError, "a dependency is an AsyncResult or a task's id, not 5"),
        ],
    )
    def test_refuse_what_makes_no_sense(
        self, name: str, value: object, error: type[Exception], text: str
    ) -> None:
        with pytest.raises(error, match=text):
            check(name, value)

    def test_changed_by_nothing_are_the_same_object(self) -> None:
        flags = Flags()

        assert flags.but({}) is flags

    def test_have_resources_that_nobody_changes_behind_their_back(self) -> None:
        given = {"gpu": 1}
        kept = check("resources", given)
        given["gpu"] = 2

        assert kept == {"gpu": 1.0}
        assert isinstance(kept, MappingProxyType)

    def test_of_a_dependency_on_nothing_have_none(self) -> None:
        assert check("after", []) is None
        assert check("after", None) is None
        assert check("after", Dependency()) is None


def test_an_unknown_option_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(OptionError, match="no option 'time_limt'; did you mean 'time_limit'") as it:
        check_names(["label", "time_limt"], ["label", "time_limit"], "LoadBalancedView")

    assert isinstance(it.value, TypeError)
    assert (it.value.name, it.value.known) == ("time_limt", ["label", "time_limit"])
