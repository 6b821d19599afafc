"""The text of a notebook's cell goes along with the functions that it defines."""

import inspect
import linecache
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ipcluster_ext.protocol import sources
from ipcluster_ext.protocol.buffers import dump, load
from ipcluster_ext.protocol.functions import pack
from ipcluster_ext.protocol.sources import MOST_CHARACTERS, MOST_KEPT, keep, title_of

NAME = "/tmp/ipykernel_1/2.py"
CELL = """\
def outer(x):
    def inner(y):
        return 1 / y
    return inner(x)
"""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Have nothing in memory that a test has put there."""
    yield
    linecache.cache.pop(NAME, None)
    for kept in (sources._titles, sources._made):  # noqa: SLF001 - those of the whole process
        kept.clear()


def defined(code: str = CELL) -> Callable[..., Any]:
    """Define a function in a cell, as IPython does."""
    linecache.cache[NAME] = (len(code), None, code.splitlines(keepends=True), NAME)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, NAME, "exec"), names)  # noqa: S102 - a user's cell
    function: Callable[..., Any] = names["outer"]
    return function


def test_a_function_can_be_read_where_it_arrives() -> None:
    pickled = pack(defined()).pickled
    linecache.cache.pop(NAME)

    arrived = pickle.loads(pickled)

    assert inspect.getsource(arrived) == CELL
    assert pickled.count(b"return inner") == 1


def test_a_function_among_arguments_can_be_read_as_well() -> None:
    dumped = dump({"f": defined()})
    linecache.cache.pop(NAME)

    assert inspect.getsource(load(*dumped)["f"]) == CELL


def test_a_function_of_a_file_brings_nothing_along() -> None:
    function = defined()
    linecache.cache[NAME] = (len(CELL), 17.0, CELL.splitlines(keepends=True), NAME)

    assert b"return inner" not in pack(function).pickled


def test_a_cell_that_is_very_long_stays_at_home() -> None:
    function = defined(CELL + "#" * MOST_CHARACTERS)

    assert b"return inner" not in pack(function).pickled


def test_what_a_cell_is_called_goes_along() -> None:
    keep((NAME, "Cell In[7]", CELL))

    assert title_of(NAME) == "Cell In[7]"


def test_what_this_process_has_of_its_own_is_not_replaced() -> None:
    defined()

    keep((NAME, "Cell In[7]", "other"))

    assert linecache.getline(NAME, 1) == "def outer(x):\n"


def test_what_came_from_elsewhere_is_replaced() -> None:
    keep((NAME, "", "first"))
    keep((NAME, "", "second"))

    assert linecache.getline(NAME, 1) == "second\n"


def test_not_more_texts_are_kept_than_the_limit() -> None:
    names = [f"/tmp/ipykernel_1/{number}.py" for number in range(MOST_KEPT + 3)]
    for name in names:
        keep((name, "", "text"))

    kept = [name for name in names if name in linecache.cache]

    assert kept == names[3:]
    for name in kept:
        del linecache.cache[name]
