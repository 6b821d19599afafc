"""Cells of front ends, and what comes in between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ipcluster_ext.engine.visits import Visits

if TYPE_CHECKING:
    from ipcluster_ext.engine.current import Current
    from ipcluster_ext.engine.kernel import EngineKernel
    from ipcluster_ext.engine.outbox import Outbox

REQUEST = {"content": {"code": "1 + 1"}}
OUTCOME = SimpleNamespace(error_before_exec=None, error_in_exec=None)


def interrupt() -> None:
    raise KeyboardInterrupt


class Screen:
    """What front ends hear."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def publish(self, kind: str, content: dict[str, Any], _request: object) -> None:
        self.said.append((kind, content))


class Kernel:
    """A kernel in which something happens before, in or after a cell's code."""

    def __init__(self, **happens: Callable[[], None]) -> None:
        self._happens = happens
        self.engine_shell = SimpleNamespace(
            execution_count=7,
            run_cell=self._run_cell,
            user_expressions=dict,
            payload_manager=SimpleNamespace(read_payload=list, clear_payload=lambda: None),
        )

    def _now(self, when: str) -> None:
        if when in self._happens:
            self._happens[when]()

    def _run_cell(self, _code: str, **_options: bool) -> object:
        self._now("within")
        return OUTCOME

    @contextmanager
    def collecting(self) -> Iterator[object]:
        self._now("before")
        yield SimpleNamespace(traceback=None)

    @contextmanager
    def asking(self, *, allowed: bool) -> Iterator[None]:
        assert not allowed
        yield

    def tidy_history(self) -> None:
        self._now("after")


def run(kernel: Kernel, screen: Screen) -> dict[str, Any]:
    visits = Visits(cast("EngineKernel", kernel), cast("Outbox", screen), cast("Current", None))
    return visits.run_cell(REQUEST)


def test_a_cell_that_ends_well_is_answered_so() -> None:
    screen = Screen()

    reply = run(Kernel(), screen)

    assert (reply["status"], reply["execution_count"]) == ("ok", 7)
    assert screen.said == [("execute_input", {"code": "1 + 1", "execution_count": 7})]


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_an_interrupt_that_misses_the_code_of_a_cell_that_was_shown_to_run_ends_it_as_well(
    when: str,
) -> None:
    screen = Screen()

    reply = run(Kernel(**{when: interrupt}), screen)

    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    assert [kind for kind, _ in screen.said] == ["execute_input", "error"]
