import math

import pytest

from ipcluster_ext.client.lazy import MOST, Window


def test_a_window_begins_with_two_tasks_for_each_engine() -> None:
    assert Window("auto", lambda: 4).size == 8
    assert Window("auto", lambda: 0).size == 2


def test_a_window_grows_while_values_of_short_tasks_are_waited_for() -> None:
    window = Window("auto", lambda: 4)

    for _ in range(10):
        window.taken(0.0001, waited=True)
    for _ in range(10):
        window.taken(0.0001, waited=False)

    assert window.size == 18


def test_a_window_does_not_grow_for_long_tasks() -> None:
    window = Window("auto", lambda: 4)

    for _ in range(100):
        window.taken(1.0, waited=True)

    assert window.size == 8


def test_a_window_has_an_end() -> None:
    window = Window("auto", lambda: 1000)

    for _ in range(2 * MOST):
        window.taken(0.0, waited=True)

    assert window.size == MOST


@pytest.mark.parametrize(("given", "size"), [(1, 1), (7, 7), (0, math.inf)])
def test_a_fixed_window_stays_as_it_is(given: int, size: float) -> None:
    window = Window(given, lambda: 4)

    window.taken(0.0, waited=True)

    assert window.size == size


def test_a_window_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="'auto' or not negative, but is -1"):
        Window(-1, lambda: 4)
    with pytest.raises(TypeError, match="float"):
        Window(1.5, lambda: 4)  # type: ignore[arg-type]
