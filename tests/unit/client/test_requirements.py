import math
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any

import cloudpickle
import pytest

from ipcluster_ext.client.requirements import depend, dependent, interactive, require
from ipcluster_ext.engine.functions import bind
from ipcluster_ext.errors import UnmetDependency
from tests.support.notebooks import cell


def arrived(function: Callable[..., Any], namespace: dict[str, Any]) -> Callable[..., Any]:
    """Return a function as an engine gets it."""
    return bind(pickle.loads(cloudpickle.dumps(function)), namespace)


class TestRequire:
    def test_imports_modules_into_the_engines_namespace(self) -> None:
        namespace: dict[str, Any] = {}
        call = cell("def call(): return math.pi, os.path.sep")["call"]

        value = arrived(require("math", "os.path")(call), namespace)()

        assert value == (math.pi, "/")
        assert sorted(namespace) == ["math", "os"]

    def test_takes_modules_functions_and_named_objects(self) -> None:
        namespace: dict[str, Any] = {}
        names = cell(
            """
            def helper(): return factor
            def call(): return math.floor(2.5) * helper()
            """
        )
        call = FunctionType(names["call"].__code__, {"__name__": "__main__"}, "call")

        value = arrived(require(math, names["helper"], factor=5)(call), namespace)()

        assert value == 10
        assert namespace["factor"] == 5

    def test_tells_of_a_module_that_is_not_there(self) -> None:
        call = arrived(require("no_such_module")(abs), {})

        with pytest.raises(UnmetDependency, match="module 'no_such_module' cannot be imported"):
            call(1)

    def test_refuses_what_has_no_name(self) -> None:
        with pytest.raises(TypeError, match="5 has no name; require it as a keyword argument"):
            require(5)

    def test_refuses_to_decorate_what_cannot_be_called(self) -> None:
        with pytest.raises(TypeError, match="5 is not callable"):
            require("math")(5)  # type: ignore[arg-type]

    def test_keeps_the_functions_name_and_documentation(self) -> None:
        required = require("math")(interactive)

        assert (required.__name__, required.__doc__) == ("interactive", interactive.__doc__)

    def test_works_where_it_is_called(self) -> None:
        call = cell("def call(): return math.floor(2.5)")["call"]

        assert require("math")(call)() == 2


class TestDependent:
    @pytest.mark.parametrize("met", [True, 1, "x", None])
    def test_is_called_where_the_condition_holds(self, met: object) -> None:
        assert dependent(pow, lambda: met)(2, 3) == 8

    @pytest.mark.parametrize("met", [False, 0, ""])
    def test_is_refused_where_it_does_not(self, met: object) -> None:
        def condition() -> object:
            return met

        with pytest.raises(UnmetDependency, match="condition does not hold here, and pow depends"):
            dependent(pow, condition)(2, 3)

    def test_passes_its_arguments_on_to_the_condition(self) -> None:
        seen: list[Any] = []

        def condition(*args: object, **kwargs: object) -> None:
            seen.append((args, kwargs))

        depend(condition, 1, f=2)(abs)(-1)

        assert seen == [((1,), {"f": 2})]

    def test_has_both_functions_look_into_the_engines_namespace(self) -> None:
        names = cell("def condition(): return here == 3\ndef call(): return here")

        assert arrived(dependent(names["call"], names["condition"]), {"here": 3})() == 3

    def test_may_require_something_as_well(self) -> None:
        call = cell("def call(): return math.floor(2.5)")["call"]

        both = arrived(depend(lambda: True)(require("math")(call)), {})
        neither = arrived(require("math")(depend(lambda: False)(call)), {})

        assert both() == 2
        with pytest.raises(UnmetDependency):
            neither()

    def test_refuses_what_cannot_be_called(self) -> None:
        with pytest.raises(TypeError, match="5 is not callable"):
            dependent(5, abs)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="5 is not callable"):
            dependent(abs, 5)  # type: ignore[arg-type]


def of_a_module(x: int, y: int = 2, *, z: int = 3) -> tuple[Any, ...]:
    """Return things, one of them from nowhere."""
    return x, y, z, there  # type: ignore[name-defined] # noqa: F821 - the engine has it


class TestInteractive:
    def test_has_a_modules_function_look_into_the_engines_namespace(self) -> None:
        assert arrived(interactive(of_a_module), {"there": 4})(1) == (1, 2, 3, 4)

    def test_keeps_everything_else(self) -> None:
        function = interactive(of_a_module)

        assert (function.__name__, function.__doc__) == ("of_a_module", of_a_module.__doc__)
        assert function.__module__ == "__main__"
        assert of_a_module.__module__ != "__main__"

    def test_leaves_alone_what_is_no_function(self) -> None:
        assert interactive(abs) is abs
