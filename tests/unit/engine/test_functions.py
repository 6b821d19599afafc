import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import cloudpickle
import pytest

from ipcluster_ext.engine.functions import Functions, bind, stored_globals
from ipcluster_ext.engine.resolver import Resolver
from ipcluster_ext.errors import ProtocolError
from ipcluster_ext.protocol.standins import Reference
from ipcluster_ext.transport.blobs import BlobStore
from tests.support.notebooks import cell

Namespace = dict[str, Any]


def sent(code: str, name: str) -> bytes:
    """Pickle what a notebook's cell defines."""
    pickled: bytes = cloudpickle.dumps(cell(code)[name])
    return pickled


def functions_of(namespace: Namespace) -> Functions:
    """Return the functions of an engine without any shared memory."""
    return Functions(namespace, Resolver(namespace, BlobStore("", "e0x1")))


def arrived(code: str, name: str, namespace: Namespace) -> Callable[..., Any]:
    """Return what a notebook's cell defines, as an engine has it."""
    functions = functions_of(namespace)
    functions.define(b"f", sent(code, name))
    return functions.get(b"f")


class TestFunctions:
    def test_are_unpickled_once(self) -> None:
        functions = functions_of({})
        functions.define(b"f", cloudpickle.dumps(lambda: 1))

        assert functions.get(b"f") is functions.get(b"f")

    def test_that_were_not_sent_are_named(self) -> None:
        with pytest.raises(ProtocolError, match="function 6162 was not sent"):
            functions_of({}).get(b"ab")

    def test_that_were_forgotten_are_gone(self) -> None:
        functions = functions_of({})
        functions.define(b"f", cloudpickle.dumps(len))
        functions.get(b"f")

        functions.forget(b"f")
        functions.forget(b"never")

        with pytest.raises(ProtocolError):
            functions.get(b"f")

    def test_that_cannot_be_unpickled_raise_each_time(self) -> None:
        functions = functions_of({})
        functions.define(b"f", b"nonsense")

        for _ in range(2):
            with pytest.raises(pickle.UnpicklingError):
                functions.get(b"f")

    def test_that_are_names_here_mean_what_those_mean_at_each_call(self) -> None:
        namespace: Namespace = {"f": len}
        functions = functions_of(namespace)
        functions.define(b"f", cloudpickle.dumps(Reference("f")))
        before = functions.get(b"f")
        namespace["f"] = abs

        assert (before, functions.get(b"f")) == (len, abs)

    def test_with_names_inside_mean_what_those_mean_at_each_call(self) -> None:
        namespace: Namespace = {"base": 2}
        functions = functions_of(namespace)
        functions.define(b"f", cloudpickle.dumps(partial(pow, Reference("base"))))
        before = functions.get(b"f")(3)
        namespace["base"] = 10

        assert (before, functions.get(b"f")(3)) == (8, 1000)

    def test_of_modules_are_left_alone(self) -> None:
        assert bind(cloudpickle.dumps, {"name": 1}) is cloudpickle.dumps
        assert bind(len, {}) is len
        assert bind(int, {}) is int


class TestAFunctionThatBringsNothing:
    def test_sees_the_namespace(self) -> None:
        assert arrived("def f(): return x", "f", {"x": 3})() == 3

    def test_assigns_in_the_namespace(self) -> None:
        namespace: Namespace = {"x": 3}

        arrived("def f():\n    global x, y\n    x += 1; y = 1; del x", "f", namespace)()

        assert {name: namespace[name] for name in ("x", "y") if name in namespace} == {"y": 1}

    def test_is_otherwise_what_it_was(self) -> None:
        code = """
            def f(a, b=2, *, c=3):
                "Say."
                return a, b, c
            f.mark = "m"
        """
        function = arrived(code, "f", {})

        assert function(1) == (1, 2, 3)
        assert function(1, c=5) == (1, 2, 5)
        assert (function.__name__, function.__doc__) == ("f", "Say.")
        assert vars(function)["mark"] == "m"

    def test_keeps_its_closure(self) -> None:
        code = "def make(n):\n    def f(): return n + x\n    return f\ninner = make(5)"

        assert arrived(code, "inner", {"x": 1})() == 6


class TestAFunctionThatBringsGlobals:
    CODE = """
        import math
        step = 10
        def helper(): return step + offset
        def f(): return helper(), math.floor(2.5), step
    """

    def test_uses_them_where_the_engine_has_none(self) -> None:
        assert arrived(self.CODE, "f", {"offset": 1})() == (11, 2, 10)

    def test_prefers_those_of_the_engine(self) -> None:
        namespace: Namespace = {"offset": 1, "step": 20}
        function = arrived(self.CODE, "f", namespace)

        assert function() == (21, 2, 20)
        namespace["step"] = 30
        assert function() == (31, 2, 30)
        del namespace["step"]
        assert function() == (11, 2, 10)

    def test_misses_what_nobody_has(self) -> None:
        namespace: Namespace = {"offset": 1}
        function = arrived(self.CODE, "f", namespace)
        function()
        del namespace["offset"]

        with pytest.raises(NameError, match="offset"):
            function()

    def test_assigns_in_the_namespace(self) -> None:
        code = """
            step = 10
            def helper():
                global count
                count = step
            def f():
                helper()
                return count
        """
        namespace: Namespace = {}

        assert arrived(code, "f", namespace)() == 10
        assert namespace["count"] == 10
        assert "step" not in namespace

    def test_assigns_in_the_namespace_also_if_it_fails(self) -> None:
        code = """
            step = 10
            def f():
                global count
                count = step
                raise KeyError
        """
        namespace: Namespace = {}

        with pytest.raises(KeyError):
            arrived(code, "f", namespace)()
        assert namespace == {"count": 10}

    def test_may_call_itself(self) -> None:
        code = "one = 1\ndef f(n): return n * f(n - one) if n else one"

        assert arrived(code, "f", {})(5) == 120

    def test_does_not_leak_into_the_namespace(self) -> None:
        namespace: Namespace = {"offset": 1}

        arrived(self.CODE, "f", namespace)()

        assert namespace == {"offset": 1}


def test_stored_globals_are_those_that_code_assigns_wherever_it_is_nested() -> None:
    code = """
        def f():
            global a
            a = b = 1
            class C:
                global d
                d = 1
            def g():
                global e
                e = h
            return [k for k in ()]
    """
    assert stored_globals(cell(code)["f"].__code__) == {"a", "d", "e"}
