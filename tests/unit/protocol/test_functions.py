import functools
import math
import operator
import pickle
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from ipcluster_ext.errors import SerializationError
from ipcluster_ext.protocol import functions
from ipcluster_ext.protocol.functions import global_names, importable_elsewhere, pack
from ipcluster_ext.protocol.picklers import dump_function
from ipcluster_ext.protocol.wrappers import Wrapper


class Notebook:
    """A namespace in which functions are defined as in a notebook's cells."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}

    def cell(self, source: str) -> Any:
        """Run a cell; return what it calls `f`."""
        exec(source, self.names)  # noqa: S102 - a notebook's cell
        return self.names["f"]


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def pickles(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """List everything that is pickled during a test."""
    pickled: list[object] = []
    dumps = dump_function

    def counting(value: Callable[..., Any]) -> bytes:
        pickled.append(value)
        return dumps(value)

    monkeypatch.setattr(functions, "dump_function", counting)
    return pickled


def called(function: Callable[..., Any], *args: object) -> Any:
    """Call a function's pickle, as an engine would."""
    return pickle.loads(pack(function).pickled)(*args)


SIMPLE = [
    "f = lambda x: x + 1",
    "def f(x):\n    return x + 1",
    "def f(x, by=1):\n    return x + by",
    "n = 1\ndef f(x):\n    return x + n",
    "import math\ndef f(x):\n    return x + int(math.cos(0))",
    "def g(x):\n    return x + 1\ndef f(x):\n    return g(x)",
    "from operator import add\ndef f(x):\n    return add(x, 1)",
    "def make(n):\n    def inner(x):\n        return x + n\n    return inner\nf = make(1)",
    "pair = (1, (2, 'three'))\ndef f(x):\n    return x + pair[0]",
    "def f(x):\n    return x + 1 if x > 3 else f(x + 1) - 1",
    "from fractions import Fraction\ndef f(x):\n    return int(x + Fraction(1))",
]


@pytest.mark.parametrize("source", SIMPLE)
def test_a_function_that_refers_to_nothing_mutable_is_pickled_once(
    source: str, notebook: Notebook, pickles: list[object]
) -> None:
    f = notebook.cell(source)

    first, second = pack(f), pack(f)

    assert first is second
    assert pickles == [f]
    assert called(f, 3) == 4


MUTABLE = [
    "factors = [2]\ndef f(x):\n    return x * factors[0]",
    "factors = {0: 2}\ndef f(x):\n    return x * factors[0]",
    "factors = [2]\npair = (factors,)\ndef f(x):\n    return x * pair[0][0]",
    "factors = [2]\ndef f(x, factors=factors):\n    return x * factors[0]",
    "factors = [2]\ndef g(x):\n    return x * factors[0]\ndef f(x):\n    return g(x)",
    "factors = [2]\ndef g(x):\n    return x * factors[0]\np = (g,)\ndef f(x):\n    return p[0](x)",
    "factors = [2]\nf = (lambda factors: lambda x: x * factors[0])(factors)",
    "factors = [2]\ndef f(x):\n    return (lambda: x * factors[0])()",
    "factors = [2]\nclass K:\n    m = lambda _, x: x * factors[0]\ndef f(x):\n    return K().m(x)",
    "factors = {0: 2}\nlook = factors.get\ndef f(x):\n    return x * look(0)",
    "from types import *\nfactors = ModuleType('new')\nvars(factors)[0] = 2\n"
    "def f(x):\n    return x * vars(factors)[0]",
]


@pytest.mark.parametrize("source", MUTABLE)
def test_a_function_that_refers_to_something_mutable_is_pickled_as_it_is_now(
    source: str, notebook: Notebook
) -> None:
    f = notebook.cell(source)
    before = pack(f)

    notebook.cell("(vars(factors) if hasattr(factors, '__dict__') else factors)[0] = 3")

    assert pack(f).digest != before.digest
    assert called(f, 10) == 30


CHANGES = [
    ("n = 1\ndef f(x):\n    return x + n", "n = 2"),
    ("n = None\ndef f(x):\n    return x + (n or 1)", "n = 2"),
    ("def f(x):\n    return x + globals().get('n', 1) + 0 * len(str(n if 'n' in globals() else 0))",
     "n = 2"),
    ("def f(x, n=1):\n    return x + n", "f.__defaults__ = (2,)"),
    ("def f(x, *, n=1):\n    return x + n", "f.__kwdefaults__['n'] = 2"),
    ("def f(x):\n    return x + 1", "def _g(x):\n    return x + 2\nf.__code__ = _g.__code__"),
    ("def g(x):\n    return x + 1\ndef f(x):\n    return g(x)", "def g(x):\n    return x + 2"),
    ("n = 1\ndef g(x):\n    return x + n\ndef f(x):\n    return g(x)", "n = 2"),
    ("n = 1\ndef f(x):\n    return sum(x + n for _ in range(1))", "n = 2"),
    ("pair = (1, 2)\ndef f(x):\n    return x + pair[0]", "pair = (2, 2)"),
    ("def f(x):\n    return x + f.n\nf.n = 1", "f.n = 2"),
    ("def make(n):\n    return lambda x: x + n\nf = make(1)", "f.__closure__[0].cell_contents = 2"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "change"), CHANGES)
def test_a_function_whose_meaning_changed_gets_a_new_digest(
    source: str, change: str, notebook: Notebook
) -> None:
    f = notebook.cell(source)
    before = pack(f)
    outcome_before = called(f, 10)

    notebook.cell(change)

    assert pack(f).digest != before.digest
    assert (outcome_before, called(f, 10)) == (11, 12)


def test_a_function_whose_global_is_set_to_an_equal_value_keeps_its_digest(
    notebook: Notebook,
) -> None:
    f = notebook.cell("n = 1000\ndef f(x):\n    return x + n")
    before = pack(f)

    notebook.cell("n = int('1000')")

    assert pack(f).digest == before.digest


def test_what_a_pickle_remembers_does_not_keep_its_function_alive(notebook: Notebook) -> None:
    pack(notebook.cell("def f(x):\n    return f(x)"))
    count_before = len(functions._remembered)  # noqa: SLF001 - a leak shows nowhere else

    del notebook.names["f"]

    assert len(functions._remembered) == count_before - 1  # noqa: SLF001


@pytest.mark.parametrize(
    "function", [math.sin, operator.add, operator.itemgetter, len, functools.reduce, Path, str]
)
def test_an_importable_callable_travels_by_name(function: Callable[..., Any]) -> None:
    packed = pack(function)

    assert len(packed.pickled) < 80
    assert pickle.loads(packed.pickled) is function


def test_an_importable_callable_is_pickled_once(pickles: list[object]) -> None:
    first, second = pack(operator.attrgetter), pack(operator.attrgetter)

    assert first is second
    assert pickles == [operator.attrgetter]


@pytest.mark.parametrize(
    "function", [functools.partial(operator.add, 1), operator.methodcaller("__add__", 1)]
)
def test_a_callable_instance_travels(function: Callable[[int], int]) -> None:
    assert called(function, 3) == 4


def test_a_bound_method_travels_with_its_object_as_it_is_now() -> None:
    seen = [1, 2]
    before = called(seen.count, 2)

    seen.append(2)

    assert (before, called(seen.count, 2)) == (1, 2)


def test_two_equal_lambdas_have_one_digest() -> None:
    one, other = (Notebook().cell("f = lambda x: x + 1") for _ in range(2))

    assert pack(one).digest == pack(other).digest


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (math.sqrt, "sqrt"),
        (Path.exists, "Path.exists"),
        (functools.partial(math.pow, 2), "pow"),
        (operator.itemgetter(0), "itemgetter"),
    ],
)
def test_a_function_is_called_what_its_author_calls_it(
    function: Callable[..., Any], name: str
) -> None:
    assert pack(function).name == name


def test_what_is_not_callable_is_refused() -> None:
    with pytest.raises(TypeError, match="3 is not callable"):
        pack(3)


def test_a_function_that_cannot_be_pickled_is_refused_by_its_name(notebook: Notebook) -> None:
    notebook.names["lock"] = threading.Lock()
    f = notebook.cell("def f(x):\n    return lock")

    with pytest.raises(SerializationError) as caught:
        pack(f)

    assert caught.value.what == "the function 'f'"
    assert "cannot pickle '_thread.lock' object" in caught.value.cause


def test_names_are_those_of_nested_functions_too(notebook: Notebook) -> None:
    f = notebook.cell("def f(x):\n    return a(lambda: b(x)), [c for _ in x]")

    assert set(global_names(f.__code__)) == {"a", "b", "c"}


class TestModules:
    @pytest.fixture
    def module(self, tmp_path: Path) -> Iterator[types.ModuleType]:
        """Import a module from a folder that is not on the path any more."""
        name = f"only_here_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(
            "n = 1\nfactors = [2]\n"
            "def f(x):\n    return x + n\n"
            "def g(x):\n    return x * factors[0]\n"
            "class Adder:\n    def __call__(self, x):\n        return x + n\n"
            "adder = Adder()\n"
        )
        sys.path.insert(0, str(tmp_path))
        module = __import__(name)
        sys.path.remove(str(tmp_path))
        yield module
        if name in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.unregister_pickle_by_value(module)
        sys.modules.pop(name, None)

    def test_a_module_that_another_process_could_not_import_is_told(
        self, module: types.ModuleType
    ) -> None:
        known = {name: importable_elsewhere(name) for name in ("json", "numpy.linalg", "sys")}

        assert known == {"json": True, "numpy.linalg": True, "sys": True}
        assert not importable_elsewhere(module.__name__)
        assert not importable_elsewhere("no_such_module")

    @pytest.mark.parametrize(("name", "outcome"), [("f", 11), ("g", 20), ("adder", 11)])
    def test_a_function_of_such_a_module_travels_by_value(
        self, name: str, outcome: int, module: types.ModuleType
    ) -> None:
        packed = pack(getattr(module, name))
        del sys.modules[module.__name__]

        arrived = pickle.loads(packed.pickled)

        sys.modules[module.__name__] = module
        assert arrived(10) == outcome

    def test_a_function_of_such_a_module_is_pickled_anew_once_its_global_changed(
        self, module: types.ModuleType
    ) -> None:
        before = pack(module.f)

        module.n = 5  # type: ignore[attr-defined]

        assert pack(module.f).digest != before.digest

    @pytest.mark.parametrize(
        "source",
        [
            "def f(x):\n    return module.f(x)",
            "g = module.f\ndef f(x):\n    return g(x)",
            "seen, g = [], module.f\ndef f(x):\n    seen.append(x)\n    return g(x)",
            "def f(x, *, g=module.f):\n    return g(x)",
        ],
    )
    def test_a_notebooks_function_that_uses_such_a_module_takes_it_along(
        self, source: str, module: types.ModuleType, notebook: Notebook
    ) -> None:
        notebook.names["module"] = module
        f = notebook.cell(source)
        packed = pack(f)
        del sys.modules[module.__name__]

        arrived = pickle.loads(packed.pickled)

        sys.modules[module.__name__] = module
        assert arrived(10) == 11


async def awaited() -> None:
    """Do nothing."""


class Awaited:
    async def __call__(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("function", "awaits"),
    [
        (awaited, True),
        (functools.partial(awaited), True),
        (functools.partial(functools.partial(awaited)), True),
        (Wrapper(awaited), True),
        (functools.partial(Wrapper(awaited)), True),
        (Awaited(), True),
        (Awaited, False),
        (abs, False),
        (len, False),
        (functools.partial(pow, 2), False),
        (Wrapper(abs), False),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),
)
def test_a_coroutine_function_is_known_in_any_disguise(
    function: Callable[..., Any], awaits: bool
) -> None:
    assert pack(function).awaits is awaits
